/* Batches of samples in panels: products with W. Part of microkernel.h. */

#if MK_STEPS
#include "microkernel_steps.h"
#endif

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
#if MK_STEPS
    if (M == MK_ROWS && V == 2 && __builtin_constant_p(ca) && ca == 1)
        for (; K >= 4; K -= 4, a += 4, B += 4 * S) fn(four_of_rows)(a, ra, B, acc);
    else if (M == MK_ROWS && V == 2 && __builtin_constant_p(ra) && ra == 1)
        for (; K >= 4; K -= 4, a += 4 * ca, B += 4 * S) fn(four_of_columns)(a, ca, B, acc);
#endif
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

/* A row of product_tile for 4 panels at once: the sums of one panel would wait for one another. */
MK_APART void fn(product_row)(ptrdiff_t K, const real *A, const real *B, ptrdiff_t B_size,
                              const real *b, int more, real *C, ptrdiff_t C_size)
{
    vec acc[4][2];
    MK_UNROLL for (int p = 0; p < 4; p++) acc[p][0] = acc[p][1] = (b && !more ? *b : 0) - (vec){0};
    for (const real *end = A + K; A < end; A++, B += S)
        MK_UNROLL for (int p = 0; p < 4; p++) {
            const vec *h = (const vec *)(B + p * B_size);
            acc[p][0] += *A * h[0];
            acc[p][1] += *A * h[1];
        }
    MK_UNROLL for (int p = 0; p < 4; p++)
        MK_UNROLL for (int v = 0; v < 2; v++) {
            vec *c = (vec *)(C + p * C_size) + v;
            *c = more ? *c + acc[p][v] : acc[p][v];
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
    if (M < 3 && !turned) {
        for (; n > 3 * S + LANES; n -= 4 * S, B += 4 * B_size, C += 4 * C_size)
            MK_UNROLL for (int m = 0; m < M; m++)
                fn(product_row)(K, W + m * ra, B, B_size, b ? b + m : b, more, C + m * S, C_size);
        if (n <= 0) return;
    }
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

#if WIDTH == 32 && UNIT == 4
/* ---- Tiles of MK_TALL vectors of rows and MK_FEW samples, for the last samples that fill no more of
 * a vector: the MK_ROWS sums of a tile of one vector wait for one another. ---- */

#define MK_TALL 3
#define MK_FEW 4

/* C (MK_TALL vectors of rows, S) := b + A B, or C + A B if `more`, from row `done` on; A (rows, K)
 * by strides, of which one is 1: unless ra is, LANES columns at a time are turned first */
MK_INLINE void fn(few_tile)(ptrdiff_t K, const real *A, ptrdiff_t ra, ptrdiff_t ca, const real *B,
                            const real *b, int more, ptrdiff_t done, real *C)
{
    vec acc[MK_TALL][MK_FEW], strip[MK_TALL * LANES];
    MK_UNROLL for (int v = 0; v < MK_TALL; v++)
        MK_UNROLL for (int s = 0; s < MK_FEW; s++)
            acc[v][s] = b && !more ? vfn(load)(b + v * LANES) : (vec){0};
    for (; K > 0; K -= LANES, A += LANES * ca) {
        const real *a = A;
        ptrdiff_t step = ca;
        if (ra > 1) {
            for (int v = 0; v < MK_TALL; v++) {
                const real *row = A + v * LANES * ra;
                vec x[LANES];
                if (K >= LANES)
                    MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = vfn(load)(row + r * ra);
                else
                    MK_UNROLL for (int r = 0; r < LANES; r++) x[r] = vfn(load_part)(row + r * ra, K);
                vfn(transpose)(x);
                MK_UNROLL for (int k = 0; k < LANES; k++) strip[k * MK_TALL + v] = x[k];
            }
            a = (const real *)strip;
            step = MK_TALL * LANES;
        }
        for (const real *end = B + (K < LANES ? K : LANES) * S; B < end; B += S, a += step) {
            vec x[MK_TALL];
            MK_UNROLL for (int v = 0; v < MK_TALL; v++) x[v] = vfn(load)(a + v * LANES);
            MK_UNROLL for (int s = 0; s < MK_FEW; s++)
                MK_UNROLL for (int v = 0; v < MK_TALL; v++) acc[v][s] += B[s] * x[v];
        }
    }
    MK_UNROLL for (int v = 0; v < MK_TALL; v++)
        MK_UNROLL for (int s = 0; s < MK_FEW; s++) strip[v * MK_FEW + s] = acc[v][s];
    for (int v = 0; v < MK_TALL; v++, C += LANES * S, done -= LANES) {
        const vec *sums = strip + v * MK_FEW;
        vec x[LANES] = {sums[0], sums[1], sums[2], sums[3]};
        vfn(transpose)(x);
        for (ptrdiff_t r = done > 0 ? done : 0; r < LANES; r++) {
            vec *c = (vec *)(C + r * S);
            *c = more ? *c + x[r] : x[r];
        }
    }
}

/* C (rows, MK_FEW) := b + A B, or C + A B if `more`; A (rows, K) by strides, rows >= MK_TALL LANES
 * The last tile begins where it ends with the rows; `done` of its rows are those of the one before. */
MK_APART void fn(product_rest)(ptrdiff_t rows, ptrdiff_t K, const real *A, ptrdiff_t ra,
                               ptrdiff_t ca, const real *B, const real *b, int more, real *C)
{
    for (ptrdiff_t r = 0, done = 0; r < rows; r += MK_TALL * LANES) {
        if (rows - r < MK_TALL * LANES) done = MK_TALL * LANES - (rows - r), r -= done;
        fn(few_tile)(K, A + r * ra, ra, ca, B, b ? b + r : b, more, done, C + r * S);
    }
}

/* Of n samples, those at the end that product_rest takes */
MK_INLINE ptrdiff_t fn(last_rest)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t inner)
{
    return rows >= MK_TALL * LANES && inner >= MK_FEW && n % S <= MK_FEW ? n % S : 0;
}
#undef MK_TALL
#undef MK_FEW
#else

/* C (rows, half a vector) := b + A B, or C + A B if `more`; A (rows, K) by strides, rows >= MK_ROWS
 * The last tile begins where it ends with the rows; `done` of its rows are those of the one before. */
MK_APART void fn(product_rest)(ptrdiff_t rows, ptrdiff_t K, const real *A, ptrdiff_t ra,
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

/* Of n samples, those at the end that product_rest takes */
MK_INLINE ptrdiff_t fn(last_rest)(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t inner)
{
    (void)inner;
    return fn(half_rest)(n, rows);
}
#endif

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
#define MK_CALL(M, V, ra, ca) \
    fn(product_tile)(M, V, 0, K, a, ra, ca, h, b ? b + r : NULL, k > 0, c + r * S)
                    if (s > LANES && m == MK_ROWS && turned) MK_CALL(MK_ROWS, 2, 1, MK_ROWS);
                    else if (s > LANES && m == MK_ROWS) MK_CALL(MK_ROWS, 2, ld, 1);
                    else if (s > LANES) MK_CALL(MK_ROWS - 1, 2, ra, ca);
                    else if (m == MK_ROWS) MK_CALL(MK_ROWS, 1, ra, ca);
                    else MK_CALL(MK_ROWS - 1, 1, ra, ca);
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
    const ptrdiff_t rest = fn(last_rest)(n, rows, inner), last = n / S, lane = n % S - rest;
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
            fn(product_rest)(rows, K, W + k * (turned ? ldw : 1), turned ? 1 : ldw,
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
