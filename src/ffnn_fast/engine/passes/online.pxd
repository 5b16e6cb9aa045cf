# Online learning: a step of gradient descent on each sample.
#
# W_1 is updated in the sweep that computes a_1 of the following sample.

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.one_sample cimport (
    backward_update, forward_first, forward_rest, input_one,
)
from ffnn_fast.engine.passes.penalty cimport penalty_of
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.plan cimport drops, plan_t, step_t


cdef inline double online_steps(
    const plan_t* plan, const step_t* start, floating* params, const batch_t* batch, floating eta,
    floating* work,
) noexcept nogil:
    """A step on each row of the batch, whose masks follow that of `start`; Σ of the objectives"""
    cdef Py_ssize_t r, width = plan.n[0], n = batch.n
    cdef const floating* X = <const floating*>batch.X
    cdef step_t step = start[0]
    cdef bint fused = plan.own_products and not drops(plan, &step, 0)
    cdef const floating* x
    cdef const floating* following
    cdef floating* z
    cdef double total = 0
    for r in range(n):
        x = input_one(plan, &step, X + row_of(batch, r) * width, work)
        if r == 0 or not fused:
            forward_first(plan, params, x, work)
        z = forward_rest(plan, &step, params, work)
        total += add_loss(
            penalty_of(plan, params), plan, batch, r, z, 1, True, z + plan.n[plan.L]
        )
        following = NULL
        if fused and r + 1 < n:
            following = X + row_of(batch, r + 1) * width
        backward_update(plan, &step, params, x, following, eta, work)
        if step.mask != 0:
            step.mask += 1
    return total
