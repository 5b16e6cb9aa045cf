/* Batches of samples in panels and in blocks: what lies where, and copies. Part of microkernel.h. */

/* Samples in a panel. */
MK_INLINE ptrdiff_t fn(samples)(void) { return S; }

/* Numbers from panel to panel; spare rows keep equal rows of many panels off one cache set. */
MK_INLINE ptrdiff_t fn(panel_size)(ptrdiff_t width)
{
    return ((width + LANES - 1) / LANES + 1) * LANES * S;
}

/* Numbers in the blocks of N samples. */
MK_INLINE ptrdiff_t fn(blocks_size)(ptrdiff_t width, ptrdiff_t N)
{
    return (width + S - 1) / S * S * N;
}

/* Samples r.., features i.. of the blocks := the rows of x. */
MK_INLINE void fn(put)(const vec x[LANES], ptrdiff_t r, ptrdiff_t i, real *blocks, ptrdiff_t N)
{
    real *p = blocks + i / S * S * N + r * S + i % S;
    MK_UNROLL for (int l = 0; l < LANES; l++) *(vec *)(p + l * S) = x[l];
}

/* The panel H (width, S) := rows order[0..n) of X (NULL: rows 0..n), ldx apart, n <= S, and zeros;
 * `blocks` (NULL: not wanted) := the same as S rows of blocks of N samples. */
static inline void fn(gather)(ptrdiff_t n, ptrdiff_t width, const real *X, ptrdiff_t ldx,
                              const int64_t *order, real *H, real *blocks, ptrdiff_t N)
{
    for (int half = 0; half < S; half += LANES) {
        const real *row[LANES] = {NULL};
        const ptrdiff_t rows = n - half < LANES ? n - half : LANES;
        /* Two loops: a vector of one would load from NULL under a mask, which takes 200 cycles. */
        if (order)
            for (ptrdiff_t r = 0; r < rows; r++) row[r] = X + order[half + r] * ldx;
        else
            for (ptrdiff_t r = 0; r < rows; r++) row[r] = X + (half + r) * ldx;
        for (ptrdiff_t i = 0; i < width; i += LANES) {
            vec x[LANES];
            if (n - half >= LANES && width - i >= LANES) {
                MK_UNROLL for (int r = 0; r < LANES; r++) __builtin_prefetch(row[r] + i + S);
                MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = vfn(load)(row[r] + i);
            } else
                MK_UNROLL for (int r = 0; r < LANES; r++)
                    x[r] = row[r] ? vfn(load_some)(row[r] + i, width - i) : (vec){0};
            if (blocks) fn(put)(x, half, i, blocks, N);
            vfn(transpose)(x);
            MK_UNROLL for (int r = 0; r < LANES; r++) *(vec *)(H + (i + r) * S + half) = x[r];
        }
    }
}

/* x := features i.. of samples half.. of the panel H, a sample per row */
MK_INLINE void fn(take)(const real *H, ptrdiff_t i, int half, vec x[LANES])
{
    MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = *(const vec *)(H + (i + r) * S + half);
    vfn(transpose)(x);
}

/* `blocks` := the n <= S samples of the panel H as S rows of blocks of N samples */
static inline void fn(to_blocks)(ptrdiff_t n, ptrdiff_t width, const real *H, real *blocks,
                                 ptrdiff_t N)
{
    for (ptrdiff_t i = 0; i < width; i += LANES)
        for (int half = 0; half < n; half += LANES) {
            vec x[LANES];
            fn(take)(H, i, half, x);
            fn(put)(x, half, i, blocks, N);
        }
}

/* packed (rows, n) := the first n samples of `rows` rows of the panel H, or back; 4 n / S is whole */
static inline void fn(pack)(ptrdiff_t rows, ptrdiff_t n, const real *H, real *packed)
{
    for (ptrdiff_t r = 0; r < rows; r++, H += S)
        for (ptrdiff_t s = 0; s < n; s += S / 4, packed += S / 4)
            memcpy(packed, H + s, S / 4 * sizeof(real));
}
static inline void fn(unpack)(ptrdiff_t rows, ptrdiff_t n, const real *packed, real *H)
{
    for (ptrdiff_t r = 0; r < rows; r++, H += S)
        for (ptrdiff_t s = 0; s < n; s += S / 4, packed += S / 4)
            memcpy(H + s, packed, S / 4 * sizeof(real));
}

/* Y (n, width), rows ldy apart := the n <= S samples of the panel H */
static inline void fn(to_rows)(ptrdiff_t n, ptrdiff_t width, const real *H, real *Y, ptrdiff_t ldy)
{
    for (ptrdiff_t i = 0; i < width; i += LANES)
        for (int half = 0; half < n; half += LANES) {
            vec x[LANES];
            fn(take)(H, i, half, x);
            MK_UNROLL for (int r = 0; r < LANES; r++)
                if (half + r < n) vfn(store_some)(Y + (half + r) * ldy + i, x[r], width - i);
        }
}
