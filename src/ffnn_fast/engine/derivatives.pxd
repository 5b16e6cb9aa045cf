# Calls of the derivative passes on the arrays that Python passes in.

cimport numpy as cnp

from cython.parallel cimport parallel, threadid

from ffnn_fast.engine.arguments cimport matrix, vector, workspace
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.batch cimport batch_t
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
        want.grad_X = matrix(grad_X, typenum, n, plan.n[0], "grad_X", True)
    return want
