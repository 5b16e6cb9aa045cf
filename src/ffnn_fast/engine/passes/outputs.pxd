# ŷ and the losses of the rows of a batch; run by every thread of a team.
#
# The head of the scratch holds a sum for each panel: of losses, or of a_1 of the first unit.

from libc.math cimport NAN
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.passes.activation_loops cimport (
    activate_any, softmax_row, value_and_slope,
)
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t, row_of, rows_from
from ffnn_fast.engine.passes.batch_blas cimport forward_block, gather, losses_block
from ffnn_fast.engine.passes.batch_panels cimport (
    outputs_of_panels, outputs_workspace, panel_count, panels_workspace, stays_cached, sum_of,
)
from ffnn_fast.engine.passes.one_sample cimport forward_first, forward_rest, online_size
from ffnn_fast.engine.passes.online_deferred cimport deferred_size
from ffnn_fast.engine.passes.penalty cimport penalty_of
from ffnn_fast.engine.passes.sparse_rows cimport share_transposed
from ffnn_fast.engine.passes.team cimport team_t
from ffnn_fast.engine.plan cimport SOFTMAX, outputs_only, plan_t, step_t

cdef enum:
    BLOCK_ROWS = 1024  # samples whose activations are held at once
    PANEL_PER_ROW = 8  # rows up to this part of a panel go one by one: half a panel costs 7 of them


cdef inline Py_ssize_t block_rows(const plan_t* plan) noexcept nogil:
    """Samples of a gradient whose activations are held at once

    Few where W stays in a small second-level cache, so that they stay there too.
    """
    return 256 if MK_BYTES == 32 and stays_cached(plan) else <Py_ssize_t>BLOCK_ROWS


cdef inline Py_ssize_t sums_size(const plan_t* plan, Py_ssize_t n) noexcept nogil:
    """Elements that hold a double for each panel of n rows"""
    return padded(2 * panel_count(plan, n))


cdef inline Py_ssize_t scratch_size(const plan_t* plan, Py_ssize_t n, int threads) noexcept nogil:
    """Elements of scratch for a call on n rows, to train or not"""
    cdef Py_ssize_t block = min(n, <Py_ssize_t>BLOCK_ROWS), size
    if not plan.own_products:
        return sums_size(plan, n) + max(2 * padded(block) * plan.units, online_size(plan))
    size = max(
        panels_workspace(plan, block, threads),
        threads * outputs_workspace(plan, min(plan.group, panel_count(plan, n))),
    )
    if plan.sparse:
        return sums_size(plan, n) + size
    return sums_size(plan, n) + max(size, online_size(plan) + deferred_size(plan))


cdef inline void activate_outputs(const plan_t* plan, floating* z, Py_ssize_t n) noexcept nogil:
    """z := O(z) for n rows of n_L, head by head"""
    cdef Py_ssize_t i, k
    cdef bint together = plan.heads == 1 and plan.g[plan.L] != SOFTMAX
    for _ in range(1 if together else n):
        for i in range(plan.heads):
            k = plan.head[i].width
            if plan.head[i].output == SOFTMAX:
                softmax_row(z, k)
            else:
                activate_any(plan.head[i].output, z, n * k if together else k)
            z += k


cdef inline void outputs_and_slopes_row(
    const plan_t* plan, floating* z, floating* y_hat
) noexcept nogil:
    """y_hat := ŷ of one sample, and z, which holds a_L, := O'(a_L), but ŷ of a softmax"""
    cdef Py_ssize_t i, k
    for i in range(plan.heads):
        k = plan.head[i].width
        if plan.head[i].output == SOFTMAX:
            softmax_row(z, k)
            memcpy(y_hat, z, k * sizeof(floating))
        else:
            value_and_slope(plan.head[i].output, z, y_hat, k)
        z, y_hat = z + k, y_hat + k


cdef inline void outputs_of_sample(
    const plan_t* plan, const step_t* step, const floating* params, const floating* x,
    floating* y_hat, floating* work,
) noexcept nogil:
    """ŷ of one sample; the scratch is that of one_sample.pxd"""
    cdef floating* z
    forward_first(plan, params, x, work)
    z = forward_rest(plan, step, params, work)
    activate_outputs(plan, z, 1)
    memcpy(y_hat, z, plan.n[plan.L] * sizeof(floating))


cdef inline void forward_rows(
    const plan_t* plan, const floating* params, const batch_t* batch, floating* out,
    floating* work, team_t team,
) noexcept nogil:
    """out (n, n_L) := ŷ, a thread's share of the rows of the batch

    sums[p] as in `forward_panels`; sums[0] := NaN where rows do not go through panels.
    """
    cdef Py_ssize_t n = batch.n, k = plan.n[plan.L], start = 0
    cdef const floating* X = <const floating*>batch.X
    cdef step_t step = outputs_only()
    cdef batch_t rows
    cdef floating* z
    cdef double* sums = <double*>work
    work += sums_size(plan, n)
    share_transposed(plan, params, batch, team)
    if n <= max(1, plan.S // PANEL_PER_ROW) and not plan.extended and not plan.sparse:
        sums[0] = NAN
        for start in range(n):
            outputs_of_sample(
                plan, &step, params, X + row_of(batch, start) * plan.n[0], out + start * k, work
            )
    elif plan.own_products:
        outputs_of_panels(plan, &step, params, batch, out, work, sums, team)
    else:
        sums[0] = NAN
        while start < n:
            rows = rows_from(batch, start, min(n - start, <Py_ssize_t>BLOCK_ROWS))
            z = forward_block(plan, &step, params, &rows, gather(plan, &step, &rows, work), work)
            activate_outputs(plan, z, rows.n)
            memcpy(out + start * k, z, rows.n * k * sizeof(floating))
            start += rows.n


cdef inline void losses_of_rows(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* work, team_t team,
) noexcept nogil:
    """A thread's share of the losses, Σ w ℓ of each panel or block, to the head of the scratch"""
    cdef double* sums = <double*>work
    cdef Py_ssize_t start = 0, block
    cdef batch_t rows
    cdef floating* z
    work += sums_size(plan, batch.n)
    share_transposed(plan, params, batch, team)
    if plan.own_products:
        outputs_of_panels[floating](plan, step, params, batch, NULL, work, sums, team)
        return
    for block in range(panel_count(plan, batch.n)):
        sums[block] = 0
    block = 0
    while start < batch.n:
        rows = rows_from(batch, start, min(batch.n - start, <Py_ssize_t>BLOCK_ROWS))
        z = forward_block(plan, step, params, &rows, gather(plan, step, &rows, work), work)
        sums[block] = losses_block(
            plan, &rows, z, 1, False, z + padded(rows.n) * plan.units
        )
        block += 1
        start += rows.n


cdef inline double mean_loss(
    const plan_t* plan, const floating* params, const floating* work, Py_ssize_t n
) noexcept nogil:
    """The objective, from the sums of losses at the head of the scratch"""
    return sum_of(<const double*>work, panel_count(plan, n)) / n + penalty_of(plan, params)
