# The rows of a batch.

from libc.stdint cimport int64_t


cdef inline Py_ssize_t row_of(const int64_t* order, Py_ssize_t r) noexcept nogil:
    """The r-th row of a block: order[r], or r when order is NULL"""
    return r if order is NULL else order[r]
