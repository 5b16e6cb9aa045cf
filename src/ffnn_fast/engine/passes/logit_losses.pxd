# ℓ of one sample and its ∇a_L from a_L, for pairs of output and loss whose ŷ may round to 0 or 1.
#
# k outputs; z holds a_L on entry and, when delta, scale ∇a_L on return. y has T values, or is NULL:
# e(label). Canonical pairs have ∇a_L = ŷ − y.
# No logarithm or quotient is taken of a rounded probability: log Σ_j e^{a_j} is the largest a_j and
# log(1 + Σ'), where Σ' leaves that term out, so that a loss far below 1 keeps its digits.
# Where the head ignores missing targets, one that is NaN adds nothing.

from libc.math cimport INFINITY

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.maths.vecmath cimport exp, log, log1p, logistic, softplus_tail
from ffnn_fast.engine.passes.activation_loops cimport exp_row_and_rest, row_max, scale_row
from ffnn_fast.engine.plan cimport head_t


cdef inline floating target_of(const floating* y, Py_ssize_t label, Py_ssize_t j) noexcept nogil:
    """y_j, or e(label)_j when y is NULL"""
    if y is not NULL:
        return y[j]
    return <floating>(1 if j == label else 0)


cdef inline floating smoothed(const head_t* head, floating y, Py_ssize_t classes) noexcept nogil:
    """(1 − ε) y + ε / K"""
    if head.smoothing == 0:
        return y
    return <floating>(1 - head.smoothing) * y + <floating>(head.smoothing / classes)


cdef inline void set_zero(floating* z, Py_ssize_t k) noexcept nogil:
    """z := 0"""
    cdef Py_ssize_t j
    for j in range(k):
        z[j] = 0


cdef inline floating times(floating y, floating x) noexcept nogil:
    """y x, and 0 for y = 0 and any x"""
    return y * x if y != 0 else <floating>0


cdef inline double softmax_cross_entropy(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta,
) noexcept nogil:
    """ℓ = Σ_c y_c (log Σ_j e^{a_j} − a_c); z := scale (ŷ − y), y smoothed"""
    cdef Py_ssize_t j
    cdef floating top, mass = 1, dot = 0, total, rest, kept = <floating>(1 - head.smoothing)
    cdef floating share = <floating>(head.smoothing / k)
    if head.missing and y is not NULL and y[0] != y[0]:
        set_zero(z, k)
        return 0
    top = row_max(z, k)
    if y is NULL:
        dot = z[label] - top
    else:
        mass = 0
        for j in range(k):
            mass += y[j]
            dot += times(y[j], z[j] - top)
    if share != 0:
        mass, dot = kept * mass + <floating>k * share, kept * dot
        for j in range(k):
            dot += share * (z[j] - top)
    total = exp_row_and_rest(z, k, top, &rest)
    if delta:
        scale_row(z, k, scale / total)
        if y is NULL:
            z[label] -= kept * scale
        else:
            for j in range(k):
                z[j] = z[j] - kept * scale * y[j]
        if share != 0:
            for j in range(k):
                z[j] -= scale * share
    return mass * log1p(rest) - dot


cdef inline floating softmax_minus_label(
    floating* z, Py_ssize_t label, Py_ssize_t k, floating* rest
) noexcept nogil:
    """z := ŷ − e(label); returns a_label − max_j a_j. ℓ is log(1 + rest) minus that"""
    cdef floating top = row_max(z, k), dot = z[label] - top
    scale_row(z, k, <floating>1 / exp_row_and_rest(z, k, top, rest))
    z[label] -= 1
    return dot


cdef inline double logistic_binary_cross_entropy(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta,
) noexcept nogil:
    """ℓ = Σ_j |a_j| d_j + log(1 + e^−|a_j|), d = 1 − y for a > 0, else y; z := scale (ŷ − y)

    y is smoothed.
    """
    cdef Py_ssize_t j
    cdef floating a, size, y_j
    cdef double total = 0
    for j in range(k):
        a = z[j]
        y_j = target_of(y, label, j)
        if head.missing and y_j != y_j:
            z[j] = 0
            continue
        y_j = smoothed(head, y_j, 2)
        size = -a if a < 0 else a
        total += times(<floating>1 - y_j if a > 0 else y_j, size) + softplus_tail(size)
        if delta:
            z[j] = scale * (logistic(a) - y_j)
    return total


cdef inline double exp_poisson(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta,
) noexcept nogil:
    """ℓ = Σ_j e^{a_j} − a_j y_j; z := scale (ŷ − y)"""
    cdef Py_ssize_t j
    cdef floating p, y_j
    cdef double total = 0
    for j in range(k):
        y_j = target_of(y, label, j)
        if head.missing and y_j != y_j:
            z[j] = 0
            continue
        p = exp(z[j])
        total += p - times(y_j, z[j])
        if delta:
            z[j] = scale * (p - y_j)
    return total


cdef inline double logistic_cross_entropy(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta,
) noexcept nogil:
    """ℓ = −Σ_j y_j log σ(a_j), log σ(a) = min(a, 0) − log(1 + e^−|a|); z := −scale y σ(−a)

    y is smoothed.
    """
    cdef Py_ssize_t j
    cdef floating a, y_j
    cdef double total = 0
    for j in range(k):
        a = z[j]
        y_j = target_of(y, label, j)
        if head.missing and y_j != y_j:
            z[j] = 0
            continue
        y_j = smoothed(head, y_j, k)
        total += times(y_j, (-a if a < 0 else <floating>0) + softplus_tail(-a if a < 0 else a))
        if delta:
            z[j] = -scale * y_j * logistic(-a)
    return total


cdef inline Py_ssize_t row_arg_max(const floating* z, Py_ssize_t k) noexcept nogil:
    """The first j with the largest z_j"""
    cdef Py_ssize_t j, best = 0
    for j in range(1, k):
        best = j if z[j] > z[best] else best
    return best


cdef inline double softmax_binary_cross_entropy(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta, floating* spare,
) noexcept nogil:
    """ℓ = −Σ_j y_j log ŷ_j + (1 − y_j) log(1 − ŷ_j), y smoothed; spare: k of scratch

    t is the output with the largest ŷ and R = Σ_{j≠t} e^{a_j − a_t}: ŷ_t = 1 / (1 + R),
    1 − ŷ_t = R / (1 + R), and the share of j in the latter is c_j = e^{a_j − a_t} / R. With
    u_j = ŷ_j ∂ℓ/∂ŷ_j and V = Σ_{j≠t} u_j, none of which is infinite,
    ∇a_t = (1 − y_t) ŷ_t − y_t (1 − ŷ_t) − ŷ_t V, ∇a_j = u_j − ŷ_j V + y_t ŷ_j − (1 − y_t) ŷ_t c_j.
    """
    cdef Py_ssize_t j, t = row_arg_max(z, k)
    cdef floating top = z[t], second = -INFINITY, others = 0, log_rest, log_total, rest, p, y_j
    cdef floating yes = 0, no = 0, V = 0
    cdef double total = 0
    for j in range(k):
        second = z[j] if j != t and z[j] > second else second
    for j in range(k):
        if j != t:
            others += exp(z[j] - second)
    log_rest = second - top + log(others)
    rest = exp(log_rest)
    log_total = log1p(rest)
    for j in range(k):
        spare[j] = 0
        y_j = target_of(y, label, j)
        if head.missing and y_j != y_j:
            continue
        y_j = smoothed(head, y_j, 2)
        if j == t:
            yes, no = y_j, <floating>1 - y_j
            total += times(yes, log_total) + times(no, log_total - log_rest)
        else:
            p = exp(z[j] - top) / (<floating>1 + rest)
            total += times(y_j, log_total - (z[j] - top)) - times(<floating>1 - y_j, log1p(-p))
            spare[j] = (<floating>1 - y_j) * p / (<floating>1 - p) - y_j
            V += spare[j]
    if not delta:
        return total
    for j in range(k):
        p = exp(z[j] - top) / (<floating>1 + rest)
        if j == t:
            z[j] = scale * ((no - yes * rest) / (<floating>1 + rest) - p * V)
        else:
            p = p * (yes - V)
            z[j] = scale * (
                spare[j] + p - no * exp(z[j] - second) / (others * (<floating>1 + rest))
            )
    return total
