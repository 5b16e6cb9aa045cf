/* Batches of samples in panels: layout, products and gradients for one type. Included by microkernel.h. */

/* ---- Layout ---- */

MK_INLINE ptrdiff_t fn(samples)(void) { return S; }

/* Numbers from one panel to the next; the spare rows keep equal rows of many panels off one cache set. */
MK_INLINE ptrdiff_t fn(panel_size)(ptrdiff_t width) { return ((width + LANES - 1) / LANES + 1) * LANES * S; }

/* Numbers in the blocks of N samples, N a multiple of S. */
MK_INLINE ptrdiff_t fn(blocks_size)(ptrdiff_t width, ptrdiff_t N) { return (width + S - 1) / S * S * N; }

/* One panel H := the n <= S rows order[0..n) (NULL: rows 0..n) of X, ldx apart, and zeros; its rows of the blocks (unless NULL) too. */
static inline void fn(gather)(ptrdiff_t n, ptrdiff_t width, const real *X, ptrdiff_t ldx, const int64_t *order, real *H,
                              real *blocks, ptrdiff_t N)
{
    for (int half = 0; half < S; half += LANES) {
        const real *row[LANES];
        for (int r = 0; r < LANES; r++) row[r] = half + r >= n ? NULL : X + (order ? order[half + r] : half + r) * ldx;
        for (ptrdiff_t i = 0; i < width; i += LANES) {
            vec x[LANES];
            if (n - half >= LANES && width - i >= LANES) {
                MK_UNROLL for (int r = 0; r < LANES; r++) __builtin_prefetch(row[r] + i + 2 * LANES);
                MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = vfn(load)(row[r] + i);
            } else
                MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = row[r] ? vfn(load_some)(row[r] + i, width - i) : (vec){0};
            if (blocks) MK_UNROLL for (int r = 0; r < LANES; r++) *(vec *)(blocks + i / S * S * N + (half + r) * S + i % S) = x[r];
            vfn(transpose)(x);
            MK_UNROLL for (int r = 0; r < LANES; r++) *(vec *)(H + (i + r) * S + half) = x[r];
        }
    }
}

/* The rows of n <= S samples in the blocks := one panel H. */
static inline void fn(to_blocks)(ptrdiff_t n, ptrdiff_t width, const real *H, real *blocks, ptrdiff_t N)
{
    for (ptrdiff_t i = 0; i < width; i += LANES)
        for (int half = 0; half < n; half += LANES) {
            vec x[LANES];
            MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = *(const vec *)(H + (i + r) * S + half);
            vfn(transpose)(x);
            MK_UNROLL for (int r = 0; r < LANES; r++) *(vec *)(blocks + i / S * S * N + (half + r) * S + i % S) = x[r];
        }
}

/* Y (n, width), rows ldy apart := the n <= S samples of one panel H. */
static inline void fn(to_rows)(ptrdiff_t n, ptrdiff_t width, const real *H, real *Y, ptrdiff_t ldy)
{
    for (ptrdiff_t i = 0; i < width; i += LANES)
        for (int half = 0; half < n; half += LANES) {
            vec x[LANES];
            MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = *(const vec *)(H + (i + r) * S + half);
            vfn(transpose)(x);
            MK_UNROLL for (int r = 0; r < LANES; r++)
                if (half + r < n) vfn(store_some)(Y + (half + r) * ldy + i, x[r], width - i);
        }
}

/* ---- Tiles of M <= MK_ROWS rows and V <= 2 vectors; M, V and `turned` are constants ---- */

/* acc[m, :] += sum_k a[m ra + k ca] B[k, :],  a (M, K) by strides, B (K, S), acc (M, V vectors) */
MK_INLINE void fn(accumulate)(const int M, const int V, ptrdiff_t K, const real *a, ptrdiff_t ra, ptrdiff_t ca, const real *B,
                              vec acc[MK_ROWS][2])
{
    for (ptrdiff_t k = 0; k < K; k++, a += ca, B += S) {
        const vec b0 = ((const vec *)B)[0], b1 = ((const vec *)B)[V - 1];
        MK_UNROLL for (int m = 0; m < M; m++) {
            acc[m][0] += a[m * ra] * b0;
            if (V == 2) acc[m][1] += a[m * ra] * b1;
        }
    }
}

/* C (M, S) := b + op(W) B, or C + op(W) B if `more`;  W (M, K), or (K, M) if `turned`, rows ldw apart; b NULL: zeros */
MK_INLINE void fn(product_tile)(const int M, const int V, const int turned, ptrdiff_t K, const real *W, ptrdiff_t ldw, const real *B,
                                const real *b, int more, real *C)
{
    vec acc[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = (b && !more ? b[m] : 0) - (vec){0};
    if (more) MK_UNROLL for (int m = 0; m < M; m++) MK_UNROLL for (int v = 0; v < V; v++) __builtin_prefetch(C + m * S + v * LANES);
    fn(accumulate)(M, V, K, W, turned ? 1 : ldw, turned ? ldw : 1, B, acc);
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) {
            vec *c = (vec *)(C + m * S) + v;
            *c = more ? *c + acc[m][v] : acc[m][v];
        }
}

/* product_tile for every panel of n samples, B_size and C_size apart; with `copy` W is first copied into L1. */
MK_INLINE void fn(product_strip)(const int M, const int turned, ptrdiff_t n, ptrdiff_t K, const real *W, ptrdiff_t ldw, int copy,
                                 const real *B, ptrdiff_t B_size, const real *b, int more, real *C, ptrdiff_t C_size)
{
    real strip[MK_ROWS * (MK_DEPTH + LANES)];
    if (copy) {
        const ptrdiff_t ld = turned ? M : MK_DEPTH + LANES;
        if (turned) for (ptrdiff_t k = 0; k < K; k++) memcpy(strip + k * ld, W + k * ldw, M * sizeof(real));
        else for (int m = 0; m < M; m++) memcpy(strip + m * ld, W + m * ldw, K * sizeof(real));
        W = strip;
        ldw = ld;
    }
    for (; n > LANES; n -= S, B += B_size, C += C_size) fn(product_tile)(M, 2, turned, K, W, ldw, B, b, more, C);
    if (n > 0) fn(product_tile)(M, 1, turned, K, W, ldw, B, b, more, C);
}

/* c := alpha x + beta d, the first min(n, LANES) numbers; d is read only if beta is not 0. */
MK_INLINE void fn(combine)(ptrdiff_t n, real alpha, vec x, real beta, const real *d, real *c)
{
    x *= alpha;
    MK_ROUND(x);
    if (beta != 0) x += beta * vfn(load_some)(d, n);
    vfn(store_some)(c, x, n);
}

/* C (M, V vectors), rows ld apart := alpha acc + beta D */
MK_INLINE void fn(combine_tile)(const int M, const int V, real alpha, vec acc[MK_ROWS][2], real beta, const real *D, real *C, ptrdiff_t ld)
{
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) {
            const ptrdiff_t at = m * ld + v * LANES;
            vec x = alpha * acc[m][v];
            MK_ROUND(x);
            vfn(store)(C + at, beta != 0 ? x + beta * vfn(load)(D + at) : x);
        }
}

/* C (M, cols), rows ld apart := alpha dA^T H + beta D;  dA rows of the panels of n samples, B (n, S) one block of H */
MK_INLINE void fn(gradient_tile)(const int M, const int V, ptrdiff_t n, const real *dA, ptrdiff_t dA_size, const real *B,
                                 real alpha, real beta, const real *D, real *C, ptrdiff_t ld, ptrdiff_t cols)
{
    vec acc[MK_ROWS][2], part[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = (vec){0};
    if (n > S) MK_UNROLL for (int m = 0; m < M; m++) MK_UNROLL for (int v = 0; v < V; v++) __builtin_prefetch(C + m * ld + v * LANES);
    for (; n > 0; n -= S, dA += dA_size, B += S * S) fn(accumulate)(M, V, n < S ? n : S, dA, S, 1, B, acc);
    if (cols < V * LANES) {
        MK_UNROLL for (int m = 0; m < M; m++) MK_UNROLL for (int v = 0; v < V; v++) part[m][v] = acc[m][v];
        for (int m = 0; m < M; m++)
            for (int v = 0; v < V; v++) fn(combine)(cols - v * LANES, alpha, part[m][v], beta, D + m * ld + v * LANES, C + m * ld + v * LANES);
    } else if (beta != 0) fn(combine_tile)(M, V, alpha, acc, beta, D, C, ld);
    else fn(combine_tile)(M, V, alpha, acc, 0, D, C, ld);
}

/* ---- Products ---- */

#ifndef MK_TILE
/* Calls TILE(m, ...) with a constant in place of the run-time m <= MK_ROWS. */
#define MK_CASE(m, TILE, ...) case m: TILE(m <= MK_ROWS ? m : 1, __VA_ARGS__); break;
#define MK_TILE(m, TILE, ...) do switch (m) { \
    MK_CASE(1, TILE, __VA_ARGS__) MK_CASE(2, TILE, __VA_ARGS__) MK_CASE(3, TILE, __VA_ARGS__) \
    MK_CASE(4, TILE, __VA_ARGS__) MK_CASE(5, TILE, __VA_ARGS__) MK_CASE(6, TILE, __VA_ARGS__) \
    MK_CASE(7, TILE, __VA_ARGS__) MK_CASE(8, TILE, __VA_ARGS__) MK_CASE(9, TILE, __VA_ARGS__) \
    MK_CASE(10, TILE, __VA_ARGS__) MK_CASE(11, TILE, __VA_ARGS__) MK_CASE(12, TILE, __VA_ARGS__) } while (0)

/* Cuts `rows` into the fewest tiles, r..r + m, as equal as can be: no thin last tile. */
#define MK_FOR_TILES(r, m, rows) \
    for (ptrdiff_t tiles = ((rows) + MK_ROWS - 1) / MK_ROWS, r = 0, m; \
         m = tiles ? ((rows) - r + tiles - 1) / tiles : 0, tiles > 0; tiles--, r += m)
#endif

/* C := b + op(W) B over panels of n samples,  op(W) (rows, inner), B panels of width inner, C panels of width rows */
MK_INLINE void fn(product)(const int turned, ptrdiff_t n, ptrdiff_t rows, ptrdiff_t inner, const real *W, const real *b,
                           const real *B, real *C)
{
    const ptrdiff_t ldw = turned ? rows : inner, B_size = fn(panel_size)(inner), C_size = fn(panel_size)(rows);
    const int copy = n > (MK_COPY_PANELS - 1) * S && rows * inner >= MK_COPY_BYTES / (ptrdiff_t)sizeof(real);
    for (ptrdiff_t k = 0; k < inner; k += MK_DEPTH) {
        const ptrdiff_t K = inner - k < MK_DEPTH ? inner - k : MK_DEPTH;
        MK_FOR_TILES(r, m, rows)
            MK_TILE(m, fn(product_strip), turned, n, K, W + (turned ? k * ldw + r : r * ldw + k), ldw, copy,
                    B + k * S, B_size, b ? b + r : NULL, k > 0, C + r * S, C_size);
    }
}

/* A^T := b + W H^T over n samples,  H panels of width in, A panels of width out */
static inline void fn(forward)(ptrdiff_t n, ptrdiff_t out, ptrdiff_t in, const real *W, const real *b, const real *H, real *A)
{
    fn(product)(0, n, out, in, W, b, H, A);
}

/* dH^T := W^T dA^T over n samples,  dA panels of width out, dH panels of width in */
static inline void fn(backward)(ptrdiff_t n, ptrdiff_t out, ptrdiff_t in, const real *W, const real *dA, real *dH)
{
    fn(product)(1, n, in, out, W, NULL, dA, dH);
}

/* C := alpha dA^T H + beta D over n samples: `rows` rows of (out, in) arrays, dA at the same row of panels of width out,
 * blocks of N samples; D is read only if beta is not 0. Gradient: D = W, alpha = scale, beta = l2.
 * SGD: C = D = W, alpha = -eta scale, beta = 1 - eta l2. */
static inline void fn(weight_gradient)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t out, ptrdiff_t in, const real *dA, const real *blocks,
                                       ptrdiff_t N, real alpha, real beta, const real *D, real *C)
{
    const ptrdiff_t dA_size = fn(panel_size)(out);
    for (ptrdiff_t i = 0; i < in; i += S)
        MK_FOR_TILES(r, m, rows) {
            const real *a = dA + r * S, *B = blocks + i * N, *d = D + r * in + i;
            real *c = C + r * in + i;
            if (in - i > LANES) MK_TILE(m, fn(gradient_tile), 2, n, a, dA_size, B, alpha, beta, d, c, in, in - i);
            else MK_TILE(m, fn(gradient_tile), 1, n, a, dA_size, B, alpha, beta, d, c, in, in - i);
        }
}

/* c := alpha sum of dA over n samples + beta d: `rows` rows of (out,) arrays, dA at the same row of panels of width out */
static inline void fn(bias_gradient)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t out, const real *dA, real alpha, real beta,
                                     const real *d, real *c)
{
    for (ptrdiff_t o = 0; o < rows; o += LANES) {
        vec x[LANES];
        const real *row = dA + o * S;
        ptrdiff_t left = n;
        MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = (vec){0};
        for (; left >= S; left -= S, row += fn(panel_size)(out))
            MK_UNROLL for (int r = 0; r < LANES; r++) x[r] += *(const vec *)(row + r * S) + *(const vec *)(row + r * S + LANES);
        if (left > 0) MK_UNROLL for (int r = 0; r < LANES; r++) x[r] += vfn(load_some)(row + r * S, left);
        if (left > LANES) MK_UNROLL for (int r = 0; r < LANES; r++) x[r] += vfn(load_part)(row + r * S + LANES, left - LANES);
        fn(combine)(rows - o, alpha, vfn(sums)(x), beta, d + o, c + o);
    }
}
