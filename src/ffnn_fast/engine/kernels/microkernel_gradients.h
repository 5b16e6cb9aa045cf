/* Batches of samples in panels: gradients, sums over samples. Part of microkernel.h. */

/* c := alpha x + beta d, the first min(n, LANES) numbers; d is read only if beta is not 0 */
MK_INLINE vec fn(combine)(ptrdiff_t n, real alpha, vec x, real beta, const real *d, real *c)
{
    x *= alpha;
    MK_ROUND(x);
    if (beta != 0) x += beta * vfn(load_some)(d, n);
    vfn(store_some)(c, x, n);
    return x;
}

/* C (M, V vectors), rows ld apart := acc := alpha acc + beta D */
MK_INLINE void fn(combine_tile)(const int M, const int V, real alpha, vec acc[MK_ROWS][2],
                                real beta, const real *D, real *C, ptrdiff_t ld)
{
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) {
            const ptrdiff_t at = m * ld + v * LANES;
            acc[m][v] = fn(combine)(LANES, alpha, acc[m][v], beta, D + at, C + at);
        }
}

/* combine_tile for `cols` < V vectors; acc is overwritten */
#if WIDTH == 64
MK_APART void fn(combine_part)(int M, int V, real alpha, vec acc[MK_ROWS][2], real beta,
                               const real *D, real *C, ptrdiff_t ld, ptrdiff_t cols)
{
    const ptrdiff_t at = (V - 1) * LANES, rest = cols - at;
    if (V == 2)
        for (int m = 0; m < M; m++)
            fn(combine)(LANES, alpha, acc[m][0], beta, D + m * ld, C + m * ld);
    /* All loads come first: one beside a masked store waits until that has reached L1. */
    for (int m = 0; m < M; m++) {
        vec x = alpha * acc[m][V - 1];
        MK_ROUND(x);
        acc[m][V - 1] = beta != 0 ? x + beta * vfn(load_part)(D + m * ld + at, rest) : x;
    }
    for (int m = 0; m < M; m++) vfn(store_part)(C + m * ld + at, acc[m][V - 1], rest);
}
#else
MK_INLINE void fn(combine_part)(const int M, const int V, real alpha, vec acc[MK_ROWS][2],
                                real beta, const real *D, real *C, ptrdiff_t ld, ptrdiff_t cols)
{
    for (int m = 0; m < M; m++, C += ld, D += ld)
        for (int v = 0; v < V; v++)
            fn(combine)(cols - v * LANES, alpha, acc[m][v], beta, D + v * LANES, C + v * LANES);
}
#endif

/* squares (LANES / 2,) += x^2 + y^2, the halves of both together */
MK_INLINE void fn(add_square)(vec x, vec y, real *squares)
{
    fn(half) sum, half[2];
    y *= y;
    MK_ROUND(y);
    x = x * x + y;
    memcpy(half, &x, sizeof x);
    memcpy(&sum, squares, sizeof sum);
    sum += half[0] + half[1];
    memcpy(squares, &sum, sizeof sum);
}

/* C (M, cols), rows ld apart := alpha dA^T H + beta D; then, if M > MK_SMALL and beta is not 0,
 * add_square of its rows unless `squares` is NULL
 * dA: M rows of the panels of n samples, dA_size apart; B (n, S): one block of H */
MK_INLINE void fn(gradient_tile)(const int M, const int V, ptrdiff_t n, const real *dA,
                                 ptrdiff_t dA_size, const real *B, real alpha, real beta,
                                 const real *D, real *C, ptrdiff_t ld, ptrdiff_t cols,
                                 real *squares)
{
    vec acc[MK_ROWS][2], part[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = (vec){0};
    if (n > S) fn(fetch)(M, V, C, ld);
    const int far = n * M * (ptrdiff_t)sizeof(real) > MK_FAR;
    for (; n > 0; n -= S, dA += dA_size, B += S * S) {
        if (far && WIDTH == 32) fn(fetch)(M, 1, dA + dA_size, S);
        else if (far) /* unrolled, 12 kB more with 64-byte vectors */
            for (const real *a = dA + dA_size, *end = a + M * S; a < end; a += 64 / sizeof(real))
                __builtin_prefetch(a);
        if (MK_PANELS(M) && V == 2 && n >= S)
            MK_UNROLL for (int k = 0; k < S; k += 4)
                fn(accumulate)(M, V, 0, 4, dA + k, S, 1, B + k * S, acc);
        else
            fn(accumulate)(M, V, 0, n < S ? n : S, dA, S, 1, B, acc);
    }
    if (cols >= V * LANES) {
        if (beta == 0) {
            fn(combine_tile)(M, V, alpha, acc, 0, D, C, ld);
            return;
        }
        fn(combine_tile)(M, V, alpha, acc, beta, D, C, ld);
        if (M > MK_SMALL && squares)
            MK_UNROLL for (int m = 0; m < M; m++)
                fn(add_square)(acc[m][0], acc[m][1], squares + m * (LANES / 2));
        return;
    }
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) part[m][v] = acc[m][v];
    fn(combine_part)(M, V, alpha, part, beta, D, C, ld, cols);
}

/* gradient_tile for all rows >= MK_ROWS and the `cols` that half a vector takes */
MK_APART void fn(gradient_half)(ptrdiff_t n, ptrdiff_t rows, const real *dA, ptrdiff_t dA_size,
                                const real *B, real alpha, real beta, const real *D, real *C,
                                ptrdiff_t ld, ptrdiff_t cols)
{
    vec part[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < MK_ROWS; m++) part[m][0] = (vec){0};
    for (ptrdiff_t r = 0, done = 0; r < rows; r += MK_ROWS) {
        fn(half) acc[MK_ROWS];
        const real *h = B;
        if (rows - r < MK_ROWS) done = MK_ROWS - (rows - r), r -= done;
        const real *a = dA + r * S;
        MK_UNROLL for (int m = 0; m < MK_ROWS; m++) acc[m] = (fn(half)){0};
        if (n > S) fn(fetch)(MK_ROWS, 1, C + r * ld, ld);
        for (ptrdiff_t left = n; left > 0; left -= S, a += dA_size, h += S * S)
            fn(accumulate_half)(left < S ? left : S, a, S, 1, h, acc);
        MK_UNROLL for (int m = 0; m < MK_ROWS; m++) *(fn(half) *)part[m] = acc[m];
        fn(combine_part)((int)(MK_ROWS - done), 1, alpha, part + done, beta, D + (r + done) * ld,
                         C + (r + done) * ld, ld, cols);
    }
}

/* weight_gradient of M = in <= MK_NARROW inputs, whose rows of C leave half of the lanes idle: vectors
 * lie along units, in a copy of dA with samples as rows; every sum in the same order */
MK_INLINE void fn(narrow_gradient)(const int M, ptrdiff_t n, ptrdiff_t rows, ptrdiff_t dA_size,
                                   const real *dA, const real *blocks, ptrdiff_t ld, real alpha,
                                   real beta, const real *D, real *C)
{
    real B[S * S] __attribute__((aligned(MK_BYTES))), sums[MK_NARROW * S];
    for (ptrdiff_t o = 0; o < rows; o += S, D += S * ld, C += S * ld) {
        const ptrdiff_t units = rows - o < S ? rows - o : S;
        const real *a = dA + o * S, *H = blocks;
        vec acc[MK_ROWS][2];
        MK_UNROLL for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = (vec){0};
        for (ptrdiff_t left = n; left > 0; left -= S, a += dA_size, H += S * S) {
            const ptrdiff_t K = left < S ? left : S;
            fn(to_blocks)(K, units, a, B, S);
            fn(accumulate)(M, 2, 0, K, H, 1, S, B, acc);
        }
        MK_UNROLL for (int m = 0; m < M; m++)
            MK_UNROLL for (int v = 0; v < 2; v++)
                fn(combine)(LANES, alpha, acc[m][v], 0, D, sums + m * S + v * LANES);
        for (ptrdiff_t u = 0; u < units; u++)
            MK_UNROLL for (int m = 0; m < M; m++) {
                const real x = sums[m * S + u];
                C[u * ld + m] = beta != 0 ? x + beta * D[u * ld + m] : x;
            }
    }
}

/* squares (rows, LANES / 2) += w^2 of each row of W (rows, in), rows ld apart, S columns at a time */
static inline void fn(add_squares)(ptrdiff_t rows, ptrdiff_t in, ptrdiff_t ld, const real *W,
                                   real *squares)
{
    for (ptrdiff_t r = 0; r < rows; r++, W += ld, squares += LANES / 2)
        for (ptrdiff_t i = 0; i < in; i += S) {
            const vec x = vfn(load_some)(W + i, in - i);
            const ptrdiff_t rest = in - i - LANES;
            fn(add_square)(x, rest > 0 ? vfn(load_some)(W + i + LANES, rest) : (vec){0}, squares);
        }
}

/* C := alpha dA^T H + beta D over n samples, `rows` rows: C, D (rows, in), rows ld apart, dA the same
 * rows of panels of width out, H as blocks of N samples; D is read only if beta is not 0.
 * Gradient: alpha = scale, beta = l2, D = W. SGD: alpha = -eta scale, beta = 1 - eta l2, D = C.
 * Then add_squares of C unless `squares` is NULL: float with 32-byte vectors alone. */
static inline void fn(weight_gradient)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t out, ptrdiff_t in,
                                       ptrdiff_t ld, const real *dA, const real *blocks,
                                       ptrdiff_t N, real alpha, real beta, const real *D, real *C,
                                       real *squares)
{
    const ptrdiff_t size = fn(panel_size)(out);
    if (WIDTH != 32 || UNIT != 4) squares = 0; /* no code then */
    if (in <= MK_NARROW && 2 * in <= LANES && rows > LANES && n >= S) {
#define MK_CALL(M) \
    case M: fn(narrow_gradient)(M, n, rows, size, dA, blocks, ld, alpha, beta, D, C); break;
        switch (in) { MK_CALL(1) MK_CALL(2) MK_CALL(3) MK_CALL(4) }
#undef MK_CALL
        if (squares) fn(add_squares)(rows, in, ld, C, squares);
        return;
    }
    for (ptrdiff_t i = 0; i < in; i += S) {
        const ptrdiff_t rest = in - i < S ? fn(half_rest)(in - i, rows) : 0, cols = in - i - rest;
        const int whole = squares && in - i >= S;
        if (rest)
            fn(gradient_half)(n, rows, dA, size, blocks + i * N + cols, alpha, beta, D + i + cols,
                              C + i + cols, ld, rest);
        if (cols > 0) MK_FOR_TILES(r, m, rows) {
            const real *a = dA + r * S, *B = blocks + i * N, *d = D + r * ld + i;
            real *c = C + r * ld + i, *at = whole ? squares + r * (LANES / 2) : 0;
            if (cols > LANES)
                MK_TILE(m, fn(gradient_tile), 2, n, a, size, B, alpha, beta, d, c, ld, cols, at);
            else
                MK_TILE(m, fn(gradient_tile), 1, n, a, size, B, alpha, beta, d, c, ld, cols, 0);
            if (at && (m <= MK_SMALL || beta == 0)) fn(add_squares)(m, S, ld, c, at);
        }
        if (squares && !whole) fn(add_squares)(rows, in - i, ld, C + i, squares);
    }
}

/* c := alpha sum over n samples of dA + beta d, `rows` rows, dA and d as in weight_gradient */
static inline void fn(bias_gradient)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t out, const real *dA,
                                     real alpha, real beta, const real *d, real *c)
{
    for (ptrdiff_t o = 0; o < rows; o += LANES) {
        vec x[LANES];
        const real *a = dA + o * S;
        ptrdiff_t left = n;
        MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = (vec){0};
        for (; left >= S; left -= S, a += fn(panel_size)(out))
            MK_UNROLL for (int r = 0; r < LANES; r++)
                x[r] += *(const vec *)(a + r * S) + *(const vec *)(a + r * S + LANES);
        if (left > 0)
            MK_UNROLL for (int r = 0; r < LANES; r++) x[r] += vfn(load_some)(a + r * S, left);
        if (left > LANES)
            MK_UNROLL for (int r = 0; r < LANES; r++)
                x[r] += vfn(load_part)(a + r * S + LANES, left - LANES);
        fn(combine)(rows - o, alpha, vfn(sums)(x), beta, d + o, c + o);
    }
}

#if WIDTH < 64
/* C (M, S), rows ld apart := beta C + dA^T H: a sum starts from C; `next`, rows of C, is fetched
 * dA: M rows of a panel of n samples; B (n, S): one block of H */
MK_INLINE void fn(addition_tile)(const int M, ptrdiff_t n, const real *dA, const real *B, real beta,
                                 real *C, ptrdiff_t ld, const real *next)
{
    vec acc[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < 2; v++)
            acc[m][v] = vfn(load)(C + m * ld + v * LANES);
    fn(fetch)(M, 1, next, ld);
    if (beta != 1) MK_UNROLL for (int m = 0; m < M; m++) acc[m][0] *= beta, acc[m][1] *= beta;
    fn(accumulate)(M, 2, 0, n, dA, S, 1, B, acc);
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < 2; v++) vfn(store)(C + m * ld + v * LANES, acc[m][v]);
}
#endif

/* C := beta C + dA^T H over n <= S samples,  C (rows, in), dA and H as in weight_gradient */
static inline void fn(add_gradient)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t out, ptrdiff_t in,
                                    const real *dA, const real *blocks, real beta, real *C)
{
    ptrdiff_t i = 0;
#if WIDTH < 64
    for (; in - i >= S; i += S) MK_FOR_TILES(r, m, rows) {
        real *c = C + r * in + i;
        const real *next = r + m < rows ? c + m * in : C + i + S;
        MK_TILE(m, fn(addition_tile), n, dA + r * S, blocks + i * S, beta, c, in, next);
    }
#endif
    if (i < in)
        fn(weight_gradient)(n, rows, out, in - i, in, dA, blocks + i * S, S, 1, beta, C + i, C + i,
                            0);
}
