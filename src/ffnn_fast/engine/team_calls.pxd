# The passes, run by a team of threads, or by the calling thread where one is enough.

from cython.parallel cimport parallel, threadid

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.batch cimport batch_t
from ffnn_fast.engine.passes.contention cimport (
    allows_a_team, contention_of, contention_t, end_step,
)
from ffnn_fast.engine.passes.jacobian cimport sum_normal_equations
from ffnn_fast.engine.passes.optimizer_rates cimport optimizer_t
from ffnn_fast.engine.passes.outputs cimport forward_rows, losses_of_rows, mean_loss
from ffnn_fast.engine.passes.sparse_rows cimport sparse_of
from ffnn_fast.engine.passes.sparse_steps cimport sparse_train_steps
from ffnn_fast.engine.passes.step_update cimport norm_scale, square_units, update_all
from ffnn_fast.engine.passes.team cimport meet, one_thread, team_t
from ffnn_fast.engine.passes.train_steps cimport epoch_t, loss_and_gradient, scratch_t, train_steps
from ffnn_fast.engine.plan cimport plan_t, step_t


cdef inline team_t member(int thread, int threads) noexcept nogil:
    """This thread of the team"""
    cdef team_t team
    team.thread, team.threads, team.contention = thread, threads, NULL
    return team


cdef inline team_t timed_member(
    int thread, int threads, contention_t* contention
) noexcept nogil:
    """The same of a team whose waiting is timed"""
    cdef team_t team = member(thread, threads)
    team.contention = contention
    return team


cdef inline void run_forward(
    const plan_t* plan, const floating* params, const batch_t* batch, floating* out,
    floating* work, int threads,
) noexcept nogil:
    """out (n, n_L) := ŷ"""
    cdef contention_t contention
    if threads == 1:
        forward_rows(plan, params, batch, out, work, one_thread())
        return
    contention = contention_of(plan.machine)
    with parallel(num_threads=threads):
        forward_rows(plan, params, batch, out, work, member(threadid(), threads))
        meet(timed_member(threadid(), threads, &contention))
    end_step(&contention, threads, 0)


cdef inline double run_loss(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* work, int threads,
) noexcept nogil:
    """The objective on the batch"""
    cdef contention_t contention
    if threads == 1:
        losses_of_rows(plan, step, params, batch, work, one_thread())
    else:
        contention = contention_of(plan.machine)
        with parallel(num_threads=threads):
            losses_of_rows(plan, step, params, batch, work, member(threadid(), threads))
            meet(timed_member(threadid(), threads, &contention))
        end_step(&contention, threads, 0)
    return mean_loss(plan, params, work, batch.n)


cdef inline double run_loss_gradient(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* grad, floating* work, int threads,
) noexcept nogil:
    """grad := ∇θ of the objective on the batch, which is returned"""
    cdef double value = 0
    cdef contention_t contention
    if threads == 1:
        loss_and_gradient(plan, step, params, batch, grad, work, one_thread(), &value)
    else:
        contention = contention_of(plan.machine)
        with parallel(num_threads=threads):
            loss_and_gradient(
                plan, step, params, batch, grad, work,
                timed_member(threadid(), threads, &contention), &value,
            )
        end_step(&contention, threads, 0)
    return value


cdef inline void run_sparse_training(
    const plan_t* plan, floating* params, const batch_t* rows, const epoch_t* epoch,
    optimizer_t* optimizer, const scratch_t* scratch, int threads,
) noexcept nogil:
    """Steps on consecutive batches of sparse rows"""
    cdef contention_t contention = contention_of(plan.machine)
    if threads == 1 or not allows_a_team(&contention):
        sparse_train_steps(plan, params, rows, epoch, optimizer, scratch, one_thread())
        return
    with parallel(num_threads=threads):
        sparse_train_steps(
            plan, params, rows, epoch, optimizer, scratch,
            timed_member(threadid(), threads, &contention),
        )
    end_step(&contention, threads, 0)


cdef inline void run_training(
    const plan_t* plan, floating* params, const batch_t* rows, epoch_t* epoch,
    optimizer_t* optimizer, const scratch_t* scratch, int threads,
) noexcept nogil:
    """Steps on consecutive batches of the rows"""
    cdef contention_t contention
    cdef team_t alone = one_thread()
    if plan.sparse and sparse_of(rows).done is not NULL:
        run_sparse_training(plan, params, rows, epoch, optimizer, scratch, threads)
        return
    if threads > 1:
        alone.contention = &contention
    while epoch.start < rows.n:
        if threads > 1:
            contention = contention_of(plan.machine)
        if threads == 1 or not allows_a_team(&contention):
            train_steps(plan, params, rows, epoch, optimizer, scratch, alone)
        else:
            with parallel(num_threads=threads):
                train_steps(
                    plan, params, rows, epoch, optimizer, scratch,
                    timed_member(threadid(), threads, &contention),
                )


cdef inline double run_normal_equations(
    const plan_t* plan, const floating* params, const batch_t* batch,
    const floating* output_weight, floating* JTJ, floating* JTr, floating* work, int threads,
) noexcept nogil:
    """JTJ := JᵀJ, lower triangle, JTr := Jᵀr; returns ½ Σ r²"""
    cdef double value = 0
    if threads == 1:
        sum_normal_equations(
            plan, params, batch, output_weight, JTJ, JTr, work, one_thread(), &value
        )
    else:
        with parallel(num_threads=threads):
            sum_normal_equations(
                plan, params, batch, output_weight, JTJ, JTr, work, member(threadid(), threads),
                &value,
            )
    return value


cdef inline void run_update(
    const plan_t* plan, optimizer_t* optimizer, floating* params, const floating* grad,
    double* parts,
) noexcept nogil:
    """One step from grad; parts: scratch for ‖∇θ‖², NULL where it has no bound"""
    if parts is not NULL:
        square_units(plan, optimizer.rule, grad, parts, one_thread())
        optimizer.rates.scale = norm_scale(plan, optimizer.rule, parts)
    update_all(plan, optimizer, params, grad, one_thread())
