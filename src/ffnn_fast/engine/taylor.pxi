# Derivatives along directions: functions of engine.pyx.

from ffnn_fast.engine.taylor_calls cimport (
    product_arguments, run_hessian_product, run_output_tangent, run_taylor,
    run_taylor_gradient, taylor_arguments,
)
from ffnn_fast.engine.passes.hessian_product cimport product_t
from ffnn_fast.engine.passes.taylor cimport TAYLOR_ROWS, taylor_scratch, taylor_t


def taylor_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for the functions below on `n` rows."""
    return taylor_scratch(&plan.c, max(n, 1), plan.n_threads)


def taylor(Plan plan, params, X, V, y_hat, first, second, work):
    """y_hat := ŷ (n, n_L), first := J v, second := vᵀ H v, (n, m, n_L), for V (n, m, n_0).

    V None: the m = n_0 unit vectors. A result that is None is left out.
    """
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef taylor_t args = taylor_arguments(c, plan.typenum, X, V, y_hat, first, second, True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(args.n, 4 * args.m + 2)
    with nogil:
        if plan.is_double:
            run_taylor(c, <double*>theta, &args, <double*>scratch, threads)
        else:
            run_taylor(c, <float*>theta, &args, <float*>scratch, threads)


def taylor_gradient(Plan plan, params, X, V, grad_y_hat, grad_first, grad_second, grad, work):
    """grad := ∇θ, (P,), of what has these gradients by the results of `taylor`; None is 0."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef taylor_t args = taylor_arguments(
        c, plan.typenum, X, V, grad_y_hat, grad_first, grad_second, False
    )
    cdef void* g = vector(grad, plan.typenum, c.P, "grad", True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(min(args.n, <Py_ssize_t>TAYLOR_ROWS), 6)
    with nogil:
        if plan.is_double:
            run_taylor_gradient(c, <double*>theta, &args, <double*>g, <double*>scratch, threads)
        else:
            run_taylor_gradient(c, <float*>theta, &args, <float*>g, <float*>scratch, threads)


def output_tangent(Plan plan, params, v, X, a_L, tangent, work):
    """a_L, (n, n_L), and tangent := its derivative along v, a vector of θ's shape."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef product_t args = product_arguments(c, plan.typenum, v, X, a_L, tangent, True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(args.n, 6)
    with nogil:
        if plan.is_double:
            run_output_tangent(c, <double*>theta, &args, <double*>scratch, threads)
        else:
            run_output_tangent(c, <float*>theta, &args, <float*>scratch, threads)


def hessian_product(Plan plan, params, v, X, da_L, tangent, product, work):
    """product := ∇²ℒ v without the penalty, from ∇a_L and its derivative along v, (n, n_L)."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef product_t args = product_arguments(c, plan.typenum, v, X, da_L, tangent, False)
    cdef void* out = vector(product, plan.typenum, c.P, "product", True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(min(args.n, <Py_ssize_t>TAYLOR_ROWS), 12)
    with nogil:
        if plan.is_double:
            run_hessian_product(
                c, <double*>theta, &args, <double*>out, <double*>scratch, threads
            )
        else:
            run_hessian_product(c, <float*>theta, &args, <float*>out, <float*>scratch, threads)
