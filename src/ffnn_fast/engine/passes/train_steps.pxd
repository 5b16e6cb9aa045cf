# The objective with its gradient, and the steps of training, run by every thread of a team at once.
#
# Threads meet at barriers only: two a step, whatever the depth. Thread 0 keeps the sums.

from libc.math cimport INFINITY
from libc.stdint cimport int64_t

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport team_barrier
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch_blas cimport gradient_block
from ffnn_fast.engine.passes.batch_panels cimport panel_count, panels_to_deltas, panels_to_units
from ffnn_fast.engine.passes.one_sample cimport forward_first, forward_rest, input_one, online_steps
from ffnn_fast.engine.passes.online_deferred cimport deferred_steps, defers
from ffnn_fast.engine.passes.optimizer_rules cimport rates_t, rule_t, set_rates
from ffnn_fast.engine.passes.outputs cimport BLOCK_ROWS, sum_of, sums_size
from ffnn_fast.engine.passes.penalty cimport add_signs, penalty
from ffnn_fast.engine.passes.row_losses cimport loss_row
from ffnn_fast.engine.passes.step_update cimport (
    norm_scale, panels_to_updates, sample_to_updates, square_units, update_all,
)
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, share
from ffnn_fast.engine.plan cimport plan_t


cdef inline void add_all_signs(
    const plan_t* plan, const floating* params, floating* grad, int thread, int threads
) noexcept nogil:
    """grad := grad + l1_k sign(W_k), a thread's units"""
    cdef Py_ssize_t k, first, end, i
    for k in range(1, plan.L + 1):
        first = share(plan.n[k], UNIT_GRAIN, thread, threads)
        end, i = share(plan.n[k], UNIT_GRAIN, thread + 1, threads), plan.n[k - 1]
        add_signs(
            plan.l1[k], params + plan.W[k] + first * i, grad + plan.W[k] + first * i,
            (end - first) * i,
        )


cdef inline void loss_and_gradient(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    floating* grad, floating* work, int thread, int threads, double* objective,
) noexcept nogil:
    """grad := ∇θ of the objective on n rows, X[order] or X; thread 0 sets the objective"""
    cdef double* sums = <double*>work
    cdef Py_ssize_t start = 0, rows, at, k = plan.targets
    cdef plan_t here = plan[0]
    cdef double total = penalty(plan, params) if thread == 0 else 0
    work += sums_size(plan, n)
    while start < n:
        rows = min(n - start, <Py_ssize_t>BLOCK_ROWS)
        at = start if order is NULL else 0  # without an order the block itself is handed on
        here.position = start
        if plan.own_products:
            panels_to_deltas(
                &here, params, X + at * plan.n[0], NULL if Y is NULL else Y + at * k,
                NULL if labels is NULL else labels + at, NULL if weight is NULL else weight + at,
                NULL if order is NULL else order + start, rows, 1.0 / n, True, work, sums,
                thread, threads,
            )
            team_barrier(threads)
            if thread == 0:
                total += sum_of(sums, panel_count(plan, rows)) / n
            if start == 0:
                panels_to_units[floating](
                    plan, rows, 1, 0, 1, params, grad, work, NULL, NULL, 0, thread, threads
                )
            else:
                panels_to_units[floating](
                    plan, rows, 1, 1, 0, grad, grad, work, NULL, NULL, 0, thread, threads
                )
        elif thread == 0:
            total += 1.0 / n * gradient_block(
                &here, params, X + at * plan.n[0], NULL if Y is NULL else Y + at * k,
                NULL if labels is NULL else labels + at, NULL if weight is NULL else weight + at,
                NULL if order is NULL else order + start, rows, 1.0 / n, grad, start > 0, work,
                padded(min(n, <Py_ssize_t>BLOCK_ROWS)),
            )
        if start == 0 and plan.has_l1:
            add_all_signs(plan, params, grad, thread, threads)
        team_barrier(threads)
        start += rows
    if thread == 0:
        objective[0] = total


cdef inline double step_on_one(
    const plan_t* plan, floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, Py_ssize_t row, const rule_t* rule,
    rates_t* rates, floating* state, floating* grad, double* parts, floating* work,
) noexcept nogil:
    """A step of any rule on one row of X; returns the objective before it"""
    cdef const floating* x = input_one(plan, X + row * plan.n[0], work)
    cdef floating* z
    cdef bint store = rule.clip_norm < INFINITY
    cdef floating w = 1 if weight is NULL else weight[row]
    cdef double objective = penalty(plan, params)
    forward_first(plan, params, x, work)
    z = forward_rest(plan, params, work, True)
    objective += w * loss_row(
        plan, z, NULL if Y is NULL else Y + row * plan.targets,
        0 if labels is NULL else labels[row], w, True, z + plan.n[plan.L],
    )
    sample_to_updates(plan, rule, rates, x, params, grad, state, work, store)
    if store:
        square_units(plan, rule, grad, parts, 0, 1)
        rates.scale = norm_scale(plan, rule, parts)
        update_all(plan, rule, rates, params, grad, state, 0, 1)
    return objective


cdef inline double step_on_batch(
    const plan_t* plan, floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    const rule_t* rule, rates_t* rates, floating* state, floating* grad, double* parts,
    floating* work, int thread, int threads,
) noexcept nogil:
    """A step of any rule on the rows X[order], but for the last barrier; the objective before it

    Only thread 0 returns the objective.
    """
    cdef double* sums = <double*>work
    cdef floating* scratch = work + sums_size(plan, n)
    cdef bint bounded = rule.clip_norm < INFINITY, whole = n > BLOCK_ROWS or not plan.own_products
    cdef double objective = 0
    if whole:
        loss_and_gradient(
            plan, params, X, Y, labels, weight, order, n, grad, work, thread, threads, &objective
        )
    else:
        if thread == 0:
            objective = penalty(plan, params)
        panels_to_deltas(
            plan, params, X, Y, labels, weight, order, n, 1.0 / n, True, scratch, sums, thread,
            threads,
        )
        team_barrier(threads)
        if thread == 0:
            objective += sum_of(sums, panel_count(plan, n)) / n
        panels_to_updates(
            plan, rule, rates, n, params, grad, state, scratch, thread, threads, bounded
        )
    if bounded:
        square_units(plan, rule, grad, parts, thread, threads)
        team_barrier(threads)
        rates.scale = norm_scale(plan, rule, parts)
    if whole or bounded:
        update_all(plan, rule, rates, params, grad, state, thread, threads)
    return objective


cdef inline void train_steps(
    const plan_t* network, floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    Py_ssize_t batch_size, const rule_t* rule, const double* hyper, Py_ssize_t stride,
    floating* state, Py_ssize_t t, floating* grad, double* parts, floating* work, int thread,
    int threads, double* total,
) noexcept nogil:
    """Steps on consecutive batches of the n rows `order`; thread 0 adds Σ rows · objective

    The hyperparameters of a step lie `stride` after those of the step before.
    """
    cdef plan_t masked = network[0]
    cdef const plan_t* plan = &masked
    cdef double* sums = <double*>work
    cdef floating* scratch
    cdef Py_ssize_t start = 0, rows
    cdef bint plain = rule.plain and not plan.has_l1
    cdef floating eta
    cdef double objective
    cdef rates_t rates
    rates.product_t = 0
    while start < n:
        rows = min(n - start, batch_size)
        scratch = work + sums_size(plan, rows)
        t += 1
        masked.seed, masked.step = rule.seed, t if network.dropout else 0
        eta = <floating>hyper[0]
        if rows == 1 and plain:
            if batch_size == 1 and stride == 0:
                rows = n  # all at once: each step prepares the next
            if thread == 0 and rows > 1 and defers(plan):
                total[0] += deferred_steps(
                    plan, params, X, Y, labels, weight, order + start, rows, eta, scratch
                )
            elif thread == 0:
                total[0] += online_steps(
                    plan, params, X, Y, labels, weight, order + start, rows, eta, scratch
                )
        elif plain and plan.own_products and rows <= BLOCK_ROWS:
            if thread == 0:
                total[0] += rows * penalty(plan, params)
            panels_to_deltas(
                plan, params, X, Y, labels, weight, order + start, rows, 1.0 / rows, True,
                scratch, sums, thread, threads,
            )
            team_barrier(threads)
            if thread == 0:
                total[0] += sum_of(sums, panel_count(plan, rows))
            panels_to_units(
                plan, rows, -eta, 1, -eta, params, params, scratch, X, order + start + rows,
                min(batch_size, n - start - rows), thread, threads,
            )
        else:
            set_rates(rule, hyper, t, &rates)
            if rows > 1:
                objective = step_on_batch(
                    plan, params, X, Y, labels, weight, order + start, rows, rule, &rates, state,
                    grad, parts, work, thread, threads,
                )
            elif thread == 0:
                objective = step_on_one(
                    plan, params, X, Y, labels, weight, order[start], rule, &rates, state, grad,
                    parts, scratch,
                )
            if thread == 0:
                total[0] += rows * objective
        team_barrier(threads)
        start += rows
        hyper += stride
