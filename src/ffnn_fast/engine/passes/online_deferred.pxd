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
# factor c^{s−1−i}. The penalty needs ‖W_1‖² before each step, by a recurrence.
#
# Momentum is linear too: a step with g = ∇a xᵀ + l2_1 W changes (W, V) to M (W, V) − B ∇a xᵀ with
# constants M (2, 2) and B (2,), so that (W, V) before step s are
#
#   M^s (W, V) − Σ_{i<s} M^{s−1−i} B ∇a_i x_iᵀ
#
# and V_1 Xᵀ of the panel is all that a_s needs besides A and G.
#
# Scratch after that of one_sample.pxd, each part aligned:
#   H (n_0, S), blocks of H, A (n_1, S), D (n_1, S), G (S, S)   panels
#   a (S, n_1), da (S, n_1), v (S, n_1)                          rows

from libc.math cimport sqrt
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, MK_ROWS, add_gradient, gather_panel, panel_size, panel_to_rows, panels_backward,
    panels_forward, scale_entries, sum_of_squares,
)
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t, prefetch_row, rows_from
from ffnn_fast.engine.passes.batch_panels cimport gather_inputs
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.passes.one_sample cimport (
    backward_update_above, da_one, forward_rest, h_one, online_size,
)
from ffnn_fast.engine.passes.optimizer_rates cimport NESTEROV, optimizer_t
from ffnn_fast.engine.passes.penalty cimport penalty_from
from ffnn_fast.engine.passes.row_losses cimport add_loss
from ffnn_fast.engine.passes.sample_update cimport sample_to_updates
from ffnn_fast.engine.passes.step_update cimport update_group
from ffnn_fast.engine.plan cimport plan_t, step_t

cdef struct deferred_t:  # of the panel at hand
    const void* G      # X Xᵀ (S, S)
    void* a            # W_1 x_s (S, n_1) before the first step; with a penalty, a_s after step s
    void* v            # of momentum V_1 x_s (S, n_1) in the same way; else NULL
    void* da           # ∇a_s (S, n_1)
    double[MAX_S + 1][4] M  # M^s by rows; of plain descent only the first number, c^s
    double[MAX_S + 1][2] B  # M^s B
    double total            # Σ of the objectives
    double[3] squares       # ‖W_1‖², W_1·V_1, ‖V_1‖² before the step, if there is a penalty

cdef enum:
    DEFER_FROM = 1 << 13  # elements of W_1: 64×64 comes out even, 128×128 gains a third
    SOME = 512            # entries of W_1 + c V_1 at a time


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
        + 3 * rows_size(plan) if defers(plan) else 0


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


cdef inline void set_descent(floating c, floating eta, deferred_t* panel) noexcept nogil:
    """The numbers of W_1 := c W_1 − eta g, each rounded to `floating`"""
    cdef Py_ssize_t s
    cdef floating power = 1
    for s in range(MAX_S + 1):
        panel.M[s][0], panel.B[s][0] = power, eta * power
        panel.M[s][1] = panel.M[s][2] = panel.M[s][3] = panel.B[s][1] = 0
        power *= c


cdef inline void set_momentum(
    double eta, double keep, double l2, bint nesterov, deferred_t* panel
) noexcept nogil:
    """The numbers of V := keep V + g, W := W − eta V, or W − eta (g + keep V), g = G + l2 W"""
    cdef double of_v = eta * keep * (keep if nesterov else 1)
    cdef double of_g = eta * (1 + keep if nesterov else 1)
    cdef double* now
    cdef Py_ssize_t s, j
    panel.M[0][0] = panel.M[0][3] = 1
    panel.M[0][1] = panel.M[0][2] = 0
    for s in range(MAX_S):
        now = panel.M[s]
        for j in range(2):
            panel.M[s + 1][j] = (1 - of_g * l2) * now[j] - of_v * now[2 + j]
            panel.M[s + 1][2 + j] = l2 * now[j] + keep * now[2 + j]
        for j in range(2):
            panel.B[s][j] = now[2 * j] * of_g - now[2 * j + 1]


cdef inline void transform(
    const double* M, Py_ssize_t n, floating* w, floating* v
) noexcept nogil:
    """(w, v) := M (w, v) for n entries"""
    cdef floating p = <floating>M[0], q = <floating>M[1], new_w
    cdef floating r = <floating>M[2], u = <floating>M[3]
    cdef Py_ssize_t i
    for i in range(n):
        new_w = p * w[i] + q * v[i]
        v[i] = r * w[i] + u * v[i]
        w[i] = new_w


cdef inline double inner(
    const double* m, double b, const double* n, double d, const double* squares,
    const double* with_g,
) noexcept nogil:
    """(m_0 W + m_1 V − b G)·(n_0 W + n_1 V − d G); with_g: products of G with W, V and G"""
    return (
        m[0] * n[0] * squares[0] + (m[0] * n[1] + m[1] * n[0]) * squares[1]
        + m[1] * n[1] * squares[2] - (m[0] * d + b * n[0]) * with_g[0]
        - (m[1] * d + b * n[1]) * with_g[1] + b * d * with_g[2]
    )


cdef inline void square_after(
    deferred_t* panel, Py_ssize_t o, double x_squares, const floating* b, const floating* a,
    const floating* v, const floating* da,
) noexcept nogil:
    """The squares after a step from those before it, ‖x‖², a = b + W_1 x and v = V_1 x"""
    cdef Py_ssize_t j
    cdef double[3] with_g
    cdef double[3] squares
    cdef const double* M = panel.M[1]
    cdef const double* B = panel.B[0]
    with_g[0] = with_g[1] = with_g[2] = 0
    for j in range(o):
        with_g[0] += <double>da[j] * (<double>a[j] - <double>b[j])
        with_g[2] += <double>da[j] * <double>da[j]
    with_g[2] *= x_squares
    if v is not NULL:
        for j in range(o):
            with_g[1] += <double>da[j] * <double>v[j]
    squares[0] = inner(M, B[0], M, B[0], panel.squares, with_g)
    squares[1] = inner(M, B[0], M + 2, B[1], panel.squares, with_g)
    squares[2] = inner(M + 2, B[1], M + 2, B[1], panel.squares, with_g)
    memcpy(panel.squares, squares, sizeof(squares))


cdef inline double inner_product(
    Py_ssize_t n, const floating* x, const floating* y, double x_squares, double y_squares
) noexcept nogil:
    """x·y, from ‖x‖² and ‖y‖²: of x + c y with ‖c y‖ = ‖x‖, since one may be far longer"""
    cdef floating[SOME] both
    cdef floating c
    cdef Py_ssize_t start = 0, some, i
    cdef double total = 0
    if x_squares == 0 or y_squares == 0:
        return 0
    c = <floating>sqrt(x_squares / y_squares)
    while start < n:
        some = min(n - start, <Py_ssize_t>SOME)
        for i in range(some):
            both[i] = x[start + i] + c * y[start + i]
        total += sum_of_squares[floating](some, both)
        start += some
    return 0.5 * (total - x_squares - <double>c * c * y_squares) / c


cdef inline void set_coefficients(
    const deferred_t* panel, Py_ssize_t row, Py_ssize_t s, Py_ssize_t S, floating* g
) noexcept nogil:
    """g_i := (M^{s−1−i} B)_row G_is for i < s"""
    cdef const floating* G = <const floating*>panel.G
    cdef Py_ssize_t i
    for i in range(s):
        g[i] = <floating>panel.B[s - 1 - i][row] * G[i * S + s]


cdef inline void step_in_panel(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, Py_ssize_t s,
    const optimizer_t* optimizer, floating* grad, floating* work, deferred_t* panel,
) noexcept nogil:
    """The step on row s of the batch, W_1 excepted; adds its objective to the total"""
    cdef Py_ssize_t S = plan.S, o = plan.n[1]
    cdef floating* a = <floating*>panel.a + s * o
    cdef floating* v = NULL
    cdef floating* da = <floating*>panel.da
    cdef floating* b = params + plan.b[1]
    cdef floating* h = h_one(plan, work, 1)
    cdef floating* z
    cdef floating kept = <floating>panel.M[s][0]
    cdef floating g[MAX_S]
    if panel.v is not NULL:
        v, kept = <floating*>panel.v + s * o, 1
        transform(panel.M[s], o, a, v)
        if plan.penalised:
            set_coefficients(panel, 1, s, S, g)
            pre_activation(o, s, v, v, <floating>0, g, da, v)
    set_coefficients(panel, 0, s, S, g)
    pre_activation(o, s, b, a, kept, g, da, h)
    da += s * o
    if plan.penalised:
        panel.total += 0.5 * plan.l2[1] * panel.squares[0] + penalty_from(plan, params, 2)
        memcpy(a, h, o * sizeof(floating))
        memcpy(da, b, o * sizeof(floating))
    z = forward_rest(plan, step, params, work)
    panel.total = add_loss(panel.total, plan, batch, s, z, 1, True, z + plan.n[plan.L])
    if v is NULL:
        h = backward_update_above(plan, step, params, <floating>panel.B[0][0], work)
    else:
        sample_to_updates[floating](plan, step, optimizer, NULL, params, grad, work, False)
        h = da_one(plan, work, 1)
        update_group(plan, optimizer, plan.L, plan.b[1], params, h, o)
    if plan.penalised:
        square_after(panel, o, (<const floating*>panel.G)[s * S + s], da, a, v, h)
    memcpy(da, h, o * sizeof(floating))


cdef inline void scaled_panel(
    const plan_t* plan, const deferred_t* panel, Py_ssize_t row, Py_ssize_t n, floating* D
) noexcept nogil:
    """The panel D := −∇a_s (M^{n−1−s} B)_row of n samples, row 0 of plain descent

    Overwrites a.
    """
    cdef Py_ssize_t o = plan.n[1], s
    cdef floating* a = <floating*>panel.a
    for s in range(n):
        scale_entries(
            o, <floating>-panel.B[n - 1 - s][row], <const floating*>panel.da + s * o, a + s * o
        )
    gather_panel[floating](n, o, a, NULL, D, NULL, plan.S)


cdef inline void start_momentum(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t n, const floating* W,
    const floating* V, const floating* H, floating* A, floating* v, deferred_t* panel,
) noexcept nogil:
    """V_1 Xᵀ of the panel H of n samples, and the numbers of the rule"""
    cdef Py_ssize_t i = plan.n[0], o = plan.n[1]
    panel.v = v
    panels_forward[floating](n, o, i, V, NULL, H, A)
    panel_to_rows(n, o, A, v)
    set_momentum(
        optimizer.rates.eta, optimizer.rates.momentum, plan.l2[1],
        optimizer.rule.optimizer == NESTEROV, panel,
    )
    if plan.l2[1] != 0:
        panel.squares[2] = sum_of_squares(o * i, V)
        panel.squares[1] = inner_product(o * i, W, V, panel.squares[0], panel.squares[2])


cdef inline void end_momentum(
    const plan_t* plan, const deferred_t* panel, Py_ssize_t n, floating* W, floating* V,
    const floating* blocks, floating* D, floating* E,
) noexcept nogil:
    """W_1 and V_1 after the steps on the n samples in `blocks`; D, E: panels"""
    cdef Py_ssize_t S = plan.S, i = plan.n[0], o = plan.n[1], r = 0, rows
    scaled_panel(plan, panel, 0, n, D)
    scaled_panel(plan, panel, 1, n, E)
    while r < o:  # of both matrices, while they are in cache
        rows = min(o - r, <Py_ssize_t>MK_ROWS)
        transform(panel.M[n], rows * i, W, V)
        add_gradient(n, rows, o, i, D + r * S, blocks, <floating>1, W)
        add_gradient(n, rows, o, i, E + r * S, blocks, <floating>1, V)
        W += rows * i
        V += rows * i
        r += rows


cdef inline double deferred_panel(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch,
    const batch_t* following, floating eta, const optimizer_t* optimizer, floating* grad,
    floating* work,
) noexcept nogil:
    """A step on each of the n <= S rows of the batch; returns Σ of the objectives

    The rows `following` come next: they are prefetched meanwhile.
    """
    cdef Py_ssize_t S = plan.S, i = plan.n[0], o = plan.n[1], n = batch.n, s
    cdef floating* W = params + plan.W[1]
    cdef floating* V = NULL
    cdef floating* panels = work + online_size(plan)
    cdef floating* blocks = panels + plan.panel[0]
    cdef floating* A = blocks + S * plan.block_below[1]
    cdef floating* D = A + plan.panel[1]
    cdef floating* G = D + plan.panel[1]
    cdef floating* a = G + panel_size(S, sizeof(floating))
    cdef floating* da = a + rows_size(plan)
    cdef deferred_t panel
    panel.G, panel.a, panel.v, panel.da = G, a, NULL, da
    panel.total = panel.squares[0] = panel.squares[1] = panel.squares[2] = 0
    if plan.l2[1] != 0:
        panel.squares[0] = sum_of_squares(o * i, W)
    gather_inputs(plan, batch, panels, blocks, S)
    panels_forward[floating](n, o, i, W, NULL, panels, A)
    panel_to_rows(n, o, A, a)
    panels_backward(n, i, S, panels, panels, G)
    if optimizer is NULL:
        set_descent(<floating>(1 - eta * plan.l2[1]), eta, &panel)
    else:
        V = <floating*>optimizer.state + plan.W[1]
        start_momentum(plan, optimizer, n, W, V, panels, A, da + rows_size(plan), &panel)
    for s in range(n):
        step_in_panel(plan, step, params, batch, s, optimizer, grad, work, &panel)
        if s < following.n:
            prefetch_row(plan, following, s)
    if optimizer is NULL:
        scaled_panel(plan, &panel, 0, n, D)
        add_gradient(n, o, o, i, D, blocks, <floating>panel.M[n][0], W)
    else:
        end_momentum(plan, &panel, n, W, V, blocks, D, A)
    return panel.total


cdef inline double deferred_steps(
    const plan_t* plan, const step_t* step, floating* params, const batch_t* batch, floating eta,
    const optimizer_t* optimizer, floating* grad, floating* work,
) noexcept nogil:
    """One step on each row of the batch; returns Σ of the objectives

    Of gradient descent with rate eta if `optimizer` is NULL, else of momentum with its rates; grad
    is scratch for a gradient. Bits depend on where panels begin: an epoch may be cut into calls at
    multiples of S.
    """
    cdef batch_t panel, following = rows_from(batch, 0, min(plan.S, batch.n))
    cdef Py_ssize_t start = 0
    cdef double total = 0
    while start < batch.n:
        panel = following
        start += panel.n
        following = rows_from(batch, start, min(plan.S, batch.n - start))
        total += deferred_panel(
            plan, step, params, &panel, &following, eta, optimizer, grad, work
        )
    return total
