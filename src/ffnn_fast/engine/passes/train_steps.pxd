# The objective with its gradient, and the steps of training, run by every thread of a team at once.
#
# Threads synchronise at barriers only: two a step, whatever the depth. Thread 0 keeps the sums.

from libc.math cimport INFINITY

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare
from ffnn_fast.engine.passes.batch cimport batch_of, batch_t, inputs_only, row_of, rows_from
from ffnn_fast.engine.passes.batch_blas cimport gradient_block
from ffnn_fast.engine.passes.batch_panels cimport panel_count, sparse_rows_of, sum_of
from ffnn_fast.engine.passes.contention cimport contention_t, end_step
from ffnn_fast.engine.passes.dropout_masks cimport set_dropout
from ffnn_fast.engine.passes.one_sample cimport forward_first, forward_rest, input_one
from ffnn_fast.engine.passes.online cimport online_steps
from ffnn_fast.engine.passes.online_deferred cimport deferred_steps, defers
from ffnn_fast.engine.passes.optimizer_rates cimport optimizer_t, rule_t, set_rates
from ffnn_fast.engine.passes.outputs cimport BLOCK_ROWS, block_rows, sums_size
from ffnn_fast.engine.passes.panel_deltas cimport panels_to_deltas, shared_losses
from ffnn_fast.engine.passes.panel_gradients cimport combination_t, panels_to_units
from ffnn_fast.engine.passes.penalty cimport add_signs, penalty_by_rows, penalty_of
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.passes.sample_update cimport sample_t, sample_to_updates
from ffnn_fast.engine.passes.sparse_rows cimport (
    add_entries, share_transposed, sparse_of, start_gradient, transpose_in_place,
)
from ffnn_fast.engine.passes.step_update cimport (
    further_gradient, norm_scale, panels_to_updates, square_units, update_all,
)
from ffnn_fast.engine.passes.team cimport (
    UNIT_GRAIN, meet, one_thread, share_end, share_start, team_t,
)
from ffnn_fast.engine.plan cimport outputs_only, plan_t, step_t

cdef struct epoch_t:  # consecutive batches of the rows of an epoch
    Py_ssize_t batch_size
    Py_ssize_t t          # steps taken before
    const double* hyper   # hyperparameters of the first step; those of a step lie `stride` after
    Py_ssize_t stride     # those of the step before it
    Py_ssize_t dropout    # where the rate of dropout lies in them; 0: the rates of the plan
    double* total         # thread 0 adds Σ rows · objective
    Py_ssize_t start      # the first row that comes; thread 0 sets it where the steps end

cdef struct scratch_t:  # memory of a call that trains
    void* work     # of the passes, of the plan's dtype
    void* grad     # ∇θ (P,), of the plan's dtype
    double* parts  # of ‖∇θ‖²


cdef inline void add_all_signs(
    const plan_t* plan, const floating* params, floating* grad, team_t team
) noexcept nogil:
    """grad := grad + l1_k sign(W_k), a thread's units"""
    cdef Py_ssize_t k, first, i
    for k in range(1 + plan.sparse, plan.L + 1):
        first, i = share_start(plan.n[k], UNIT_GRAIN, team), plan.n[k - 1]
        add_signs(
            plan.l1[k], params + plan.W[k] + first * i, grad + plan.W[k] + first * i,
            (share_end(plan.n[k], UNIT_GRAIN, team) - first) * i,
        )


cdef inline void gradient_from_deltas(
    const plan_t* plan, Py_ssize_t n, const floating* params, floating* grad, bint accumulate,
    floating* work, team_t team,
) noexcept nogil:
    """A thread's units: grad := ∇θ + l2_k θ, or grad + ∇θ when accumulate, from ∇a_k of n rows"""
    cdef combination_t combination
    cdef batch_t none = inputs_only(NULL, 0)
    combination.alpha, combination.keep, combination.decay = 1, 0, 1
    combination.squares = NULL
    if plan.extended:
        further_gradient(plan, n, params, grad, accumulate, work, team)
    if accumulate:
        combination.keep, combination.decay = 1, 0
        panels_to_units[floating](plan, n, combination, grad, grad, work, &none, team)
    else:
        panels_to_units[floating](plan, n, combination, params, grad, work, &none, team)


cdef inline void loss_and_gradient(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* grad, floating* work, team_t team, double* objective,
) noexcept nogil:
    """grad := ∇θ of the objective on the batch; thread 0 sets the objective"""
    cdef double* sums = <double*>work
    cdef Py_ssize_t n = batch.n, start = 0
    cdef Py_ssize_t most = block_rows(plan) if n > BLOCK_ROWS else n
    cdef double scale = 1.0 / n, total = penalty_of(plan, params) if team.thread == 0 else 0
    cdef batch_t rows
    work += sums_size(plan, n)
    if plan.sparse:
        share_transposed(plan, params, batch, team)
        start_gradient(plan, batch, grad + plan.W[1], team)
    while start < n:
        rows = rows_from(batch, start, min(n - start, most))
        if plan.own_products:
            panels_to_deltas(plan, step, params, &rows, scale, work, sums, team)
            meet(team)
            if team.thread == 0:
                shared_losses(plan, &rows, scale, work, sums, team)
                total += sum_of(sums, panel_count(plan, rows.n)) / n
            gradient_from_deltas(plan, rows.n, params, grad, start > 0, work, team)
            if plan.sparse:
                add_entries(
                    plan, step, &rows, sparse_rows_of(plan, work, panel_count(plan, rows.n), 0),
                    grad + plan.W[1], team,
                )
        elif team.thread == 0:
            total += scale * gradient_block(
                plan, step, params, &rows, scale, grad, start > 0, work
            )
        if start == 0 and plan.has_l1:
            add_all_signs(plan, params, grad, team)
        meet(team)
        start += rows.n
    if plan.sparse:
        transpose_in_place(
            plan.n[0], plan.n[1], grad + plan.W[1], <floating*>sparse_of(batch).W, team
        )
    if team.thread == 0:
        objective[0] = total


cdef inline const void* following_sample(
    const plan_t* plan, const rule_t* rule, const batch_t* rows, Py_ssize_t r
) noexcept nogil:
    """Row r of the rows, if its a_1 can be computed in the sweep of the step before; else NULL

    Dropped inputs have another mask by then, and a norm needs all of ∇θ before W_1 changes.
    """
    if r >= rows.n or not plan.own_products or plan.threshold[0] != 0 \
            or rule.clip_norm < INFINITY:
        return NULL
    return <const char*>rows.X + row_of(rows, r) * plan.n[0] * plan.itemsize


cdef inline double step_on_sample(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch,
    optimizer_t* optimizer, const scratch_t* scratch, sample_t* sample,
) noexcept nogil:
    """A step of any rule on a batch of one row; returns the objective before it

    sample: x, not NULL if a_1 has been computed, and what follows.
    """
    cdef floating* work = <floating*>scratch.work + sums_size(plan, 1)
    cdef floating* grad = <floating*>scratch.grad
    cdef const floating* X = <const floating*>batch.X
    cdef const rule_t* rule = optimizer.rule
    cdef floating* z
    cdef bint store = rule.clip_norm < INFINITY
    cdef double objective = penalty_of(plan, params)
    if sample.x is NULL:
        sample.x = input_one(plan, step, X + row_of(batch, 0) * plan.n[0], work)
        forward_first(plan, params, <const floating*>sample.x, work)
    z = forward_rest(plan, step, params, work)
    objective = add_loss(objective, plan, batch, 0, z, 1, True, z + plan.n[plan.L])
    sample_to_updates(plan, step, optimizer, sample, params, grad, work, store)
    if store:
        square_units(plan, rule, grad, scratch.parts, one_thread())
        optimizer.rates.scale = norm_scale(plan, rule, scratch.parts)
        update_all(plan, optimizer, params, grad, one_thread())
    return objective


cdef inline double step_on_batch(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch,
    optimizer_t* optimizer, const scratch_t* scratch, team_t team,
) noexcept nogil:
    """A step of any rule on a batch, but for the last barrier; the objective before it

    Only thread 0 returns the objective.
    """
    cdef Py_ssize_t n = batch.n
    cdef floating* work = <floating*>scratch.work
    cdef floating* grad = <floating*>scratch.grad
    cdef floating* panels = work + sums_size(plan, n)
    cdef double* sums = <double*>work
    cdef const rule_t* rule = optimizer.rule
    cdef bint bounded = rule.clip_norm < INFINITY
    cdef bint whole = n > BLOCK_ROWS or not plan.own_products or plan.sparse
    cdef double objective = 0
    if whole:
        loss_and_gradient(plan, step, params, batch, grad, work, team, &objective)
    else:
        if team.thread == 0:
            objective = penalty_of(plan, params)
        panels_to_deltas(plan, step, params, batch, 1.0 / n, panels, sums, team)
        meet(team)
        if team.thread == 0:
            shared_losses(plan, batch, 1.0 / n, panels, sums, team)
            objective += sum_of(sums, panel_count(plan, n)) / n
        panels_to_updates(plan, optimizer, n, params, grad, panels, bounded, team)
    if bounded:
        square_units(plan, rule, grad, scratch.parts, team)
        meet(team)
        optimizer.rates.scale = norm_scale(plan, rule, scratch.parts)
    if whole or bounded:
        update_all(plan, optimizer, params, grad, team)
    return objective


cdef inline double descend_on_samples(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, floating eta,
    floating* work,
) noexcept nogil:
    """Steps of plain gradient descent on each row of the batch; Σ of the objectives before them"""
    if batch.n > 1 and defers(plan):
        return deferred_steps(plan, step, params, batch, eta, NULL, params, work)
    return online_steps(plan, step, params, batch, eta, work)


cdef inline double descend_on_batch(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch,
    const batch_t* following, floating eta, floating* work, floating* squares, team_t team,
) noexcept nogil:
    """A step of plain gradient descent, θ updated by the product that makes ∇θ

    Returns Σ w ℓ before it, on thread 0 only; the rows `following` come next. The squares (P,) of
    penalty.pxd, unless NULL, become those of the new θ.
    """
    cdef Py_ssize_t n = batch.n
    cdef floating* panels = work + sums_size(plan, n)
    cdef double* sums = <double*>work
    cdef double total = 0
    cdef combination_t combination
    combination.alpha, combination.keep, combination.decay = -eta, 1, -eta
    combination.squares = squares
    panels_to_deltas(plan, step, params, batch, 1.0 / n, panels, sums, team)
    meet(team)
    if team.thread == 0:
        shared_losses(plan, batch, 1.0 / n, panels, sums, team)
        total = sum_of(sums, panel_count(plan, n))
    panels_to_units[floating](plan, n, combination, params, params, panels, following, team)
    return total


cdef inline void train_steps(
    const plan_t* plan, floating* params, const batch_t* rows, epoch_t* epoch,
    optimizer_t* shared, const scratch_t* scratch, team_t team,
) noexcept nogil:
    """Steps on consecutive batches of the rows from `epoch.start`; thread 0 sets the rates of the
    last one, and where it ends: at the end of the rows, or if others are to go on
    """
    cdef Py_ssize_t n = rows.n, batch_size = epoch.batch_size, start = epoch.start, size
    cdef Py_ssize_t before = start // batch_size, t = epoch.t + before
    cdef contention_t* contention = team.contention
    cdef const double* hyper = epoch.hyper + epoch.stride * before
    cdef floating* work = <floating*>scratch.work
    cdef floating* squares = <floating*>scratch.grad if plan.penalised else NULL
    cdef bint known = False  # the squares at θ
    cdef optimizer_t optimizer = shared[0]
    cdef bint in_panels = plan.extended or plan.sparse
    cdef bint plain = optimizer.rule.plain and not plan.has_l1 and not in_panels
    cdef bint linear = (
        optimizer.rule.linear and batch_size == 1 and epoch.stride == 0 and n > 1
        and not in_panels and defers(plan)
    )
    cdef batch_t batch, following
    cdef sample_t sample
    cdef step_t step = outputs_only()
    cdef floating eta
    cdef double total = epoch.total[0] if team.thread == 0 else 0.0
    cdef double objective = 0
    step.train, step.seed = True, optimizer.rule.seed
    sample.x = sample.following = NULL
    while start < n:
        size = min(n - start, batch_size)
        t += 1
        step.mask = t if plan.dropout else 0
        if epoch.dropout != 0:
            set_dropout(&step, hyper[epoch.dropout])
        eta = <floating>hyper[0]
        if size == 1 and plain:
            if batch_size == 1 and epoch.stride == 0:
                size = n  # all at once: each step prepares the next
            batch = batch_of(rows, start, size)
            if team.thread == 0:
                total += descend_on_samples(
                    plan, &step, params, &batch, eta, work + sums_size(plan, 1)
                )
        elif linear:
            size = n
            batch = batch_of(rows, start, size)
            set_rates(optimizer.rule, hyper, t + n - 1, &optimizer.rates)
            if team.thread == 0:
                total += deferred_steps(
                    plan, &step, params, &batch, eta, &optimizer, <floating*>scratch.grad,
                    work + sums_size(plan, 1),
                )
        elif plain and plan.own_products and size <= BLOCK_ROWS:
            batch = batch_of(rows, start, size)
            following = batch_of(rows, start + size, min(batch_size, n - start - size))
            if team.thread == 0 and squares is not NULL:
                total += size * penalty_by_rows(plan, params, squares, known)
            known = True
            total += descend_on_batch(
                plan, &step, params, &batch, &following, eta, work, squares, team
            )
        else:
            batch = batch_of(rows, start, size)
            set_rates(optimizer.rule, hyper, t, &optimizer.rates)
            if size > 1 or in_panels:
                objective = step_on_batch(
                    plan, &step, params, &batch, &optimizer, scratch, team
                )
            elif team.thread == 0:
                sample.x = sample.following  # NULL unless the step before was on a sample too
                sample.following = NULL
                if batch_size == 1:
                    sample.following = following_sample(plan, optimizer.rule, rows, start + 1)
                objective = step_on_sample(
                    plan, &step, params, &batch, &optimizer, scratch, &sample
                )
            total += size * objective
        if rare(contention is not NULL) and team.thread == 0:
            end_step(contention, team.threads, start + size)
        meet(team)
        start += size
        hyper += epoch.stride
        if rare(contention is not NULL) and start >= contention.stop:
            break
    if team.thread == 0:
        epoch.total[0] = total
        epoch.start = start
        shared.rates = optimizer.rates
