# Row-major wrappers of scipy's Fortran BLAS: the only cimport of scipy.linalg.cython_blas.
#
# A row-major matrix is its transpose to Fortran, so operands and transpositions are swapped here.
# The casts drop const, which scipy's signatures lack; BLAS does not write to its inputs.

from scipy.linalg.cython_blas cimport dgemm, dgemv, dsyrk, sgemm, sgemv, ssyrk

from ffnn_fast.engine.floating cimport floating


cdef inline void gemm(
    bint trans_a, bint trans_b, int m, int n, int k, floating alpha, const floating* A, int lda,
    const floating* B, int ldb, floating beta, floating* C, int ldc,
) noexcept nogil:
    """C := alpha op(A) op(B) + beta C; op(A) is (m, k), op(B) is (k, n), C is (m, n)."""
    cdef char* ta = b"T" if trans_a else b"N"
    cdef char* tb = b"T" if trans_b else b"N"
    if floating is float:
        sgemm(tb, ta, &n, &m, &k, &alpha, <float*>B, &ldb, <float*>A, &lda, &beta, C, &ldc)
    else:
        dgemm(tb, ta, &n, &m, &k, &alpha, <double*>B, &ldb, <double*>A, &lda, &beta, C, &ldc)


cdef inline void gemv(
    bint trans_a, int m, int n, floating alpha, const floating* A, int lda,
    const floating* x, floating beta, floating* y,
) noexcept nogil:
    """y := alpha op(A) x + beta y; A is (m, n), x and y are contiguous."""
    cdef int one = 1
    cdef char* ta = b"N" if trans_a else b"T"
    if floating is float:
        sgemv(ta, &n, &m, &alpha, <float*>A, &lda, <float*>x, &one, &beta, y, &one)
    else:
        dgemv(ta, &n, &m, &alpha, <double*>A, &lda, <double*>x, &one, &beta, y, &one)


cdef inline void syrk(
    int n, int k, floating alpha, const floating* A, int lda, floating beta, floating* C, int ldc,
) noexcept nogil:
    """Lower triangle of C := alpha A Aᵀ + beta C; A is (n, k), C is (n, n)."""
    if floating is float:
        ssyrk(b"U", b"T", &n, &k, &alpha, <float*>A, &lda, &beta, C, &ldc)
    else:
        dsyrk(b"U", b"T", &n, &k, &alpha, <double*>A, &lda, &beta, C, &ldc)
