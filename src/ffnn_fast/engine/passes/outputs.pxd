# ŷ and the loss of n rows, by whichever way suits them; run by every thread of a team at once.
#
# The head of the scratch holds a sum of losses for each panel.

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare
from ffnn_fast.engine.passes.activation_loops cimport activate_any, softmax_row
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch_blas cimport forward_block, gather, losses_block
from ffnn_fast.engine.passes.batch_panels cimport (
    outputs_of_panels, outputs_workspace, panel_count, panels_workspace,
)
from ffnn_fast.engine.passes.one_sample cimport forward_first, forward_rest, online_size
from ffnn_fast.engine.passes.online_deferred cimport deferred_size
from ffnn_fast.engine.passes.penalty cimport penalty
from ffnn_fast.engine.plan cimport SOFTMAX, plan_t

cdef enum:
    BLOCK_ROWS = 1024  # samples whose activations are held at once
    PANEL_PER_ROW = 8  # rows up to this part of a panel go one by one: half a panel costs 7 of them


cdef inline Py_ssize_t sums_size(const plan_t* plan, Py_ssize_t n) noexcept nogil:
    """Elements that hold a double for each panel of n rows"""
    return padded(2 * panel_count(plan, n))


cdef inline Py_ssize_t scratch_size(const plan_t* plan, Py_ssize_t n, int threads) noexcept nogil:
    """Elements of scratch for a call on n rows, to train or not"""
    cdef Py_ssize_t block = min(n, <Py_ssize_t>BLOCK_ROWS), size
    if not plan.own_products:
        return sums_size(plan, n) + 2 * padded(block) * plan.units
    size = max(
        panels_workspace(plan, block, threads),
        threads * outputs_workspace(plan, min(plan.group, panel_count(plan, n))),
    )
    return sums_size(plan, n) + max(size, online_size(plan) + deferred_size(plan))


cdef inline void activate_outputs(const plan_t* plan, floating* z, Py_ssize_t n) noexcept nogil:
    """z := O(z) for n rows of n_L, head by head"""
    cdef Py_ssize_t O = plan.g[plan.L], k = plan.n[plan.L], r, i
    cdef floating* row
    if O != SOFTMAX:
        activate_any(O, z, n * k)
        return
    if rare(plan.heads > 1):
        for r in range(n):
            row = z + r * k
            for i in range(plan.heads):
                softmax_row(row, plan.head[i])
                row += plan.head[i]
        return
    for r in range(n):
        softmax_row(z + r * k, k)


cdef inline void forward_rows(
    const plan_t* plan, const floating* params, const floating* X, Py_ssize_t n, floating* out,
    floating* work, int thread, int threads,
) noexcept nogil:
    """out (n, n_L) := ŷ, a thread's share of the rows"""
    cdef Py_ssize_t k = plan.n[plan.L], start = 0, rows
    cdef floating* z
    work += sums_size(plan, n)
    if n <= max(1, plan.S // PANEL_PER_ROW):
        for start in range(n):
            forward_first(plan, params, X + start * plan.n[0], work)
            z = forward_rest(plan, params, work, False)
            activate_outputs(plan, z, 1)
            memcpy(out + start * k, z, k * sizeof(floating))
    elif plan.own_products:
        outputs_of_panels[floating](
            plan, params, X, NULL, NULL, NULL, n, out, work, NULL, thread, threads
        )
    else:
        while start < n:
            rows = min(n - start, <Py_ssize_t>BLOCK_ROWS)
            z = forward_block(
                plan, params, X + start * plan.n[0], rows, work, padded(rows), False
            )
            activate_outputs(plan, z, rows)
            memcpy(out + start * k, z, rows * k * sizeof(floating))
            start += rows


cdef inline void losses_of_rows(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, Py_ssize_t n, floating* work, int thread,
    int threads,
) noexcept nogil:
    """A thread's share of the losses, Σ w ℓ of each panel or block, to the head of the scratch"""
    cdef double* sums = <double*>work
    cdef Py_ssize_t k = plan.targets, start = 0, rows, block = 0
    cdef floating* z
    cdef plan_t here = plan[0]
    work += sums_size(plan, n)
    if plan.own_products:
        outputs_of_panels[floating](
            plan, params, X, Y, labels, weight, n, NULL, work, sums, thread, threads
        )
        return
    for block in range(panel_count(plan, n)):
        sums[block] = 0
    block = 0
    while start < n:
        rows = min(n - start, <Py_ssize_t>BLOCK_ROWS)
        here.position = start
        z = forward_block(
            &here, params, gather(&here, X + start * plan.n[0], NULL, work, rows), rows, work,
            padded(rows), False,
        )
        sums[block] = losses_block(
            plan, z, NULL if Y is NULL else Y + start * k,
            NULL if labels is NULL else labels + start,
            NULL if weight is NULL else weight + start, NULL, rows, 1, False,
            z + padded(rows) * plan.units,
        )
        block += 1
        start += rows


cdef inline double sum_of(const double* sums, Py_ssize_t n) noexcept nogil:
    """Σ_p sums_p, in order"""
    cdef Py_ssize_t p
    cdef double total = 0
    for p in range(n):
        total += sums[p]
    return total


cdef inline double mean_loss(
    const plan_t* plan, const floating* params, const floating* work, Py_ssize_t n
) noexcept nogil:
    """The objective, from the sums of losses at the head of the scratch"""
    return sum_of(<const double*>work, panel_count(plan, n)) / n + penalty(plan, params)
