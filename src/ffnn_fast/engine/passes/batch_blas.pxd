# Passes over a block of row-major samples, by BLAS.
#
# A block of n rows is padded in memory to cap = padded(n), so that every part is aligned.
# Scratch for a block: h[k] at cap below[k], then da[k] at cap (units + below[k]), all row-major.
# Where slopes are kept (plan.pxd), h[k] is in the place of da[k] and g'(a_k) in that of h[k].

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.activation_loops cimport (
    activate_any, apply_any_derivative, multiply, value_and_slope,
)
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.dense_blas cimport dense_backward, dense_forward, dense_gradient
from ffnn_fast.engine.passes.dropout_masks cimport drop_rows
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.plan cimport drops, keeps_slope, plan_t, step_t


cdef inline const floating* gather(
    const plan_t* plan, const step_t* step, const batch_t* batch, floating* h0
) noexcept nogil:
    """The inputs of the batch as one block, with their mask: X itself if that is one, else h0"""
    cdef Py_ssize_t r, width = plan.n[0]
    cdef const floating* X = <const floating*>batch.X
    if batch.order is NULL and not drops(plan, step, 0):
        return X + batch.first * width
    for r in range(batch.n):
        memcpy(h0 + r * width, X + row_of(batch, r) * width, width * sizeof(floating))
    if drops(plan, step, 0):
        drop_rows(plan, step, 0, batch.first, batch.n, h0, <floating*>NULL)
    return h0


cdef inline floating* h_block(
    const plan_t* plan, const step_t* step, floating* work, Py_ssize_t cap, Py_ssize_t k
) noexcept nogil:
    """h[k] as layer k + 1 takes it"""
    if keeps_slope(plan, step, k):
        return work + cap * (plan.units + plan.below[k])
    return work + cap * plan.below[k]


cdef inline floating* forward_block(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const floating* h0, floating* work,
) noexcept nogil:
    """h[k] := g(b_k + W_k h[k-1]) for k < L, with the masks; returns h[L], which holds a_L"""
    cdef Py_ssize_t n = batch.n, cap = padded(n), k
    cdef const floating* h = h0
    cdef floating* a = NULL
    for k in range(1, plan.L + 1):
        a = work + cap * plan.below[k]
        dense_forward(params + plan.W[k], params + plan.b[k], h, a, n, plan.n[k - 1], plan.n[k])
        if k < plan.L:
            h = activate_block(plan, step, batch, k, a, h_block(plan, step, work, cap, k))
    return a


cdef inline const floating* activate_block(
    const plan_t* plan, const step_t* step, const batch_t* batch, Py_ssize_t k, floating* a,
    floating* h,
) noexcept nogil:
    """h := g(a) with the mask; where h has a place of its own, a := g'(a) with the mask"""
    cdef Py_ssize_t size = batch.n * plan.n[k]
    if h == a:
        activate_any(plan.g[k], a, size)
    else:
        value_and_slope(plan.g[k], a, h, size)
    if drops(plan, step, k):
        drop_rows(plan, step, k, batch.first, batch.n, h, NULL if h == a else a)
    return h


cdef inline double losses_block(
    const plan_t* plan, const batch_t* batch, floating* z, double scale, bint delta,
    floating* spare,
) noexcept nogil:
    """Σ_r w_r ℓ_r; when delta, z (n, k), holding a_L, becomes scale w_r ∇a_L

    spare: k of scratch.
    """
    cdef Py_ssize_t r, k = plan.n[plan.L]
    cdef double total = 0
    for r in range(batch.n):
        total = add_loss(total, plan, batch, r, z + r * k, scale, delta, spare)
    return total


cdef inline double gradient_block(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    double scale, floating* grad, bint accumulate, floating* work,
) noexcept nogil:
    """grad := ∇θ of scale Σ_r w_r ℓ_r + penalty, or += that of the losses alone when accumulate;
    returns Σ_r w_r ℓ_r"""
    cdef Py_ssize_t k, j, L = plan.L, n = batch.n, cap = padded(n)
    cdef floating* deltas = work + cap * plan.units
    cdef const floating* h0 = gather(plan, step, batch, work)
    cdef const floating* h
    cdef floating* da
    cdef double total
    da = forward_block(plan, step, params, batch, h0, work)  # a_L becomes ∇a_L in place
    total = losses_block(plan, batch, da, scale, True, deltas + cap * plan.below[L])
    for k in range(L, 0, -1):
        h = h_block(plan, step, work, cap, k - 1) if k > 1 else h0
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
            if keeps_slope(plan, step, k - 1):
                multiply(h, da, n * plan.n[k - 1])
            else:
                apply_any_derivative(plan.g[k - 1], h, da, n * plan.n[k - 1])
    if plan.penalised and not accumulate:
        for k in range(1, L + 1):
            for j in range(plan.W[k], plan.b[k]):
                grad[j] += <floating>plan.l2[k] * params[j]
    return total
