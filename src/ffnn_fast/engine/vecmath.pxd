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


cdef extern from "vecmath_activations.h" nogil:
    float vm_softplus_f32(float x)
    double vm_softplus_f64(double x)
    float vm_elu_f32(float x)
    double vm_elu_f64(double x)
    float vm_selu_f32(float x)
    double vm_selu_f64(double x)
    float vm_softsign_f32(float x)
    double vm_softsign_f64(double x)
    float vm_hard_sigmoid_f32(float x)
    double vm_hard_sigmoid_f64(double x)
    float vm_gelu_f32(float x)
    double vm_gelu_f64(double x)
    float vm_gelu_slope_f32(float x)
    double vm_gelu_slope_f64(double x)
    float vm_gelu_tanh_f32(float x)
    double vm_gelu_tanh_f64(double x)
    float vm_gelu_tanh_slope_f32(float x)
    double vm_gelu_tanh_slope_f64(double x)
    float vm_silu_f32(float x)
    double vm_silu_f64(double x)
    float vm_silu_slope_f32(float x)
    double vm_silu_slope_f64(double x)
    float vm_mish_f32(float x)
    double vm_mish_f64(double x)
    float vm_mish_slope_f32(float x)
    double vm_mish_slope_f64(double x)
    float vm_sin_f32(float x)
    double vm_sin_f64(double x)
    float vm_sin_slope_f32(float x)
    double vm_sin_slope_f64(double x)


cdef inline floating softplus(floating x) noexcept nogil:
    """log(1 + e^x)"""
    return vm_softplus_f32(x) if floating is float else vm_softplus_f64(x)


cdef inline floating elu(floating x) noexcept nogil:
    """x for x > 0, else e^x − 1"""
    return vm_elu_f32(x) if floating is float else vm_elu_f64(x)


cdef inline floating selu(floating x) noexcept nogil:
    """λ x for x > 0, else λ α (e^x − 1)"""
    return vm_selu_f32(x) if floating is float else vm_selu_f64(x)


cdef inline floating softsign(floating x) noexcept nogil:
    """x / (1 + |x|)"""
    return vm_softsign_f32(x) if floating is float else vm_softsign_f64(x)


cdef inline floating hard_sigmoid(floating x) noexcept nogil:
    """x / 6 + 1/2, at least 0, at most 1"""
    return vm_hard_sigmoid_f32(x) if floating is float else vm_hard_sigmoid_f64(x)


cdef inline floating gelu(floating x) noexcept nogil:
    """x Φ(x)"""
    return vm_gelu_f32(x) if floating is float else vm_gelu_f64(x)


cdef inline floating gelu_slope(floating x) noexcept nogil:
    """Φ(x) + x φ(x)"""
    return vm_gelu_slope_f32(x) if floating is float else vm_gelu_slope_f64(x)


cdef inline floating gelu_tanh(floating x) noexcept nogil:
    """x (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³)"""
    return vm_gelu_tanh_f32(x) if floating is float else vm_gelu_tanh_f64(x)


cdef inline floating gelu_tanh_slope(floating x) noexcept nogil:
    """its derivative"""
    return vm_gelu_tanh_slope_f32(x) if floating is float else vm_gelu_tanh_slope_f64(x)


cdef inline floating silu(floating x) noexcept nogil:
    """x σ(x)"""
    return vm_silu_f32(x) if floating is float else vm_silu_f64(x)


cdef inline floating silu_slope(floating x) noexcept nogil:
    """σ + σ x (1 − σ)"""
    return vm_silu_slope_f32(x) if floating is float else vm_silu_slope_f64(x)


cdef inline floating mish(floating x) noexcept nogil:
    """x tanh(log(1 + e^x))"""
    return vm_mish_f32(x) if floating is float else vm_mish_f64(x)


cdef inline floating mish_slope(floating x) noexcept nogil:
    """its derivative"""
    return vm_mish_slope_f32(x) if floating is float else vm_mish_slope_f64(x)


cdef inline floating sin(floating x) noexcept nogil:
    """sin x"""
    return vm_sin_f32(x) if floating is float else vm_sin_f64(x)


cdef inline floating sin_slope(floating x) noexcept nogil:
    """cos x"""
    return vm_sin_slope_f32(x) if floating is float else vm_sin_slope_f64(x)
