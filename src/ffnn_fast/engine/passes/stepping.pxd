# What a step at a call needs besides the step: the values of its rows checked, and θ and the
# optimizer's state kept, to be restored where it diverges.

from libc.math cimport fabs
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating

cdef enum:  # what a row of targets must be
    ANY = 0
    DISTRIBUTION = 1
    ONE_HOT = 2

cdef struct domain_t:  # of the targets of one head, `width` columns
    Py_ssize_t width
    double low, high
    int row

cdef struct kept_t:  # a copy of θ and of the state, (1 + slots, P), to return to
    void* copy           # NULL: none is kept
    Py_ssize_t P, slots


cdef inline bint all_finite(const floating* x, Py_ssize_t n) noexcept nogil:
    """Whether none of n values is NaN or infinite"""
    cdef Py_ssize_t i
    cdef int bad = 0
    for i in range(n):
        bad |= not x[i] - x[i] == 0
    return not bad


cdef inline bint head_fits(const floating* y, const domain_t* domain, bint missing) noexcept nogil:
    """Whether the targets of one head of one sample lie in its domain, NaN where one is missing"""
    cdef Py_ssize_t j, gaps = 0
    cdef double total = 0
    for j in range(domain.width):
        if missing and y[j] != y[j]:
            gaps += 1
            continue
        if not (y[j] - y[j] == 0 and domain.low <= y[j] <= domain.high):
            return False
        if domain.row == ONE_HOT and not (y[j] == 0 or y[j] == 1):
            return False
        total += y[j]
    if domain.row == ANY or gaps == domain.width:
        return True
    return gaps == 0 and fabs(total - 1) <= 1e-4


cdef inline bint targets_fit(
    const floating* Y, Py_ssize_t n, const domain_t* domains, Py_ssize_t heads, bint missing
) noexcept nogil:
    """Whether n rows of targets, those of all heads side by side, lie in their domains"""
    cdef Py_ssize_t k
    for _ in range(n):
        for k in range(heads):
            if not head_fits(Y, domains + k, missing):
                return False
            Y += domains[k].width
    return True


cdef inline void keep(
    const kept_t* kept, const floating* params, const floating* state
) noexcept nogil:
    """Copy θ and the state"""
    cdef floating* copy = <floating*>kept.copy
    if copy is not NULL:
        memcpy(copy, params, kept.P * sizeof(floating))
        if kept.slots > 0:
            memcpy(copy + kept.P, state, kept.slots * kept.P * sizeof(floating))


cdef inline bint restored(
    const kept_t* kept, floating* params, floating* state, bint diverged
) noexcept nogil:
    """Whether the step diverged: by its loss or, where a copy is kept, by θ, which is restored"""
    cdef floating* copy = <floating*>kept.copy
    if copy is NULL or not (diverged or not all_finite(params, kept.P)):
        return diverged
    memcpy(params, copy, kept.P * sizeof(floating))
    if kept.slots > 0:
        memcpy(state, copy + kept.P, kept.slots * kept.P * sizeof(floating))
    return True
