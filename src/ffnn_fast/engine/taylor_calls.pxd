# Calls of the Taylor passes: arguments checked, then by a team of threads.

from cython.parallel cimport parallel, threadid

cimport numpy as cnp

from ffnn_fast.engine.arguments cimport (
    batch_of_inputs, check_array, matrix, require_plain, stack,
)
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.batch cimport batch_t
from ffnn_fast.engine.passes.hessian_product cimport sum_hessian_product
from ffnn_fast.engine.passes.taylor cimport TAYLOR_ROWS, taylor_rows, taylor_scratch, taylor_t
from ffnn_fast.engine.passes.taylor_gradient cimport sum_taylor_gradient
from ffnn_fast.engine.passes.taylor_jacobian cimport taylor_jacobians
from ffnn_fast.engine.passes.team cimport one_thread
from ffnn_fast.engine.plan cimport plan_t
from ffnn_fast.engine.team_calls cimport member


cdef inline void* optional_stack(
    x, int typenum, Py_ssize_t n, Py_ssize_t m, Py_ssize_t k, str what, bint written
) except? NULL:
    """Pointer to an array (n, m, k), or NULL for None"""
    return NULL if x is None else stack(x, typenum, n, m, k, what, written)


cdef inline taylor_t taylor_arguments(
    const plan_t* plan, int typenum, X, V, y_hat, first, second, bint written
) except *:
    """The arguments of `taylor` (written) or `taylor_gradient`"""
    cdef taylor_t args
    cdef Py_ssize_t k = plan.n[plan.L]
    require_plain(plan, "a Taylor derivative")
    args.X, args.n = batch_of_inputs(plan, X, typenum).X, cnp.PyArray_DIM(X, 0)
    args.m = plan.n[0]
    if V is not None:
        check_array(V, typenum, 3, "V", False)
        args.m = cnp.PyArray_DIM(V, 1)
    args.V = optional_stack(V, typenum, args.n, args.m, plan.n[0], "V", False)
    args.y_hat = NULL
    if y_hat is not None:
        args.y_hat = matrix(y_hat, typenum, args.n, k, "y_hat", written)
    args.first = optional_stack(first, typenum, args.n, args.m, k, "first", written)
    args.second = optional_stack(second, typenum, args.n, args.m, k, "second", written)
    return args


cdef inline void run_taylor(
    const plan_t* plan, const floating* params, const taylor_t* args, floating* work, int threads
) noexcept nogil:
    """ŷ, ẏ and ÿ"""
    if threads == 1:
        taylor_rows(plan, params, args, work, one_thread())
    else:
        with parallel(num_threads=threads):
            taylor_rows(plan, params, args, work, member(threadid(), threads))


cdef inline void run_taylor_gradient(
    const plan_t* plan, const floating* params, const taylor_t* args, floating* grad,
    floating* work, int threads,
) noexcept nogil:
    """grad := ∇θ"""
    if threads == 1:
        sum_taylor_gradient(plan, params, args, grad, work, one_thread())
    else:
        with parallel(num_threads=threads):
            sum_taylor_gradient(plan, params, args, grad, work, member(threadid(), threads))


cdef inline void run_taylor_jacobian(
    const plan_t* plan, const floating* params, const taylor_t* args, floating* J, floating* work,
    int threads,
) noexcept nogil:
    """J (n, m n_L, P)"""
    if threads == 1:
        taylor_jacobians(plan, params, args, J, work, one_thread())
    else:
        with parallel(num_threads=threads):
            taylor_jacobians(plan, params, args, J, work, member(threadid(), threads))


cdef inline void run_hessian_product(
    const plan_t* plan, const floating* params, const floating* v, const batch_t* batch,
    floating* product, floating* work, int threads,
) noexcept nogil:
    """product := ∇²ℒ v"""
    if threads == 1:
        sum_hessian_product(plan, params, v, batch, product, work, one_thread())
    else:
        with parallel(num_threads=threads):
            sum_hessian_product(
                plan, params, v, batch, product, work, member(threadid(), threads)
            )
