# Elementary functions of vecmath.h on the fused type; accuracy and special values are stated there.

from ffnn_fast.engine.floating cimport floating

cdef extern from "maths/vecmath.h" nogil:
    float vm_exp_f32(float x)
    double vm_exp_f64(double x)
    float vm_log_f32(float x)
    double vm_log_f64(double x)
    float vm_tanh_f32(float x)
    double vm_tanh_f64(double x)
    float vm_tanh_divisor_f32(float x)
    double vm_tanh_divisor_f64(double x)
    float vm_tanh_of_divisor_f32(float x, float d)
    double vm_tanh_of_divisor_f64(double x, double d)
    float vm_logistic_f32(float x)
    double vm_logistic_f64(double x)
    float vm_expm1_f32(float x)
    double vm_expm1_f64(double x)
    float vm_log1p_f32(float x)
    double vm_log1p_f64(double x)
    float vm_softplus_tail_f32(float v)
    double vm_softplus_tail_f64(double v)


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


cdef inline floating softplus_tail(floating v) noexcept nogil:
    """ln(1 + e^−v), v ≥ 0"""
    return vm_softplus_tail_f32(v) if floating is float else vm_softplus_tail_f64(v)


cdef extern from "maths/vecmath_activations.h" nogil:
    const double LEAKY_SLOPE "VM_LEAKY_SLOPE"      # g' of leaky_relu for a < 0
    const double POISSON_FLOOR "VM_POISSON_FLOOR"  # poisson takes a smaller ŷ for this
    float vm_softplus_f32(float x)
    double vm_softplus_f64(double x)
    float vm_elu_f32(float x)
    double vm_elu_f64(double x)
    float vm_elu_slope_f32(float x)
    double vm_elu_slope_f64(double x)
    float vm_selu_f32(float x)
    double vm_selu_f64(double x)
    float vm_selu_slope_f32(float x)
    double vm_selu_slope_f64(double x)
    float vm_softsign_f32(float x)
    double vm_softsign_f64(double x)
    float vm_softsign_slope_f32(float x)
    double vm_softsign_slope_f64(double x)
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
    void vm_turned_sines_f32(ptrdiff_t n, float* z, float turn)
    void vm_turned_sines_f64(ptrdiff_t n, double* z, double turn)
    void vm_gelu_pair_f32(ptrdiff_t n, float* a, float* h)
    void vm_gelu_pair_f64(ptrdiff_t n, double* a, double* h)
    void vm_gelu_tanh_pair_f32(ptrdiff_t n, float* a, float* h)
    void vm_gelu_tanh_pair_f64(ptrdiff_t n, double* a, double* h)
    void vm_silu_pair_f32(ptrdiff_t n, float* a, float* h)
    void vm_silu_pair_f64(ptrdiff_t n, double* a, double* h)
    void vm_mish_pair_f32(ptrdiff_t n, float* a, float* h)
    void vm_mish_pair_f64(ptrdiff_t n, double* a, double* h)


cdef inline void sine_derivatives(floating* z, Py_ssize_t n, Py_ssize_t order) noexcept nogil:
    """z := the derivative of sin at z, of order 0 to 3"""
    if floating is float:
        vm_turned_sines_f32(n, z, <float>0.5 * order)
    else:
        vm_turned_sines_f64(n, z, 0.5 * order)
