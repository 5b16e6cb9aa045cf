# Passes over one sample: forward, and back through updates of W_k in the same sweep.
#
# Scratch: h[k] at 16 below[k], then ∇a_k at 16 (units + below[k]), so that every part is aligned;
# and where slopes are kept (plan.pxd) g'(a_k), with the mask, at 16 (2 units + below[k]).
# A step reads and writes each W_k in one sweep: ∇h_{k-1} := W_kᵀ ∇a_k and W_k := W_k − η ∇a_k hᵀ
# together for k > 1, and for W_1 the update together with a_1 of the following sample; with BLAS,
# whose products are gemv, that sample's a_1 is computed by itself.

from libc.string cimport memcpy

from ffnn_fast.engine.blas cimport gemv
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    forward_one_layer, update_weights, update_weights_and_forward,
)
from ffnn_fast.engine.passes.activation_loops cimport (
    activate_any, apply_any_derivative, multiply, value_and_slope,
)
from ffnn_fast.engine.passes.dropout_masks cimport drop_rows
from ffnn_fast.engine.plan cimport drops, keeps_slope, plan_t, step_t


cdef inline Py_ssize_t online_size(const plan_t* plan) noexcept nogil:
    """Elements of scratch"""
    return (48 if plan.keeps_slopes else 32) * plan.units


cdef inline floating* h_one(const plan_t* plan, floating* work, Py_ssize_t k) noexcept nogil:
    """h[k]; h[L] holds a_L, then ∇a_L"""
    return work + 16 * plan.below[k]


cdef inline floating* da_one(const plan_t* plan, floating* work, Py_ssize_t k) noexcept nogil:
    """∇a_k"""
    return work + 16 * (plan.below[k] + (plan.units if k < plan.L else 0))


cdef inline floating* slope_one(const plan_t* plan, floating* work, Py_ssize_t k) noexcept nogil:
    """g'(a_k), scaled or 0 by the mask, where it is kept"""
    return work + 16 * (plan.below[k] + 2 * plan.units)


cdef inline void forward_layer(
    const plan_t* plan, const floating* params, Py_ssize_t k, const floating* h, floating* a
) noexcept nogil:
    """a := b_k + W_k h"""
    cdef Py_ssize_t i = plan.n[k - 1], o = plan.n[k]
    if plan.own_products:
        forward_one_layer(o, i, params + plan.W[k], params + plan.b[k], h, a)
    else:
        memcpy(a, params + plan.b[k], o * sizeof(floating))
        gemv(
            False, <int>o, <int>i, <floating>1, params + plan.W[k], <int>i, h, <floating>1, a
        )


cdef inline void forward_first(
    const plan_t* plan, const floating* params, const floating* x, floating* work
) noexcept nogil:
    """a_1 := b_1 + W_1 x"""
    forward_layer(plan, params, 1, x, h_one(plan, work, 1))


cdef inline void activate_keeping_slope(
    const plan_t* plan, const step_t* step, Py_ssize_t k, floating* h, floating* slope
) noexcept nogil:
    """h := g(h), slope := g'(h), both scaled or 0 by the mask"""
    memcpy(slope, h, plan.n[k] * sizeof(floating))
    value_and_slope(plan.g[k], slope, h, plan.n[k])
    if drops(plan, step, k):
        drop_rows(plan, step, k, 0, 1, h, slope)


cdef inline floating* forward_rest(
    const plan_t* plan, const step_t* step, const floating* params, floating* work
) noexcept nogil:
    """From a_1: h[k] := g(a_k), a_{k+1} := b_{k+1} + W_{k+1} h[k]; returns a_L"""
    cdef Py_ssize_t k
    for k in range(1, plan.L):
        if keeps_slope(plan, step, k):
            activate_keeping_slope(plan, step, k, h_one(plan, work, k), slope_one(plan, work, k))
        else:
            activate_any(plan.g[k], h_one(plan, work, k), plan.n[k])
        forward_layer(plan, params, k + 1, h_one(plan, work, k), h_one(plan, work, k + 1))
    return h_one(plan, work, plan.L)


cdef inline void update_bias(
    floating* b, const floating* da, floating eta, Py_ssize_t o
) noexcept nogil:
    """b := b − η ∇a"""
    cdef Py_ssize_t j
    for j in range(o):
        b[j] -= eta * da[j]


cdef inline void backward_activation(
    const plan_t* plan, const step_t* step, Py_ssize_t k, floating* work
) noexcept nogil:
    """∇a_k := ∇h_k ⊙ g'(a_k), with the mask, in the place of ∇a_k"""
    if keeps_slope(plan, step, k):
        multiply(slope_one(plan, work, k), da_one(plan, work, k), plan.n[k])
    else:
        apply_any_derivative(plan.g[k], h_one(plan, work, k), da_one(plan, work, k), plan.n[k])


cdef inline const floating* input_one(
    const plan_t* plan, const step_t* step, const floating* x, floating* work
) noexcept nogil:
    """x, or its copy in h[0] with the mask"""
    if not drops(plan, step, 0):
        return x
    memcpy(h_one(plan, work, 0), x, plan.n[0] * sizeof(floating))
    drop_rows(plan, step, 0, 0, 1, h_one(plan, work, 0), <floating*>NULL)
    return h_one(plan, work, 0)


cdef inline floating* backward_update_above(
    const plan_t* plan, const step_t* step, floating* params, floating eta, floating* work
) noexcept nogil:
    """From ∇a_L: b_1 and all W_k and b_k, k > 1, one step on; returns ∇a_1"""
    cdef Py_ssize_t k
    cdef floating* da
    cdef floating* dh
    for k in range(plan.L, 1, -1):
        da, dh = da_one(plan, work, k), da_one(plan, work, k - 1)
        update_weights(
            plan.n[k], plan.n[k - 1], params + plan.W[k], h_one(plan, work, k - 1), da, eta,
            <floating>(1 - eta * plan.l2[k]), dh,
        )
        update_bias(params + plan.b[k], da, eta, plan.n[k])
        backward_activation(plan, step, k - 1, work)
    da = da_one(plan, work, 1)
    update_bias(params + plan.b[1], da, eta, plan.n[1])
    return da


cdef inline void backward_update(
    const plan_t* plan, const step_t* step, floating* params, const floating* x,
    const floating* following, floating eta, floating* work,
) noexcept nogil:
    """From ∇a_L: all W_k and b_k one step on; then a_1 of the following sample, unless NULL"""
    cdef floating decay = <floating>(1 - eta * plan.l2[1])
    cdef floating* da = backward_update_above(plan, step, params, eta, work)
    if following is NULL:
        update_weights[floating](
            plan.n[1], plan.n[0], params + plan.W[1], x, da, eta, decay, NULL
        )
    else:
        update_weights_and_forward(
            plan.n[1], plan.n[0], params + plan.W[1], x, da, eta, decay, params + plan.b[1],
            following, h_one(plan, work, 1),
        )
