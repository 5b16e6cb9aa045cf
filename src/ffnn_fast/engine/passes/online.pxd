# Online learning: a step of gradient descent on each sample.
#
# W_1 is updated in the sweep that computes a_1 of the following sample. The logarithms of the loss
# of softmax outputs, which no step needs, are taken of several samples at a time.

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.maths.vecmath cimport vm_log1p_f32, vm_log1p_f64
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.logit_losses cimport softmax_minus_label
from ffnn_fast.engine.passes.one_sample cimport (
    backward_update, forward_first, forward_rest, input_one,
)
from ffnn_fast.engine.passes.penalty cimport penalty_of
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.plan cimport CROSS_ENTROPY, drops, plan_t, step_t

cdef enum:
    PENDING = 64  # samples whose logarithms are taken together


cdef inline bint has_labels_alone(const plan_t* plan, const batch_t* batch) noexcept nogil:
    """Whether each step's objective is log Σ_j e^{a_j} − a_label"""
    return (
        plan.heads == 1 and plan.head.canonical and plan.head.loss == CROSS_ENTROPY
        and plan.head.smoothing == 0
        and batch.Y is NULL and batch.weight is NULL and not plan.penalised
    )


cdef inline double add_pending(
    double total, Py_ssize_t n, floating* rest, const floating* dot
) noexcept nogil:
    """total + Σ_i log(1 + rest_i) − dot_i"""
    cdef Py_ssize_t i
    for i in range(n):
        rest[i] = (vm_log1p_f32(rest[i]) if floating is float else vm_log1p_f64(rest[i])) - dot[i]
    for i in range(n):
        total += rest[i]
    return total


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
    cdef bint labels_alone = has_labels_alone(plan, batch)
    cdef floating rest[PENDING]
    cdef floating dot[PENDING]
    cdef Py_ssize_t pending = 0
    cdef double total = 0
    for r in range(n):
        x = input_one(plan, &step, X + row_of(batch, r) * width, work)
        if r == 0 or not fused:
            forward_first(plan, params, x, work)
        z = forward_rest(plan, &step, params, work)
        if labels_alone:
            dot[pending] = softmax_minus_label(
                z, batch.labels[row_of(batch, r)], plan.n[plan.L], rest + pending
            )
            pending += 1
            if pending == PENDING:
                total, pending = add_pending(total, pending, rest, dot), 0
        else:
            total += add_loss(
                penalty_of(plan, params), plan, batch, r, z, 1, True, z + plan.n[plan.L]
            )
        following = NULL
        if fused and r + 1 < n:
            following = X + row_of(batch, r + 1) * width
        backward_update(plan, &step, params, x, following, eta, work)
        if step.mask != 0:
            step.mask += 1
    return add_pending(total, pending, rest, dot)
