# cython: binding=False
"""What the CPU and the operating system can run, by the compiler's own run-time check."""

cdef extern from "kernels/cpu.h":
    bint cpu_has_v2() nogil
    bint cpu_has_v3() nogil
    bint cpu_has_v4() nogil
    bint cpu_has(int i) nogil
    const char** cpu_feature_names


def levels():
    """Names of the x86-64 levels that can run here, lowest first; empty on other architectures.

    Whole feature groups are tested, and that the operating system saves the wide registers.
    """
    flags = (("v2", cpu_has_v2()), ("v3", cpu_has_v3()), ("v4", cpu_has_v4()))
    return [name for name, present in flags if present]


def features():
    """Names of the CPU features found, of those the levels are made of."""
    found = []
    cdef int i = 0
    while cpu_feature_names[i] is not NULL:
        if cpu_has(i):
            found.append(cpu_feature_names[i].decode())
        i += 1
    return found
