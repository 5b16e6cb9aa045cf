# One layer by BLAS: forward, backward to its inputs, gradient of its parameters.
#
# n rows, i inputs, o outputs; h is (n, i), a and da are (n, o), W is (o, i), b is (o,).

from libc.string cimport memcpy

from ffnn_fast.engine.blas cimport gemm
from ffnn_fast.engine.floating cimport floating


cdef inline void dense_forward(
    const floating* W, const floating* b, const floating* h, floating* a,
    Py_ssize_t n, Py_ssize_t i, Py_ssize_t o,
) noexcept nogil:
    """a := b + h Wᵀ"""
    cdef Py_ssize_t r
    for r in range(n):
        memcpy(a + r * o, b, o * sizeof(floating))
    gemm(
        False, True, <int>n, <int>o, <int>i, <floating>1, h, <int>i, W, <int>i,
        <floating>1, a, <int>o,
    )


cdef inline void dense_backward(
    const floating* W, const floating* da, floating* dh, Py_ssize_t n, Py_ssize_t i, Py_ssize_t o,
) noexcept nogil:
    """dh := da W, the rows of ∇h = Wᵀ ∇a"""
    gemm(
        False, False, <int>n, <int>i, <int>o, <floating>1, da, <int>o, W, <int>i,
        <floating>0, dh, <int>i,
    )


cdef inline void dense_gradient(
    const floating* da, const floating* h, floating* dW, floating* db,
    Py_ssize_t n, Py_ssize_t i, Py_ssize_t o, bint accumulate,
) noexcept nogil:
    """dW := daᵀ h, db := Σ_r da_r; added to what is there when accumulate"""
    cdef floating beta = 1 if accumulate else 0
    cdef Py_ssize_t r, j
    gemm(True, False, <int>o, <int>i, <int>n, <floating>1, da, <int>o, h, <int>i, beta, dW, <int>i)
    if not accumulate:
        for j in range(o):
            db[j] = 0
    for r in range(n):
        for j in range(o):
            db[j] += da[r * o + j]
