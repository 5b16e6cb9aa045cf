# Calls on few rows, whose time is that of the call: what they check, and the shortest way through.

cimport numpy as cnp

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.batch cimport batch_t, inputs_only
from ffnn_fast.engine.passes.outputs cimport outputs_of_sample, sums_size
from ffnn_fast.engine.passes.stepping cimport all_finite
from ffnn_fast.engine.plan cimport outputs_only, plan_t, step_t
from ffnn_fast.engine.team_calls cimport run_forward


cdef inline str described(x):
    """Dtype, shape and layout of an array, else the type, for messages"""
    if not isinstance(x, cnp.ndarray):
        return type(x).__name__
    layout = "" if x.flags.c_contiguous else " not C-contiguous"
    layout += "" if x.flags.aligned else " not aligned"
    return f"{x.dtype} {x.shape}{layout}" + ("" if x.flags.writeable else " read-only")


cdef inline bint is_row(cnp.ndarray X) noexcept:
    """Whether X is an array, not of a subclass, with one row at most, (1, n_0) or (n_0,)"""
    cdef int axes = cnp.PyArray_NDIM(X)
    return cnp.PyArray_CheckExact(X) and (
        axes == 1 or (axes == 2 and cnp.PyArray_DIM(X, 0) == 1)
    )


cdef inline const void* converted(
    const void* x, void* row, Py_ssize_t n, int typenum
) noexcept nogil:
    """row := x, floats of this type, in the other type of floats; returns it"""
    cdef Py_ssize_t i
    for i in range(n):
        if typenum == cnp.NPY_FLOAT:
            (<double*>row)[i] = (<const float*>x)[i]
        else:
            (<float*>row)[i] = <float>(<const double*>x)[i]
    return row


cdef inline bint finite_numbers(const plan_t* plan, const void* x, Py_ssize_t n) noexcept nogil:
    """Whether n numbers of the plan's dtype are finite"""
    if plan.itemsize == sizeof(double):
        return all_finite(<const double*>x, n)
    return all_finite(<const float*>x, n)


cdef inline void predict_rows(
    const plan_t* plan, const floating* params, const floating* x, Py_ssize_t n, floating* out,
    floating* work,
) noexcept nogil:
    """out (n, n_L) := ŷ, on the calling thread; as `forward_rows`, which one row need not pass"""
    cdef batch_t batch
    cdef step_t step
    if n == 1 and not plan.extended and not plan.sparse:
        step = outputs_only()
        outputs_of_sample(plan, &step, params, x, out, work + sums_size(plan, 1))
        return
    batch = inputs_only(x, n)
    run_forward(plan, params, &batch, out, work, 1)


cdef inline void predict_either(
    const plan_t* plan, const void* params, const void* x, Py_ssize_t n, void* out, void* work
) noexcept nogil:
    """The same in the plan's dtype"""
    if plan.itemsize == sizeof(double):
        predict_rows(
            plan, <const double*>params, <const double*>x, n, <double*>out, <double*>work
        )
    else:
        predict_rows(plan, <const float*>params, <const float*>x, n, <float*>out, <float*>work)
