# Whole passes over the network on blocks of rows, and the one-sample step.
#
# A block has n rows, padded in memory to cap rows (a multiple of 16: every part is aligned).
# Scratch for a block: h[k] at cap below[k], then da[k] at cap (units + below[k]), all row-major.

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ffnn_fast.engine.activations cimport activate, activate_output, apply_derivative
from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.dense cimport (
    dense_backward, dense_forward, dense_gradient, dense_update_one,
)
from ffnn_fast.engine.losses cimport loss_row
from ffnn_fast.engine.plan cimport plan_t

cdef enum:
    BLOCK_ROWS = 1024  # rows per block: activations stay small, products stay large


cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    """n rounded up to a multiple of 16"""
    return (n + 15) // 16 * 16


cdef inline Py_ssize_t row_of(const int64_t* order, Py_ssize_t r) noexcept nogil:
    """The r-th row of a block: order[r], or r when order is NULL"""
    return r if order is NULL else order[r]


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


cdef inline void forward_block(
    const plan_t* plan, const floating* params, const floating* h0, Py_ssize_t n,
    floating* work, Py_ssize_t cap,
) noexcept nogil:
    """h[k] := g(b_k + W_k h[k-1]) for k < L, and h[L] := a_L"""
    cdef Py_ssize_t k
    cdef const floating* h = h0
    cdef floating* a
    for k in range(1, plan.L + 1):
        a = work + cap * plan.below[k]
        dense_forward(params + plan.W[k], params + plan.b[k], h, a, n, plan.n[k - 1], plan.n[k])
        if k < plan.L:
            activate(plan.g[k], a, n * plan.n[k])
        h = a


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
    """grad := ∇θ of scale Σ_r w_r ℓ_r, added when accumulate; returns Σ_r w_r ℓ_r; no penalty"""
    cdef Py_ssize_t k, L = plan.L
    cdef floating* deltas = work + cap * plan.units
    cdef const floating* h0 = gather(X, order, work, n, plan.n[0])
    cdef const floating* h
    cdef floating* da
    cdef double total
    forward_block(plan, params, h0, n, work, cap)
    da = work + cap * plan.below[L]  # a_L becomes ∇a_L where it stands
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
    return total


cdef inline double penalty(const plan_t* plan, const floating* params) noexcept nogil:
    """l2/2 Σ_k ‖W_k‖²"""
    cdef Py_ssize_t k, i
    cdef double total = 0
    if plan.l2 == 0:
        return 0
    for k in range(1, plan.L + 1):
        for i in range(plan.W[k], plan.b[k]):
            total += <double>params[i] * <double>params[i]
    return 0.5 * plan.l2 * total


cdef inline double loss_and_gradient(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    floating* grad, floating* work,
) noexcept nogil:
    """grad := ∇θ of the objective on n rows; returns the objective"""
    cdef Py_ssize_t start = 0, rows, k, i, cap = padded(min(n, <Py_ssize_t>BLOCK_ROWS))
    cdef floating l2 = <floating>plan.l2
    cdef double total = 0
    while start < n:
        rows = min(n - start, <Py_ssize_t>BLOCK_ROWS)
        if order is NULL:
            total += gradient_block(
                plan, params, X + start * plan.n[0],
                NULL if Y is NULL else Y + start * plan.n[plan.L],
                NULL if labels is NULL else labels + start,
                NULL if weight is NULL else weight + start,
                NULL, rows, 1.0 / n, grad, start > 0, work, cap,
            )
        else:
            total += gradient_block(
                plan, params, X, Y, labels, weight, order + start, rows, 1.0 / n,
                grad, start > 0, work, cap,
            )
        start += rows
    if l2 != 0:
        for k in range(1, plan.L + 1):
            for i in range(plan.W[k], plan.b[k]):
                grad[i] += l2 * params[i]
    return total / n + penalty(plan, params)


cdef inline double online_step(
    const plan_t* plan, floating* params, const floating* x, const floating* y, Py_ssize_t label,
    floating w, floating eta, floating* work,
) noexcept nogil:
    """One step of gradient descent on one sample, parameters updated as the error passes; returns
    the objective before it. Scratch: h[k] at 16-padded below[k], one slot per layer, twice."""
    cdef Py_ssize_t k, L = plan.L
    cdef floating* da
    cdef floating* dh
    cdef const floating* h = x
    cdef floating decay = <floating>(1 - eta * plan.l2)
    cdef double total
    forward_block(plan, params, x, 1, work, 16)
    da = work + 16 * plan.below[L]
    total = w * loss_row(plan, da, y, label, w, True) + penalty(plan, params)
    for k in range(L, 0, -1):
        h = work + 16 * plan.below[k - 1] if k > 1 else x
        dh = work + 16 * (plan.units + plan.below[k - 1]) if k > 1 else NULL
        dense_update_one(
            params + plan.W[k], params + plan.b[k], h, da, dh, eta, decay, plan.n[k - 1], plan.n[k]
        )
        if k > 1:
            apply_derivative(plan.g[k - 1], h, dh, plan.n[k - 1])
            da = dh
    return total
