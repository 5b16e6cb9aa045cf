# One layer: forward, backward to its inputs, gradient of its parameters; for batches and for one row.
#
# n rows, i inputs, o outputs; h is (n, i), a and da are (n, o), W is (o, i), b is (o,).

from libc.string cimport memcpy

from ffnn_fast.engine.blas cimport floating, gemm, gemv


cdef inline void dense_forward(
    const floating* W, const floating* b, const floating* h, floating* a,
    Py_ssize_t n, Py_ssize_t i, Py_ssize_t o,
) noexcept nogil:
    """a := b + h Wᵀ"""
    cdef Py_ssize_t r
    for r in range(n):
        memcpy(a + r * o, b, o * sizeof(floating))
    if n == 1:
        gemv(False, <int>o, <int>i, <floating>1, W, <int>i, h, <floating>1, a)
    else:
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


cdef inline void dense_update_one(
    floating* W, floating* b, const floating* h, const floating* da, floating* dh,
    floating eta, floating decay, Py_ssize_t i, Py_ssize_t o,
) noexcept nogil:
    """dh := Wᵀ da unless dh is NULL, W := decay W − eta da hᵀ, b := b − eta da; one sweep over W"""
    cdef Py_ssize_t j, l
    cdef floating d, e
    cdef floating* w
    if dh is not NULL:
        for l in range(i):
            dh[l] = 0
    for j in range(o):
        w = W + j * i
        d = da[j]
        e = eta * d
        if dh is not NULL:
            for l in range(i):
                dh[l] += d * w[l]
                w[l] = decay * w[l] - e * h[l]
        else:
            for l in range(i):
                w[l] = decay * w[l] - e * h[l]
        b[j] -= e
