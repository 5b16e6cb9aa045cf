# Second and third derivatives of activations in loops, for the Taylor passes.

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.maths.vecmath cimport sine_derivatives
from ffnn_fast.engine.passes.activation_loops cimport activate_any
from ffnn_fast.engine.plan cimport (
    ELU, EXP, GELU, GELU_TANH, LOGISTIC, MISH, SELU, SILU, SIN, SOFTPLUS, SOFTSIGN, TANH,
)

cdef extern from "maths/vecmath_derivatives.h" nogil:
    float vm_logistic_second_f32(float x)
    double vm_logistic_second_f64(double x)
    float vm_logistic_third_f32(float x)
    double vm_logistic_third_f64(double x)
    float vm_tanh_second_f32(float x)
    double vm_tanh_second_f64(double x)
    float vm_tanh_third_f32(float x)
    double vm_tanh_third_f64(double x)
    float vm_elu_second_f32(float x)
    double vm_elu_second_f64(double x)
    float vm_selu_second_f32(float x)
    double vm_selu_second_f64(double x)
    float vm_softplus_second_f32(float x)
    double vm_softplus_second_f64(double x)
    float vm_softsign_second_f32(float x)
    double vm_softsign_second_f64(double x)
    float vm_softsign_third_f32(float x)
    double vm_softsign_third_f64(double x)
    float vm_gelu_second_f32(float x)
    double vm_gelu_second_f64(double x)
    float vm_gelu_third_f32(float x)
    double vm_gelu_third_f64(double x)
    float vm_gelu_tanh_second_f32(float x)
    double vm_gelu_tanh_second_f64(double x)
    float vm_gelu_tanh_third_f32(float x)
    double vm_gelu_tanh_third_f64(double x)
    float vm_silu_second_f32(float x)
    double vm_silu_second_f64(double x)
    float vm_silu_third_f32(float x)
    double vm_silu_third_f64(double x)
    float vm_mish_second_f32(float x)
    double vm_mish_second_f64(double x)
    float vm_mish_third_f32(float x)
    double vm_mish_third_f64(double x)


cdef inline Py_ssize_t whole_vectors(const floating* a, Py_ssize_t n) noexcept nogil:
    """n, a multiple of S, so that compilers need no loop for what vectors leave over"""
    return n & -<Py_ssize_t>(2 * MK_BYTES // sizeof(floating))


cdef inline void second_derivative(
    Py_ssize_t g, const floating* a, floating* out, Py_ssize_t n
) noexcept nogil:
    """out := g''(a), elementwise; 0 for straight lines; n is a multiple of S"""
    cdef Py_ssize_t i
    n = whole_vectors(a, n)
    if g == LOGISTIC:
        for i in range(n):
            out[i] = (
                vm_logistic_second_f32(a[i]) if floating is float
                else vm_logistic_second_f64(a[i])
            )
    elif g == TANH:
        for i in range(n):
            out[i] = vm_tanh_second_f32(a[i]) if floating is float else vm_tanh_second_f64(a[i])
    elif g == ELU:
        for i in range(n):
            out[i] = vm_elu_second_f32(a[i]) if floating is float else vm_elu_second_f64(a[i])
    elif g == SELU:
        for i in range(n):
            out[i] = vm_selu_second_f32(a[i]) if floating is float else vm_selu_second_f64(a[i])
    elif g == SOFTPLUS:
        for i in range(n):
            out[i] = (
                vm_softplus_second_f32(a[i]) if floating is float
                else vm_softplus_second_f64(a[i])
            )
    elif g == SOFTSIGN:
        for i in range(n):
            out[i] = (
                vm_softsign_second_f32(a[i]) if floating is float
                else vm_softsign_second_f64(a[i])
            )
    elif g == EXP:
        memcpy(out, a, n * sizeof(floating))
        activate_any(g, out, n)
    elif g == GELU:
        for i in range(n):
            out[i] = vm_gelu_second_f32(a[i]) if floating is float else vm_gelu_second_f64(a[i])
    elif g == GELU_TANH:
        for i in range(n):
            out[i] = (
                vm_gelu_tanh_second_f32(a[i]) if floating is float
                else vm_gelu_tanh_second_f64(a[i])
            )
    elif g == SILU:
        for i in range(n):
            out[i] = vm_silu_second_f32(a[i]) if floating is float else vm_silu_second_f64(a[i])
    elif g == MISH:
        for i in range(n):
            out[i] = vm_mish_second_f32(a[i]) if floating is float else vm_mish_second_f64(a[i])
    elif g == SIN:
        memcpy(out, a, n * sizeof(floating))
        sine_derivatives(out, n, 2)
    else:
        memset(out, 0, n * sizeof(floating))


cdef inline void third_derivative(
    Py_ssize_t g, const floating* a, floating* out, Py_ssize_t n
) noexcept nogil:
    """out := g'''(a), elementwise; 0 for straight lines; n is a multiple of S"""
    cdef Py_ssize_t i
    n = whole_vectors(a, n)
    if g == LOGISTIC:
        for i in range(n):
            out[i] = (
                vm_logistic_third_f32(a[i]) if floating is float
                else vm_logistic_third_f64(a[i])
            )
    elif g == TANH:
        for i in range(n):
            out[i] = vm_tanh_third_f32(a[i]) if floating is float else vm_tanh_third_f64(a[i])
    elif g == SOFTSIGN:
        for i in range(n):
            out[i] = (
                vm_softsign_third_f32(a[i]) if floating is float
                else vm_softsign_third_f64(a[i])
            )
    elif g == GELU:
        for i in range(n):
            out[i] = vm_gelu_third_f32(a[i]) if floating is float else vm_gelu_third_f64(a[i])
    elif g == GELU_TANH:
        for i in range(n):
            out[i] = (
                vm_gelu_tanh_third_f32(a[i]) if floating is float
                else vm_gelu_tanh_third_f64(a[i])
            )
    elif g == SILU:
        for i in range(n):
            out[i] = vm_silu_third_f32(a[i]) if floating is float else vm_silu_third_f64(a[i])
    elif g == MISH:
        for i in range(n):
            out[i] = vm_mish_third_f32(a[i]) if floating is float else vm_mish_third_f64(a[i])
    elif g == SIN:
        memcpy(out, a, n * sizeof(floating))
        sine_derivatives(out, n, 3)
    elif g == SOFTPLUS:
        second_derivative(LOGISTIC, a, out, n)
    else:  # of exponentials, and of straight lines
        second_derivative(g, a, out, n)
