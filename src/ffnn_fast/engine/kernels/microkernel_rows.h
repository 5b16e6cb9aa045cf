/* Rows times a matrix, as a vector-Jacobian product needs of one sample. Part of microkernel.h. */

/* C (M, V vectors), rows ldc apart := A B,  A (M, K), rows lda apart, B (K, columns), rows ldb apart
 * M, V <= 4 and `whole`, columns >= V LANES, are constants */
MK_INLINE void fn(rows_tile)(const int M, const int V, const int whole, ptrdiff_t K, const real *A,
                             ptrdiff_t lda, const real *B, ptrdiff_t ldb, ptrdiff_t columns,
                             real *C, ptrdiff_t ldc)
{
    vec acc[4][4], b[4];
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) acc[m][v] = (vec){0};
    for (ptrdiff_t k = 0; k < K; k++, A++, B += ldb) {
        MK_UNROLL for (int v = 0; v < V; v++)
            b[v] = whole ? vfn(load)(B + v * LANES) : vfn(load_some)(B + v * LANES, columns);
        MK_UNROLL for (int m = 0; m < M; m++)
            MK_UNROLL for (int v = 0; v < V; v++) acc[m][v] += A[m * lda] * b[v];
    }
    MK_UNROLL for (int m = 0; m < M; m++)
        MK_UNROLL for (int v = 0; v < V; v++) {
            if (whole) vfn(store)(C + m * ldc + v * LANES, acc[m][v]);
            else vfn(store_some)(C + m * ldc + v * LANES, acc[m][v], columns);
        }
}

/* rows_tile for all columns: strips of V vectors, then of one */
MK_INLINE void fn(rows_strips)(const int M, const int V, ptrdiff_t K, ptrdiff_t columns,
                               const real *A, ptrdiff_t lda, const real *B, real *C, ptrdiff_t ldc)
{
    ptrdiff_t i = 0;
    for (; columns - i >= V * LANES; i += V * LANES)
        fn(rows_tile)(M, V, 1, K, A, lda, B + i, columns, columns - i, C + i, ldc);
    for (; i < columns; i += LANES)
        fn(rows_tile)(M, 1, 0, K, A, lda, B + i, columns, columns - i, C + i, ldc);
}

/* C := A W,  A (rows, out), rows lda apart, W (out, in), C (rows, in), rows ldc apart */
static inline void fn(rows_product)(ptrdiff_t rows, ptrdiff_t out, ptrdiff_t in, const real *A,
                                    ptrdiff_t lda, const real *W, real *C, ptrdiff_t ldc)
{
#define MK_CALL(r, R) \
    fn(rows_strips)(R, (R > 2 ? 2 : 4), out, in, A + (r) * lda, lda, W, C + (r) * ldc, ldc)
    MK_GROUPS(rows, 4, MK_CALL);
#undef MK_CALL
}
