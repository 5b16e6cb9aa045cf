/* One sample by Adam: gradient, rule and the next product in one sweep. Part of microkernel.h. */

/* The square roots of the lanes */
MK_INLINE vec vfn(root)(vec x)
{
    real lane[LANES];
    vfn(store)(lane, x);
    for (int l = 0; l < LANES; l++) lane[l] = UNIT == 4 ? (real)sqrtf(lane[l]) : (real)sqrt(lane[l]);
    return vfn(load)(lane);
}

/* A column's vectors of W, m, v and dh */
typedef struct {
    vec w, m, v, dh;
} fn(adam_entries);

/* Those of the first min(n, LANES) inputs; dh is 0 unless `more` */
MK_INLINE fn(adam_entries) fn(adam_load)(ptrdiff_t n, const real *W, const real *m, const real *v,
                                         int more, const real *dh)
{
    fn(adam_entries) x;
    x.w = vfn(load_some)(W, n);
    x.m = vfn(load_some)(m, n);
    x.v = vfn(load_some)(v, n);
    x.dh = more ? vfn(load_some)(dh, n) : (vec){0};
    return x;
}

/* One column of online_adam, its first min(n, LANES) inputs, for one row of W, m and v; d = da and
 * rates broadcast; dh NULL: not wanted; returns the new w */
MK_INLINE vec fn(adam_column)(ptrdiff_t n, fn(adam_entries) x, real *W, real *m, real *v,
                              const real *h, vec d, real l2, const vec rate[6], real *dh)
{
    vec g = d * vfn(load_some)(h, n), size;
    MK_ROUND(g);
    if (dh) vfn(store_some)(dh, x.dh + d * x.w, n);
    if (l2 != 0) {
        g += l2 * x.w;
        MK_ROUND(g);
    }
    x.m += rate[1] * (g - x.m);
    x.v += rate[2] * (g * g - x.v);
    vfn(store_some)(m, x.m, n);
    vfn(store_some)(v, x.v, n);
    size = rate[3] * vfn(root)(x.v) + rate[4];
    if (n < LANES) { /* not 0 in idle lanes */
        const vec one = 1 - (vec){0};
        real ones[LANES];
        vfn(store)(ones, one);
        size += one - vfn(load_part)(ones, n);
    }
    x.w = rate[5] * x.w - rate[0] * x.m / size;
    vfn(store_some)(W, x.w, n);
    return x.w;
}

/* A row of W, m and v; returns lanes of W next. Where panels have no 64-byte vectors, the last vector
 * takes some columns of the one before it once more, from their old numbers, and the lanes are those
 * of columns that fill vectors: partial stores and masked loads cost more. */
MK_INLINE vec fn(adam_row)(ptrdiff_t in, real *W, real *m, real *v, const real *h, vec d, real l2,
                           const vec rate[6], int more, real *dh, const real *next)
{
#define MK_LOAD(n, i) fn(adam_load)(n, W + (i), m + (i), v + (i), dh && more, dh + (i))
#define MK_COLUMN(n, x, i) \
    fn(adam_column)(n, x, W + (i), m + (i), v + (i), h + (i), d, l2, rate, dh ? dh + (i) : NULL)
#define MK_ADD(w, i) do if (next) sum += w * vfn(load)(next + (i)); while (0)
    const ptrdiff_t rest = in % LANES, whole = in - rest;
    const ptrdiff_t single = MK_BYTES < 64 && rest ? whole - LANES : whole;
    vec sum = {0}, w;
    for (ptrdiff_t i = 0; i < single; i += LANES) {
        w = MK_COLUMN(LANES, MK_LOAD(LANES, i), i);
        MK_ADD(w, i);
    }
    if (MK_BYTES < 64 && rest) {
        const fn(adam_entries) x = MK_LOAD(LANES, single), y = MK_LOAD(LANES, in - LANES);
        w = MK_COLUMN(LANES, x, single);
        MK_ADD(w, single);
        MK_COLUMN(LANES, y, in - LANES);
    } else if (rest) {
        w = MK_COLUMN(rest, MK_LOAD(rest, whole), whole);
        if (next) sum += w * vfn(load_part)(next + whole, rest);
    }
    return sum;
#undef MK_LOAD
#undef MK_COLUMN
#undef MK_ADD
}

/* online_adam */
MK_INLINE void fn(adam_rows)(ptrdiff_t out, ptrdiff_t in, real *W, real *m, real *v, const real *h,
                             const real *da, real l2, const real *rates, real *dh, const real *b,
                             const real *next, real *a)
{
    const ptrdiff_t rest = in % LANES, whole = in - rest;
    vec rate[6], acc[LANES];
    MK_UNROLL for (int k = 0; k < 6; k++) rate[k] = rates[k] - (vec){0};
    MK_UNROLL for (int r = 0; r < LANES; r++) acc[r] = (vec){0};
    for (ptrdiff_t o = 0; o < out; o++, W += in, m += in, v += in) {
        const ptrdiff_t row = o % LANES, first = o - row;
        acc[row] = fn(adam_row)(in, W, m, v, h, da[o] - (vec){0}, l2, rate, o > 0, dh, next);
        if (next && (row == LANES - 1 || o == out - 1)) {
            if (MK_BYTES < 64 && rest)
                for (ptrdiff_t r = 0; r <= row; r++)
                    acc[r] += vfn(load_part)(W + (r - row) * in + whole, rest)
                              * vfn(load_part)(next + whole, rest);
            vfn(store_some)(a + first, vfn(load_some)(b + first, row + 1) + vfn(sums)(acc),
                            row + 1);
        }
    }
}

/* W, m, v (out, in) one step of Adam on, as in optimizer_rules.pxd: with g = da h^T + l2 W
 *   m, v := means of g, g^2, W := keep W - eta m / (root sqrt(v) + epsilon)
 * rates: eta, 1 - beta_1, 1 - beta_2, root, epsilon, keep; dh := W^T da with the old W unless NULL;
 * a := b + W next with the new W unless NULL or dh is wanted; in >= LANES */
static inline void fn(online_adam)(ptrdiff_t out, ptrdiff_t in, real *W, real *m, real *v,
                                   const real *h, const real *da, real l2, const real *rates,
                                   real *dh, const real *b, const real *next, real *a)
{
    if (dh) fn(adam_rows)(out, in, W, m, v, h, da, l2, rates, dh, b, NULL, a);
    else fn(adam_rows)(out, in, W, m, v, h, da, l2, rates, NULL, b, next, a);
}
