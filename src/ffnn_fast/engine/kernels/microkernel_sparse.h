/* Sums of rows of a matrix, as sparse rows need them, scaling and transposition. Part of microkernel.h. */

/* Entries from the row of W in use to that which is fetched. */
#undef MK_ROWS_AHEAD
#define MK_ROWS_AHEAD 16
#undef MK_STRIP_MOST  /* vectors of a strip: with 32 registers 16, so that few rows are read twice */
#define MK_STRIP_MOST (WIDTH == 64 ? 16 : 8)

/* V vectors of a := a + sum over entries of x W[index], the first `columns` elements of them unless
 * `whole`, more than V - 2 vectors, and than V - 1 if V <= 8; V, `whole` constant. Rows of W are
 * fetched ahead, those of the first `known` entries. */
MK_INLINE void fn(sum_strip)(const int V, const int whole, ptrdiff_t count, ptrdiff_t known,
                             const real *x, const int32_t *index, ptrdiff_t n, const real *W,
                             ptrdiff_t columns, real *a)
{
#define MK_LEFT(v) (columns < (v) * LANES ? 0 : columns - (v) * LANES)
#define MK_WHOLE(v) (V > 1 && (whole || (v) + 1 + (V > 8) < V))
#define MK_LOAD(p, v) (MK_WHOLE(v) ? vfn(load)((p) + (v) * LANES) \
                       : vfn(load_some)((p) + (v) * LANES, MK_LEFT(v)))
    vec acc[MK_STRIP_MOST];
    MK_UNROLL for (int v = 0; v < V; v++) acc[v] = MK_LOAD(a, v);
    for (ptrdiff_t e = 0; e < count; e++) {
        const real *w = W + index[e] * n;
        if (e + MK_ROWS_AHEAD < known)
            MK_UNROLL for (int v = 0; v < V; v++)
                __builtin_prefetch(W + index[e + MK_ROWS_AHEAD] * n + v * LANES, 0, 2);
        MK_UNROLL for (int v = 0; v < V; v++) acc[v] += x[e] * MK_LOAD(w, v);
    }
    MK_UNROLL for (int v = 0; v < V; v++) {
        if (MK_WHOLE(v)) vfn(store)(a + v * LANES, acc[v]);
        else vfn(store_some)(a + v * LANES, acc[v], MK_LEFT(v));
    }
#undef MK_LOAD
#undef MK_WHOLE
#undef MK_LEFT
}

/* a (n,) := a + sum over `count` entries, in order, of x W[index],  W (., n); `known` >= count
 * entries have an index */
MK_APART void fn(sum_rows)(ptrdiff_t count, ptrdiff_t known, const real *x, const int32_t *index,
                           ptrdiff_t n, const real *W, real *a)
{
#define MK_STRIP(V, whole) \
    fn(sum_strip)(V, whole, count, known, x, index, n, W + i, n - i, a + i)
    ptrdiff_t i = 0;
    for (; n - i >= MK_STRIP_MOST * LANES; i += MK_STRIP_MOST * LANES) MK_STRIP(MK_STRIP_MOST, 1);
    if (n <= i) return;
    switch ((n - i + LANES - 1) / LANES) {
#if WIDTH == 64
    case 16: case 15: MK_STRIP(16, 0); break;
    case 14: case 13: MK_STRIP(14, 0); break;
    case 12: case 11: MK_STRIP(12, 0); break;
    case 10: case 9: MK_STRIP(10, 0); break;
#endif
    case 8: MK_STRIP(8, 0); break;
    case 7: MK_STRIP(7, 0); break;
    case 6: MK_STRIP(6, 0); break;
    case 5: MK_STRIP(5, 0); break;
    case 4: MK_STRIP(4, 0); break;
    case 3: MK_STRIP(3, 0); break;
    case 2: MK_STRIP(2, 0); break;
    default: MK_STRIP(1, 0);
    }
#undef MK_STRIP
}

/* y := alpha x; 0 where alpha is 0, also of infinite x */
MK_APART void fn(scale)(ptrdiff_t n, real alpha, const real *restrict x, real *restrict y)
{
    if (alpha == 0) memset(y, 0, n * sizeof(real));
    else
        for (ptrdiff_t i = 0; i < n; i++) y[i] = alpha * x[i];
}

/* B (columns, rows), rows ldb apart := A^T,  A (rows, columns), rows lda apart */
MK_APART void fn(turn)(ptrdiff_t rows, ptrdiff_t columns, const real *A, ptrdiff_t lda, real *B,
                       ptrdiff_t ldb)
{
    vec panel[2 * S];
    for (ptrdiff_t i = 0; i < columns; i += S)
        for (ptrdiff_t r = 0; r < rows; r += S) {
            const ptrdiff_t m = columns - i < S ? columns - i : S, n = rows - r < S ? rows - r : S;
            fn(gather)(n, m, A + r * lda + i, lda, NULL, (real *)panel, NULL, 0);
            for (ptrdiff_t l = 0; l < m; l++) {
                vfn(store_some)(B + (i + l) * ldb + r, panel[2 * l], n);
                if (n > LANES)
                    vfn(store_some)(B + (i + l) * ldb + r + LANES, panel[2 * l + 1], n - LANES);
            }
        }
}
