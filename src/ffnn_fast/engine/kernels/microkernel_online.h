/* One sample: vectors lie along the inputs, several rows of W at a time. Part of microkernel.h. */

/* acc[r] += the first min(n, LANES) products of row r of W and h,  rows ldw apart */
MK_INLINE void fn(dot_column)(const int R, ptrdiff_t n, const real *W, ptrdiff_t ldw,
                              const real *h, vec acc[LANES])
{
    const vec x = vfn(load_some)(h, n);
    MK_UNROLL for (int r = 0; r < R; r++) acc[r] += vfn(load_some)(W + r * ldw, n) * x;
}

/* a := b + W h,  R <= LANES rows */
MK_INLINE void fn(dot_rows)(const int R, ptrdiff_t in, const real *W, const real *b,
                            const real *h, real *a)
{
    vec acc[LANES];
    ptrdiff_t i = 0;
    MK_UNROLL for (int r = 0; r < LANES; r++) acc[r] = (vec){0};
    for (; in - i >= LANES; i += LANES) fn(dot_column)(R, LANES, W + i, in, h + i, acc);
    if (i < in) fn(dot_column)(R, in - i, W + i, in, h + i, acc);
    vfn(store_some)(a, vfn(load_some)(b, R) + vfn(sums)(acc), R);
}

/* a := b + W h for a column W (out,): vectors along the outputs, in which a row's sum has one term */
MK_INLINE void fn(column)(ptrdiff_t out, const real *W, const real *b, real h, real *a)
{
    for (ptrdiff_t o = 0; o < out; o += LANES) {
        vec acc = {0};
        acc += vfn(load_some)(W + o, out - o) * h;
        vfn(store_some)(a + o, vfn(load_some)(b + o, out - o) + acc, out - o);
    }
}

/* a := b + W h,  W (out, in) */
static inline void fn(gemv)(ptrdiff_t out, ptrdiff_t in, const real *W, const real *b,
                            const real *h, real *a)
{
    if (in == 1) {
        fn(column)(out, W, b, h[0], a);
        return;
    }
#define MK_CALL(o, R) fn(dot_rows)(R, in, W + (o) * in, b + (o), h, a + (o))
    MK_GROUPS(out, LANES, MK_CALL);
#undef MK_CALL
}

/* The parts of a sweep over W that are wanted: constants. */
#define MK_BACK 1  /* dh := (dh if `more`) + W^T da, with the old W */
#define MK_DECAY 2 /* W := decay W before the step */
#define MK_AHEAD 4 /* a := b + W next, with the new W */
#define MK_SPEED 8 /* by momentum instead of gradient descent */

/* The new w of one vector of W, whose velocity v is at V: V := keep v + g, w - rate V, g = da h */
MK_INLINE vec fn(momentum_step)(ptrdiff_t n, vec w, vec v, vec g, real rate, real keep, real *V)
{
    MK_ROUND(g);
    v = keep * v + g;
    w -= rate * v;
    MK_HERE(n, w);
    vfn(store_some)(V, v, n);
    return w;
}

/* Columns that fill no vector come first: loaded under a mask after a store to the row that follows,
 * which the mask leaves out, they would wait until it has reached L1. */
#define MK_REST_FIRST (MK_BYTES < 64)

/* One column of sweep_rows but its part of a: its first min(n, LANES) inputs; d = da and
 * step = -rate da broadcast; V at the same entries as W; w: the new W. Momentum keeps `decay` of V. */
MK_INLINE void fn(sweep_column)(const int R, const int parts, ptrdiff_t n, real *W, ptrdiff_t ldw,
                                const real *h, const vec d[4], const vec step[4], real rate,
                                real decay, real *V, int more, real *dh, vec w[4])
{
    const vec x = vfn(load_some)(h, n);
    MK_UNROLL for (int r = 0; r < R; r++) w[r] = vfn(load_some)(W + r * ldw, n);
    if (parts & MK_BACK) {
        vec sum = {0};
        if (more) sum = vfn(load_some)(dh, n);
        MK_UNROLL for (int r = 0; r < R; r++) sum += d[r] * w[r];
        vfn(store_some)(dh, sum, n);
    }
    MK_UNROLL for (int r = 0; r < R; r++) {
        if (parts & MK_DECAY) {
            w[r] *= decay;
            MK_ROUND(w[r]);
        }
        if (parts & MK_SPEED)
            w[r] = fn(momentum_step)(n, w[r], vfn(load_some)(V + r * ldw, n), d[r] * x, rate, decay,
                                     V + r * ldw);
        else {
            vec s = step[r];
            MK_HERE(n, s);
            w[r] += s * x;
        }
        vfn(store_some)(W + r * ldw, w[r], n);
    }
}

#if MK_BYTES == 32
/* The last n lanes of x, then zeros */
MK_INLINE vec fn(last_lanes)(vec x, ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i words = _mm256_set1_epi32((int)(n * (ptrdiff_t)sizeof(real) / 4));
    const __m256i y = _mm256_permutevar8x32_epi32((__m256i)x, _mm256_sub_epi32(lane, words));
    return (vec)_mm256_and_si256(y, _mm256_cmpgt_epi32(words, lane));
}
#else
#define mk_last_lanes_f32(x, n) (x)
#define mk_last_lanes_f64(x, n) (x)
#endif

/* W := W - rate da h^T and the other `parts` for R <= min(4, LANES) rows: W is read once
 * Columns that fill no vector: of four rows with a part of a, the last LANES, some of which get the
 * same new w twice. */
MK_INLINE void fn(sweep_rows)(const int R, const int parts, ptrdiff_t in, real *W, const real *h,
                              const real *da, real rate, real decay, real *V, int more, real *dh,
                              const real *b, const real *next, real *a)
{
    const ptrdiff_t rest = in % LANES, whole = in - rest;
    vec d[4], step[4], acc[LANES], w[4], last[4];
    MK_UNROLL for (int r = 0; r < R; r++) {
        d[r] = da[r] - (vec){0};
        step[r] = -rate * d[r];
        last[r] = (vec){0};
    }
    MK_UNROLL for (int r = 0; r < LANES; r++) acc[r] = (vec){0};
#define MK_COLUMN(n, i, w) \
    fn(sweep_column)(R, parts, n, W + (i), in, h + (i), d, step, rate, decay, V + (i), more, \
                     dh + (i), w)
#define MK_ADD(n, i, w) do if (parts & MK_AHEAD) { \
    const vec y = vfn(load_some)(next + (i), n); \
    MK_UNROLL for (int r = 0; r < R; r++) acc[r] += w[r] * y; } while (0)
    const int twice = MK_BYTES == 32 && R == 4 && (parts & MK_AHEAD) && !(parts & MK_SPEED) && rest &&
                      whole;
    if (twice) MK_UNROLL for (int r = 0; r < R; r++) last[r] = vfn(load)(W + (r + 1) * in - LANES);
    else if (MK_REST_FIRST && rest) MK_COLUMN(rest, whole, last);
    for (ptrdiff_t i = 0; i < whole; i += LANES) {
        MK_COLUMN(LANES, i, w);
        MK_ADD(LANES, i, w);
    }
    if (twice) {
        const vec x = vfn(load)(h + in - LANES);
        MK_UNROLL for (int r = 0; r < R; r++) {
            if (parts & MK_DECAY) {
                last[r] *= decay;
                MK_ROUND(last[r]);
            }
            last[r] += step[r] * x;
            vfn(store)(W + (r + 1) * in - LANES, last[r]);
            last[r] = fn(last_lanes)(last[r], rest);
        }
    }
    if (!MK_REST_FIRST && rest) MK_COLUMN(rest, whole, last);
    if (rest) MK_ADD(rest, whole, last);
#undef MK_COLUMN
#undef MK_ADD
    if (parts & MK_AHEAD) vfn(store_some)(a, vfn(load_some)(b, R) + vfn(sums)(acc), R);
}

/* sweep_rows for all rows of W (out, in); arguments of parts not wanted may be any pointers */
MK_INLINE void fn(sweep)(const int parts, ptrdiff_t out, ptrdiff_t in, real *W, const real *h,
                         const real *da, real rate, real decay, real *V, real *dh, const real *b,
                         const real *next, real *a)
{
#define MK_CALL(o, R) \
    fn(sweep_rows)(R, parts, in, W + (o) * in, h, da + (o), rate, decay, V + (o) * in, (o) > 0, \
                   dh, b + (o), next, a + (o))
    const ptrdiff_t rows_ = out;
    ptrdiff_t o_ = 0;
    if (LANES >= 4) MK_GROUP(4, MK_CALL)
    if (!(parts & MK_SPEED)) MK_GROUP(2, MK_CALL) /* for size: less than 4 rows one by one */
    MK_GROUP(1, MK_CALL)
#undef MK_CALL
}

/* dh := W^T da, W := W - rate da h^T, or by momentum,  W (out, 4 vectors), rows ldw apart: dh stays in
 * registers, summed over the rows in the same order */
MK_INLINE void fn(sweep_strip)(const int parts, ptrdiff_t out, ptrdiff_t ldw, real *W, const real *h,
                               const real *da, real rate, real keep, real *V, real *dh)
{
    vec x[4], sum[4];
    MK_UNROLL for (int v = 0; v < 4; v++) x[v] = vfn(load)(h + v * LANES), sum[v] = (vec){0};
    for (ptrdiff_t r = 0; r < out; r++, W += ldw, V += ldw) {
        const vec d = da[r] - (vec){0}, step = -rate * d;
        MK_UNROLL for (int v = 0; v < 4; v++) {
            vec w = vfn(load)(W + v * LANES);
            sum[v] += d * w;
            if (parts & MK_SPEED)
                w = fn(momentum_step)(LANES, w, vfn(load)(V + v * LANES), d * x[v], rate, keep,
                                      V + v * LANES);
            else w += step * x[v];
            vfn(store)(W + v * LANES, w);
        }
    }
    MK_UNROLL for (int v = 0; v < 4; v++) vfn(store)(dh + v * LANES, sum[v]);
}

/* Whether a sweep over W (out, in) that makes dh is by strips of columns */
MK_INLINE int fn(in_strips)(ptrdiff_t out, ptrdiff_t in, const real *dh)
{
    return MK_BYTES == 32 && dh && in % (4 * LANES) == 0 &&
           out * in * (ptrdiff_t)sizeof(real) <= MK_STRIPS;
}

/* dh := W^T da (NULL: not wanted), W := decay W - rate da h^T in one sweep,  W (out, in) */
static inline void fn(update)(ptrdiff_t out, ptrdiff_t in, real *W, const real *h, const real *da,
                              real rate, real decay, real *dh)
{
    if (decay == 1 && fn(in_strips)(out, in, dh)) {
        for (ptrdiff_t i = 0; i < in; i += 4 * LANES)
            fn(sweep_strip)(0, out, in, W + i, h + i, da, rate, 1, W, dh + i);
        return;
    }
    if (dh && decay != 1)
        fn(sweep)(MK_BACK | MK_DECAY, out, in, W, h, da, rate, decay, W, dh, h, h, W);
    else if (dh) fn(sweep)(MK_BACK, out, in, W, h, da, rate, 1, W, dh, h, h, W);
    else if (decay != 1) fn(sweep)(MK_DECAY, out, in, W, h, da, rate, decay, W, W, h, h, W);
    else fn(sweep)(0, out, in, W, h, da, rate, 1, W, W, h, h, W);
}

/* W := decay W - rate da h^T, a := b + W next in one sweep,  W (out, in): the update for one sample
 * and the first layer for the next, so that the largest W moves through the cache once per step */
static inline void fn(update_gemv)(ptrdiff_t out, ptrdiff_t in, real *W, const real *h,
                                   const real *da, real rate, real decay, const real *b,
                                   const real *next, real *a)
{
    if (decay != 1)
        fn(sweep)(MK_AHEAD | MK_DECAY, out, in, W, h, da, rate, decay, W, W, b, next, a);
    else fn(sweep)(MK_AHEAD, out, in, W, h, da, rate, 1, W, W, b, next, a);
}

/* W, V (out, in) one step of momentum on, V := keep V + da h^T, W := W - rate V, and dh := W^T da with
 * the old W, or, if dh is NULL, a := b + W next with the new W, in one sweep; no body but for panels of
 * 32-byte vectors */
static inline void fn(online_momentum)(ptrdiff_t out, ptrdiff_t in, real *W, real *V,
                                       const real *h, const real *da, real rate, real keep,
                                       real *dh, const real *b, const real *next, real *a)
{
#if MK_BYTES == 32
    if (fn(in_strips)(out, in, dh))
        for (ptrdiff_t i = 0; i < in; i += 4 * LANES)
            fn(sweep_strip)(MK_SPEED, out, in, W + i, h + i, da, rate, keep, V + i, dh + i);
    else if (dh) fn(sweep)(MK_SPEED | MK_BACK, out, in, W, h, da, rate, keep, V, dh, h, h, W);
    else fn(sweep)(MK_SPEED | MK_AHEAD, out, in, W, h, da, rate, keep, V, W, b, next, a);
#endif
}

/* G := da h^T + l2 W (l2 W if MK_DECAY) and dh if MK_BACK: one column for R <= 4 rows, d = da
 * broadcast; G (R, in), rows ldw apart like those of W */
MK_INLINE void fn(gradient_column)(const int R, const int parts, ptrdiff_t n, const real *W,
                                   ptrdiff_t ldw, const real *h, const vec d[4], real l2, int more,
                                   real *dh, real *G)
{
    const vec x = vfn(load_some)(h, n);
    vec w[4], sum = {0};
    if (parts) MK_UNROLL for (int r = 0; r < R; r++) w[r] = vfn(load_some)(W + r * ldw, n);
    if (parts & MK_BACK) {
        if (more) sum = vfn(load_some)(dh, n);
        MK_UNROLL for (int r = 0; r < R; r++) sum += d[r] * w[r];
        vfn(store_some)(dh, sum, n);
    }
    MK_UNROLL for (int r = 0; r < R; r++) {
        vec g = d[r] * x;
        if (parts & MK_DECAY) {
            MK_ROUND(g);
            MK_HERE(n, w[r]);
            g += l2 * w[r];
        }
        vfn(store_some)(G + r * ldw, g, n);
    }
}

/* gradient_column for all columns */
MK_INLINE void fn(gradient_rows)(const int R, const int parts, ptrdiff_t in, const real *W,
                                 const real *h, const real *da, real l2, int more, real *dh,
                                 real *G)
{
    vec d[4];
    ptrdiff_t i = 0;
    MK_UNROLL for (int r = 0; r < R; r++) d[r] = da[r] - (vec){0};
    for (; in - i >= LANES; i += LANES)
        fn(gradient_column)(R, parts, LANES, W + i, in, h + i, d, l2, more, dh + i, G + i);
    if (i < in)
        fn(gradient_column)(R, parts, in - i, W + i, in, h + i, d, l2, more, dh + i, G + i);
}

/* G := da h^T + l2 W, dh := (dh if `more`) + W^T da unless NULL,  W, G (out, in) */
static inline void fn(online_gradient)(ptrdiff_t out, ptrdiff_t in, const real *W, const real *h,
                                       const real *da, real l2, int more, real *dh, real *G)
{
#define MK_CALL(o, R) \
    fn(gradient_rows)(R, parts, in, W + (o) * in, h, da + (o), l2, more || (o) > 0, dh, G + (o) * in)
#define MK_PARTS(some) do { \
    const int parts = some; \
    MK_GROUPS(out, (LANES < 4 ? LANES : 4), MK_CALL); } while (0)
    if (dh && l2 != 0) MK_PARTS(MK_BACK | MK_DECAY);
    else if (dh) MK_PARTS(MK_BACK);
    else {
        dh = G; /* any pointer */
        if (l2 != 0) MK_PARTS(MK_DECAY);
        else MK_PARTS(0);
    }
#undef MK_PARTS
#undef MK_CALL
}

#undef MK_BACK
#undef MK_DECAY
#undef MK_AHEAD
#undef MK_SPEED

/* The sum of |x_i|, in `real` within runs of 4096 numbers and in double across them */
static inline double fn(sum_of_sizes)(ptrdiff_t n, const real *x)
{
    double total = 0;
    for (ptrdiff_t start = 0; start < n; start += 4096) {
        const ptrdiff_t end = n - start < 4096 ? n : start + 4096;
        vec acc[2] = {{0}, {0}};
        ptrdiff_t i = start;
        for (; end - i >= 2 * LANES; i += 2 * LANES)
            MK_UNROLL for (int v = 0; v < 2; v++) acc[v] += vfn(size)(vfn(load)(x + i + v * LANES));
        acc[0] += acc[1];
        for (int l = 0; l < LANES; l++) total += acc[0][l];
        for (; i < end; i++) total += x[i] < 0 ? -(double)x[i] : (double)x[i];
    }
    return total;
}

/* The sum of x_i^2, in `real` within runs of 4096 numbers and in double across them */
static inline double fn(sum_of_squares)(ptrdiff_t n, const real *x)
{
    double total = 0;
    for (ptrdiff_t start = 0; start < n; start += 4096) {
        const ptrdiff_t end = n - start < 4096 ? n : start + 4096;
        vec acc[4] = {{0}, {0}, {0}, {0}};
        ptrdiff_t i = start;
        for (; end - i >= 4 * LANES; i += 4 * LANES)
            MK_UNROLL for (int v = 0; v < 4; v++) {
                const vec y = vfn(load)(x + i + v * LANES);
                acc[v] += y * y;
            }
        acc[0] = (acc[0] + acc[1]) + (acc[2] + acc[3]);
        for (int l = 0; l < LANES; l++) total += acc[0][l];
        for (; i < end; i++) total += (double)x[i] * (double)x[i];
    }
    return total;
}
