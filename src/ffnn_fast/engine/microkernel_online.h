/* One sample: rows of W as they lie, vectors along the inputs, several rows at a time. Included by microkernel.h. */

#ifndef MK_GROUPS
/* CALL(o, R) for groups of rows o..o + R, R = most, 4, 2, 1; `most` and R are constants. */
#define MK_GROUP(R, CALL) for (; rows_ - o_ >= R; o_ += R) CALL(o_, R);
#define MK_GROUPS(rows, most, CALL) do { \
    ptrdiff_t o_ = 0; \
    const ptrdiff_t rows_ = rows; \
    if (most > 4) MK_GROUP(most, CALL) \
    if (most >= 4) MK_GROUP(4, CALL) \
    MK_GROUP(2, CALL) MK_GROUP(1, CALL) } while (0)
#endif

/* acc[r] += the first min(n, LANES) products of row r of W and h */
MK_INLINE void fn(dot_column)(const int R, ptrdiff_t n, const real *W, ptrdiff_t ldw, const real *h, vec acc[LANES])
{
    const vec x = vfn(load_some)(h, n);
    MK_UNROLL for (int r = 0; r < R; r++) acc[r] += vfn(load_some)(W + r * ldw, n) * x;
}

/* a := b + W h for R <= LANES rows */
MK_INLINE void fn(dot_rows)(const int R, ptrdiff_t in, const real *W, const real *b, const real *h, real *a)
{
    vec acc[LANES];
    ptrdiff_t i = 0;
    MK_UNROLL for (int r = 0; r < LANES; r++) acc[r] = (vec){0};
    for (; in - i >= LANES; i += LANES) fn(dot_column)(R, LANES, W + i, in, h + i, acc);
    if (i < in) fn(dot_column)(R, in - i, W + i, in, h + i, acc);
    vfn(store_some)(a, vfn(load_some)(b, R) + vfn(sums)(acc), R);
}

/* a := b + W h,  W (out, in) */
static inline void fn(gemv)(ptrdiff_t out, ptrdiff_t in, const real *W, const real *b, const real *h, real *a)
{
#define MK_CALL(o, R) fn(dot_rows)(R, in, W + (o) * in, b + (o), h, a + (o))
    MK_GROUPS(out, LANES, MK_CALL);
#undef MK_CALL
}


/* One column, the first min(n, LANES) inputs, of sweep_rows. */
MK_INLINE void fn(sweep_column)(const int R, const int back, const int decays, const int ahead, ptrdiff_t n, real *W, ptrdiff_t ldw,
                                const real *h, const vec da[4], const vec step[4], real decay, int more, real *dh, const real *next, vec acc[LANES])
{
    const vec x = vfn(load_some)(h, n);
    vec w[4], sum = {0};
    MK_UNROLL for (int r = 0; r < R; r++) w[r] = vfn(load_some)(W + r * ldw, n);
    if (back) {
        if (more) sum = vfn(load_some)(dh, n);
        MK_UNROLL for (int r = 0; r < R; r++) sum += da[r] * w[r];
        vfn(store_some)(dh, sum, n);
    }
    MK_UNROLL for (int r = 0; r < R; r++) {
        if (decays) {
            w[r] *= decay;
            MK_ROUND(w[r]);
        }
        w[r] += step[r] * x;
        vfn(store_some)(W + r * ldw, w[r], n);
    }
    if (ahead) {
        const vec y = vfn(load_some)(next, n);
        MK_UNROLL for (int r = 0; r < R; r++) acc[r] += w[r] * y;
    }
}

/* For R <= 4 rows:  back: dh := (dh if more) + W^T da;  then W := decay W - rate da h^T;  then ahead: a := b + W next */
MK_INLINE void fn(sweep_rows)(const int R, const int back, const int decays, const int ahead, ptrdiff_t in, real *W, const real *h,
                              const real *da, real rate, real decay, int more, real *dh, const real *b, const real *next, real *a)
{
    vec d[4], step[4], acc[LANES];
    ptrdiff_t i = 0;
    MK_UNROLL for (int r = 0; r < R; r++) {
        d[r] = da[r] - (vec){0};
        step[r] = -rate * d[r];
    }
    MK_UNROLL for (int r = 0; r < LANES; r++) acc[r] = (vec){0};
    for (; in - i >= LANES; i += LANES)
        fn(sweep_column)(R, back, decays, ahead, LANES, W + i, in, h + i, d, step, decay, more, dh + i, next + i, acc);
    if (i < in) fn(sweep_column)(R, back, decays, ahead, in - i, W + i, in, h + i, d, step, decay, more, dh + i, next + i, acc);
    if (ahead) vfn(store_some)(a, vfn(load_some)(b, R) + vfn(sums)(acc), R);
}

/* dh := W^T da (not wanted if NULL) and W := decay W - rate da h^T in one sweep,  W (out, in) */
static inline void fn(update)(ptrdiff_t out, ptrdiff_t in, real *W, const real *h, const real *da, real rate, real decay, real *dh)
{
#define MK_CALL(o, R) do { \
    if (dh && decay != 1) fn(sweep_rows)(R, 1, 1, 0, in, W + (o) * in, h, da + (o), rate, decay, (o) > 0, dh, h, h, W); \
    else if (dh) fn(sweep_rows)(R, 1, 0, 0, in, W + (o) * in, h, da + (o), rate, 1, (o) > 0, dh, h, h, W); \
    else if (decay != 1) fn(sweep_rows)(R, 0, 1, 0, in, W + (o) * in, h, da + (o), rate, decay, 0, W, h, h, W); \
    else fn(sweep_rows)(R, 0, 0, 0, in, W + (o) * in, h, da + (o), rate, 1, 0, W, h, h, W); } while (0)
    MK_GROUPS(out, (LANES < 4 ? LANES : 4), MK_CALL);
#undef MK_CALL
}

/* W := decay W - rate da h^T, then a := b + W next, in one sweep: the update for one sample and the first layer of the next */
static inline void fn(update_gemv)(ptrdiff_t out, ptrdiff_t in, real *W, const real *h, const real *da, real rate, real decay,
                                   const real *b, const real *next, real *a)
{
#define MK_CALL(o, R) do { \
    if (decay != 1) fn(sweep_rows)(R, 0, 1, 1, in, W + (o) * in, h, da + (o), rate, decay, 0, W, b + (o), next, a + (o)); \
    else fn(sweep_rows)(R, 0, 0, 1, in, W + (o) * in, h, da + (o), rate, 1, 0, W, b + (o), next, a + (o)); } while (0)
    MK_GROUPS(out, (LANES < 4 ? LANES : 4), MK_CALL);
#undef MK_CALL
}
