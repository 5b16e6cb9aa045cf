# Passes over a block of n row-major samples, by BLAS.
#
# A block is padded in memory to cap rows, a multiple of 16, so that every part is aligned.
# Scratch for a block: h[k] at cap below[k], then da[k] at cap (units + below[k]), all row-major. To
# train, a layer apart (plan.pxd) has h[k] in the place of da[k] and g'(a_k) in that of h[k].

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.activation_loops cimport (
    activate_any, apply_any_derivative, multiply, value_and_slope,
)
from ffnn_fast.engine.passes.batch cimport row_of
from ffnn_fast.engine.passes.dense_blas cimport dense_backward, dense_forward, dense_gradient
from ffnn_fast.engine.passes.dropout_masks cimport drop_rows
from ffnn_fast.engine.passes.row_losses cimport loss_row
from ffnn_fast.engine.plan cimport drops, keeps_slope, plan_t


cdef inline const floating* gather(
    const plan_t* plan, const floating* X, const int64_t* order, floating* h0, Py_ssize_t n
) noexcept nogil:
    """The n rows X[order] as one block, with their mask: X itself where nothing changes, or h0"""
    cdef Py_ssize_t r, width = plan.n[0]
    if order is NULL and not drops(plan, 0):
        return X
    for r in range(n):
        memcpy(h0 + r * width, X + row_of(order, r) * width, width * sizeof(floating))
    if drops(plan, 0):
        drop_rows(plan, 0, n, h0, <floating*>NULL)
    return h0


cdef inline floating* h_block(
    const plan_t* plan, floating* work, Py_ssize_t cap, Py_ssize_t k, bint train
) noexcept nogil:
    """h[k] as layer k + 1 sees it"""
    if train and keeps_slope(plan, k):
        return work + cap * (plan.units + plan.below[k])
    return work + cap * plan.below[k]


cdef inline floating* forward_block(
    const plan_t* plan, const floating* params, const floating* h0, Py_ssize_t n,
    floating* work, Py_ssize_t cap, bint train,
) noexcept nogil:
    """h[k] := g(b_k + W_k h[k-1]) for k < L; returns h[L], which holds a_L"""
    cdef Py_ssize_t k
    cdef const floating* h = h0
    cdef floating* a = NULL
    for k in range(1, plan.L + 1):
        a = work + cap * plan.below[k]
        dense_forward(params + plan.W[k], params + plan.b[k], h, a, n, plan.n[k - 1], plan.n[k])
        if k < plan.L:
            h = activate_block(plan, k, n, a, h_block(plan, work, cap, k, train))
    return a


cdef inline const floating* activate_block(
    const plan_t* plan, Py_ssize_t k, Py_ssize_t n, floating* a, floating* h
) noexcept nogil:
    """h := g(a) with the mask; where h has a place of its own, a := g'(a) with the mask"""
    if h == a:
        activate_any(plan.g[k], a, n * plan.n[k])
    else:
        value_and_slope(plan.g[k], a, h, n * plan.n[k])
    if drops(plan, k):
        drop_rows(plan, k, n, h, NULL if h == a else a)
    return h


cdef inline double losses_block(
    const plan_t* plan, floating* z, const floating* Y, const int64_t* labels,
    const floating* weight, const int64_t* order, Py_ssize_t n, double scale, bint delta,
    floating* spare,
) noexcept nogil:
    """Σ_r w_r ℓ_r; when delta, z (n, k), holding a_L, becomes scale w_r ∇a_L

    spare: k of scratch.
    """
    cdef Py_ssize_t r, row, label = 0, k = plan.n[plan.L]
    cdef const floating* y = NULL
    cdef double w = 1, total = 0
    for r in range(n):
        row = row_of(order, r)
        if Y is not NULL:
            y = Y + row * plan.targets
        else:
            label = labels[row]
        if weight is not NULL:
            w = weight[row]
        total += w * loss_row(plan, z + r * k, y, label, <floating>(scale * w), delta, spare)
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
    cdef const floating* h0 = gather(plan, X, order, work, n)
    cdef const floating* h
    cdef floating* da
    cdef double total
    da = forward_block(plan, params, h0, n, work, cap, True)  # a_L becomes ∇a_L where it stands
    total = losses_block(
        plan, da, Y, labels, weight, order, n, scale, True, deltas + cap * plan.below[L]
    )
    for k in range(L, 0, -1):
        h = h_block(plan, work, cap, k - 1, True) if k > 1 else h0
        dense_gradient(
            da, h, grad + plan.W[k], grad + plan.b[k], n, plan.n[k - 1], plan.n[k], accumulate
        )
        if k > 1:
            dense_backward(
                params + plan.W[k], da, deltas + cap * plan.below[k - 1], n,
                plan.n[k - 1], plan.n[k],
            )
            da = deltas + cap * plan.below[k - 1]
            h = work + cap * plan.below[k - 1]
            if keeps_slope(plan, k - 1):
                multiply(h, da, n * plan.n[k - 1])
            else:
                apply_any_derivative(plan.g[k - 1], h, da, n * plan.n[k - 1])
    if plan.penalised and not accumulate:
        for k in range(1, L + 1):
            for j in range(plan.W[k], plan.b[k]):
                grad[j] += <floating>plan.l2[k] * params[j]
    return total
