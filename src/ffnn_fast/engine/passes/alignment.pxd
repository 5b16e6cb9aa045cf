# Sizes of parts of the scratch.


cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    """n rounded up to a multiple of 16: whole cache lines, in float and in double"""
    return (n + 15) // 16 * 16
