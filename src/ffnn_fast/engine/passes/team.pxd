# Work dealt out to the threads of a team.

cdef enum:
    UNIT_GRAIN = 4  # output units are dealt out in fours


cdef inline Py_ssize_t share(
    Py_ssize_t n, Py_ssize_t grain, int thread, int threads
) noexcept nogil:
    """Where the share of a thread begins when n things are dealt out in grains"""
    if threads == 1:
        return n if thread else 0  # without the divisions, which narrow layers would feel
    cdef Py_ssize_t start = (n + grain - 1) // grain * thread // threads * grain
    return start if start < n else n
