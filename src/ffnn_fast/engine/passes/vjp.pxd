# Vector-Jacobian products: from u = grad_y_hat, a row for each sample, back to θ and to the inputs.
#
# ∇θ = Σ_i (∂ŷ_i/∂θ)ᵀ u_i and ∇x_i = (∂ŷ_i/∂x_i)ᵀ u_i; without u, u_i is ∂(w_i ℓ_i)/∂ŷ_i.
# Threads take blocks of rows to all ∇a_k and ∇x_i; then, if ∇θ is wanted, units of every W_k, as in
# batch_panels.pxd. Where it is not, the panels of a thread go through one place.

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare, team_barrier
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, gather_panel, online_gradient, panel_to_rows, panels_backward, rows_product,
)
from ffnn_fast.engine.passes.batch cimport batch_t, inputs_only, row_of, rows_from
from ffnn_fast.engine.passes.batch_panels cimport (
    backward_panels, backward_to_block, da_panel, extras_of, forward_panels, h_panel, panel_count,
    panels_workspace, rows_of_panel, thread_scratch,
)
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S, drop_panel, drop_rows
from ffnn_fast.engine.passes.input_block cimport columns_gradient, dh0_panel, x_panel
from ffnn_fast.engine.passes.one_sample cimport (
    backward_activation, da_one, forward_first, forward_rest, h_one, input_one, online_size,
)
from ffnn_fast.engine.passes.outputs cimport BLOCK_ROWS, PANEL_PER_ROW, outputs_and_slopes_row
from ffnn_fast.engine.passes.panel_gradients cimport combination_t, panels_to_units
from ffnn_fast.engine.passes.panel_losses cimport losses_panel, outputs_and_slopes_panel
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.passes.step_update cimport further_gradient
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport SOFTMAX, drops, plan_t, step_t

cdef struct pullback_t:  # arrays of the plan's dtype, for all rows of a call
    const void* u   # (n, n_L); NULL: the gradients of the losses
    void* y_hat     # (n, n_L); NULL where it is not wanted, as below
    void* grad      # ∇θ, (P,)
    void* grad_X    # (n, n_0)


cdef inline Py_ssize_t pullback_scratch(
    const plan_t* plan, Py_ssize_t n, int threads
) noexcept nogil:
    """Elements of scratch for n rows"""
    cdef Py_ssize_t block = panels_workspace(plan, min(n, <Py_ssize_t>BLOCK_ROWS), threads)
    cdef Py_ssize_t group = panels_workspace(plan, min(n, plan.group * plan.S), 1)
    return max(block, threads * group, online_size(plan))


cdef inline void apply_output_jacobian_panel(
    const plan_t* plan, const floating* slope, const floating* u, floating* z
) noexcept nogil:
    """z := J_O u of each sample, (diag(ŷ) − ŷ ŷᵀ) u of a softmax; z may be one of the others

    slope: O'(a_L), but ŷ of a softmax
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), i, j, s, k
    cdef floating dot[MAX_S]
    for i in range(plan.heads):
        k = plan.head[i].width
        for s in range(S):
            dot[s] = 0
        if plan.head[i].output == SOFTMAX:
            for j in range(k):
                for s in range(S):
                    dot[s] += slope[j * S + s] * u[j * S + s]
        for j in range(k):
            for s in range(S):
                z[j * S + s] = slope[j * S + s] * (u[j * S + s] - dot[s])
        slope, u, z = slope + k * S, u + k * S, z + k * S


cdef inline void apply_output_jacobian_row(
    const plan_t* plan, const floating* slope, const floating* u, floating* z
) noexcept nogil:
    """The same for one sample"""
    cdef Py_ssize_t i, j, k
    cdef floating dot
    for i in range(plan.heads):
        k, dot = plan.head[i].width, 0
        if plan.head[i].output == SOFTMAX:
            for j in range(k):
                dot += slope[j] * u[j]
        for j in range(k):
            z[j] = slope[j] * (u[j] - dot)
        slope, u, z = slope + k, u + k, z + k


cdef inline void output_to_delta(
    const plan_t* plan, const batch_t* panel, const pullback_t* want, floating* z, floating* spare
) noexcept nogil:
    """z := ∇a_L from a_L, and ŷ, for the n <= S samples of a panel; spare: another panel"""
    cdef Py_ssize_t k = plan.n[plan.L], at = panel.first * k
    cdef const floating* u = <const floating*>want.u
    cdef floating* y_hat = <floating*>want.y_hat
    if u is NULL:
        losses_panel(plan, panel, z, 1, True, spare)
        return
    outputs_and_slopes_panel(plan, z, spare)
    if y_hat is not NULL:
        panel_to_rows(panel.n, k, spare, y_hat + at)
    gather_panel(panel.n, k, u + at, NULL, spare, <floating*>NULL, 0)
    apply_output_jacobian_panel(plan, z, spare, z)


cdef inline void pull_columns_back(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, Py_ssize_t first, Py_ssize_t last, floating* work, Py_ssize_t count,
    floating* spare,
) noexcept nogil:
    """∇h_0 and ∇X of the panels first..last-1 of an input block, from ∇a_1"""
    cdef floating* extras = extras_of(plan, work, count)
    cdef floating* dx
    cdef batch_t panel
    cdef Py_ssize_t p
    backward_to_block(plan, step, params, batch, first, last, work, count)
    if want.grad_X is NULL:
        return
    for p in range(first, last):
        panel = rows_of_panel(plan, batch, p)
        dx = h_panel(plan, work, count, 0, p)  # h[0] is not needed any more, and not narrower
        columns_gradient(
            plan, params, x_panel(plan, extras, count, p), dh0_panel(plan, extras, p), dx,
            spare + plan.panel[plan.L],
        )
        panel_to_rows(
            panel.n, plan.columns, dx, <floating*>want.grad_X + panel.first * plan.columns
        )


cdef inline void pull_panels_back(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, Py_ssize_t first, Py_ssize_t last, floating* work, Py_ssize_t count,
    floating* spare,
) noexcept nogil:
    """ŷ, all ∇a_k and ∇X of the panels first..last-1 of the batch; spare: another panel"""
    cdef Py_ssize_t S = plan.S, width = plan.n[0], p
    cdef floating* grad_X = <floating*>want.grad_X
    cdef floating* d
    cdef batch_t panel
    forward_panels(
        plan, step, params, batch, first, last, work, count,
        want.grad is not NULL or plan.feature is not NULL, NULL,
    )
    for p in range(first, last):
        panel = rows_of_panel(plan, batch, p)
        output_to_delta(plan, &panel, want, h_panel(plan, work, count, plan.L, p), spare)
    backward_panels(plan, step, params, batch.n, first, last, work, count)
    if rare(plan.feature is not NULL):
        pull_columns_back(plan, step, params, batch, want, first, last, work, count, spare)
        return
    if grad_X is NULL:
        return
    # h[0] is not needed any more: ∇W_1 is computed from rows[0].
    panels_backward(
        min(batch.n, last * S) - first * S, plan.n[1], width, params + plan.W[1],
        da_panel(plan, work, count, 1, first), h_panel(plan, work, count, 0, first),
    )
    for p in range(first, last):
        panel = rows_of_panel(plan, batch, p)
        d = h_panel(plan, work, count, 0, p)
        if drops(plan, step, 0):
            drop_panel(plan, step, 0, panel.first, d, <floating*>NULL)
        panel_to_rows(panel.n, width, d, grad_X + panel.first * width)


cdef inline void pull_block_back(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, floating* work, team_t team,
) noexcept nogil:
    """ŷ, ∇X and the block's part of ∇θ, of up to BLOCK_ROWS rows; a team leaves it together"""
    cdef Py_ssize_t count = panel_count(plan, batch.n), last
    cdef Py_ssize_t first = share_start(count, 1, team), end = share_end(count, 1, team)
    cdef floating* spare = thread_scratch(plan, work, count, team.thread)
    cdef floating* grad = <floating*>want.grad
    cdef combination_t combination
    cdef batch_t none = inputs_only(NULL, 0)
    combination.alpha, combination.decay, combination.squares = 1, 0, NULL
    combination.keep = 1 if batch.first > 0 else 0
    while first < end:
        last = min(first + plan.group, end)
        pull_panels_back(plan, step, params, batch, want, first, last, work, count, spare)
        first = last
    team_barrier(team.threads)
    if plan.extended:
        further_gradient[floating](plan, batch.n, params, grad, batch.first > 0, work, team)
    panels_to_units[floating](plan, batch.n, combination, grad, grad, work, &none, team)
    team_barrier(team.threads)


cdef inline void pull_rows_back(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, floating* work, team_t team,
) noexcept nogil:
    """ŷ and ∇X of a thread's share of the rows"""
    cdef Py_ssize_t S = plan.S, panels = panel_count(plan, batch.n), group
    cdef Py_ssize_t first = share_start(panels, 1, team), end = share_end(panels, 1, team)
    cdef floating* spare
    cdef batch_t rows
    work += team.thread * panels_workspace(plan, min(batch.n, plan.group * S), 1)
    while first < end:
        group = min(plan.group, end - first)
        rows = rows_from(batch, first * S, min(batch.n - first * S, group * S))
        spare = thread_scratch(plan, work, group, 0)
        pull_panels_back(plan, step, params, &rows, want, 0, group, work, group, spare)
        first += group


cdef inline void sample_to_delta(
    const plan_t* plan, const batch_t* batch, const pullback_t* want, Py_ssize_t r, floating* z
) noexcept nogil:
    """z := ∇a_L from a_L, and ŷ, of row r; n_L elements after z are scratch"""
    cdef Py_ssize_t k = plan.n[plan.L]
    cdef const floating* u = <const floating*>want.u
    cdef floating* y_hat = <floating*>want.y_hat
    cdef floating* spare = z + k
    if u is NULL:
        add_loss(0, plan, batch, r, z, 1, True, spare)
        return
    u += r * k
    outputs_and_slopes_row(plan, z, spare)
    if y_hat is not NULL:
        memcpy(y_hat + r * k, spare, k * sizeof(floating))
    apply_output_jacobian_row(plan, z, u, z)


cdef inline void pull_sample_back(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, Py_ssize_t r, floating* work,
) noexcept nogil:
    """ŷ, ∇x and ∇θ of row r alone"""
    cdef Py_ssize_t width = plan.n[0], k
    cdef const floating* X = <const floating*>batch.X + row_of(batch, r) * width
    cdef const floating* x = input_one(plan, step, X, work)
    cdef const floating* h
    cdef floating* grad = <floating*>want.grad
    cdef floating* grad_x = NULL
    cdef floating* da
    cdef floating* dh
    if want.grad_X is not NULL:
        grad_x = <floating*>want.grad_X + r * width
    forward_first(plan, params, x, work)
    sample_to_delta(plan, batch, want, r, forward_rest(plan, step, params, work))
    for k in range(plan.L, 0, -1):
        da, h = da_one(plan, work, k), x if k == 1 else h_one(plan, work, k - 1)
        dh = grad_x if k == 1 else da_one(plan, work, k - 1)
        if grad is not NULL:
            online_gradient(
                plan.n[k], plan.n[k - 1], params + plan.W[k], h, da, <floating>0, False, dh,
                grad + plan.W[k],
            )
            memcpy(grad + plan.b[k], da, plan.n[k] * sizeof(floating))
        elif dh is not NULL:
            rows_product(
                1, plan.n[k], plan.n[k - 1], da, plan.n[k], params + plan.W[k], dh, plan.n[k - 1]
            )
        if k > 1:
            backward_activation(plan, step, k - 1, work)
    if grad_x is not NULL and drops(plan, step, 0):
        drop_rows(plan, step, 0, r, 1, grad_x, <floating*>NULL)


cdef inline void pull_back(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, floating* work, team_t team,
) noexcept nogil:
    """ŷ, ∇θ and ∇X of the rows of the batch, which has no order: what of them is wanted

    step.train is set.
    """
    cdef Py_ssize_t n = batch.n, start = 0, r, few = 1
    cdef batch_t rows
    if want.grad is NULL and step.mask == 0:
        few = max(1, plan.S // PANEL_PER_ROW)
    if n <= few and not plan.extended:
        for r in range(n):
            pull_sample_back(plan, step, params, batch, want, r, work)
    elif want.grad is NULL:
        pull_rows_back(plan, step, params, batch, want, work, team)
    else:
        while start < n:
            rows = rows_from(batch, start, min(n - start, <Py_ssize_t>BLOCK_ROWS))
            pull_block_back(plan, step, params, &rows, want, work, team)
            start += rows.n
