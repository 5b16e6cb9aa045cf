# Steps on batches of sparse rows, in which W_1 changes only where it is needed.
#
# Without entries in a batch, a group of columns has the gradient of the penalty, or 0. Its steps
# depend on nothing else, so they are made later, one after another and with the same numbers:
# before the group has entries again, and at the end of the call. θ and the vectors of state are
# those of steps on dense rows, but for the order in which entries are summed. Meanwhile W_1 and its
# state lie transposed, (n_0, n_1).
#
# Bounds of ‖∇θ‖ and of the rows of W_k need all of W_1 at every step, and batches of more than
# BLOCK_ROWS rows hold most of the columns: these steps are those of train_steps.pxd.

from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport bias_gradient
from ffnn_fast.engine.passes.batch cimport batch_of, batch_t
from ffnn_fast.engine.passes.batch_panels cimport (
    da_panel, panel_count, sparse_rows_of, sum_of,
)
from ffnn_fast.engine.passes.dropout_masks cimport set_dropout
from ffnn_fast.engine.passes.optimizer_rates cimport (
    ADAGRAD, SGD, optimizer_t, rates_t, rule_t, set_rates,
)
from ffnn_fast.engine.passes.outputs cimport BLOCK_ROWS, sums_size
from ffnn_fast.engine.passes.panel_deltas cimport panels_to_deltas
from ffnn_fast.engine.passes.penalty cimport add_penalty, penalty_from
from ffnn_fast.engine.passes.sparse_rows cimport (
    GROUP, add_group, group_count, group_size, owns, penalty_gradient, sort_entries, sparse_of,
    sparse_t, transpose_in_place,
)
from ffnn_fast.engine.passes.step_update cimport (
    average_entries, panels_to_updates, update_group, update_range,
)
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, meet, share_end, share_start, team_t
from ffnn_fast.engine.passes.train_steps cimport epoch_t, scratch_t
from ffnn_fast.engine.plan cimport outputs_only, plan_t, step_t


cdef inline bint makes_up(
    const plan_t* plan, const rule_t* rule, Py_ssize_t batch_size
) noexcept nogil:
    """Whether groups of columns make up for their steps"""
    return plan.sparse and rule.clip_norm == INFINITY and rule.max_norm == INFINITY \
        and batch_size <= BLOCK_ROWS


cdef inline bint has_penalty(const plan_t* plan) noexcept nogil:
    """Whether W_1 has a penalty"""
    return plan.l2[1] != 0 or plan.l1[1] != 0


cdef inline bint rests(const plan_t* plan, const rule_t* rule) noexcept nogil:
    """Whether a step without entries changes nothing of a group"""
    return not has_penalty(plan) and rule.average == 0 and (
        rule.optimizer == SGD or rule.optimizer == ADAGRAD or rule.frozen[1]
    )


cdef inline void step_of_group(
    const plan_t* plan, optimizer_t* optimizer, sparse_t* X, Py_ssize_t group, Py_ssize_t size,
    floating* params, const floating* grad,
) noexcept nogil:
    """The next step of a group, of a batch of `size` rows, with its gradient (GROUP, n_1)"""
    cdef Py_ssize_t n = group_size(plan, group), at = plan.W[1] + group * GROUP * plan.n[1]
    cdef const rates_t* rates = X.rates + X.done[group]
    if has_penalty(plan):
        X.penalty[group] += size * add_penalty(plan, 1, params + at, n, 0)
    if not optimizer.rule.frozen[1]:
        update_range(plan, optimizer, rates, 0, at, params, grad, n)
    if optimizer.rule.average > 0:
        optimizer.rates.t = rates.t
        average_entries(plan, optimizer, at, params, n)
    X.done[group] += 1


cdef inline void make_up(
    const plan_t* plan, optimizer_t* optimizer, sparse_t* X, Py_ssize_t group, Py_ssize_t u,
    Py_ssize_t size, floating* params, floating* grad,
) noexcept nogil:
    """The steps of a group up to the u-th of this call, in which it has no entries; and grad
    (GROUP, n_1) := the gradient of the penalty after them"""
    cdef const floating* w = params + plan.W[1] + group * GROUP * plan.n[1]
    cdef Py_ssize_t n = group_size(plan, group)
    if rests(plan, optimizer.rule):
        X.done[group] = <int32_t>u
    penalty_gradient(plan, n, w, grad)
    while X.done[group] < u:
        step_of_group(plan, optimizer, X, group, size, params, grad)
        if has_penalty(plan):
            penalty_gradient(plan, n, w, grad)


cdef inline void update_first_bias(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t n, floating* params,
    floating* grad, floating* panels, team_t team,
) noexcept nogil:
    """b_1 of a thread's units one step on, from ∇a_1 of n rows"""
    cdef Py_ssize_t first = share_start(plan.n[1], UNIT_GRAIN, team), at = plan.b[1] + first
    cdef Py_ssize_t units = share_end(plan.n[1], UNIT_GRAIN, team) - first
    cdef const floating* da = da_panel(plan, panels, panel_count(plan, n), 1, 0) + first * plan.S
    if not optimizer.rule.frozen[1]:
        bias_gradient(
            n, units, plan.n[1], da, <floating>1, <floating>0, grad + at, grad + at
        )
        update_group(plan, optimizer, plan.L, at, params, grad + at, units)
    average_entries(plan, optimizer, at, params, units)


cdef inline double step_on_sparse_batch(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, Py_ssize_t u,
    Py_ssize_t whole, optimizer_t* optimizer, const scratch_t* scratch, team_t team,
) noexcept nogil:
    """Step u of this call, from 0, but for the last barrier; the batches before it have `whole`
    rows

    Thread 0 returns the objective before it, without the penalty of layer 1.
    """
    cdef sparse_t* X = sparse_of(batch)
    cdef Py_ssize_t n = batch.n, group, groups = group_count(plan)
    cdef floating* grad = <floating*>X.sums + team.thread * GROUP * plan.n[1]
    cdef floating* panels = <floating*>scratch.work + sums_size(plan, n)
    cdef double* sums = <double*>scratch.work
    cdef double objective = 0
    if team.thread == 0:
        objective = penalty_from(plan, params, 2)
    sort_entries(plan, step, batch, <floating*>X.entry, team)
    for group in range(groups):
        if owns(team, group) and X.count[group] > 0 and X.done[group] < u:
            make_up(plan, optimizer, X, group, u, whole, params, grad)
    meet(team)
    panels_to_deltas(plan, step, params, batch, 1.0 / n, panels, sums, team)
    meet(team)
    if team.thread == 0:
        objective += sum_of(sums, panel_count(plan, n)) / n
    for group in range(groups):
        if owns(team, group) and X.count[group] > 0:
            make_up(plan, optimizer, X, group, u, whole, params, grad)
            add_group(
                plan, X, group, sparse_rows_of(plan, panels, panel_count(plan, n), 0), grad, team
            )
            step_of_group(plan, optimizer, X, group, n, params, grad)
    optimizer.rates = X.rates[u]
    update_first_bias(plan, optimizer, n, params, <floating*>scratch.grad, panels, team)
    panels_to_updates(
        plan, optimizer, n, params, <floating*>scratch.grad, panels, False, team
    )
    return objective


cdef inline void transpose_all(
    const plan_t* plan, Py_ssize_t rows, Py_ssize_t columns, floating* params,
    const optimizer_t* optimizer, const scratch_t* scratch, team_t team,
) noexcept nogil:
    """W_1 and its state, (rows, columns), transposed in place"""
    cdef const rule_t* rule = optimizer.rule
    cdef floating* spare = <floating*>scratch.grad
    cdef floating* state = <floating*>optimizer.state + plan.W[1]
    cdef Py_ssize_t slot
    transpose_in_place(rows, columns, params + plan.W[1], spare, team)
    for slot in range(rule.slots + (1 if rule.average > 0 else 0)):
        transpose_in_place(rows, columns, state + slot * plan.P, spare, team)


cdef inline void set_all_rates(
    const plan_t* plan, const epoch_t* epoch, const optimizer_t* optimizer, sparse_t* X,
    Py_ssize_t steps,
) noexcept nogil:
    """The numbers of all steps of the call"""
    cdef Py_ssize_t u
    for u in range(steps):
        X.rates[u] = optimizer.rates if u == 0 else X.rates[u - 1]
        set_rates(
            optimizer.rule, epoch.hyper + u * epoch.stride, epoch.t + u + 1, X.rates + u
        )


cdef inline void sparse_train_steps(
    const plan_t* plan, floating* params, const batch_t* rows, const epoch_t* epoch,
    optimizer_t* shared, const scratch_t* scratch, team_t team,
) noexcept nogil:
    """Steps on consecutive batches of sparse rows; thread 0 sets the rates of the last one"""
    cdef sparse_t* X = sparse_of(rows)
    cdef Py_ssize_t n = rows.n, start = 0, u = 0, size = 0, group
    cdef Py_ssize_t steps = (n + epoch.batch_size - 1) // epoch.batch_size
    cdef optimizer_t optimizer = shared[0]
    cdef floating* grad = <floating*>X.sums + team.thread * GROUP * plan.n[1]
    cdef batch_t batch
    cdef step_t step = outputs_only()
    cdef double total = 0
    step.train, step.seed = True, optimizer.rule.seed
    if team.thread == 0:
        set_all_rates(plan, epoch, &optimizer, X, steps)
        X.W = params + plan.W[1]
    transpose_all(plan, plan.n[1], plan.n[0], params, &optimizer, scratch, team)
    while start < n:
        size = min(n - start, epoch.batch_size)
        step.mask = epoch.t + u + 1 if plan.dropout else 0
        if epoch.dropout != 0:
            set_dropout(&step, epoch.hyper[u * epoch.stride + epoch.dropout])
        batch = batch_of(rows, start, size)
        total += size * step_on_sparse_batch(
            plan, &step, params, &batch, u, epoch.batch_size, &optimizer, scratch, team
        )
        meet(team)
        start += size
        u += 1
    for group in range(group_count(plan)):
        if owns(team, group):
            make_up(plan, &optimizer, X, group, steps - 1, epoch.batch_size, params, grad)
            make_up(plan, &optimizer, X, group, steps, size, params, grad)
    meet(team)
    transpose_all(plan, plan.n[0], plan.n[1], params, &optimizer, scratch, team)
    if team.thread == 0:
        for group in range(group_count(plan)):
            total += X.penalty[group]
        epoch.total[0] += total
        shared.rates = X.rates[steps - 1]
