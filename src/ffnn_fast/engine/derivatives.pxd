# Calls of the derivative passes on the arrays that Python passes in.

cimport numpy as cnp

from cython.parallel cimport parallel, threadid

from ffnn_fast.engine.arguments cimport matrix, require_plain, stack, vector, workspace
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.batch cimport batch_t
from ffnn_fast.engine.passes.input_jacobian cimport (
    input_jacobian_scratch, input_jacobian_t, input_jacobians,
)
from ffnn_fast.engine.passes.parameter_jacobian cimport (
    parameter_jacobian_scratch, parameter_jacobians,
)
from ffnn_fast.engine.passes.team cimport one_thread
from ffnn_fast.engine.passes.vjp cimport pull_back, pullback_scratch, pullback_t
from ffnn_fast.engine.plan cimport plan_t, step_t
from ffnn_fast.engine.team_calls cimport member


cdef inline void run_pullback(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    const pullback_t* want, floating* work, int threads,
) noexcept nogil:
    """ŷ, ∇θ and ∇X, what of them is wanted"""
    if threads == 1:
        pull_back(plan, step, params, batch, want, work, one_thread())
    else:
        with parallel(num_threads=threads):
            pull_back(plan, step, params, batch, want, work, member(threadid(), threads))


cdef inline int pull_arrays_back(
    const plan_t* plan, const step_t* step, int typenum, params, const batch_t* batch,
    const pullback_t* want, work, int most_threads, int threads,
) except -1:
    """run_pullback on params (P,) with scratch for most_threads"""
    cdef void* theta = vector(params, typenum, plan.P, "params")
    cdef void* scratch = workspace(
        work, typenum, pullback_scratch(plan, batch.n, most_threads)
    )
    with nogil:
        if typenum == cnp.NPY_DOUBLE:
            run_pullback(
                plan, step, <double*>theta, batch, want, <double*>scratch, threads
            )
        else:
            run_pullback(plan, step, <float*>theta, batch, want, <float*>scratch, threads)
    return 0


cdef inline pullback_t wanted_of_arrays(
    const plan_t* plan, Py_ssize_t n, int typenum, grad_y_hat, y_hat, grad, grad_X
) except *:
    """The arrays of a vector-Jacobian product on n rows, each of which may be None"""
    cdef pullback_t want
    cdef Py_ssize_t k = plan.n[plan.L]
    want.u, want.y_hat, want.grad, want.grad_X = NULL, NULL, NULL, NULL
    if grad_y_hat is not None:
        want.u = matrix(grad_y_hat, typenum, n, k, "grad_y_hat")
    if y_hat is not None:
        want.y_hat = matrix(y_hat, typenum, n, k, "y_hat", True)
    if grad is not None:
        want.grad = vector(grad, typenum, plan.P, "grad", True)
    if grad_X is not None:
        want.grad_X = matrix(grad_X, typenum, n, plan.columns, "grad_X", True)
    return want


cdef inline void run_input_jacobians(
    const plan_t* plan, const floating* params, const batch_t* batch,
    const input_jacobian_t* want, floating* work, int threads,
) noexcept nogil:
    """ŷ and J, or J v"""
    if threads == 1:
        input_jacobians(plan, params, batch, want, work, one_thread())
    else:
        with parallel(num_threads=threads):
            input_jacobians(plan, params, batch, want, work, member(threadid(), threads))


cdef inline void run_either_jacobian(
    const plan_t* plan, int typenum, const void* params, const batch_t* batch,
    const input_jacobian_t* want, void* work, int threads,
) noexcept nogil:
    """run_input_jacobians in either type"""
    if typenum == cnp.NPY_DOUBLE:
        run_input_jacobians(plan, <double*>params, batch, want, <double*>work, threads)
    else:
        run_input_jacobians(plan, <float*>params, batch, want, <float*>work, threads)


cdef inline void run_parameter_jacobians(
    const plan_t* plan, const floating* params, const batch_t* batch, floating* J, floating* work,
    int threads,
) noexcept nogil:
    """J (n, n_L, P)"""
    if threads == 1:
        parameter_jacobians(plan, params, batch, J, work, one_thread())
    else:
        with parallel(num_threads=threads):
            parameter_jacobians(plan, params, batch, J, work, member(threadid(), threads))


cdef inline Py_ssize_t jacobian_scratch(const plan_t* plan, int threads) noexcept nogil:
    """Elements of scratch for the Jacobians of any number of rows"""
    return threads * max(input_jacobian_scratch(plan), parameter_jacobian_scratch(plan))


cdef inline int input_jacobians_of_arrays(
    const plan_t* plan, int typenum, params, const batch_t* batch, const input_jacobian_t* want,
    work, int most_threads, int threads,
) except -1:
    """run_input_jacobians on params (P,) with scratch for most_threads"""
    cdef void* theta = vector(params, typenum, plan.P, "params")
    cdef void* scratch = workspace(work, typenum, jacobian_scratch(plan, most_threads))
    with nogil:
        run_either_jacobian(plan, typenum, theta, batch, want, scratch, threads)
    return 0


cdef inline int parameter_jacobians_of_arrays(
    const plan_t* plan, int typenum, params, const batch_t* batch, J, work, int most_threads,
    int threads,
) except -1:
    """run_parameter_jacobians on params (P,) and J (n, n_L, P) with scratch for most_threads"""
    require_plain(plan, "parameter_jacobian")
    cdef void* theta = vector(params, typenum, plan.P, "params")
    cdef void* rows = stack(J, typenum, batch.n, plan.n[plan.L], plan.P, "J")
    cdef void* scratch = workspace(work, typenum, jacobian_scratch(plan, most_threads))
    with nogil:
        if typenum == cnp.NPY_DOUBLE:
            run_parameter_jacobians(
                plan, <double*>theta, batch, <double*>rows, <double*>scratch, threads
            )
        else:
            run_parameter_jacobians(
                plan, <float*>theta, batch, <float*>rows, <float*>scratch, threads
            )
    return 0


cdef inline input_jacobian_t jacobian_of_arrays(
    const plan_t* plan, Py_ssize_t n, int typenum, y_hat, J
) except *:
    """ŷ (n, n_L), which may be None, and J (n, n_L, n_0)"""
    cdef input_jacobian_t want
    require_plain(plan, "jacobian")
    want.V, want.y_hat = NULL, NULL
    if y_hat is not None:
        want.y_hat = matrix(y_hat, typenum, n, plan.n[plan.L], "y_hat", True)
    want.J = stack(J, typenum, n, plan.n[plan.L], plan.n[0], "J")
    return want


cdef inline input_jacobian_t tangent_of_arrays(
    const plan_t* plan, Py_ssize_t n, int typenum, V, y_hat, out
) except *:
    """V (n, n_0), ŷ, which may be None, and J v, (n, n_L)"""
    cdef input_jacobian_t want
    require_plain(plan, "jvp")
    want.V, want.y_hat = matrix(V, typenum, n, plan.n[0], "V"), NULL
    if y_hat is not None:
        want.y_hat = matrix(y_hat, typenum, n, plan.n[plan.L], "y_hat", True)
    want.J = matrix(out, typenum, n, plan.n[plan.L], "out", True)
    return want
