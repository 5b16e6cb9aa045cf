# The rows of a batch, as the passes take them: inputs, targets and weights.

from libc.stdint cimport int64_t

from ffnn_fast.engine.kernels.compiler cimport prefetch
from ffnn_fast.engine.passes.team cimport share_boundary, team_t
from ffnn_fast.engine.plan cimport grain_of_samples, plan_t

cdef struct batch_t:
    const void* X          # (·, n_0), of the plan's dtype
    const void* Y          # (·, T), of the plan's dtype; NULL with labels
    const int64_t* labels  # (·,); NULL with Y
    const void* weight     # (·,), of the plan's dtype; NULL: all 1
    const int64_t* order   # the rows of these arrays that make the batch; NULL: all, as they lie
    Py_ssize_t first, n    # at hand are the rows first..first+n-1 of the batch


cdef inline batch_t inputs_only(const void* X, Py_ssize_t n) noexcept nogil:
    """n rows without targets"""
    cdef batch_t batch
    batch.X, batch.Y, batch.labels, batch.weight, batch.order = X, NULL, NULL, NULL, NULL
    batch.first, batch.n = 0, n
    return batch


cdef inline batch_t rows_from(const batch_t* batch, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """The n rows from row `start` of those at hand on"""
    cdef batch_t part = batch[0]
    part.first += start
    part.n = n
    return part


cdef inline batch_t batch_of(const batch_t* rows, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """A batch of its own of the n rows order[start..]: its row 0 is the first of these"""
    cdef batch_t batch = rows[0]
    batch.order += start
    batch.n = n
    return batch


cdef inline Py_ssize_t row_of(const batch_t* batch, Py_ssize_t r) noexcept nogil:
    """Where row r of those at hand lies in the arrays"""
    return batch.first + r if batch.order is NULL else batch.order[batch.first + r]


cdef inline Py_ssize_t first_sample(
    const plan_t* plan, Py_ssize_t n, int thread, int threads
) noexcept nogil:
    """The first of n samples that a thread trains on: where half a panel begins

    The nearest to an even share, samples counted in quarters of a panel; in between, a panel's.
    """
    cdef Py_ssize_t quarter = plan.S // 4, x = (n + quarter - 1) // quarter * thread + threads
    if grain_of_samples(plan) == plan.S:
        return share_boundary(n, plan.S, thread, threads)
    if thread == threads:
        return n
    if x % (2 * threads) == 0 and x // (2 * threads) % 2 == 1:
        x -= 2 * threads
    return min(n, x // (2 * threads) * (plan.S // 2))


cdef inline void prefetch_rows(
    const plan_t* plan, const batch_t* batch, Py_ssize_t i, team_t team
) noexcept nogil:
    """Prefetches features i..i+S-1 of the rows of the batch that this thread will take"""
    cdef Py_ssize_t width = plan.n[0], r, at
    cdef Py_ssize_t itemsize = plan.itemsize, end = min(width, i + plan.S) * itemsize
    cdef const char* row
    for r in range(
        first_sample(plan, batch.n, team.thread, team.threads),
        first_sample(plan, batch.n, team.thread + 1, team.threads),
    ):
        row = <const char*>batch.X + row_of(batch, r) * width * itemsize
        at = i * itemsize
        while at < end:
            prefetch(row + at)
            at += 64


cdef inline void prefetch_row(
    const plan_t* plan, const batch_t* batch, Py_ssize_t r
) noexcept nogil:
    """Prefetches row r of the batch"""
    cdef Py_ssize_t at = 0, size = plan.n[0] * plan.itemsize
    cdef const char* row = <const char*>batch.X + row_of(batch, r) * size
    while at < size:
        prefetch(row + at)
        at += 64
