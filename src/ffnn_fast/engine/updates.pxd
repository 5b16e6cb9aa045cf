# Optimizer rules: one loop over one flat vector, one step counter t.

from ffnn_fast.engine.blas cimport floating

cdef enum:
    SGD = 0


cdef inline void sgd(
    floating eta, floating* params, const floating* grad, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """params := params − eta grad"""
    cdef Py_ssize_t i
    for i in range(first, last):
        params[i] -= eta * grad[i]


cdef inline void apply_update(
    int rule, const double* hyper, floating* params, const floating* grad, floating* state,
    Py_ssize_t P, Py_ssize_t first, Py_ssize_t last, Py_ssize_t t,
) noexcept nogil:
    """One step of a rule on the entries first..last-1; state holds slots of P one after another."""
    if rule == SGD:
        sgd(<floating>hyper[0], params, grad, first, last)
