# ∇a_k of a block of samples, from panels that threads share out in halves: see batch_panels.pxd.
#
# Of a panel that two threads share, each computes its half in a panel of its own and copies what
# the gradients need to its place; its losses are summed from a copy of a_L, in the usual order.

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare
from ffnn_fast.engine.kernels.products cimport panel_to_rows
from ffnn_fast.engine.passes.batch cimport batch_t, first_sample, rows_from
from ffnn_fast.engine.passes.batch_panels cimport (
    backward_panels, backward_to_block, da_panel, forward_panels, h_panel, h_rows, half_scratch,
    panel_count, rows_of_panel, sparse_rows_of, thread_scratch,
)
from ffnn_fast.engine.passes.panel_losses cimport losses_panel
from ffnn_fast.engine.passes.team cimport team_t
from ffnn_fast.engine.plan cimport grain_of_samples, plan_t, step_t


cdef inline void copy_half(
    const plan_t* plan, Py_ssize_t rows, const floating* half, floating* panel
) noexcept nogil:
    """panel (rows, S / 2), S apart, := half"""
    for _ in range(rows):
        memcpy(panel, half, plan.S // 2 * sizeof(floating))
        half, panel = half + plan.S, panel + plan.S


cdef inline floating* shared_outputs(
    const plan_t* plan, floating* work, Py_ssize_t n, Py_ssize_t p, team_t team
) noexcept nogil:
    """Where the threads that share panel p put a_L: in scratch of the first that begins there"""
    cdef int thread = 1
    while first_sample(plan, n, thread, team.threads) < p * plan.S + plan.S // 2:
        thread += 1
    return half_scratch(plan, work, panel_count(plan, n), thread + 1, team.threads) \
        - plan.panel[plan.L]


cdef inline void put_half(
    const plan_t* plan, floating* half, floating* work, Py_ssize_t count, Py_ssize_t start
) noexcept nogil:
    """∇a_k and rows[k] of half a panel to the place of its samples start.."""
    cdef Py_ssize_t S = plan.S, p = start // S, lane = start % S, k, i
    cdef floating* rows
    for k in range(1, plan.L + 1):
        copy_half(
            plan, plan.n[k], da_panel(plan, half, 1, k, 0),
            da_panel(plan, work, count, k, p) + lane,
        )
    for k in range(plan.L):
        rows = h_rows(plan, work, count, k, p) + lane * S
        for i in range((plan.n[k] + S - 1) // S):
            memcpy(
                rows + i * count * S * S, h_rows(plan, half, 1, k, 0) + i * S * S,
                S * S // 2 * sizeof(floating),
            )


cdef inline void panels_to_deltas(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    double scale, floating* work, double* sums, team_t team,
) noexcept nogil:
    """Phase one, a thread's samples: sums[p] := Σ w ℓ, and all ∇a_k of scale Σ w ℓ

    Thread 0 calls shared_losses after the barrier.
    """
    cdef Py_ssize_t S = plan.S, n = batch.n, p
    cdef Py_ssize_t start = first_sample(plan, n, team.thread, team.threads)
    cdef Py_ssize_t end = first_sample(plan, n, team.thread + 1, team.threads)
    cdef Py_ssize_t at = min(end, (start + S - 1) // S * S), left = end - start, here
    cdef Py_ssize_t count, first, last
    cdef floating* panels
    cdef floating* z
    cdef floating* scratch = thread_scratch(plan, work, panel_count(plan, n), team.thread)
    cdef batch_t rows, panel
    cdef bint shared
    # Half a panel at the start comes last: whole ones leave time to fetch W that others updated.
    while left > 0:
        at = start if at == end else at
        shared = at % S != 0 or end < min(n, at + S)
        if shared:
            here = min(S // 2, end - at)
            panels = half_scratch(plan, work, panel_count(plan, n), team.thread, team.threads)
            rows, count, first, last = rows_from(batch, at, here), 1, 0, 1
        else:
            here = min(plan.group * S, end - at if end == n else (end - at) // S * S)
            panels, rows, count = work, batch[0], panel_count(plan, n)
            first, last = at // S, panel_count(plan, at + here)
        forward_panels(plan, step, params, &rows, first, last, panels, count, True, NULL)
        for p in range(first, last):
            panel = rows_of_panel(plan, &rows, p)
            z = h_panel(plan, panels, count, plan.L, p)
            if shared:
                copy_half(
                    plan, plan.n[plan.L], z,
                    shared_outputs(plan, work, n, at // S, team) + at % S,
                )
                losses_panel(plan, &panel, z, scale, True, scratch)
            else:
                sums[p] = losses_panel(plan, &panel, z, scale, True, scratch)
        backward_panels(plan, step, params, rows.n, first, last, panels, count)
        if shared:
            put_half(plan, panels, work, panel_count(plan, n), at)
        if rare(plan.feature is not NULL):
            backward_to_block(plan, step, params, batch, first, last, work, count)
        if rare(plan.sparse):
            for p in range(first, last):
                panel_to_rows(
                    min(S, n - p * S), plan.n[1], da_panel(plan, work, count, 1, p),
                    sparse_rows_of(plan, work, count, p),
                )
        at, left = at + here, left - here


cdef inline void shared_losses(
    const plan_t* plan, const batch_t* batch, double scale, floating* work, double* sums,
    team_t team,
) noexcept nogil:
    """sums[p] of the panels that threads share, from their a_L"""
    cdef Py_ssize_t S = plan.S, n = batch.n, before = 0, start, p
    cdef batch_t panel
    cdef int thread
    if grain_of_samples(plan) == S:
        return
    for thread in range(1, team.threads):
        start = first_sample(plan, n, thread, team.threads)
        if start % S != 0 and before < start < n:
            p = start // S
            panel = rows_of_panel(plan, batch, p)
            sums[p] = losses_panel(
                plan, &panel, shared_outputs(plan, work, n, p, team), scale, True,
                thread_scratch(plan, work, panel_count(plan, n), 0),
            )
        before = start
