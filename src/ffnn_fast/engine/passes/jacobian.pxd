# Least squares: J of the residuals, block by block, and JᵀJ with Jᵀr; by every thread of a team.
#
# r_ij = s_i (ŷ_ij − y_ij) with s_i = √(c w_i / n), c = ∂²ℓ/∂ŷ_j²: 2 for squared_error, 1 for
# half_squared_error, so that ½ Σ r² is the mean of the weighted losses.
# J of a block of n samples is (P, ld): row m is ∂r/∂θ_m, n n_L columns, panel by panel, in a panel
# output by output. Threads fill the columns of their panels, meet, and take strips of rows of JᵀJ.
# Strips have the same area and depend on P alone, so the bits do not depend on the threads.
# Scratch, each part aligned:
#   h[k], da[k]   the panels of a block, as in panels.pxd; rows[k] where a layer is apart (plan.pxd)
#   r             residuals, as the columns of J
#   J
#   slopes        s O'(a_L), one panel for each thread
#   seen          h[k] of the layers apart, k = 1..L-1, for each thread

from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from ffnn_fast.engine.blas cimport gemm, gemv, syrk
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport team_barrier
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.passes.activation_loops cimport value_and_slope
from ffnn_fast.engine.passes.batch_panels cimport (
    backward_panels, da_panel, forward_panels, h_panel, panel_count, rows_at,
)
from ffnn_fast.engine.passes.team cimport share
from ffnn_fast.engine.plan cimport SQUARED_ERROR, keeps_slope, plan_t

cdef enum:
    BLOCK_RESIDUALS = 256  # columns of J at once, or as many as one panel has
    STRIP_ROWS = 128       # parameters for each strip of JᵀJ


cdef inline Py_ssize_t block_panels(const plan_t* plan, Py_ssize_t n) noexcept nogil:
    """Panels of one block of n samples"""
    cdef Py_ssize_t most = max(1, BLOCK_RESIDUALS // (plan.S * plan.n[plan.L]))
    return min(most, panel_count(plan, n))


cdef inline Py_ssize_t jacobian_stride(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """ld: the columns, and a panel more: what the lanes without a sample hold goes there"""
    return (count * plan.n[plan.L] + 1) * plan.S


cdef inline Py_ssize_t passes_size(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Elements for the passes over a block"""
    return rows_at(plan, count) + (count * plan.S * plan.block_below[plan.L] if plan.keeps_slopes else 0)


cdef inline Py_ssize_t least_squares_scratch(
    const plan_t* plan, Py_ssize_t n, int threads
) noexcept nogil:
    """Elements of scratch for n samples"""
    cdef Py_ssize_t count = block_panels(plan, n), ld = jacobian_stride(plan, count)
    return passes_size(plan, count) + (plan.P + 1) * ld \
        + threads * (plan.panel[plan.L] + plan.panel_below[plan.L])


cdef inline void seed_panel(
    const plan_t* plan, const floating* z, const floating* Y, const floating* weight,
    double scale, Py_ssize_t n, floating* r, floating* slopes,
) noexcept nogil:
    """r := s (ŷ − y) and slopes := s O'(a_L), from O', for the n <= S samples of a panel z = ŷ"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], i, j
    cdef floating s
    for i in range(n):
        s = <floating>sqrt(scale if weight is NULL else scale * weight[i])
        for j in range(k):
            slopes[j * S + i] *= s
            r[j * n + i] = s * (z[j * S + i] - Y[i * k + j])
    for i in range(n, S):
        for j in range(k):
            slopes[j * S + i] = 0


cdef inline void write_columns(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t p, const floating* seen,
    floating* J, Py_ssize_t ld,
) noexcept nogil:
    """S columns of J from the ∇a_k of panel p: rows of W_k: ∇a_k ⊗ h_{k-1}, of b_k: ∇a_k"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating)  # plan.S, known to the compiler
    cdef Py_ssize_t k, u, v, s
    cdef const floating* h
    cdef const floating* d
    cdef floating* row
    for k in range(1, plan.L + 1):
        h, d = h_panel(plan, work, count, k - 1, p), da_panel(plan, work, count, k, p)
        if k > 1 and keeps_slope(plan, k - 1):
            h = seen + plan.panel_below[k - 1]
        row = J + plan.W[k] * ld
        for u in range(plan.n[k]):
            for v in range(plan.n[k - 1]):
                for s in range(S):
                    row[s] = d[u * S + s] * h[v * S + s]
                row += ld
        for u in range(plan.n[k]):
            memcpy(row, d + u * S, S * sizeof(floating))
            row += ld


cdef inline void jacobian_of_panel(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const floating* weight, double scale, Py_ssize_t n, Py_ssize_t p, floating* work,
    Py_ssize_t count, floating* r, floating* J, Py_ssize_t ld, floating* slopes, floating* seen,
) noexcept nogil:
    """The residuals and columns of panel p of a block of n samples"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], row = p * S, m = min(S, n - row), j
    cdef floating* z = h_panel(plan, work, count, plan.L, p)
    forward_panels(plan, params, X, NULL, 0, n, p, p + 1, work, count, plan.keeps_slopes)
    for j in range(1, plan.L):
        if keeps_slope(plan, j):
            memcpy(
                seen + plan.panel_below[j], da_panel(plan, work, count, j, p),
                plan.n[j] * S * sizeof(floating),
            )
    memcpy(slopes, z, k * S * sizeof(floating))
    value_and_slope(plan.g[plan.L], slopes, z, k * S)
    seed_panel(
        plan, z, Y + row * k, NULL if weight is NULL else weight + row, scale, m, r + row * k,
        slopes,
    )
    for j in range(k):
        memset(z, 0, k * S * sizeof(floating))
        memcpy(z + j * S, slopes + j * S, S * sizeof(floating))
        backward_panels(plan, params, n, p, p + 1, work, count)
        write_columns(plan, work, count, p, seen, J + row * k + j * m, ld)


cdef inline Py_ssize_t strip_start(
    Py_ssize_t P, Py_ssize_t strip, Py_ssize_t strips
) noexcept nogil:
    """First row of a strip: P √(strip / strips), for equal areas of a triangle"""
    return <Py_ssize_t>(P * sqrt(<double>strip / strips)) if strip < strips else P


cdef inline void normal_strips(
    Py_ssize_t P, Py_ssize_t K, const floating* J, Py_ssize_t ld, const floating* r,
    floating beta, floating* JTJ, floating* JTr, int thread, int threads,
) noexcept nogil:
    """A thread's strips of JTJ := J Jᵀ + beta JTJ, lower triangle, and JTr := J r + beta JTr"""
    cdef Py_ssize_t strips = max(1, P // STRIP_ROWS), strip = thread, first, rows
    while strip < strips:
        first = strip_start(P, strip, strips)
        rows = strip_start(P, strip + 1, strips) - first
        if first > 0:
            gemm(
                False, True, <int>rows, <int>first, <int>K, <floating>1, J + first * ld, <int>ld,
                J, <int>ld, beta, JTJ + first * P, <int>P,
            )
        syrk(
            <int>rows, <int>K, <floating>1, J + first * ld, <int>ld, beta,
            JTJ + first * P + first, <int>P,
        )
        gemv(
            False, <int>rows, <int>K, <floating>1, J + first * ld, <int>ld, r, beta, JTr + first
        )
        strip += threads


cdef inline void sum_normal_equations(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const floating* weight, Py_ssize_t n, floating* JTJ, floating* JTr, floating* work,
    int thread, int threads, double* value,
) noexcept nogil:
    """JTJ := JᵀJ, lower triangle, JTr := Jᵀr; thread 0 sets value := ½ Σ r²"""
    cdef Py_ssize_t block = block_panels(plan, n), S = plan.S, k = plan.n[plan.L]
    cdef Py_ssize_t start = 0, rows, count, p, ld = jacobian_stride(plan, block), i
    cdef floating* r = work + passes_size(plan, block)
    cdef floating* J = r + ld
    cdef floating* slopes = J + plan.P * ld \
        + thread * (plan.panel[plan.L] + plan.panel_below[plan.L])
    cdef double scale = (2.0 if plan.loss == SQUARED_ERROR else 1.0) / n, total = 0
    while start < n:
        rows = min(n - start, block * S)
        count = panel_count(plan, rows)
        for p in range(share(count, 1, thread, threads), share(count, 1, thread + 1, threads)):
            jacobian_of_panel(
                plan, params, X + start * plan.n[0], Y + start * k,
                NULL if weight is NULL else weight + start, scale, rows, p, work, count, r, J, ld,
                slopes, slopes + plan.panel[plan.L],
            )
        team_barrier(threads)
        normal_strips(
            plan.P, k * rows, J, ld, r, <floating>(start > 0), JTJ, JTr, thread, threads
        )
        if thread == 0:
            for i in range(k * rows):
                total += r[i] * r[i]
        team_barrier(threads)
        start += rows
    if thread == 0:
        value[0] = 0.5 * total
