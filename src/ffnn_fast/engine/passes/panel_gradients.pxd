# The gradients of a block of n samples, from their panels: see batch_panels.pxd.

from libc.string cimport memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, MK_COPY_BYTES, MK_ROWS, bias_gradient, weight_gradient,
)
from ffnn_fast.engine.passes.batch cimport batch_t, prefetch_rows
from ffnn_fast.engine.passes.batch_panels cimport da_panel, h_rows, panel_count
from ffnn_fast.engine.passes.penalty cimport keeps_squares
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, share_end, share_start, team_t
from ffnn_fast.engine.plan cimport plan_t

cdef struct combination_t:  # alpha ∇θ + (keep + decay l2_k) D
    double alpha
    double keep
    double decay
    void* squares  # of C by rows, as penalty.pxd keeps them; NULL: not wanted


cdef enum:
    SAMPLES = 256  # of a large layer with 32-byte vectors, whose ∇W_k is summed in parts


cdef inline Py_ssize_t samples_together(const plan_t* plan, Py_ssize_t k, Py_ssize_t N) \
        noexcept nogil:
    """Samples of N to sum ∇W_k over at a time: so few that a block of h stays in L1, where all
    units would read it from a cache of half a megabyte. 1024 wide, 1024 samples: all at once 0.72
    to 0.78 of the peak, 256 0.82.
    """
    cdef Py_ssize_t bytes = plan.n[k] * plan.n[k - 1] * plan.itemsize
    return SAMPLES if MK_BYTES == 32 and N >= 2 * SAMPLES and bytes > MK_COPY_BYTES else N


cdef inline Py_ssize_t units_together(Py_ssize_t units, Py_ssize_t bytes) noexcept nogil:
    """Units to take together of those of a thread, whose ∇a has so many bytes each

    So few that ∇a stays in the second-level cache for all columns of h, in equal parts. All units
    together, 1024 wide, 1024 samples: 88 for 98 GFLOP/s, float64 28 for 46, with AVX2 18 for 38.
    """
    cdef Py_ssize_t cached = 512 << 10 if MK_BYTES == 64 else 256 << 10
    cdef Py_ssize_t tiles = (units + MK_ROWS - 1) // MK_ROWS
    cdef Py_ssize_t parts = (units * bytes + cached - 1) // cached
    return max(<Py_ssize_t>1, (tiles + parts - 1) // max(<Py_ssize_t>1, parts)) * MK_ROWS


cdef inline void panels_to_units(
    const plan_t* plan, Py_ssize_t n, combination_t combination, const floating* D, floating* C,
    floating* work, const batch_t* following, team_t team,
) noexcept nogil:
    """Phase two, a thread's units: C := alpha ∇θ + (keep + decay l2_k) D; D, C (P,)

    Biases have no l2. ∇θ, that of the losses, is never stored by itself: C may be the gradient, or
    θ one step on. The rows `following`, if any, come next: they are prefetched meanwhile.
    """
    cdef Py_ssize_t count = panel_count(plan, n), S = plan.S, N = count * S, k, r, rows, at, i
    cdef Py_ssize_t width, strip, end, most, some, s, half = MK_BYTES // 2 // sizeof(floating)
    cdef floating alpha = <floating>combination.alpha, beta
    cdef const floating* da
    cdef const floating* before
    cdef floating* squares
    cdef bint prefetches
    for k in range(1, plan.L + 1):
        prefetches = k == 1 and following.n > 0
        width = plan.n[k - 1]
        r = share_start(plan.n[k], UNIT_GRAIN, team)
        end = share_end(plan.n[k], UNIT_GRAIN, team)
        some = samples_together(plan, k, N)
        most = units_together(end - r, some * sizeof(floating))
        while r < end:
            rows = min(most, end - r)
            da = da_panel(plan, work, count, k, 0) + r * S
            at = plan.W[k] + r * width
            strip = S if prefetches else width
            s = n if k <= plan.sparse else 0  # ∇W_1 of sparse rows: sparse_rows.pxd
            before, beta = D, <floating>(combination.keep + combination.decay * plan.l2[k])
            squares = NULL
            while s < n:
                if s + some >= n and combination.squares is not NULL and keeps_squares(plan, k):
                    squares = <floating*>combination.squares + plan.W[k] + r * half
                    memset(squares, 0, rows * half * sizeof(floating))
                i = 0
                while i < width:
                    weight_gradient(
                        min(some, n - s), rows, plan.n[k], min(strip, width - i), width,
                        da + s // S * plan.panel[k],
                        h_rows(plan, work, count, k - 1, 0) + i * N + s * S, N, alpha, beta,
                        before + at + i, C + at + i, squares,
                    )
                    if prefetches:
                        prefetch_rows(plan, following, i, team)
                    i += strip
                s += some
                before, beta, prefetches, strip = C, 1, False, width
            prefetches = False
            at = plan.b[k] + r
            bias_gradient(
                n, rows, plan.n[k], da, alpha, <floating>combination.keep, D + at, C + at
            )
            r += rows
