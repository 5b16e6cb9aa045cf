# h := g(a) and ∇a := ∇h ⊙ g'(a), in place, one pair per activation; softmax works on a row.
#
# n elements, k outputs. Loops have one writable pointer, so that the compiler can vectorise them.
# A bare number beside a float is a double to Cython, and so is what it touches: hence <floating>1.

from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.plan cimport IDENTITY, LOGISTIC, RELU, SOFTMAX, TANH
from ffnn_fast.engine.vecmath cimport exp, logistic, tanh


cdef inline void activate(Py_ssize_t g, floating* z, Py_ssize_t n) noexcept nogil:
    """z := g(z), elementwise"""
    cdef Py_ssize_t i
    if g == LOGISTIC:
        for i in range(n):
            z[i] = logistic(z[i])
    elif g == TANH:
        for i in range(n):
            z[i] = tanh(z[i])
    elif g == RELU:
        for i in range(n):
            z[i] = <floating>0 if z[i] < 0 else z[i]


cdef inline void apply_derivative(
    Py_ssize_t g, const floating* h, floating* d, Py_ssize_t n
) noexcept nogil:
    """d := d ⊙ g'(a), with g' written in h = g(a) (lecture module 4.9)"""
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
        z[j] = exp(z[j] - shift)
    for j in range(k):
        total += z[j]
    return total


cdef inline void scale_row(floating* z, Py_ssize_t k, floating alpha) noexcept nogil:
    """z := alpha z"""
    cdef Py_ssize_t j
    for j in range(k):
        z[j] = alpha * z[j]


cdef inline void activate_output(
    Py_ssize_t O, floating* z, Py_ssize_t n, Py_ssize_t k
) noexcept nogil:
    """z := O(z) for n rows of k; softmax_j = exp(z_j − max) / Σ_i exp(z_i − max)"""
    cdef Py_ssize_t r
    cdef floating* row
    if O != SOFTMAX:
        activate(O, z, n * k)
        return
    for r in range(n):
        row = z + r * k
        scale_row(row, k, <floating>1 / exp_row(row, k, row_max(row, k)))
