# The entry points of ffnn_fast/c_api.pxd: one sample, in double or float, whatever the network's.
#
# Workspace, each part aligned: x, y and J in the network's dtype, then the scratch of the passes.

from ffnn_fast.c_api cimport network_t
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.one_sample cimport online_size
from ffnn_fast.engine.passes.one_sample_jacobian cimport (
    input_jacobian_of_sample, one_sample_scratch,
)
from ffnn_fast.engine.passes.outputs cimport outputs_of_sample
from ffnn_fast.engine.plan cimport outputs_only, plan_t, step_t

ctypedef fused given_t:  # of the caller's arrays
    float
    double

cdef struct call_t:  # what the `void *data` of a C function points to
    const network_t* net
    void* work
    void* y            # n_L doubles, for functions of one output
    Py_ssize_t output

cdef enum:
    SUCCESS = 1


cdef inline Py_ssize_t converted_size(const plan_t* plan) noexcept nogil:
    """Elements for x, y and J"""
    cdef Py_ssize_t n_0 = plan.n[0], n_L = plan.n[plan.L]
    return padded(n_0) + padded(n_L) + padded(n_0 * n_L)


cdef inline Py_ssize_t point_workspace(const plan_t* plan) noexcept nogil:
    """Bytes of a workspace"""
    cdef Py_ssize_t scratch = max(online_size(plan), one_sample_scratch(plan))
    return (converted_size(plan) + padded(scratch)) * plan.itemsize


cdef inline void evaluate(
    const plan_t* plan, const floating* params, const floating* x, floating* y, floating* J,
    floating* scratch,
) noexcept nogil:
    """y := ŷ; J := ∂ŷ/∂x unless NULL"""
    cdef step_t step = outputs_only()
    if J is NULL:
        outputs_of_sample(plan, &step, params, x, y, scratch)
    else:
        input_jacobian_of_sample(plan, params, x, y, J, scratch)


cdef inline void evaluate_converted(
    const plan_t* plan, const floating* params, const given_t* x, given_t* y, given_t* J,
    floating* work,
) noexcept nogil:
    """The same for arrays of any type"""
    cdef Py_ssize_t n_0 = plan.n[0], n_L = plan.n[plan.L], i
    cdef floating* own_x = work
    cdef floating* own_y = own_x + padded(n_0)
    cdef floating* own_J = own_y + padded(n_L)
    for i in range(n_0):
        own_x[i] = <floating>x[i]
    evaluate[floating](
        plan, params, own_x, own_y, NULL if J is NULL else own_J, work + converted_size(plan)
    )
    for i in range(n_L):
        y[i] = <given_t>own_y[i]
    if J is not NULL:
        for i in range(n_L * n_0):
            J[i] = <given_t>own_J[i]


cdef inline void evaluate_given(
    const network_t* net, const given_t* x, given_t* y, given_t* J, void* work
) noexcept nogil:
    """y := ŷ; J := ∂ŷ/∂x unless NULL"""
    cdef const plan_t* plan = <const plan_t*>net.plan
    if net.is_double:
        evaluate_converted(plan, <const double*>net.params, x, y, J, <double*>work)
    else:
        evaluate_converted(plan, <const float*>net.params, x, y, J, <float*>work)


cdef inline void value_f64(
    const network_t* net, const double* x, double* y, void* work
) noexcept nogil:
    """y := ŷ"""
    evaluate_given[double](net, x, y, NULL, work)


cdef inline void value_f32(
    const network_t* net, const float* x, float* y, void* work
) noexcept nogil:
    """y := ŷ"""
    evaluate_given[float](net, x, y, NULL, work)


cdef inline void jacobian_f64(
    const network_t* net, const double* x, double* y, double* J, void* work
) noexcept nogil:
    """y := ŷ, J := ∂ŷ/∂x"""
    evaluate_given[double](net, x, y, J, work)


cdef inline void jacobian_f32(
    const network_t* net, const float* x, float* y, float* J, void* work
) noexcept nogil:
    """y := ŷ, J := ∂ŷ/∂x"""
    evaluate_given[float](net, x, y, J, work)


cdef inline void data_value_f64(const double* x, double* y, void* data) noexcept nogil:
    """y := ŷ"""
    cdef call_t* call = <call_t*>data
    value_f64(call.net, x, y, call.work)


cdef inline void data_value_f32(const float* x, float* y, void* data) noexcept nogil:
    """y := ŷ"""
    cdef call_t* call = <call_t*>data
    value_f32(call.net, x, y, call.work)


cdef inline void data_jacobian_f64(
    const double* x, double* y, double* J, void* data
) noexcept nogil:
    """y := ŷ, J := ∂ŷ/∂x"""
    cdef call_t* call = <call_t*>data
    jacobian_f64(call.net, x, y, J, call.work)


cdef inline void data_jacobian_f32(
    const float* x, float* y, float* J, void* data
) noexcept nogil:
    """y := ŷ, J := ∂ŷ/∂x"""
    cdef call_t* call = <call_t*>data
    jacobian_f32(call.net, x, y, J, call.work)


cdef inline double one_output(call_t* call, const double* x) noexcept nogil:
    """One element of ŷ"""
    cdef double* y = <double*>call.y
    value_f64(call.net, x, y, call.work)
    return y[call.output]


cdef inline double integrand(int n, double* x, void* data) noexcept nogil:
    """ŷ_output of x, (n,); NaN unless n = n_0"""
    cdef call_t* call = <call_t*>data
    if n != call.net.n_inputs:
        return <double>0 / <double>0
    return one_output(call, x)


cdef inline int filter_value(
    double* x, Py_ssize_t n, double* out, void* data
) noexcept nogil:
    """out := ŷ_output of x, (n,); 0 unless n = n_0"""
    cdef call_t* call = <call_t*>data
    if n != call.net.n_inputs:
        return 0
    out[0] = one_output(call, x)
    return SUCCESS
