/* Batches of samples in panels: products and gradients. Part of microkernel.h. */

/* ---- Tiles of M <= MK_ROWS rows and V <= 2 vectors; M, V and `turned` are constants ---- */

/* acc[m, :] += sum_k a[m ra + k ca] B[k, :],  a (M, K) by strides, B (K, S), acc (M, V vectors)
 * `ahead`, a constant: the rows M.. of a, their numbers side by side, are fetched, a line a turn.
 * With 32-byte vectors, whose tiles take half the time, that was up to 4 % slower. */
MK_INLINE void fn(accumulate)(const int M, const int V, const int ahead, ptrdiff_t K,
                              const real *a, ptrdiff_t ra, ptrdiff_t ca, const real *B,
                              vec acc[MK_ROWS][2])
{
    const ptrdiff_t line = 64 / sizeof(real);
    const real *next = a + M * ra;
    for (ptrdiff_t k = 0; k < K; k++, a += ca, B += S) {
        if (ahead) {
            __builtin_prefetch(next);
            if (MK_ROWS > line) __builtin_prefetch(next + line * ra);
            next += (k + 1) % line ? ra : line - (line - 1) * ra;
        }
        const vec b0 = ((const vec *)B)[0], b1 = ((const vec *)B)[V - 1];
        MK_UNROLL for (int m = 0; m < M; m++) {
            acc[m][0] += a[m * ra] * b0;
            if (V == 2) acc[m][1] += a[m * ra] * b1;
        }
    }
}

/* Fetches C (M, V vectors), rows ldc apart, while the sums for it are made. */
MK_INLINE void fn(fetch)(const int M, const int V, const real *C, ptrdiff_t ldc)
{
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) __builtin_prefetch(C + m * ldc + v * LANES);
}

/* C (M, S) := b + A B, or C + A B if `more`; A (M, K) by strides, b NULL: zeros, B (K, S)
 * `ahead` as above */
MK_INLINE void fn(product_tile)(const int M, const int V, const int ahead, ptrdiff_t K,
                                const real *A, ptrdiff_t ra, ptrdiff_t ca, const real *B,
                                const real *b, int more, real *C)
{
    vec acc[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < M; m++)
        acc[m][0] = acc[m][1] = (b && !more ? b[m] : 0) - (vec){0};
    if (more) fn(fetch)(M, V, C, S);
    fn(accumulate)(M, V, ahead, K, A, ra, ca, B, acc);
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) {
            vec *c = (vec *)(C + m * S) + v;
            *c = more ? *c + acc[m][v] : acc[m][v];
        }
}

/* product_tile of op(W) (M, K), W, or W^T if `turned`, rows of W ldw apart, for all panels of n
 * samples, B_size and C_size apart; `copy`: W goes to L1 first; `fetches`: the M rows of W that
 * follow are fetched meanwhile */
MK_INLINE void fn(product_strip)(const int M, const int turned, ptrdiff_t n, ptrdiff_t K,
                                 const real *W, ptrdiff_t ldw, int copy, int fetches,
                                 const real *B, ptrdiff_t B_size, const real *b, int more, real *C,
                                 ptrdiff_t C_size)
{
    const int ahead = WIDTH == 64 && !turned;
    real strip[MK_ROWS * (MK_DEPTH + LANES)];
    if (copy) {
        const ptrdiff_t ld = turned ? M : MK_DEPTH + LANES;
        if (turned)
            for (ptrdiff_t k = 0; k < K; k++) memcpy(strip + k * ld, W + k * ldw, M * sizeof(real));
        else
            for (int m = 0; m < M; m++) memcpy(strip + m * ld, W + m * ldw, K * sizeof(real));
        W = strip;
        ldw = ld;
    }
    const ptrdiff_t ra = turned ? 1 : ldw, ca = turned ? ldw : 1;
    const ptrdiff_t line = 64 / sizeof(real);
    const ptrdiff_t part = fetches ? (K / line * S + n - 1) / n * line : 0;
    const real *next = W + M * ldw, *end = fetches ? next + K : next;
    for (; n > LANES; n -= S, B += B_size, C += C_size) {
        for (const real *stop = next + part; next < stop && next < end; next += line)
            MK_UNROLL for (int m = 0; m < M; m++) __builtin_prefetch(next + m * ldw);
        fn(product_tile)(M, 2, ahead, K, W, ra, ca, B, b, more, C);
    }
    if (n > 0) fn(product_tile)(M, 1, ahead, K, W, ra, ca, B, b, more, C);
}

/* c := alpha x + beta d, the first min(n, LANES) numbers; d is read only if beta is not 0 */
MK_INLINE void fn(combine)(ptrdiff_t n, real alpha, vec x, real beta, const real *d, real *c)
{
    x *= alpha;
    MK_ROUND(x);
    vfn(store_some)(c, beta != 0 ? x + beta * vfn(load_some)(d, n) : x, n);
}

/* C (M, V vectors), rows ld apart := alpha acc + beta D */
MK_INLINE void fn(combine_tile)(const int M, const int V, real alpha, vec acc[MK_ROWS][2],
                                real beta, const real *D, real *C, ptrdiff_t ld)
{
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) {
            const ptrdiff_t at = m * ld + v * LANES;
            fn(combine)(LANES, alpha, acc[m][v], beta, D + at, C + at);
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

/* C (M, cols), rows ld apart := alpha dA^T H + beta D
 * dA: M rows of the panels of n samples, dA_size apart; B (n, S): one block of H */
MK_INLINE void fn(gradient_tile)(const int M, const int V, ptrdiff_t n, const real *dA,
                                 ptrdiff_t dA_size, const real *B, real alpha, real beta,
                                 const real *D, real *C, ptrdiff_t ld, ptrdiff_t cols)
{
    vec acc[MK_ROWS][2], part[MK_ROWS][2];
    MK_UNROLL for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = (vec){0};
    if (n > S) fn(fetch)(M, V, C, ld);
    const int far = n * M * (ptrdiff_t)sizeof(real) > MK_FAR;
    for (; n > 0; n -= S, dA += dA_size, B += S * S) {
        if (far)
            for (const real *a = dA + dA_size, *end = a + M * S; a < end; a += LANES)
                __builtin_prefetch(a);
        fn(accumulate)(M, V, 0, n < S ? n : S, dA, S, 1, B, acc);
    }
    if (cols >= V * LANES) {
        if (beta != 0) fn(combine_tile)(M, V, alpha, acc, beta, D, C, ld);
        else fn(combine_tile)(M, V, alpha, acc, 0, D, C, ld);
        return;
    }
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) part[m][v] = acc[m][v];
    fn(combine_part)(M, V, alpha, part, beta, D, C, ld, cols);
}

/* ---- Tiles of MK_ROWS rows and half a vector, for samples or columns that fill no more of the last
 * one. Where a whole vector takes two cycles of such a unit, as on Zen 4, they cost half of it. ---- */

typedef real fn(half) __attribute__((vector_size(WIDTH / 2)));

/* Of n samples or columns, those at the end that half a vector takes */
MK_INLINE ptrdiff_t fn(half_rest)(ptrdiff_t n, ptrdiff_t rows)
{
    return WIDTH == 64 && rows >= MK_ROWS && n % LANES <= LANES / 2 ? n % LANES : 0;
}

/* acc[m, :] += sum_k a[m ra + k ca] B[k, :], as above */
MK_INLINE void fn(accumulate_half)(ptrdiff_t K, const real *a, ptrdiff_t ra, ptrdiff_t ca,
                                   const real *B, fn(half) acc[MK_ROWS])
{
    for (ptrdiff_t k = 0; k < K; k++, a += ca, B += S) {
        const fn(half) b = *(const fn(half) *)B;
        MK_UNROLL for (int m = 0; m < MK_ROWS; m++) acc[m] += a[m * ra] * b;
    }
}

/* C (rows, half a vector) := b + A B, or C + A B if `more`; A (rows, K) by strides, rows >= MK_ROWS
 * The last tile begins where it ends with the rows; `done` of its rows are those of the one before. */
MK_APART void fn(product_half)(ptrdiff_t rows, ptrdiff_t K, const real *A, ptrdiff_t ra,
                               ptrdiff_t ca, const real *B, const real *b, int more, real *C)
{
    for (ptrdiff_t r = 0, done = 0; r < rows; r += MK_ROWS) {
        fn(half) acc[MK_ROWS];
        if (rows - r < MK_ROWS) done = MK_ROWS - (rows - r), r -= done;
        MK_UNROLL for (int m = 0; m < MK_ROWS; m++)
            acc[m] = (b && !more ? b[r + m] : 0) - (fn(half)){0};
        fn(accumulate_half)(K, A + r * ra, ra, ca, B, acc);
        MK_UNROLL for (int m = 0; m < MK_ROWS; m++)
            if (m >= done) {
                fn(half) *c = (fn(half) *)(C + (r + m) * S);
                *c = more ? *c + acc[m] : acc[m];
            }
    }
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

/* ---- Products ---- */

/* The part of n in which it is cut into the fewest equal parts of at most `most` */
MK_INLINE ptrdiff_t fn(part)(ptrdiff_t n, ptrdiff_t most)
{
    const ptrdiff_t parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}

#if WIDTH == 32
#define MK_TILE_SIZE (MK_ROWS * (MK_BLOCK_DEPTH + LANES))

/* strips (tiles, K, MK_ROWS), MK_TILE_SIZE apart := columns from[t].. of W (K, ldw) */
MK_INLINE void fn(copy_turned)(const int tiles, ptrdiff_t K, const real *W, ptrdiff_t ldw,
                               const ptrdiff_t *from, real *strips)
{
    for (ptrdiff_t k = 0; k < K; k++, W += ldw, strips += MK_ROWS) {
        const char *next = (const char *)(W + 8 * ldw + from[0]);
        MK_UNROLL for (int byte = 0; byte < tiles * MK_ROWS * (int)sizeof(real); byte += 64)
            __builtin_prefetch(next + byte);
        MK_UNROLL for (int t = 0; t < tiles; t++)
            memcpy(strips + t * MK_TILE_SIZE, W + from[t], MK_ROWS * sizeof(real));
    }
}

/* `product` of rows >= MK_ROWS (MK_ROWS - 1), which make tiles of MK_ROWS and MK_ROWS - 1, by blocks of
 * tiles: op(W) of a block is copied to the second-level cache, and a panel of B stays in L1 for it */
MK_APART void fn(product_copied)(int turned, ptrdiff_t n, ptrdiff_t rows, ptrdiff_t inner,
                                 const real *W, const real *b, const real *B, real *C)
{
    const ptrdiff_t ldw = turned ? rows : inner, ld = MK_BLOCK_DEPTH + LANES;
    const ptrdiff_t ra = turned ? 1 : ld, ca = turned ? MK_ROWS : 1;
    const ptrdiff_t depth = fn(part)(inner, MK_BLOCK_DEPTH);
    real strips[MK_TILES * MK_TILE_SIZE] __attribute__((aligned(64)));
    for (ptrdiff_t k = 0; k < inner; k += depth) {
        const ptrdiff_t K = inner - k < depth ? inner - k : depth;
        ptrdiff_t at[MK_TILES + 1] = {0}, from[MK_TILES];
        for (ptrdiff_t left = (rows + MK_ROWS - 1) / MK_ROWS; left > 0;) {
            int tiles = 0;
            for (; left > 0 && tiles < MK_TILES; tiles++, left--) {
                at[tiles + 1] = at[tiles] + (rows - at[tiles] + left - 1) / left;
                from[tiles] = at[tiles] < rows - MK_ROWS ? at[tiles] : rows - MK_ROWS;
            }
            if (!turned)
                for (ptrdiff_t r = at[0]; r < at[tiles]; r++)
                    memcpy(strips + (r - at[0]) * ld, W + r * ldw + k, K * sizeof(real));
            else if (tiles == MK_TILES)
                fn(copy_turned)(MK_TILES, K, W + k * ldw, ldw, from, strips);
            else
                for (int t = 0; t < tiles; t++)
                    fn(copy_turned)(1, K, W + k * ldw, ldw, from + t, strips + t * MK_TILE_SIZE);
            const real *h = B + k * S;
            real *c = C;
            for (ptrdiff_t s = n; s > 0; s -= S) {
                for (int t = 0; t < tiles; t++) {
                    const ptrdiff_t r = at[t], m = at[t + 1] - r;
                    const real *a = strips + (turned ? t * MK_TILE_SIZE + r - from[t]
                                                     : (r - at[0]) * ld);
#define MK_CALL(M, V) \
    fn(product_tile)(M, V, 0, K, a, ra, ca, h, b ? b + r : NULL, k > 0, c + r * S)
                    if (s > LANES) {
                        if (m == MK_ROWS) MK_CALL(MK_ROWS, 2);
                        else MK_CALL(MK_ROWS - 1, 2);
                    } else if (m == MK_ROWS) MK_CALL(MK_ROWS, 1);
                    else MK_CALL(MK_ROWS - 1, 1);
#undef MK_CALL
                }
                h += fn(panel_size)(inner);
                c += fn(panel_size)(rows);
            }
            at[0] = at[tiles];
        }
    }
}
#undef MK_TILE_SIZE
#endif

/* C := b + op(W) B over n samples,  op(W) (rows, inner), panels B of `inner`, C of `rows` rows */
MK_INLINE void fn(product)(const int turned, ptrdiff_t n, ptrdiff_t rows, ptrdiff_t inner,
                           const real *W, const real *b, const real *B, real *C)
{
    const ptrdiff_t ldw = turned ? rows : inner, bytes = rows * inner * (ptrdiff_t)sizeof(real);
    const ptrdiff_t B_size = fn(panel_size)(inner), C_size = fn(panel_size)(rows);
    const ptrdiff_t rest = fn(half_rest)(n, rows), last = n / S, lane = n % S - rest;
    const int hurts = turned ? bytes >= MK_COPY_TURNED
                             : bytes >= MK_COPY_BYTES && ldw * sizeof(real) % MK_PAGE == 0;
    const int copy = n > (MK_COPY_PANELS - 1) * S && hurts;
    const int fetches = WIDTH == 32 && !turned && n > MK_COPY_PANELS * S && bytes >= MK_COPY_BYTES;
#if WIDTH == 32
    if (copy && rows >= MK_ROWS * (MK_ROWS - 1)) {
        fn(product_copied)(turned, n, rows, inner, W, b, B, C);
        return;
    }
#endif
    /* The order of a sum depends on widths only: that of copies, whatever n. */
    const ptrdiff_t most = hurts ? MK_BLOCK_DEPTH : MK_DEPTH;
    const ptrdiff_t depth = WIDTH == 32 ? fn(part)(inner, most) : MK_DEPTH;
    for (ptrdiff_t k = 0; k < inner; k += depth) {
        const ptrdiff_t K = inner - k < depth ? inner - k : depth;
        if (n > rest) MK_FOR_TILES(r, m, rows) {
            const real *w = W + (turned ? k * ldw + r : r * ldw + k);
            MK_TILE(m, fn(product_strip), turned, n - rest, K, w, ldw, WIDTH != 32 && copy,
                    fetches, B + k * S, B_size, b ? b + r : NULL, k > 0, C + r * S, C_size);
        }
        if (rest)
            fn(product_half)(rows, K, W + k * (turned ? ldw : 1), turned ? 1 : ldw,
                             turned ? ldw : 1, B + last * B_size + k * S + lane, b, k > 0,
                             C + last * C_size + lane);
    }
}

/* A^T := b + W H^T over n samples,  H panels of width in, A panels of width out */
static inline void fn(forward)(ptrdiff_t n, ptrdiff_t out, ptrdiff_t in, const real *W,
                               const real *b, const real *H, real *A)
{
    fn(product)(0, n, out, in, W, b, H, A);
}

/* dH^T := W^T dA^T over n samples,  dA panels of width out, dH panels of width in */
static inline void fn(backward)(ptrdiff_t n, ptrdiff_t out, ptrdiff_t in, const real *W,
                                const real *dA, real *dH)
{
    fn(product)(1, n, in, out, W, NULL, dA, dH);
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

/* C := alpha dA^T H + beta D over n samples, `rows` rows: C, D (rows, in), rows ld apart, dA the same
 * rows of panels of width out, H as blocks of N samples; D is read only if beta is not 0.
 * Gradient: alpha = scale, beta = l2, D = W. SGD: alpha = -eta scale, beta = 1 - eta l2, D = C. */
static inline void fn(weight_gradient)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t out, ptrdiff_t in,
                                       ptrdiff_t ld, const real *dA, const real *blocks,
                                       ptrdiff_t N, real alpha, real beta, const real *D, real *C)
{
    const ptrdiff_t size = fn(panel_size)(out);
    if (in <= MK_NARROW && 2 * in <= LANES && rows > LANES && n >= S) {
#define MK_CALL(M) \
    case M: fn(narrow_gradient)(M, n, rows, size, dA, blocks, ld, alpha, beta, D, C); return;
        switch (in) { MK_CALL(1) MK_CALL(2) MK_CALL(3) MK_CALL(4) }
#undef MK_CALL
    }
    for (ptrdiff_t i = 0; i < in; i += S) {
        const ptrdiff_t rest = in - i < S ? fn(half_rest)(in - i, rows) : 0, cols = in - i - rest;
        if (rest)
            fn(gradient_half)(n, rows, dA, size, blocks + i * N + cols, alpha, beta, D + i + cols,
                              C + i + cols, ld, rest);
        if (cols > 0) MK_FOR_TILES(r, m, rows) {
            const real *a = dA + r * S, *B = blocks + i * N, *d = D + r * ld + i;
            real *c = C + r * ld + i;
            if (cols > LANES)
                MK_TILE(m, fn(gradient_tile), 2, n, a, size, B, alpha, beta, d, c, ld, cols);
            else
                MK_TILE(m, fn(gradient_tile), 1, n, a, size, B, alpha, beta, d, c, ld, cols);
        }
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
        fn(weight_gradient)(n, rows, out, in - i, in, dA, blocks + i * S, S, 1, beta, C + i, C + i);
}
