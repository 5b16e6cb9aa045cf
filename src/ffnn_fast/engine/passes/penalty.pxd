# The penalty of the objective, and what l1 adds to its gradient.

from libc.string cimport memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, add_squares, sum_of_sizes, sum_of_squares,
)
from ffnn_fast.engine.plan cimport plan_t

cdef enum:
    MOST_SUMMED = 1 << 14  # inputs, over which squares are summed in `real`


cdef inline double penalty_of(const plan_t* plan, const floating* params) noexcept nogil:
    """Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|"""
    return penalty_from(plan, params, 1)


cdef inline double penalty_from(
    const plan_t* plan, const floating* params, Py_ssize_t first
) noexcept nogil:
    """The same of the layers from the first on"""
    cdef Py_ssize_t k
    cdef double total = 0
    if not plan.penalised:
        return 0
    for k in range(first, plan.L + 1):
        total = add_penalty(plan, k, params + plan.W[k], plan.n[k] * plan.n[k - 1], total)
    return total


cdef inline double add_penalty(
    const plan_t* plan, Py_ssize_t k, const floating* W, Py_ssize_t n, double total
) noexcept nogil:
    """total + l2_k/2 Σ w² + l1_k Σ|w| of n entries of W_k"""
    if plan.l2[k] != 0:
        total += 0.5 * plan.l2[k] * sum_of_squares(n, W)
    if plan.l1[k] != 0:
        total += plan.l1[k] * sum_of_sizes(n, W)
    return total


cdef inline bint keeps_squares(const plan_t* plan, Py_ssize_t k) noexcept nogil:
    """Whether the product that updates W_k by plain descent also sums w² of each of its rows

    Half a vector for each unit, from plan.W[k] on. A sweep of its own took up to 7 % of a step of
    784-128-10, batch 32; in the tiles, from registers, 1 %. In float32 only: code for float64,
    where the sweep is a smaller part, would take another kilobyte of the wheel. Sums over more
    inputs than MOST_SUMMED, n / S numbers each, would lose more than 1e-5.
    """
    return MK_BYTES == 32 and plan.itemsize == 4 and plan.l2[k] != 0 \
        and plan.S <= plan.n[k - 1] <= MOST_SUMMED


cdef inline double penalty_by_rows(
    const plan_t* plan, const floating* params, floating* squares, bint known
) noexcept nogil:
    """The penalty without l1, by squares (P,) of rows of W_k, which are taken first unless known"""
    cdef Py_ssize_t k, n
    cdef double total = 0
    for k in range(1, plan.L + 1):
        if not keeps_squares(plan, k):
            total = add_penalty(plan, k, params + plan.W[k], plan.n[k] * plan.n[k - 1], total)
            continue
        n = plan.n[k] * (MK_BYTES // 2 // sizeof(floating))
        if not known:
            memset(squares + plan.W[k], 0, n * sizeof(floating))
            add_squares(plan.n[k], plan.n[k - 1], params + plan.W[k], squares + plan.W[k])
        total += 0.5 * plan.l2[k] * sum_of_sizes(n, squares + plan.W[k])
    return total


cdef inline void add_signs(
    double l1, const floating* W, floating* grad, Py_ssize_t n
) noexcept nogil:
    """grad := grad + l1 sign(W), with sign(0) = 0"""
    cdef floating plus = <floating>l1, minus = <floating>(-l1)
    cdef Py_ssize_t i
    for i in range(n):
        grad[i] += plus if W[i] > 0 else (minus if W[i] < 0 else <floating>0)
