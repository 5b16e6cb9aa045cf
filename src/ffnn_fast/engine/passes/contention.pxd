# Teams of threads on a busy machine, where a thread may wait for one that does not run.
#
# The calling thread takes the times. Once it has waited for longer than the team has saved, it goes
# on alone, at first for SHARE times as long as it waited, for twice as long after each further
# attempt that fails. No bit of a result depends on it, since none depends on the number of threads.

from libc.stdint cimport INT64_MAX

from ffnn_fast.engine.kernels.compiler cimport seconds
from ffnn_fast.engine.machine cimport machine_t

cdef enum:
    SHARE = 16           # of the time alone, waiting takes at most one in so many
    LONGEST = 2_000_000  # microseconds alone
    NOTICED = 500        # microseconds of waiting
    TRIAL = 50_000       # microseconds of a team after which the next time alone is halved

cdef struct contention_t:
    machine_t* machine
    double last      # when the last step ended
    double total     # seconds of the steps of the team
    double waited    # seconds of them that the calling thread waited
    Py_ssize_t stop  # the team, or the thread alone, stops before this row


cdef inline contention_t contention_of(machine_t* machine) noexcept nogil:
    """Of a call that begins"""
    cdef contention_t c
    c.machine, c.last, c.total, c.waited, c.stop = machine, seconds(), 0, 0, INT64_MAX
    return c


cdef inline bint allows_a_team(const contention_t* c) noexcept nogil:
    """Whether the time alone is over"""
    return c.last >= c.machine.until


cdef inline void end_step(contention_t* c, int threads, Py_ssize_t following) noexcept nogil:
    """The calling thread decides after a step whether others are to go on at the row `following`"""
    cdef double now = seconds(), took = now - c.last
    c.last = now
    if threads == 1:
        if allows_a_team(c):
            c.stop = following
        return
    c.total += took
    if c.waited > 1e-6 * NOTICED and c.total > threads * (c.total - c.waited):
        c.machine.alone = min(max(2 * c.machine.alone, SHARE * c.waited), 1e-6 * LONGEST)
        c.machine.until = now + c.machine.alone
        c.stop = following
        return
    c.machine.alone /= 1 + took / (1e-6 * TRIAL)
    if c.total > 1e-6 * TRIAL:
        c.total, c.waited = 0, 0
