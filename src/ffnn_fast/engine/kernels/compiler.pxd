# Compiler hints, and the barrier and the clock of a team, from compiler.h.

cdef extern from "kernels/compiler.h" nogil:
    bint rare "ff_rare"(bint condition)
    void prefetch "ff_prefetch"(const void* p)
    void team_barrier "ff_team_barrier"(int threads)
    double seconds "ff_seconds"()
