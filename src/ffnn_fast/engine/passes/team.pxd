# A team of threads, which all run the same code on shares of their own.

from ffnn_fast.engine.kernels.compiler cimport seconds, team_barrier
from ffnn_fast.engine.passes.contention cimport contention_t

cdef struct team_t:
    int thread   # 0..threads-1
    int threads
    contention_t* contention  # NULL: one thread is enough

cdef enum:
    UNIT_GRAIN = 4  # output units are shared out in fours


cdef inline team_t one_thread() noexcept nogil:
    """A team of one"""
    cdef team_t team
    team.thread, team.threads, team.contention = 0, 1, NULL
    return team


cdef inline void meet(team_t team) noexcept nogil:
    """Wait for the other threads of the team"""
    cdef double since
    if team.thread > 0 or team.contention is NULL:
        team_barrier(team.threads)
        return
    since = seconds()
    team_barrier(team.threads)
    team.contention.waited += seconds() - since


cdef inline Py_ssize_t share_boundary(
    Py_ssize_t n, Py_ssize_t grain, int thread, int threads
) noexcept nogil:
    """Where the share of a thread begins when n things are shared out in grains"""
    if threads == 1:
        return n if thread else 0  # without the divisions, which narrow layers would feel
    cdef Py_ssize_t start = (n + grain - 1) // grain * thread // threads * grain
    return start if start < n else n


cdef inline Py_ssize_t share_start(Py_ssize_t n, Py_ssize_t grain, team_t team) noexcept nogil:
    """Where this thread's share begins"""
    return share_boundary(n, grain, team.thread, team.threads)


cdef inline Py_ssize_t share_end(Py_ssize_t n, Py_ssize_t grain, team_t team) noexcept nogil:
    """Where this thread's share ends"""
    return share_boundary(n, grain, team.thread + 1, team.threads)
