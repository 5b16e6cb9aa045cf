# Passes over a block of n row-major samples, by BLAS.
#
# A block is padded in memory to cap rows, a multiple of 16, so that every part is aligned.
# Scratch for a block: h[k] at cap below[k], then da[k] at cap (units + below[k]), all row-major.

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ffnn_fast.engine.activations cimport activate, apply_derivative
from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.dense cimport dense_backward, dense_forward, dense_gradient
from ffnn_fast.engine.losses cimport loss_row, row_of
from ffnn_fast.engine.plan cimport plan_t

cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    """n rounded up to a multiple of 16"""
    return (n + 15) // 16 * 16


cdef inline const floating* gather(
    const floating* X, const int64_t* order, floating* h0, Py_ssize_t n, Py_ssize_t width
) noexcept nogil:
    """The n rows X[order] as one block: X itself without an order, else copied to h0"""
    cdef Py_ssize_t r
    if order is NULL:
        return X
    for r in range(n):
        memcpy(h0 + r * width, X + order[r] * width, width * sizeof(floating))
    return h0


cdef inline floating* forward_block(
    const plan_t* plan, const floating* params, const floating* h0, Py_ssize_t n,
    floating* work, Py_ssize_t cap,
) noexcept nogil:
    """h[k] := g(b_k + W_k h[k-1]) for k < L; returns h[L], which holds a_L"""
    cdef Py_ssize_t k
    cdef const floating* h = h0
    cdef floating* a = NULL
    for k in range(1, plan.L + 1):
        a = work + cap * plan.below[k]
        dense_forward(params + plan.W[k], params + plan.b[k], h, a, n, plan.n[k - 1], plan.n[k])
        if k < plan.L:
            activate(plan.g[k], a, n * plan.n[k])
        h = a
    return a


cdef inline double losses_block(
    const plan_t* plan, floating* z, const floating* Y, const int64_t* labels,
    const floating* weight, const int64_t* order, Py_ssize_t n, double scale, bint delta,
) noexcept nogil:
    """Σ_r w_r ℓ_r; when delta, z (n, k), holding a_L, becomes scale w_r ∇a_L"""
    cdef Py_ssize_t r, row, label = 0, k = plan.n[plan.L]
    cdef const floating* y = NULL
    cdef double w = 1, total = 0
    for r in range(n):
        row = row_of(order, r)
        if Y is not NULL:
            y = Y + row * k
        else:
            label = labels[row]
        if weight is not NULL:
            w = weight[row]
        total += w * loss_row(plan, z + r * k, y, label, <floating>(scale * w), delta)
    return total


cdef inline double gradient_block(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    double scale, floating* grad, bint accumulate, floating* work, Py_ssize_t cap,
) noexcept nogil:
    """grad := ∇θ of scale Σ_r w_r ℓ_r + penalty, or += that of the losses alone when accumulate;
    returns Σ_r w_r ℓ_r"""
    cdef Py_ssize_t k, j, L = plan.L
    cdef floating* deltas = work + cap * plan.units
    cdef const floating* h0 = gather(X, order, work, n, plan.n[0])
    cdef const floating* h
    cdef floating* da
    cdef double total
    da = forward_block(plan, params, h0, n, work, cap)  # a_L becomes ∇a_L where it stands
    total = losses_block(plan, da, Y, labels, weight, order, n, scale, True)
    for k in range(L, 0, -1):
        h = work + cap * plan.below[k - 1] if k > 1 else h0
        dense_gradient(
            da, h, grad + plan.W[k], grad + plan.b[k], n, plan.n[k - 1], plan.n[k], accumulate
        )
        if k > 1:
            dense_backward(
                params + plan.W[k], da, deltas + cap * plan.below[k - 1], n,
                plan.n[k - 1], plan.n[k],
            )
            da = deltas + cap * plan.below[k - 1]
            apply_derivative(plan.g[k - 1], h, da, n * plan.n[k - 1])
    if plan.penalised and not accumulate:
        for k in range(1, L + 1):
            for j in range(plan.W[k], plan.b[k]):
                grad[j] += <floating>plan.l2[k] * params[j]
    return total
