# Least squares: J of the residuals, block by block, and JᵀJ with Jᵀr; by every thread of a team.
#
# r_ij = s_ij (ŷ_ij − y_ij) with s_ij = √(c w_i v_j / n), c = ∂²ℓ/∂ŷ_j²: 2 for squared_error, 1 for
# half_squared_error, so that ½ Σ r² is the mean of the weighted losses. Weights w_i of samples and
# v_j of outputs are 1 where they are NULL; s_ij is 0 where the plan ignores a missing y_ij.
# J of a block of n samples is (P, ld): row m is ∂r/∂θ_m, n n_L columns, panel by panel, in a panel
# output by output. Threads fill the columns of their panels and, after a barrier, take strips of
# rows of JᵀJ. Strips have the same area and depend on P alone, so the bits do not depend on the
# threads.
# Scratch, each part aligned:
#   h[k], da[k]   the panels of a block, as in batch_panels.pxd; rows[k] where slopes are kept
#   r             residuals, as the columns of J
#   J
#   slopes        s O'(a_L), one panel for each thread
#   inputs        h[k] where slopes are kept, k = 1..L-1, for each thread

from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from ffnn_fast.engine.blas cimport gemm, gemv, syrk
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport team_barrier
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.passes.activation_loops cimport value_and_slope
from ffnn_fast.engine.passes.batch cimport batch_t, rows_from
from ffnn_fast.engine.passes.batch_panels cimport (
    backward_panels, da_panel, forward_panels, h_panel, panel_count, rows_at, rows_of_panel,
)
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport (
    SQUARED_ERROR, derivative_from_input, keeps_slope, outputs_only, plan_t, step_t,
)

cdef enum:
    BLOCK_RESIDUALS = 256  # columns of J at once, or as many as one panel has
    STRIP_ROWS = 128       # parameters for each strip of JᵀJ

cdef struct jacobian_t:  # the parts of the scratch, of the plan's dtype
    Py_ssize_t count   # panels of the block at hand
    Py_ssize_t ld
    void* passes       # h[k], da[k], rows[k]
    void* r
    void* J
    void* slopes
    void* inputs
    const void* output_weight  # (n_L,) or NULL


cdef inline Py_ssize_t block_panels(const plan_t* plan, Py_ssize_t n) noexcept nogil:
    """Panels of one block of n samples"""
    cdef Py_ssize_t most = max(1, BLOCK_RESIDUALS // (plan.S * plan.n[plan.L]))
    return min(most, panel_count(plan, n))


cdef inline Py_ssize_t jacobian_stride(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """ld: the columns, and a panel more: what the lanes without a sample hold goes there"""
    return (count * plan.n[plan.L] + 1) * plan.S


cdef inline Py_ssize_t passes_size(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Elements for the passes over a block"""
    if not plan.keeps_slopes:
        return rows_at(plan, count)
    return rows_at(plan, count) + count * plan.S * plan.block_below[plan.L]


cdef inline Py_ssize_t least_squares_scratch(
    const plan_t* plan, Py_ssize_t n, int threads
) noexcept nogil:
    """Elements of scratch for n samples"""
    cdef Py_ssize_t count = block_panels(plan, n), ld = jacobian_stride(plan, count)
    return passes_size(plan, count) + (plan.P + 1) * ld \
        + threads * (plan.panel[plan.L] + plan.panel_below[plan.L])


cdef inline jacobian_t jacobian_parts(
    const plan_t* plan, Py_ssize_t n, floating* work, int thread
) noexcept nogil:
    """The parts of the scratch for n samples, those of a thread among them"""
    cdef jacobian_t parts
    cdef Py_ssize_t block = block_panels(plan, n), ld = jacobian_stride(plan, block)
    cdef floating* r = work + passes_size(plan, block)
    cdef floating* slopes = r + (plan.P + 1) * ld \
        + thread * (plan.panel[plan.L] + plan.panel_below[plan.L])
    parts.count, parts.ld, parts.passes, parts.r, parts.J = block, ld, work, r, r + ld
    parts.slopes, parts.inputs = slopes, slopes + plan.panel[plan.L]
    parts.output_weight = NULL
    return parts


cdef inline void seed_panel(
    const plan_t* plan, const batch_t* batch, const floating* z, double scale,
    const floating* output_weight, floating* r, floating* slopes,
) noexcept nogil:
    """r := s (ŷ − y) and slopes := s O'(a_L), from O', for the n <= S samples of a panel z = ŷ"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], n = batch.n, i, j
    cdef const floating* Y = <const floating*>batch.Y + batch.first * k
    cdef const floating* weight = <const floating*>batch.weight
    cdef floating s, y
    cdef double squared
    for i in range(n):
        squared = scale if weight is NULL else scale * weight[batch.first + i]
        s = <floating>sqrt(squared)
        for j in range(k):
            y = Y[i * k + j]
            if plan.missing and y != y:
                slopes[j * S + i] = 0
                r[j * n + i] = 0
                continue
            if output_weight is not NULL:
                s = <floating>sqrt(squared * output_weight[j])
            slopes[j * S + i] *= s
            r[j * n + i] = s * (z[j * S + i] - y)
    for i in range(n, S):
        for j in range(k):
            slopes[j * S + i] = 0


cdef inline void write_columns(
    const plan_t* plan, const jacobian_t* parts, Py_ssize_t p, floating* J
) noexcept nogil:
    """S columns of J from the ∇a_k of panel p: rows of W_k: ∇a_k ⊗ h_{k-1}, of b_k: ∇a_k"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating)  # plan.S, known to the compiler
    cdef Py_ssize_t ld = parts.ld, k, u, v, s
    cdef floating* work = <floating*>parts.passes
    cdef const floating* h
    cdef const floating* d
    cdef floating* row
    for k in range(1, plan.L + 1):
        h = h_panel(plan, work, parts.count, k - 1, p)
        d = da_panel(plan, work, parts.count, k, p)
        if k > 1 and derivative_from_input(plan.g[k - 1]):
            h = <floating*>parts.inputs + plan.panel_below[k - 1]
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
    const plan_t* plan, const floating* params, const batch_t* block, double scale, Py_ssize_t p,
    const jacobian_t* parts,
) noexcept nogil:
    """The residuals and columns of panel p of a block of samples"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], count = parts.count, column = p * S * k, j
    cdef floating* work = <floating*>parts.passes
    cdef floating* inputs = <floating*>parts.inputs
    cdef floating* slopes = <floating*>parts.slopes
    cdef floating* z = h_panel(plan, work, count, plan.L, p)
    cdef batch_t panel = rows_of_panel(plan, block, p)
    cdef step_t step = outputs_only()
    step.train = plan.keeps_slopes
    forward_panels(plan, &step, params, block, p, p + 1, work, count, False, NULL)
    for j in range(1, plan.L):
        if keeps_slope(plan, &step, j):
            memcpy(
                inputs + plan.panel_below[j], da_panel(plan, work, count, j, p),
                plan.n[j] * S * sizeof(floating),
            )
    memcpy(slopes, z, k * S * sizeof(floating))
    value_and_slope(plan.g[plan.L], slopes, z, k * S)
    seed_panel(
        plan, &panel, z, scale, <const floating*>parts.output_weight,
        <floating*>parts.r + column, slopes,
    )
    for j in range(k):
        memset(z, 0, k * S * sizeof(floating))
        memcpy(z + j * S, slopes + j * S, S * sizeof(floating))
        backward_panels(plan, &step, params, block.n, p, p + 1, work, count)
        write_columns(plan, parts, p, <floating*>parts.J + column + j * panel.n)


cdef inline Py_ssize_t strip_start(
    Py_ssize_t P, Py_ssize_t strip, Py_ssize_t strips
) noexcept nogil:
    """First row of a strip: P √(strip / strips), for equal areas of a triangle"""
    return <Py_ssize_t>(P * sqrt(<double>strip / strips)) if strip < strips else P


cdef inline void normal_strips(
    const jacobian_t* parts, Py_ssize_t P, Py_ssize_t K, floating beta, floating* JTJ,
    floating* JTr, team_t team,
) noexcept nogil:
    """A thread's strips of JTJ := J Jᵀ + beta JTJ, lower triangle, and JTr := J r + beta JTr"""
    cdef Py_ssize_t strips = max(1, P // STRIP_ROWS), strip = team.thread, first, rows
    cdef const floating* J = <const floating*>parts.J
    cdef int ld = <int>parts.ld
    while strip < strips:
        first = strip_start(P, strip, strips)
        rows = strip_start(P, strip + 1, strips) - first
        if first > 0:
            gemm(
                False, True, <int>rows, <int>first, <int>K, <floating>1, J + first * ld, ld,
                J, ld, beta, JTJ + first * P, <int>P,
            )
        syrk(
            <int>rows, <int>K, <floating>1, J + first * ld, ld, beta, JTJ + first * P + first,
            <int>P,
        )
        gemv(
            False, <int>rows, <int>K, <floating>1, J + first * ld, ld, <const floating*>parts.r,
            beta, JTr + first,
        )
        strip += team.threads


cdef inline void sum_normal_equations(
    const plan_t* plan, const floating* params, const batch_t* batch,
    const floating* output_weight, floating* JTJ, floating* JTr, floating* work, team_t team,
    double* value,
) noexcept nogil:
    """JTJ := JᵀJ, lower triangle, JTr := Jᵀr; thread 0 sets value := ½ Σ r²"""
    cdef Py_ssize_t n = batch.n, k = plan.n[plan.L], start = 0, p, i
    cdef jacobian_t parts = jacobian_parts(plan, n, work, team.thread)
    cdef Py_ssize_t block = parts.count
    cdef const floating* r = <const floating*>parts.r
    cdef double scale = (2.0 if plan.head[0].loss == SQUARED_ERROR else 1.0) / n, total = 0
    cdef batch_t rows
    parts.output_weight = output_weight
    while start < n:
        rows = rows_from(batch, start, min(n - start, block * plan.S))
        parts.count = panel_count(plan, rows.n)
        for p in range(share_start(parts.count, 1, team), share_end(parts.count, 1, team)):
            jacobian_of_panel(plan, params, &rows, scale, p, &parts)
        team_barrier(team.threads)
        normal_strips(&parts, plan.P, k * rows.n, <floating>(start > 0), JTJ, JTr, team)
        if team.thread == 0:
            for i in range(k * rows.n):
                total += r[i] * r[i]
        team_barrier(team.threads)
        start += rows.n
    if team.thread == 0:
        value[0] = 0.5 * total
