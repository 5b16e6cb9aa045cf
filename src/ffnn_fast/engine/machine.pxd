# The machine, as the calls of a process found it; see passes/contention.pxd.

cdef struct machine_t:
    double alone  # seconds of the last time that one thread went on alone
    double until  # its end
