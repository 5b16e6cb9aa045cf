# All of a step on one sample that follows ∇a_L, layer by layer: W_k are read once.

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, forward_one_layer, online_adam, online_gradient, online_momentum,
)
from ffnn_fast.engine.passes.one_sample cimport backward_activation, da_one, h_one
from ffnn_fast.engine.passes.optimizer_rates cimport (
    ADAMW, NESTEROV, optimizer_t, rates_t, rule_t,
)
from ffnn_fast.engine.passes.penalty cimport add_signs
from ffnn_fast.engine.passes.step_update cimport block_of, update_group, update_units
from ffnn_fast.engine.plan cimport plan_t, step_t

cdef struct sample_t:  # inputs (n_0,), of the plan's dtype
    const void* x
    const void* following  # of the sample whose step comes next; NULL: its a_1 is not wanted

cdef enum:
    IN_L1 = 1 << 12   # entries of ∇W_k before they are used up: it costs no more than to write it
    ROWS_AT_ONCE = 4  # rows of W_k that the sweep of one sample takes together
    FEW_INPUTS = 32   # Adam's sweep is by rows: of fewer inputs its last vector is too large a part


cdef inline bint in_one_sweep(
    const plan_t* plan, const rule_t* rule, Py_ssize_t k
) noexcept nogil:
    """Whether gradient and rule take one sweep over W_k

    Momentum's is no faster than two with AVX-512, and machines without AVX2 take two.
    """
    cdef Py_ssize_t i = plan.n[k - 1]
    if plan.has_l1:
        return False
    if rule.linear:
        return (
            MK_BYTES == 32 and i * plan.itemsize >= MK_BYTES and plan.l2[k] == 0
            and rule.optimizer != NESTEROV
        )
    return rule.adam and i >= FEW_INPUTS


cdef inline void sample_to_adam(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t k, const floating* h,
    const floating* following, floating* params, floating* work,
) noexcept nogil:
    """Layer k of `sample_to_updates` by Adam or AdamW and no more, in one sweep"""
    cdef Py_ssize_t i = plan.n[k - 1], o = plan.n[k], W = plan.W[k]
    cdef const rates_t* rates = &optimizer.rates
    cdef const floating* da = da_one(plan, work, k)
    cdef floating* m = <floating*>optimizer.state + W
    cdef floating* b = params + plan.b[k]
    cdef floating[6] numbers
    numbers[0], numbers[1] = <floating>rates.eta, <floating>rates.new_1
    numbers[2], numbers[3] = <floating>rates.new_2, <floating>rates.root
    numbers[4] = <floating>rates.epsilon
    numbers[5] = <floating>rates.keep if optimizer.rule.optimizer == ADAMW else 1
    update_group(plan, optimizer, plan.L + k - 1, plan.b[k], params, da, o)
    online_adam(
        o, i, params + W, m, m + plan.P, h, da, <floating>plan.l2[k], numbers,
        NULL if k == 1 else da_one(plan, work, k - 1), b, following, h_one(plan, work, 1),
    )


cdef inline void sample_to_momentum(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t k, const floating* h,
    const floating* following, floating* params, floating* work,
) noexcept nogil:
    """Layer k of `sample_to_updates` by momentum and no more, in one sweep

    Without a following sample, a_1 of this one again is not used.
    """
    cdef Py_ssize_t o = plan.n[k], W = plan.W[k]
    cdef const floating* da = da_one(plan, work, k)
    update_group(plan, optimizer, plan.L + k - 1, plan.b[k], params, da, o)
    online_momentum(
        o, plan.n[k - 1], params + W, <floating*>optimizer.state + W, h, da,
        <floating>optimizer.rates.eta, <floating>optimizer.rates.momentum,
        NULL if k == 1 else da_one(plan, work, k - 1), params + plan.b[k],
        h if following is NULL else following, h_one(plan, work, 1),
    )


cdef inline void sample_to_updates(
    const plan_t* plan, const step_t* step, const optimizer_t* optimizer, const sample_t* sample,
    floating* params, floating* grad, floating* work, bint store,
) noexcept nogil:
    """From ∇a_L of one sample one step on, or ∇θ into grad if `store`; see online.pxd

    Then, while rows of W_1 are in cache, a_1 of the following sample, unless that is NULL. Without
    a sample only layers 2..L, and ∇a_1.
    """
    cdef Py_ssize_t k, r, rows, i, o
    cdef const floating* h
    cdef floating* da
    cdef floating* dh = NULL
    cdef floating* dW
    cdef const floating* following
    for k in range(plan.L, 1 if sample is NULL else 0, -1):
        i, o, r = plan.n[k - 1], plan.n[k], 0
        da = da_one(plan, work, k)
        h = <const floating*>sample.x if k == 1 else h_one(plan, work, k - 1)
        dh = NULL if k == 1 else da_one(plan, work, k - 1)
        if in_one_sweep(plan, optimizer.rule, k):
            following = <const floating*>sample.following if k == 1 else NULL
            if optimizer.rule.adam or MK_BYTES != 32:  # a constant: no body of momentum's then
                sample_to_adam(plan, optimizer, k, h, following, params, work)
            else:
                sample_to_momentum(plan, optimizer, k, h, following, params, work)
            r = o
        while r < o:
            rows = min(block_of(i, IN_L1, ROWS_AT_ONCE), o - r)
            dW = grad + plan.W[k] + (r * i if store else 0)
            if k > 1 or not optimizer.rule.frozen[k]:
                online_gradient(
                    rows, i, params + plan.W[k] + r * i, h, da + r, <floating>plan.l2[k], r > 0,
                    dh, dW,
                )
            if plan.l1[k] != 0:
                add_signs(plan.l1[k], params + plan.W[k] + r * i, dW, rows * i)
            if not store:
                update_units(plan, optimizer, k, r, rows, params, dW, da + r)
            if k == 1 and sample.following is not NULL:
                forward_one_layer(
                    rows, i, params + plan.W[1] + r * i, params + plan.b[1] + r,
                    <const floating*>sample.following, h_one(plan, work, 1) + r,
                )
            r += rows
        if store:
            memcpy(grad + plan.b[k], da, o * sizeof(floating))
        if k > 1:
            backward_activation(plan, step, k - 1, work)
