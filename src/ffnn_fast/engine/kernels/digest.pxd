# Whether memory has changed, from digest.h.

from libc.stdint cimport uint64_t

cdef extern from "kernels/digest.h" nogil:
    uint64_t digest_of "mk_digest"(ptrdiff_t bytes, const char* x)
