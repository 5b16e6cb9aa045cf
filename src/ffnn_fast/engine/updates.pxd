# Optimizer rules: one loop over one flat vector, one step counter t.

from libc.stdint cimport uint64_t

from ffnn_fast.engine.blas cimport floating

cdef enum:
    SGD = 0

cdef struct rule_t:  # a StepRule: all of a step that is not the gradient
    int optimizer        # one of the codes above
    Py_ssize_t slots     # its state vectors
    double clip_value    # bound of |∇θ_i|, or infinity
    double clip_norm     # bound of ‖∇θ‖, or infinity
    double max_norm      # bound of the norm of a row of W_k, or infinity
    double average       # decay of the average of θ; 0: none is kept
    const char* frozen   # frozen[k]: whether layer k stays as it is; L + 1 entries
    uint64_t seed        # of the dropout masks
    bint plain           # θ := θ − η ∇θ and no more


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
