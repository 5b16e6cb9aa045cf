# Checks of the arrays that Python passes in: a wrong shape would read or write past their end.

from libc.stdint cimport int64_t

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.plan cimport plan_t


cdef inline int require(bint fits, str what) except -1:
    """Raises a ValueError that names the argument unless it fits"""
    if not fits:
        raise ValueError(f"{what} does not fit the network or the rows given")
    return 0


cdef inline const floating* optional_vector(
    const floating[::1] vector, Py_ssize_t n
) except? NULL:
    """Pointer to a sample weight vector (n,), or NULL for None"""
    if vector is None:
        return NULL
    require(vector.shape[0] == n, "sample_weight")
    return &vector[0]


cdef inline const floating* dense_targets(
    object Y, Py_ssize_t n, Py_ssize_t T, floating unused
) except? NULL:
    """Pointer to targets (n, T), or NULL when Y holds labels"""
    cdef const floating[:, ::1] y
    if Y.ndim == 1:
        return NULL
    y = Y
    require(y.shape[0] == n and y.shape[1] == T, "Y")
    return &y[0, 0]


cdef inline const int64_t* label_targets(
    const plan_t* plan, object Y, Py_ssize_t n, const int64_t[::1] order
) except? NULL:
    """Pointer to labels (n,), those of the rows `order` or of all in 0..n_L-1; NULL when Y is dense

    Targets of several heads are dense.
    """
    cdef const int64_t[::1] labels
    cdef Py_ssize_t r, k = plan.n[plan.L]
    if Y.ndim != 1:
        return NULL
    labels = Y
    require(labels.shape[0] == n and plan.heads == 1, "Y")
    if order is None:
        for r in range(n):
            require(0 <= labels[r] < k, "a label in Y")
    else:
        for r in range(order.shape[0]):
            require(0 <= labels[order[r]] < k, "a label in Y")
    return &labels[0]


cdef inline floating* state_vectors(
    floating[:, ::1] state, Py_ssize_t slots, Py_ssize_t P
) except? NULL:
    """Pointer to the state (slots, P), or NULL when the rule keeps none"""
    require(state.shape[0] == slots and state.shape[1] == P, "state")
    return &state[0, 0] if slots > 0 else NULL
