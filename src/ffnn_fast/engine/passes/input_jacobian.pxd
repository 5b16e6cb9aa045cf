# ∂ŷ/∂x of every sample, (n_L, n_0), and its product with a vector: J v.
#
# Reverse mode: row j of ∂a_L/∂x is W_L[j] diag(g') W_{L-1} ... diag(g') W_1, from the left; forward
# mode: column i is W_L diag(g') ... W_2 diag(g') W_1[:, i], from the right. O' comes last in both.
# Panels (feature-major, S samples each) take one row or column at a time, or several so that a W_k
# which exceeds the cache is read once for all. Few samples go one by one (one_sample_jacobian.pxd).
# Scratch of a thread, each part aligned, `most` being the widest layer's panel:
#   slopes[k]   g'(a_k), k = 1..L-1, and O'(a_L) or ŷ
#   h           a panel
#   passes      `together` panels, twice: the rows or columns, in turn
#   J           a panel of n_L n_0

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, gather_panel, panel_size, panel_to_rows, panels_backward, panels_forward,
)
from ffnn_fast.engine.passes.activation_loops cimport multiply, value_and_slope
from ffnn_fast.engine.passes.batch cimport batch_t, rows_from
from ffnn_fast.engine.passes.batch_panels cimport panel_count, rows_of_panel
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.passes.one_sample_jacobian cimport (
    input_jacobian_of_sample, one_sample_scratch, reverse_is_cheaper, scale_lanes, widest_panel,
)
from ffnn_fast.engine.passes.outputs cimport PANEL_PER_ROW
from ffnn_fast.engine.passes.panel_losses cimport outputs_and_slopes_panel
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.passes.vjp cimport apply_output_jacobian_panel
from ffnn_fast.engine.plan cimport IDENTITY, SOFTMAX, plan_t

cdef struct input_jacobian_t:  # arrays of the plan's dtype, for all rows of a call
    const void* V   # (n, n_0), for J v; else NULL
    void* y_hat     # (n, n_L); NULL where it is not wanted
    void* J         # (n, n_L, n_0), or J v, (n, n_L)


cdef inline Py_ssize_t passes_together(const plan_t* plan) noexcept nogil:
    """Rows or columns of J that go through the layers together"""
    return min(plan.group, max(plan.n[0], plan.n[plan.L]))


cdef inline Py_ssize_t jacobian_panel_size(const plan_t* plan) noexcept nogil:
    """Elements of the panel J (n_L n_0, S)"""
    return panel_size(plan.n[0] * plan.n[plan.L], plan.itemsize)


cdef inline Py_ssize_t panel_scratch(const plan_t* plan) noexcept nogil:
    """Elements for a panel at a time: slopes, h, passes and J; or, for J v, for a group"""
    cdef Py_ssize_t most = widest_panel(plan)
    return max(
        plan.panel_below[plan.L + 1] + most * (1 + 2 * passes_together(plan))
        + jacobian_panel_size(plan),
        4 * plan.group * most,
    )


cdef inline Py_ssize_t input_jacobian_scratch(const plan_t* plan) noexcept nogil:
    """Elements of scratch of one thread"""
    return max(panel_scratch(plan), one_sample_scratch(plan))


cdef inline void set_lanes(floating w, floating* d) noexcept nogil:
    """d := w in the S lanes of a row of a panel"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    for s in range(S):
        d[s] = w


cdef inline floating* slopes_of_panel(
    const plan_t* plan, const floating* params, const batch_t* panel, floating* slopes, floating* h
) noexcept nogil:
    """slopes[k] := g'(a_k), k < L; slopes[L] := O'(a_L), but ŷ of a softmax; returns ŷ"""
    cdef Py_ssize_t k
    cdef floating* a
    gather_panel(
        panel.n, plan.n[0], <const floating*>panel.X + panel.first * plan.n[0], NULL, h,
        <floating*>NULL, 0,
    )
    for k in range(1, plan.L + 1):
        a = slopes + plan.panel_below[k]
        panels_forward(
            panel.n, plan.n[k], plan.n[k - 1], params + plan.W[k], params + plan.b[k], h, a
        )
        if k == plan.L:
            outputs_and_slopes_panel(plan, a, h)
        else:
            value_and_slope(plan.g[k], a, h, plan.n[k] * plan.S)
    return h


cdef inline void rows_of_jacobian(
    const plan_t* plan, const floating* params, Py_ssize_t n, Py_ssize_t j, Py_ssize_t count,
    const floating* slopes, floating* d, floating* spare, floating* A,
) noexcept nogil:
    """Rows j..j+count-1 of ∂a_L/∂x of the n samples of a panel, L > 1, to their places in A"""
    cdef Py_ssize_t S = plan.S, k = plan.L - 1, i, u, size = plan.panel[k]
    cdef const floating* slope = slopes + plan.panel_below[k]
    cdef const floating* W = params + plan.W[plan.L] + j * plan.n[k]
    for i in range(count):
        for u in range(plan.n[k]):
            scale_lanes(slope + u * S, W[i * plan.n[k] + u], d + i * size + u * S)
    while k > 1:
        panels_backward(
            (count - 1) * S + n, plan.n[k], plan.n[k - 1], params + plan.W[k], d, spare
        )
        d, spare, k = spare, d, k - 1
        size = plan.panel[k]
        for i in range(count):
            multiply(slopes + plan.panel_below[k], d + i * size, plan.n[k] * S)
    for i in range(count):
        panels_backward(
            n, plan.n[1], plan.n[0], params + plan.W[1], d + i * size, A + (j + i) * plan.n[0] * S
        )


cdef inline void columns_of_jacobian(
    const plan_t* plan, const floating* params, Py_ssize_t n, Py_ssize_t i, Py_ssize_t count,
    const floating* slopes, floating* d, floating* spare, floating* A,
) noexcept nogil:
    """Columns i..i+count-1 of the same"""
    cdef Py_ssize_t S = plan.S, k = 1, c, u, size = plan.panel[1], width = plan.n[0]
    cdef const floating* W = params + plan.W[1] + i
    for c in range(count):
        for u in range(plan.n[1]):
            scale_lanes(
                slopes + plan.panel_below[1] + u * S, W[u * width + c], d + c * size + u * S
            )
    while k < plan.L:
        panels_forward[floating](
            (count - 1) * S + n, plan.n[k + 1], plan.n[k], params + plan.W[k + 1], NULL, d, spare
        )
        d, spare, k = spare, d, k + 1
        size = plan.panel[k]
        if k < plan.L:
            for c in range(count):
                multiply(slopes + plan.panel_below[k], d + c * size, plan.n[k] * S)
    for c in range(count):
        for u in range(plan.n[plan.L]):
            memcpy(
                A + (u * width + i + c) * S, d + c * size + u * S, S * sizeof(floating)
            )


cdef inline void output_jacobian_panel(
    const plan_t* plan, const floating* slope, floating* A
) noexcept nogil:
    """A (n_L, n_0, S), ∂a_L/∂x, := ∂ŷ/∂x; slope: O'(a_L), but ŷ of a softmax"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), width = plan.n[0], i, j, s, c, k
    cdef floating dot[MAX_S]
    if plan.g[plan.L] == IDENTITY:
        return
    for i in range(plan.heads):
        k = plan.head[i].width
        for c in range(width):
            for s in range(S):
                dot[s] = 0
            if plan.head[i].output == SOFTMAX:
                for j in range(k):
                    for s in range(S):
                        dot[s] += slope[j * S + s] * A[(j * width + c) * S + s]
            for j in range(k):
                for s in range(S):
                    A[(j * width + c) * S + s] = \
                        slope[j * S + s] * (A[(j * width + c) * S + s] - dot[s])
        slope, A = slope + k * S, A + k * width * S


cdef inline void input_jacobian_of_panel(
    const plan_t* plan, const floating* params, const batch_t* panel, const input_jacobian_t* want,
    floating* work,
) noexcept nogil:
    """ŷ and J of the n <= S samples of a panel"""
    cdef Py_ssize_t most = widest_panel(plan), together = passes_together(plan), at = 0, u
    cdef Py_ssize_t width = plan.n[0], k = plan.n[plan.L]
    cdef floating* h = work + plan.panel_below[plan.L + 1]
    cdef floating* d = h + most
    cdef floating* spare = d + together * most
    cdef floating* A = spare + together * most
    cdef floating* y_hat = slopes_of_panel(plan, params, panel, work, h)
    if want.y_hat is not NULL:
        panel_to_rows(panel.n, k, y_hat, <floating*>want.y_hat + panel.first * k)
    if plan.L == 1:
        for u in range(k * width):
            set_lanes(params[plan.W[1] + u], A + u * plan.S)
    elif reverse_is_cheaper(plan, width):
        while at < k:
            rows_of_jacobian(
                plan, params, panel.n, at, min(together, k - at), work, d, spare, A
            )
            at += together
    else:
        while at < width:
            columns_of_jacobian(
                plan, params, panel.n, at, min(together, width - at), work, d, spare, A
            )
            at += together
    output_jacobian_panel(plan, work + plan.panel_below[plan.L], A)
    panel_to_rows(panel.n, k * width, A, <floating*>want.J + panel.first * k * width)


cdef inline void tangents_of_group(
    const plan_t* plan, const floating* params, const batch_t* rows, const input_jacobian_t* want,
    floating* work,
) noexcept nogil:
    """ŷ and J v of a group of panels: t_k = g'(a_k) ⊙ W_k t_{k-1}, t_0 = v"""
    cdef Py_ssize_t S = plan.S, panels = panel_count(plan, rows.n), k, p, size, at
    cdef Py_ssize_t room = plan.group * widest_panel(plan), width = plan.n[0], o = plan.n[plan.L]
    cdef floating* h = work
    cdef floating* t = work + room
    cdef floating* a = work + 2 * room
    cdef floating* ta = work + 3 * room
    cdef const floating* X = <const floating*>rows.X
    cdef const floating* V = <const floating*>want.V
    cdef floating* y_hat = <floating*>want.y_hat
    cdef batch_t panel
    for p in range(panels):
        panel = rows_of_panel(plan, rows, p)
        size, at = plan.panel[0], panel.first * width
        gather_panel(panel.n, width, X + at, NULL, h + p * size, <floating*>NULL, 0)
        gather_panel(panel.n, width, V + at, NULL, t + p * size, <floating*>NULL, 0)
    for k in range(1, plan.L + 1):
        size = plan.panel[k]
        panels_forward(
            rows.n, plan.n[k], plan.n[k - 1], params + plan.W[k], params + plan.b[k], h, a
        )
        panels_forward[floating](
            rows.n, plan.n[k], plan.n[k - 1], params + plan.W[k], NULL, t, ta
        )
        t, ta = ta, t
        for p in range(panels):
            if k == plan.L:
                outputs_and_slopes_panel(plan, a + p * size, h + p * size)
                apply_output_jacobian_panel(plan, a + p * size, t + p * size, t + p * size)
            else:
                value_and_slope(plan.g[k], a + p * size, h + p * size, plan.n[k] * S)
                multiply(a + p * size, t + p * size, plan.n[k] * S)
    for p in range(panels):
        panel = rows_of_panel(plan, rows, p)
        if y_hat is not NULL:
            panel_to_rows(panel.n, o, h + p * plan.panel[plan.L], y_hat + panel.first * o)
        panel_to_rows(
            panel.n, o, t + p * plan.panel[plan.L], <floating*>want.J + panel.first * o
        )


cdef inline void input_jacobians(
    const plan_t* plan, const floating* params, const batch_t* batch, const input_jacobian_t* want,
    floating* work, team_t team,
) noexcept nogil:
    """ŷ and J, or J v, of a thread's share of the rows of the batch, which has no order"""
    cdef Py_ssize_t n = batch.n, width = plan.n[0], k = plan.n[plan.L], r, group
    cdef Py_ssize_t panels = panel_count(plan, n)
    cdef Py_ssize_t first = share_start(panels, 1, team), end = share_end(panels, 1, team)
    cdef const floating* X = <const floating*>batch.X
    cdef floating* y_hat = <floating*>want.y_hat
    cdef batch_t rows
    work += team.thread * input_jacobian_scratch(plan)
    if want.V is NULL and n <= max(1, plan.S // PANEL_PER_ROW):
        for r in range(n):
            input_jacobian_of_sample(
                plan, params, X + r * width, NULL if y_hat is NULL else y_hat + r * k,
                <floating*>want.J + r * k * width, work,
            )
        return
    while first < end:
        group = min(plan.group, end - first) if want.V is not NULL else 1
        rows = rows_from(batch, first * plan.S, min(n - first * plan.S, group * plan.S))
        if want.V is not NULL:
            tangents_of_group(plan, params, &rows, want, work)
        else:
            input_jacobian_of_panel(plan, params, &rows, want, work)
        first += group
