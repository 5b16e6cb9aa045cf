# The penalty of the objective.

from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.plan cimport plan_t
from ffnn_fast.engine.products cimport sum_of_squares


cdef inline double penalty(const plan_t* plan, const floating* params) noexcept nogil:
    """l2/2 Σ_k ‖W_k‖²"""
    cdef Py_ssize_t k
    cdef double total = 0
    if plan.l2 == 0:
        return 0
    for k in range(1, plan.L + 1):
        total += sum_of_squares(plan.n[k] * plan.n[k - 1], params + plan.W[k])
    return 0.5 * plan.l2 * total
