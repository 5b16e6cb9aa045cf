# Online learning with the updates of W_1 deferred to the end of each panel of S samples.
#
# W_1 is the largest matrix of most networks, and a step that touches all of it is bound by memory.
# But the samples are known beforehand. With A = W_1 Xᵀ and G = X Xᵀ of the panel, taken before its
# first step, the pre-activations at step s, after steps i < s have moved W_1 by −η ∇a_i x_iᵀ, are
#
#   a_s = b_1 + A_s − η Σ_{i<s} G_is ∇a_i
#
# and at the end W_1 := W_1 − η Σ_i ∇a_i x_iᵀ. That is the same gradient descent, step by step, in
# exact arithmetic; W_1 is read twice and written once for S steps, by products at full speed.
#
# With l2, each step first multiplies W_1 by c = 1 − η l2_1: A_s has the factor c^s in a_s, ∇a_i the
# factor c^{s−1−i}. The penalty needs ‖W_1‖² before each step, which the step changes to
# c² ‖W_1‖² − 2 η c ∇a_s·(W_1 x_s) + η² ‖∇a_s‖² ‖x_s‖².
#
# Scratch after that of one_sample.pxd, each part aligned:
#   H (n_0, S), blocks of H, A (n_1, S), D (n_1, S), G (S, S)   panels
#   a (S, n_1), da (S, n_1)                                      rows

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, gather_panel, panel_size, panel_to_rows, panels_backward, panels_forward,
    sum_of_squares, weight_gradient,
)
from ffnn_fast.engine.passes.activation_loops cimport scale_row
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t, rows_from
from ffnn_fast.engine.passes.batch_panels cimport gather_inputs
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.passes.one_sample cimport (
    backward_update_above, forward_rest, h_one, online_size,
)
from ffnn_fast.engine.passes.penalty cimport penalty_from
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.plan cimport plan_t, step_t

cdef struct deferred_t:  # of the panel at hand
    const void* G      # X Xᵀ (S, S)
    void* a            # W_1 x_s (S, n_1) before the first step; with a penalty, a_s after step s
    void* da           # ∇a_s (S, n_1)
    const void* power  # c^0..c^S
    double total       # Σ of the objectives
    double squares     # ‖W_1‖² before the step, if there is a penalty

cdef enum:
    DEFER_FROM = 1 << 13  # elements of W_1: 64×64 comes out even, 128×128 gains a third


cdef inline bint defers(const plan_t* plan) noexcept nogil:
    """Whether steps on one sample defer the updates of W_1

    l1 needs W_1 at every step; fewer units than samples would need more scratch than W_1.
    """
    return plan.own_products and not plan.has_l1 and not plan.dropout \
        and plan.n[1] >= plan.S and plan.n[1] * plan.n[0] >= DEFER_FROM


cdef inline Py_ssize_t rows_size(const plan_t* plan) noexcept nogil:
    """Elements from a, S rows of layer 1, to what follows it"""
    return plan.S * padded(plan.n[1])


cdef inline Py_ssize_t deferred_size(const plan_t* plan) noexcept nogil:
    """Elements of scratch"""
    cdef Py_ssize_t square = panel_size(plan.S, 2 * MK_BYTES // plan.S)
    return plan.panel[0] + plan.S * plan.block_below[1] + 2 * plan.panel[1] + square \
        + 2 * rows_size(plan) if defers(plan) else 0


cdef inline void pre_activation(
    Py_ssize_t o, Py_ssize_t s, const floating* b, const floating* A, floating kept,
    const floating* g, const floating* da, floating* a,
) noexcept nogil:
    """a := b + kept A − Σ_{i<s} g_i ∇a_i for o units; ∇a (s, o)"""
    cdef Py_ssize_t i, j
    cdef floating g0, g1, g2, g3
    for j in range(o):
        a[j] = b[j] + kept * A[j]
    for i in range(0, s - 3, 4):
        g0, g1, g2, g3 = g[i], g[i + 1], g[i + 2], g[i + 3]
        for j in range(o):
            a[j] = a[j] - g0 * da[j] - g1 * da[o + j] - g2 * da[2 * o + j] - g3 * da[3 * o + j]
        da += 4 * o
    for i in range(s // 4 * 4, s):
        g0 = g[i]
        for j in range(o):
            a[j] -= g0 * da[j]
        da += o


cdef inline double squares_after(
    double squares, Py_ssize_t o, double eta, double c, double x_squares, const floating* b,
    const floating* a, const floating* da,
) noexcept nogil:
    """‖c W_1 − η ∇a xᵀ‖² from ‖W_1‖², ‖x‖² and a = b + W_1 x"""
    cdef Py_ssize_t j
    cdef double dot = 0, size = 0
    for j in range(o):
        dot += <double>da[j] * (<double>a[j] - <double>b[j])
        size += <double>da[j] * <double>da[j]
    return c * c * squares - 2 * eta * c * dot + eta * eta * size * x_squares


cdef inline void step_in_panel(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, Py_ssize_t s,
    floating eta, floating* work, deferred_t* panel,
) noexcept nogil:
    """The step on row s of the batch, W_1 excepted; adds its objective to the total"""
    cdef Py_ssize_t S = plan.S, o = plan.n[1], j
    cdef const floating* G = <const floating*>panel.G
    cdef const floating* power = <const floating*>panel.power
    cdef floating* a = <floating*>panel.a + s * o
    cdef floating* da = <floating*>panel.da
    cdef floating* b = params + plan.b[1]
    cdef floating* h = h_one(plan, work, 1)
    cdef floating* z
    cdef floating g[MAX_S]
    for j in range(s):
        g[j] = eta * power[s - 1 - j] * G[j * S + s]
    pre_activation(o, s, b, a, power[s], g, da, h)
    da += s * o
    if plan.penalised:
        panel.total += 0.5 * plan.l2[1] * panel.squares + penalty_from(plan, params, 2)
        memcpy(a, h, o * sizeof(floating))
        memcpy(da, b, o * sizeof(floating))
    z = forward_rest(plan, step, params, work)
    panel.total = add_loss(panel.total, plan, batch, s, z, 1, True, z + plan.n[plan.L])
    h = backward_update_above(plan, step, params, eta, work)
    if plan.penalised:
        panel.squares = squares_after(
            panel.squares, o, eta, power[1], G[s * S + s], da, a, h
        )
    memcpy(da, h, o * sizeof(floating))


cdef inline double deferred_panel(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, floating eta,
    floating* work,
) noexcept nogil:
    """A step on each of the n <= S rows of the batch; returns Σ of the objectives"""
    cdef Py_ssize_t S = plan.S, i = plan.n[0], o = plan.n[1], n = batch.n, s
    cdef floating* W = params + plan.W[1]
    cdef floating* panels = work + online_size(plan)
    cdef floating* blocks = panels + plan.panel[0]
    cdef floating* A = blocks + S * plan.block_below[1]
    cdef floating* D = A + plan.panel[1]
    cdef floating* G = D + plan.panel[1]
    cdef floating* a = G + panel_size(S, sizeof(floating))
    cdef floating* da = a + rows_size(plan)
    cdef floating power[MAX_S + 1]
    cdef deferred_t panel
    panel.G, panel.a, panel.da, panel.power = G, a, da, power
    panel.total = panel.squares = 0
    power[0] = 1
    for s in range(S):
        power[s + 1] = power[s] * <floating>(1 - eta * plan.l2[1])
    if plan.l2[1] != 0:
        panel.squares = sum_of_squares(o * i, W)
    gather_inputs(plan, batch, panels, blocks, S)
    panels_forward[floating](n, o, i, W, NULL, panels, A)
    panel_to_rows(n, o, A, a)
    panels_backward(n, i, S, panels, panels, G)
    for s in range(n):
        step_in_panel(plan, step, params, batch, s, eta, work, &panel)
    if plan.l2[1] != 0:
        for s in range(n):
            scale_row(da + s * o, o, power[n - 1 - s])
    gather_panel[floating](n, o, da, NULL, D, NULL, S)
    weight_gradient(n, o, o, i, i, D, blocks, S, -eta, power[n], W, W)
    return panel.total


cdef inline double deferred_steps(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, floating eta,
    floating* work,
) noexcept nogil:
    """One step of gradient descent on each row of the batch; returns Σ of the objectives

    Bits depend on where panels begin: an epoch may be cut into calls at multiples of S.
    """
    cdef batch_t panel
    cdef Py_ssize_t start = 0
    cdef double total = 0
    while start < batch.n:
        panel = rows_from(batch, start, min(plan.S, batch.n - start))
        total += deferred_panel(plan, step, params, &panel, eta, work)
        start += plan.S
    return total
