# ℓ(ŷ, y) of one sample and its ∇a_L. Targets are dense (y, k values) or a label, y = e(label).
#
# k outputs; z holds a_L on entry. Canonical pairs have ∇a_L = ŷ − y and a value that never takes
# the logarithm of a rounded probability; every other pair goes through the Jacobian product.

from libc.stdint cimport int64_t

from ffnn_fast.engine.activations cimport (
    activate_output, apply_derivative, exp_row, row_max, scale_row,
)
from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.plan cimport (
    BINARY_CROSS_ENTROPY, CROSS_ENTROPY, HALF_SQUARED_ERROR, SOFTMAX, SQUARED_ERROR, plan_t,
)
from ffnn_fast.engine.vecmath cimport exp, log, log1p, logistic


cdef inline Py_ssize_t row_of(const int64_t* order, Py_ssize_t r) noexcept nogil:
    """The r-th row of a block: order[r], or r when order is NULL"""
    return r if order is NULL else order[r]


cdef inline floating target(const floating* y, Py_ssize_t label, Py_ssize_t j) noexcept nogil:
    """y_j, or e(label)_j when y is NULL"""
    if y is not NULL:
        return y[j]
    return <floating>(1 if j == label else 0)


cdef inline floating value(int loss, floating p, floating y) noexcept nogil:
    """One output's share of ℓ, with 0 log 0 = 0"""
    cdef floating total = 0
    if loss == SQUARED_ERROR:
        return (p - y) * (p - y)
    if loss == HALF_SQUARED_ERROR:
        return <floating>0.5 * (p - y) * (p - y)
    if y != 0:
        total -= y * log(p)
    if loss == BINARY_CROSS_ENTROPY and y != 1:
        total -= (<floating>1 - y) * log(<floating>1 - p)
    return total


cdef inline floating slope(int loss, floating p, floating y) noexcept nogil:
    """∂ℓ/∂ŷ_j at ŷ_j = p, with 0 / 0 = 0"""
    cdef floating total = 0
    if loss == SQUARED_ERROR:
        return <floating>2 * (p - y)
    if loss == HALF_SQUARED_ERROR:
        return p - y
    if y != 0:
        total -= y / p
    if loss == BINARY_CROSS_ENTROPY and y != 1:
        total += (<floating>1 - y) / (<floating>1 - p)
    return total


cdef inline double softmax_cross_entropy(
    floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k, floating scale, bint delta,
) noexcept nogil:
    """ℓ = Σ_c y_c (log Σ_j e^{a_j} − a_c); z := scale (ŷ − y)"""
    cdef Py_ssize_t j
    cdef floating top = row_max(z, k), mass = 1, dot = 0, total
    if y is NULL:
        dot = z[label] - top
    else:
        mass = 0
        for j in range(k):
            mass += y[j]
            dot += y[j] * (z[j] - top)
    total = exp_row(z, k, top)
    if delta:
        scale_row(z, k, scale / total)
        if y is NULL:
            z[label] -= scale
        else:
            for j in range(k):
                z[j] = z[j] - scale * y[j]
    return mass * log(total) - dot


cdef inline double logistic_binary_cross_entropy(
    floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k, floating scale, bint delta,
) noexcept nogil:
    """ℓ = Σ_j max(a_j, 0) − a_j y_j + log(1 + e^−|a_j|); z := scale (ŷ − y)"""
    cdef Py_ssize_t j
    cdef floating a, y_j
    cdef double total = 0
    for j in range(k):
        a = z[j]
        y_j = target(y, label, j)
        total += (0 if a < 0 else a) - a * y_j + log1p(exp(-a if a > 0 else a))
        if delta:
            z[j] = scale * (logistic(a) - y_j)
    return total


cdef inline double general_loss(
    const plan_t* plan, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta,
) noexcept nogil:
    """ℓ from ŷ = O(a_L); z := scale J_Oᵀ ∇ŷ (for softmax, J = diag(ŷ) − ŷ ŷᵀ)"""
    cdef Py_ssize_t j, O = plan.g[plan.L]
    cdef floating p, dot = 0
    cdef double total = 0
    activate_output(O, z, 1, k)
    for j in range(k):
        total += value(plan.loss, z[j], target(y, label, j))
    if not delta:
        return total
    if O == SOFTMAX:
        for j in range(k):
            dot += z[j] * slope(plan.loss, z[j], target(y, label, j))
        for j in range(k):
            z[j] = scale * z[j] * (slope(plan.loss, z[j], target(y, label, j)) - dot)
    else:
        for j in range(k):
            p = z[j]
            z[j] = scale * slope(plan.loss, p, target(y, label, j))
            apply_derivative(O, &p, z + j, 1)
    return total


cdef inline double loss_row(
    const plan_t* plan, floating* z, const floating* y, Py_ssize_t label, floating scale,
    bint delta,
) noexcept nogil:
    """Returns ℓ; when delta, z := scale ∇a_L, else z is spent."""
    cdef Py_ssize_t k = plan.n[plan.L]
    if plan.canonical and plan.loss == CROSS_ENTROPY:
        return softmax_cross_entropy(z, y, label, k, scale, delta)
    if plan.canonical and plan.loss == BINARY_CROSS_ENTROPY:
        return logistic_binary_cross_entropy(z, y, label, k, scale, delta)
    return general_loss(plan, z, y, label, k, scale, delta)
