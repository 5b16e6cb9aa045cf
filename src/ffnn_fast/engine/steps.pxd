# The objective with its gradient, and the steps of training, run by every thread of a team at once.
#
# Threads meet at barriers only: two a step, whatever the depth. Thread 0 keeps the sums.

from libc.stdint cimport int64_t

from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.deferred cimport deferred_steps, defers
from ffnn_fast.engine.online cimport online_steps
from ffnn_fast.engine.outputs cimport BLOCK_ROWS, sum_of, sums_size
from ffnn_fast.engine.panels cimport panel_count, panels_to_deltas, panels_to_units, share
from ffnn_fast.engine.penalty cimport penalty
from ffnn_fast.engine.plan cimport plan_t
from ffnn_fast.engine.rows cimport gradient_block, padded
from ffnn_fast.engine.updates cimport apply_update, rule_t

cdef extern from *:
    """
    static inline void team_barrier(int threads) {
    #ifdef _OPENMP
        if (threads > 1) {
            _Pragma("omp barrier")
        }
    #endif
    }
    """
    void team_barrier(int threads) noexcept nogil

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
        if plan.own:
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
                    plan, rows, 1, <floating>plan.l2, 0, params, grad, work, thread, threads
                )
            else:
                panels_to_units[floating](
                    plan, rows, 1, 1, 1, grad, grad, work, thread, threads
                )
        elif thread == 0:
            total += 1.0 / n * gradient_block(
                &here, params, X + at * plan.n[0], NULL if Y is NULL else Y + at * k,
                NULL if labels is NULL else labels + at, NULL if weight is NULL else weight + at,
                NULL if order is NULL else order + start, rows, 1.0 / n, grad, start > 0, work,
                padded(min(n, <Py_ssize_t>BLOCK_ROWS)),
            )
        team_barrier(threads)
        start += rows
    if thread == 0:
        objective[0] = total


cdef inline void train_steps(
    const plan_t* network, floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    Py_ssize_t batch_size, const rule_t* rule, const double* hyper, Py_ssize_t stride,
    floating* state, Py_ssize_t t, floating* grad, floating* work, int thread, int threads,
    double* total,
) noexcept nogil:
    """Steps on consecutive batches of the n rows `order`; thread 0 adds Σ rows · objective

    The hyperparameters of a step lie `stride` after those of the step before.
    """
    cdef plan_t masked = network[0]
    cdef const plan_t* plan = &masked
    cdef double* sums = <double*>work
    cdef floating* scratch
    cdef Py_ssize_t start = 0, rows, P = plan.P, first, last
    cdef floating eta
    cdef double objective = 0
    while start < n:
        rows = min(n - start, batch_size)
        scratch = work + sums_size(plan, rows)
        t += 1
        masked.seed, masked.step = rule.seed, t if network.dropout else 0
        eta = <floating>hyper[0]
        if rows == 1 and rule.plain:
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
        elif rule.plain and plan.own and rows <= BLOCK_ROWS:
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
                plan, rows, -eta, <floating>(1 - eta * plan.l2), <floating>1, params, params,
                scratch, thread, threads,
            )
        else:
            loss_and_gradient(
                plan, params, X, Y, labels, weight, order + start, rows, grad, work, thread,
                threads, &objective,
            )
            if thread == 0:
                total[0] += rows * objective
            first, last = share(P, 16, thread, threads), share(P, 16, thread + 1, threads)
            apply_update(rule.optimizer, hyper, params, grad, state, P, first, last, t)
        team_barrier(threads)
        start += rows
        hyper += stride
