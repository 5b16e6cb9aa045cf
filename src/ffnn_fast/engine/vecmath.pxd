# Elementary functions of vecmath.h on the fused type; accuracy and special values are stated there.

from ffnn_fast.engine.blas cimport floating

cdef extern from "vecmath.h" nogil:
    float vm_exp_f32(float x)
    double vm_exp_f64(double x)
    float vm_log_f32(float x)
    double vm_log_f64(double x)
    float vm_tanh_f32(float x)
    double vm_tanh_f64(double x)
    float vm_logistic_f32(float x)
    double vm_logistic_f64(double x)
    float vm_expm1_f32(float x)
    double vm_expm1_f64(double x)
    float vm_log1p_f32(float x)
    double vm_log1p_f64(double x)
    float vm_erf_f32(float x)
    double vm_erf_f64(double x)


cdef inline floating exp(floating x) noexcept nogil:
    """e^x"""
    return vm_exp_f32(x) if floating is float else vm_exp_f64(x)


cdef inline floating log(floating x) noexcept nogil:
    """ln x"""
    return vm_log_f32(x) if floating is float else vm_log_f64(x)


cdef inline floating tanh(floating x) noexcept nogil:
    """(e^x − e^−x) / (e^x + e^−x)"""
    return vm_tanh_f32(x) if floating is float else vm_tanh_f64(x)


cdef inline floating logistic(floating x) noexcept nogil:
    """1 / (1 + e^−x)"""
    return vm_logistic_f32(x) if floating is float else vm_logistic_f64(x)


cdef inline floating expm1(floating x) noexcept nogil:
    """e^x − 1"""
    return vm_expm1_f32(x) if floating is float else vm_expm1_f64(x)


cdef inline floating log1p(floating x) noexcept nogil:
    """ln(1 + x)"""
    return vm_log1p_f32(x) if floating is float else vm_log1p_f64(x)


cdef inline floating erf(floating x) noexcept nogil:
    """2/√π ∫_0^x e^−t² dt"""
    return vm_erf_f32(x) if floating is float else vm_erf_f64(x)
