# h := g(a) and ∇a := ∇h ⊙ g'(a), in place, one pair per activation; softmax works on a row.
#
# n elements, k outputs. Loops have one writable pointer, so that the compiler can vectorise them;
# they call vecmath's functions by their own names, which it always inlines.
# A bare number beside a float is a double to Cython, and so is what it touches: hence <floating>1.

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.maths.vecmath cimport (
    LEAKY_SLOPE, vm_elu_f32, vm_elu_f64, vm_elu_slope_f32, vm_elu_slope_f64, vm_exp_f32, vm_exp_f64,
    vm_expm1_f32, vm_expm1_f64, vm_gelu_f32, vm_gelu_f64, vm_gelu_pair_f32, vm_gelu_pair_f64,
    vm_gelu_tanh_f32, vm_gelu_tanh_f64, vm_gelu_tanh_pair_f32, vm_gelu_tanh_pair_f64,
    vm_hard_sigmoid_f32, vm_hard_sigmoid_f64, vm_logistic_f32, vm_logistic_f64, vm_mish_f32,
    vm_mish_f64, vm_mish_pair_f32, vm_mish_pair_f64, vm_selu_f32, vm_selu_f64, vm_selu_slope_f32,
    vm_selu_slope_f64, vm_silu_f32, vm_silu_f64, vm_silu_pair_f32, vm_silu_pair_f64,
    vm_softplus_f32, vm_softplus_f64, vm_softsign_f32, vm_softsign_f64, vm_softsign_slope_f32,
    vm_softsign_slope_f64, vm_tanh_divisor_f32, vm_tanh_divisor_f64, vm_tanh_f32, vm_tanh_f64,
    vm_tanh_of_divisor_f32, vm_tanh_of_divisor_f64, sine_derivatives,
)
from ffnn_fast.engine.plan cimport (
    ELU, EXP, GELU, GELU_TANH, HARD_SIGMOID, LEAKY_RELU, LOGISTIC, MISH, RELU, SELU, SILU, SIN,
    SOFTPLUS, SOFTSIGN, TANH, derivative_from_input, is_less_frequent,
)

cdef enum:
    DIVISORS = 512  # numbers whose tanh is computed together


cdef inline floating magnitude(floating x) noexcept nogil:
    """|x|"""
    return -x if x < 0 else x


cdef inline void tanh_of(floating* z, Py_ssize_t n) noexcept nogil:
    """z := tanh(z); with 32-byte vectors in two loops, each of which has more numbers under way"""
    cdef floating[DIVISORS] d
    cdef Py_ssize_t i, some
    if MK_BYTES != 32:
        for i in range(n):
            z[i] = vm_tanh_f32(z[i]) if floating is float else vm_tanh_f64(z[i])
        return
    while n > 0:
        some = min(n, <Py_ssize_t>DIVISORS)
        for i in range(some):
            d[i] = vm_tanh_divisor_f32(z[i]) if floating is float else vm_tanh_divisor_f64(z[i])
        for i in range(some):
            z[i] = (
                vm_tanh_of_divisor_f32(z[i], d[i]) if floating is float
                else vm_tanh_of_divisor_f64(z[i], d[i])
            )
        z, n = z + some, n - some


cdef inline void activate(Py_ssize_t g, floating* z, Py_ssize_t n) noexcept nogil:
    """z := g(z), elementwise"""
    cdef Py_ssize_t i
    if g == LOGISTIC:
        for i in range(n):
            z[i] = vm_logistic_f32(z[i]) if floating is float else vm_logistic_f64(z[i])
    elif g == TANH:
        tanh_of(z, n)
    elif g == RELU:
        for i in range(n):
            z[i] = <floating>0 if z[i] < 0 else z[i]


cdef inline void activate_rest(Py_ssize_t g, floating* z, Py_ssize_t n) noexcept nogil:
    """The same for the less frequent activations, so that `activate` stays small"""
    cdef Py_ssize_t i
    if g == LEAKY_RELU:
        for i in range(n):
            z[i] = z[i] if z[i] > 0 else <floating>LEAKY_SLOPE * z[i]
    elif g == ELU:
        for i in range(n):
            z[i] = vm_elu_f32(z[i]) if floating is float else vm_elu_f64(z[i])
    elif g == SELU:
        for i in range(n):
            z[i] = vm_selu_f32(z[i]) if floating is float else vm_selu_f64(z[i])
    elif g == SOFTPLUS:
        for i in range(n):
            z[i] = vm_softplus_f32(z[i]) if floating is float else vm_softplus_f64(z[i])
    elif g == SOFTSIGN:
        for i in range(n):
            z[i] = vm_softsign_f32(z[i]) if floating is float else vm_softsign_f64(z[i])
    elif g == HARD_SIGMOID:
        for i in range(n):
            z[i] = vm_hard_sigmoid_f32(z[i]) if floating is float else vm_hard_sigmoid_f64(z[i])
    elif g == EXP:
        for i in range(n):
            z[i] = vm_exp_f32(z[i]) if floating is float else vm_exp_f64(z[i])
    elif g == GELU:
        for i in range(n):
            z[i] = vm_gelu_f32(z[i]) if floating is float else vm_gelu_f64(z[i])
    elif g == GELU_TANH:
        for i in range(n):
            z[i] = vm_gelu_tanh_f32(z[i]) if floating is float else vm_gelu_tanh_f64(z[i])
    elif g == SILU:
        for i in range(n):
            z[i] = vm_silu_f32(z[i]) if floating is float else vm_silu_f64(z[i])
    elif g == MISH:
        for i in range(n):
            z[i] = vm_mish_f32(z[i]) if floating is float else vm_mish_f64(z[i])
    elif g == SIN:
        sine_derivatives(z, n, 0)


cdef inline void apply_derivative(
    Py_ssize_t g, const floating* h, floating* d, Py_ssize_t n
) noexcept nogil:
    """d := d ⊙ g'(a), with g' written in h = g(a) (lecture module 4.9)

    That of logistic and tanh is exact in absolute terms only: 0 once h rounds to its limit.
    """
    cdef Py_ssize_t i
    if g == LOGISTIC:
        for i in range(n):
            d[i] = d[i] * (h[i] * (<floating>1 - h[i]))
    elif g == TANH:
        for i in range(n):
            d[i] = d[i] * (<floating>1 - h[i] * h[i])
    elif g == RELU:
        for i in range(n):
            d[i] = d[i] * (<floating>1 if h[i] > 0 else <floating>0)


cdef inline void apply_derivative_rest(
    Py_ssize_t g, const floating* h, floating* d, Py_ssize_t n
) noexcept nogil:
    """The same for the less frequent activations"""
    cdef Py_ssize_t i
    cdef floating slope
    if g == LEAKY_RELU:
        for i in range(n):
            d[i] = d[i] * (<floating>1 if h[i] > 0 else <floating>LEAKY_SLOPE)
    elif g == SOFTPLUS:
        for i in range(n):
            d[i] = d[i] * -(vm_expm1_f32(-h[i]) if floating is float else vm_expm1_f64(-h[i]))
    elif g == HARD_SIGMOID:
        for i in range(n):
            # two selections: `and` is a branch, with which GCC leaves v2's loop scalar
            slope = <floating>(1.0 / 6) if h[i] > 0 else <floating>0
            d[i] = d[i] * (slope if h[i] < 1 else <floating>0)
    elif g == EXP:
        for i in range(n):
            d[i] = d[i] * h[i]


cdef inline void activate_any(Py_ssize_t g, floating* z, Py_ssize_t n) noexcept nogil:
    """z := g(z), for any elementwise g"""
    if is_less_frequent(g):
        activate_rest(g, z, n)
    else:
        activate(g, z, n)


cdef inline void apply_any_derivative(
    Py_ssize_t g, const floating* h, floating* d, Py_ssize_t n
) noexcept nogil:
    """d := d ⊙ g'(a), for any g whose g' is written in h"""
    if is_less_frequent(g):
        apply_derivative_rest(g, h, d, n)
    else:
        apply_derivative(g, h, d, n)


cdef inline bint value_and_slope_together(
    Py_ssize_t g, floating* a, floating* h, Py_ssize_t n
) noexcept nogil:
    """h := g(a), a := g'(a), for the activations that have a loop for both; else False"""
    if g == GELU:
        vm_gelu_pair_f32(n, a, h) if floating is float else vm_gelu_pair_f64(n, a, h)
    elif g == GELU_TANH:
        vm_gelu_tanh_pair_f32(n, a, h) if floating is float else vm_gelu_tanh_pair_f64(n, a, h)
    elif g == SILU:
        vm_silu_pair_f32(n, a, h) if floating is float else vm_silu_pair_f64(n, a, h)
    elif g == MISH:
        vm_mish_pair_f32(n, a, h) if floating is float else vm_mish_pair_f64(n, a, h)
    else:
        return False
    return True


cdef inline void slopes_of_inputs(Py_ssize_t g, floating* a, Py_ssize_t n) noexcept nogil:
    """a := g'(a), for the other activations whose derivative is written in a"""
    cdef Py_ssize_t i
    if g == ELU:
        for i in range(n):
            a[i] = vm_elu_slope_f32(a[i]) if floating is float else vm_elu_slope_f64(a[i])
    elif g == SELU:
        for i in range(n):
            a[i] = vm_selu_slope_f32(a[i]) if floating is float else vm_selu_slope_f64(a[i])
    elif g == SOFTSIGN:
        for i in range(n):
            a[i] = (
                vm_softsign_slope_f32(a[i]) if floating is float else vm_softsign_slope_f64(a[i])
            )
    elif g == SIN:
        sine_derivatives(a, n, 1)


cdef inline void value_and_slope(
    Py_ssize_t g, floating* a, floating* h, Py_ssize_t n
) noexcept nogil:
    """h := g(a), a := g'(a), for any activation"""
    cdef Py_ssize_t i
    if value_and_slope_together(g, a, h, n):
        return
    memcpy(h, a, n * sizeof(floating))
    activate_any(g, h, n)
    if derivative_from_input(g):
        slopes_of_inputs(g, a, n)
    elif g == TANH:
        for i in range(n):
            a[i] = <floating>1 - h[i] * h[i]
    else:
        for i in range(n):
            a[i] = 1
        apply_any_derivative(g, h, a, n)


cdef inline void multiply(const floating* x, floating* d, Py_ssize_t n) noexcept nogil:
    """d := d ⊙ x"""
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * x[i]


cdef inline floating row_max(const floating* z, Py_ssize_t k) noexcept nogil:
    """max_j z_j"""
    cdef Py_ssize_t j
    cdef floating top = z[0]
    for j in range(1, k):
        top = z[j] if z[j] > top else top
    return top


cdef inline floating exp_row(floating* z, Py_ssize_t k, floating shift) noexcept nogil:
    """z_j := exp(z_j − shift); returns Σ_j z_j"""
    cdef Py_ssize_t j
    cdef floating total = 0
    for j in range(k):
        z[j] = vm_exp_f32(z[j] - shift) if floating is float else vm_exp_f64(z[j] - shift)
    for j in range(k):
        total += z[j]
    return total


cdef inline floating exp_row_and_rest(
    floating* z, Py_ssize_t k, floating top, floating* rest
) noexcept nogil:
    """z_j := exp(z_j − top), top = max_j z_j; returns Σ_j z_j, rest := Σ_j z_j − 1 to all digits"""
    cdef Py_ssize_t j
    cdef int one, ones = -1
    cdef floating total = 0, below = 0
    for j in range(k):
        z[j] = vm_exp_f32(z[j] - top) if floating is float else vm_exp_f64(z[j] - top)
    for j in range(k):
        total += z[j]
        one = z[j] == 1
        ones += one
        below += z[j] - <floating>one  # not a branch, which would often be mispredicted
    rest[0] = <floating>ones + below
    return total


cdef inline void scale_row(floating* z, Py_ssize_t k, floating alpha) noexcept nogil:
    """z := alpha z"""
    cdef Py_ssize_t j
    for j in range(k):
        z[j] = alpha * z[j]


cdef inline void softmax_row(floating* z, Py_ssize_t k) noexcept nogil:
    """z_j := exp(z_j − max) / Σ_i exp(z_i − max)"""
    scale_row(z, k, <floating>1 / exp_row(z, k, row_max(z, k)))
