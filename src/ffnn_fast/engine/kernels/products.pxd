# The products of microkernel.h on the fused type; layouts and formulas are stated there.

from libc.stdint cimport int32_t, int64_t

from ffnn_fast.engine.floating cimport floating

cdef extern from "kernels/microkernel.h" nogil:
    enum:
        MK_BYTES       # of one vector
        MK_ROWS        # of W in a tile
        MK_COPY_BYTES  # of a large W
    ptrdiff_t mk_panel_size_f32(ptrdiff_t width)
    ptrdiff_t mk_panel_size_f64(ptrdiff_t width)
    void mk_gather_f32(ptrdiff_t n, ptrdiff_t i, const float* X, ptrdiff_t ldx,
                       const int64_t* order, float* H, float* blocks, ptrdiff_t N)
    void mk_gather_f64(ptrdiff_t n, ptrdiff_t i, const double* X, ptrdiff_t ldx,
                       const int64_t* order, double* H, double* blocks, ptrdiff_t N)
    void mk_to_blocks_f32(ptrdiff_t n, ptrdiff_t width, const float* H, float* blocks, ptrdiff_t N)
    void mk_to_blocks_f64(ptrdiff_t n, ptrdiff_t width, const double* H, double* blocks,
                          ptrdiff_t N)
    void mk_pack_f32(ptrdiff_t rows, ptrdiff_t n, const float* H, float* packed)
    void mk_pack_f64(ptrdiff_t rows, ptrdiff_t n, const double* H, double* packed)
    void mk_unpack_f32(ptrdiff_t rows, ptrdiff_t n, const float* packed, float* H)
    void mk_unpack_f64(ptrdiff_t rows, ptrdiff_t n, const double* packed, double* H)
    void mk_to_rows_f32(ptrdiff_t n, ptrdiff_t width, const float* H, float* Y, ptrdiff_t ldy)
    void mk_to_rows_f64(ptrdiff_t n, ptrdiff_t width, const double* H, double* Y, ptrdiff_t ldy)
    void mk_forward_f32(ptrdiff_t n, ptrdiff_t o, ptrdiff_t i, const float* W, const float* b,
                        const float* H, float* A)
    void mk_forward_f64(ptrdiff_t n, ptrdiff_t o, ptrdiff_t i, const double* W, const double* b,
                        const double* H, double* A)
    void mk_backward_f32(ptrdiff_t n, ptrdiff_t o, ptrdiff_t i, const float* W, const float* dA,
                         float* dH)
    void mk_backward_f64(ptrdiff_t n, ptrdiff_t o, ptrdiff_t i, const double* W,
                         const double* dA, double* dH)
    void mk_weight_gradient_f32(
        ptrdiff_t n, ptrdiff_t rows, ptrdiff_t o, ptrdiff_t i, ptrdiff_t ld, const float* dA,
        const float* blocks, ptrdiff_t N, float alpha, float beta, const float* D, float* C,
        float* squares)
    void mk_weight_gradient_f64(
        ptrdiff_t n, ptrdiff_t rows, ptrdiff_t o, ptrdiff_t i, ptrdiff_t ld, const double* dA,
        const double* blocks, ptrdiff_t N, double alpha, double beta, const double* D, double* C,
        double* squares)
    void mk_add_squares_f32(ptrdiff_t rows, ptrdiff_t i, ptrdiff_t ld, const float* W,
                            float* squares)
    void mk_add_squares_f64(ptrdiff_t rows, ptrdiff_t i, ptrdiff_t ld, const double* W,
                            double* squares)
    void mk_add_gradient_f32(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t o, ptrdiff_t i, const float* dA,
                             const float* blocks, float beta, float* C)
    void mk_add_gradient_f64(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t o, ptrdiff_t i,
                             const double* dA, const double* blocks, double beta, double* C)
    void mk_bias_gradient_f32(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t o, const float* dA,
                              float alpha, float beta, const float* d, float* c)
    void mk_bias_gradient_f64(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t o, const double* dA,
                              double alpha, double beta, const double* d, double* c)
    void mk_gemv_f32(ptrdiff_t o, ptrdiff_t i, const float* W, const float* b, const float* h,
                     float* a)
    void mk_gemv_f64(ptrdiff_t o, ptrdiff_t i, const double* W, const double* b, const double* h,
                     double* a)
    void mk_update_f32(ptrdiff_t o, ptrdiff_t i, float* W, const float* h, const float* da,
                       float rate, float decay, float* dh)
    void mk_update_f64(ptrdiff_t o, ptrdiff_t i, double* W, const double* h, const double* da,
                       double rate, double decay, double* dh)
    void mk_update_gemv_f32(
        ptrdiff_t o, ptrdiff_t i, float* W, const float* h, const float* da, float rate,
        float decay, const float* b, const float* next, float* a)
    void mk_update_gemv_f64(
        ptrdiff_t o, ptrdiff_t i, double* W, const double* h, const double* da, double rate,
        double decay, const double* b, const double* next, double* a)
    void mk_online_gradient_f32(
        ptrdiff_t o, ptrdiff_t i, const float* W, const float* h, const float* da, float l2,
        bint more, float* dh, float* G)
    void mk_online_gradient_f64(
        ptrdiff_t o, ptrdiff_t i, const double* W, const double* h, const double* da, double l2,
        bint more, double* dh, double* G)
    void mk_online_adam_f32(
        ptrdiff_t o, ptrdiff_t i, float* W, float* m, float* v, const float* h, const float* da,
        float l2, const float* rates, float* dh, const float* b, const float* next, float* a)
    void mk_online_adam_f64(
        ptrdiff_t o, ptrdiff_t i, double* W, double* m, double* v, const double* h,
        const double* da, double l2, const double* rates, double* dh, const double* b,
        const double* next, double* a)
    void mk_online_momentum_f32(
        ptrdiff_t o, ptrdiff_t i, float* W, float* V, const float* h, const float* da, float rate,
        float keep, float* dh, const float* b, const float* next, float* a)
    void mk_online_momentum_f64(
        ptrdiff_t o, ptrdiff_t i, double* W, double* V, const double* h, const double* da,
        double rate, double keep, double* dh, const double* b, const double* next, double* a)
    void mk_rows_product_f32(ptrdiff_t rows, ptrdiff_t o, ptrdiff_t i, const float* A,
                             ptrdiff_t lda, const float* W, float* C, ptrdiff_t ldc)
    void mk_rows_product_f64(ptrdiff_t rows, ptrdiff_t o, ptrdiff_t i, const double* A,
                             ptrdiff_t lda, const double* W, double* C, ptrdiff_t ldc)
    void mk_sum_rows_f32(ptrdiff_t count, ptrdiff_t known, const float* x, const int32_t* index,
                         ptrdiff_t n, const float* W, float* a)
    void mk_sum_rows_f64(ptrdiff_t count, ptrdiff_t known, const double* x, const int32_t* index,
                         ptrdiff_t n, const double* W, double* a)
    void mk_turn_f32(ptrdiff_t rows, ptrdiff_t columns, const float* A, ptrdiff_t lda, float* B,
                     ptrdiff_t ldb)
    void mk_turn_f64(ptrdiff_t rows, ptrdiff_t columns, const double* A, ptrdiff_t lda,
                     double* B, ptrdiff_t ldb)
    void mk_scale_f32(ptrdiff_t n, float alpha, const float* x, float* y)
    void mk_scale_f64(ptrdiff_t n, double alpha, const double* x, double* y)
    double mk_sum_of_squares_f32(ptrdiff_t n, const float* x)
    double mk_sum_of_squares_f64(ptrdiff_t n, const double* x)
    double mk_sum_of_sizes_f32(ptrdiff_t n, const float* x)
    double mk_sum_of_sizes_f64(ptrdiff_t n, const double* x)


cdef inline void sum_rows(
    Py_ssize_t count, Py_ssize_t known, const floating* x, const int32_t* index, Py_ssize_t n,
    const floating* W, floating* a,
) noexcept nogil:
    """a (n,) := a + Σ_e x_e W[index_e], in the order of the entries; W (·, n); index (known,)"""
    if floating is float:
        mk_sum_rows_f32(count, known, x, index, n, W, a)
    else:
        mk_sum_rows_f64(count, known, x, index, n, W, a)


cdef inline void turn(
    Py_ssize_t rows, Py_ssize_t columns, const floating* A, Py_ssize_t lda, floating* B,
    Py_ssize_t ldb,
) noexcept nogil:
    """B (columns, rows) := Aᵀ; rows of A are lda apart, those of B ldb"""
    if floating is float:
        mk_turn_f32(rows, columns, A, lda, B, ldb)
    else:
        mk_turn_f64(rows, columns, A, lda, B, ldb)


cdef inline void scale_entries(
    Py_ssize_t n, floating alpha, const floating* x, floating* y
) noexcept nogil:
    """y := alpha x; 0 where alpha is 0"""
    if floating is float:
        mk_scale_f32(n, alpha, x, y)
    else:
        mk_scale_f64(n, alpha, x, y)


cdef inline double sum_of_squares(Py_ssize_t n, const floating* x) noexcept nogil:
    """Σ_i x_i²"""
    if floating is float:
        return mk_sum_of_squares_f32(n, x)
    else:
        return mk_sum_of_squares_f64(n, x)


cdef inline double sum_of_sizes(Py_ssize_t n, const floating* x) noexcept nogil:
    """Σ_i |x_i|"""
    if floating is float:
        return mk_sum_of_sizes_f32(n, x)
    else:
        return mk_sum_of_sizes_f64(n, x)


cdef inline Py_ssize_t samples_per_panel(Py_ssize_t itemsize) noexcept nogil:
    """S, the samples of one panel: two vectors"""
    return 2 * MK_BYTES // itemsize


cdef inline Py_ssize_t panel_size(Py_ssize_t width, Py_ssize_t itemsize) noexcept nogil:
    """Elements from one panel of this width to the next"""
    return mk_panel_size_f32(width) if itemsize == 4 else mk_panel_size_f64(width)


cdef inline void gather_panel(
    Py_ssize_t n, Py_ssize_t width, const floating* X, const int64_t* order, floating* H,
    floating* blocks, Py_ssize_t N,
) noexcept nogil:
    """H := panel of n <= S rows of X; blocks, unless NULL, := the same rows"""
    if floating is float:
        mk_gather_f32(n, width, X, width, order, H, blocks, N)
    else:
        mk_gather_f64(n, width, X, width, order, H, blocks, N)


cdef inline void gather_part(
    Py_ssize_t n, Py_ssize_t width, const floating* X, Py_ssize_t ldx, const int64_t* order,
    floating* H,
) noexcept nogil:
    """H := panel of `width` columns of n <= S rows of X, which are ldx apart"""
    if floating is float:
        mk_gather_f32(n, width, X, ldx, order, H, NULL, 0)
    else:
        mk_gather_f64(n, width, X, ldx, order, H, NULL, 0)


cdef inline void panel_to_blocks(
    Py_ssize_t n, Py_ssize_t width, const floating* H, floating* blocks, Py_ssize_t N
) noexcept nogil:
    """blocks := the n <= S samples of a panel as rows"""
    if floating is float:
        mk_to_blocks_f32(n, width, H, blocks, N)
    else:
        mk_to_blocks_f64(n, width, H, blocks, N)


cdef inline void pack_panel(
    Py_ssize_t rows, Py_ssize_t n, const floating* H, floating* packed
) noexcept nogil:
    """packed (rows, n) := the first n samples of these rows of a panel; n is a multiple of S / 4"""
    if floating is float:
        mk_pack_f32(rows, n, H, packed)
    else:
        mk_pack_f64(rows, n, H, packed)


cdef inline void unpack_panel(
    Py_ssize_t rows, Py_ssize_t n, const floating* packed, floating* H
) noexcept nogil:
    """The reverse of pack_panel"""
    if floating is float:
        mk_unpack_f32(rows, n, packed, H)
    else:
        mk_unpack_f64(rows, n, packed, H)


cdef inline void panel_to_rows(
    Py_ssize_t n, Py_ssize_t width, const floating* H, floating* Y
) noexcept nogil:
    """Y (n, width) := the n <= S samples of a panel"""
    if floating is float:
        mk_to_rows_f32(n, width, H, Y, width)
    else:
        mk_to_rows_f64(n, width, H, Y, width)


cdef inline void panels_forward(
    Py_ssize_t n, Py_ssize_t o, Py_ssize_t i, const floating* W, const floating* b,
    const floating* H, floating* A,
) noexcept nogil:
    """Aᵀ := b + W Hᵀ"""
    if floating is float:
        mk_forward_f32(n, o, i, W, b, H, A)
    else:
        mk_forward_f64(n, o, i, W, b, H, A)


cdef inline void panels_backward(
    Py_ssize_t n, Py_ssize_t o, Py_ssize_t i, const floating* W, const floating* dA, floating* dH
) noexcept nogil:
    """dHᵀ := Wᵀ dAᵀ"""
    if floating is float:
        mk_backward_f32(n, o, i, W, dA, dH)
    else:
        mk_backward_f64(n, o, i, W, dA, dH)


cdef inline void weight_gradient(
    Py_ssize_t n, Py_ssize_t rows, Py_ssize_t o, Py_ssize_t i, Py_ssize_t ld, const floating* dA,
    const floating* blocks, Py_ssize_t N, floating alpha, floating beta, const floating* D,
    floating* C, floating* squares,
) noexcept nogil:
    """C := alpha dAᵀ H + beta D for `rows` rows and i columns of W; rows of C, D are ld apart

    Then `add_squares` of C, unless `squares` is NULL.
    """
    if floating is float:
        mk_weight_gradient_f32(n, rows, o, i, ld, dA, blocks, N, alpha, beta, D, C, squares)
    else:
        mk_weight_gradient_f64(n, rows, o, i, ld, dA, blocks, N, alpha, beta, D, C, squares)


cdef inline void add_squares(
    Py_ssize_t rows, Py_ssize_t i, const floating* W, floating* squares
) noexcept nogil:
    """squares (rows, half a vector) += w² of each row of W (rows, i), by columns in order"""
    if floating is float:
        mk_add_squares_f32(rows, i, i, W, squares)
    else:
        mk_add_squares_f64(rows, i, i, W, squares)


cdef inline void add_gradient(
    Py_ssize_t n, Py_ssize_t rows, Py_ssize_t o, Py_ssize_t i, const floating* dA,
    const floating* blocks, floating beta, floating* C,
) noexcept nogil:
    """C := beta C + dAᵀ H for `rows` rows of W and n <= S samples"""
    if floating is float:
        mk_add_gradient_f32(n, rows, o, i, dA, blocks, beta, C)
    else:
        mk_add_gradient_f64(n, rows, o, i, dA, blocks, beta, C)


cdef inline void bias_gradient(
    Py_ssize_t n, Py_ssize_t rows, Py_ssize_t o, const floating* dA, floating alpha,
    floating beta, const floating* d, floating* c,
) noexcept nogil:
    """c := alpha Σ_samples dAᵀ + beta d for `rows` rows of W"""
    if floating is float:
        mk_bias_gradient_f32(n, rows, o, dA, alpha, beta, d, c)
    else:
        mk_bias_gradient_f64(n, rows, o, dA, alpha, beta, d, c)


cdef inline void forward_one_layer(
    Py_ssize_t o, Py_ssize_t i, const floating* W, const floating* b, const floating* h,
    floating* a,
) noexcept nogil:
    """a := b + W h"""
    if floating is float:
        mk_gemv_f32(o, i, W, b, h, a)
    else:
        mk_gemv_f64(o, i, W, b, h, a)


cdef inline void rows_product(
    Py_ssize_t rows, Py_ssize_t o, Py_ssize_t i, const floating* A, Py_ssize_t lda,
    const floating* W, floating* C, Py_ssize_t ldc,
) noexcept nogil:
    """C (rows, i) := A W, A (rows, o); rows of A are lda apart, those of C ldc"""
    if floating is float:
        mk_rows_product_f32(rows, o, i, A, lda, W, C, ldc)
    else:
        mk_rows_product_f64(rows, o, i, A, lda, W, C, ldc)


cdef inline void update_weights(
    Py_ssize_t o, Py_ssize_t i, floating* W, const floating* h, const floating* da, floating rate,
    floating decay, floating* dh,
) noexcept nogil:
    """dh := Wᵀ da unless NULL, W := decay W − rate da hᵀ, in one sweep"""
    if floating is float:
        mk_update_f32(o, i, W, h, da, rate, decay, dh)
    else:
        mk_update_f64(o, i, W, h, da, rate, decay, dh)


cdef inline void update_weights_and_forward(
    Py_ssize_t o, Py_ssize_t i, floating* W, const floating* h, const floating* da, floating rate,
    floating decay, const floating* b, const floating* following, floating* a,
) noexcept nogil:
    """W := decay W − rate da hᵀ, a := b + W following, in one sweep"""
    if floating is float:
        mk_update_gemv_f32(o, i, W, h, da, rate, decay, b, following, a)
    else:
        mk_update_gemv_f64(o, i, W, h, da, rate, decay, b, following, a)


cdef inline void online_gradient(
    Py_ssize_t o, Py_ssize_t i, const floating* W, const floating* h, const floating* da,
    floating l2, bint more, floating* dh, floating* G,
) noexcept nogil:
    """G := da hᵀ + l2 W, dh := Wᵀ da, added to dh if more, unless NULL, in one sweep"""
    if floating is float:
        mk_online_gradient_f32(o, i, W, h, da, l2, more, dh, G)
    else:
        mk_online_gradient_f64(o, i, W, h, da, l2, more, dh, G)


cdef inline void online_adam(
    Py_ssize_t o, Py_ssize_t i, floating* W, floating* m, floating* v, const floating* h,
    const floating* da, floating l2, const floating* rates, floating* dh, const floating* b,
    const floating* following, floating* a,
) noexcept nogil:
    """W, m, v one step of Adam on with da hᵀ + l2 W; dh := Wᵀ da with the old W, unless NULL; then
    a := b + W following, unless NULL; in one sweep
    """
    if floating is float:
        mk_online_adam_f32(o, i, W, m, v, h, da, l2, rates, dh, b, following, a)
    else:
        mk_online_adam_f64(o, i, W, m, v, h, da, l2, rates, dh, b, following, a)


cdef inline void online_momentum(
    Py_ssize_t o, Py_ssize_t i, floating* W, floating* V, const floating* h, const floating* da,
    floating rate, floating keep, floating* dh, const floating* b, const floating* following,
    floating* a,
) noexcept nogil:
    """W, V one step of momentum on with da hᵀ, and dh := Wᵀ da with the old W, or, if dh is
    NULL, a := b + W following, in one sweep
    """
    if floating is float:
        mk_online_momentum_f32(o, i, W, V, h, da, rate, keep, dh, b, following, a)
    else:
        mk_online_momentum_f64(o, i, W, V, h, da, rate, keep, dh, b, following, a)
