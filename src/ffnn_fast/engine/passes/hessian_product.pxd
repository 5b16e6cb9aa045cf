# The product of ∇²ℒ with a vector v of θ's shape, V_k and c_k of W_k and b_k, forward over reverse.
#
# Forward, ȧ_k = V_k h_{k-1} + c_k + W_k ḣ_{k-1}, ḣ = g' ȧ: a_L and ȧ_L. From ∇a_L and R∇a_L, its
# derivative along v (loss_curvatures.pxd), back: ∇h = W_kᵀ ∇a_k, R∇h = W_kᵀ R∇a_k + V_kᵀ ∇a_k,
# ∇a = g' ∇h, R∇a = g' R∇h + g'' ȧ ∇h, and of W_k: R∇a_k h_{k-1}ᵀ + ∇a_k ḣ_{k-1}ᵀ, of b_k: R∇a_k.
# Scratch as in taylor.pxd: A1 holds ȧ, then R∇a; DA ∇a; H2 and A2 hold one of two summands. Of
# layer L, H1, H2, G2 and A2 hold rows of a_L, R∇a_L, ∇a_L and scratch.

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport team_barrier
from ffnn_fast.engine.kernels.products cimport panels_backward, panels_forward
from ffnn_fast.engine.passes.batch cimport batch_t, row_of, rows_from
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.loss_curvatures cimport tangent_row
from ffnn_fast.engine.passes.row_losses cimport loss_row
from ffnn_fast.engine.passes.taylor cimport (
    A1, A2, DA, FIRST, G1, G2, H, H1, H2, TAYLOR_ROWS, keep_rows, pass_of, pass_t, put_rows,
    slab, take_rows, values_and_derivatives,
)
from ffnn_fast.engine.passes.taylor_gradient cimport add_bias_gradients, add_weight_gradients
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, share_end, share_start, team_t
from ffnn_fast.engine.plan cimport plan_t

cdef inline void forward_along(
    const plan_t* plan, const floating* params, const floating* v, const floating* X,
    Py_ssize_t n, Py_ssize_t p, floating* work, Py_ssize_t count,
) noexcept nogil:
    """H, G1, G2, A1 := ȧ and H1 := ḣ of the n <= S rows X; a_L is in G1"""
    cdef Py_ssize_t k, i
    cdef const floating* none = NULL
    cdef floating* h1 = NULL
    cdef floating* a1
    cdef floating* a2
    cdef const floating* g1
    cdef pass_t kind = pass_of(False, True, False)
    values_and_derivatives(plan, params, X, n, p, work, count, &kind)
    for k in range(1, plan.L + 1):
        a1, a2 = slab(plan, work, count, A1, k, p), slab(plan, work, count, A2, k, p)
        g1 = slab(plan, work, count, G1, k, p)
        panels_forward(
            n, plan.n[k], plan.n[k - 1], v + plan.W[k], v + plan.b[k],
            slab(plan, work, count, H, k - 1, p), a1,
        )
        if k > 1:
            panels_forward(n, plan.n[k], plan.n[k - 1], params + plan.W[k], none, h1, a2)
            for i in range(plan.n[k] * plan.S):
                a1[i] += a2[i]
        if k < plan.L:
            h1 = slab(plan, work, count, H1, k, p)
            for i in range(plan.n[k] * plan.S):
                h1[i] = g1[i] * a1[i]
            keep_rows(plan, work, count, FIRST, k, p, n, h1)


cdef inline void backward_along(
    const plan_t* plan, const floating* params, const floating* v, Py_ssize_t n, Py_ssize_t p,
    floating* work, Py_ssize_t count,
) noexcept nogil:
    """DA := ∇a and A1 := R∇a of the layers below L of a panel of n samples"""
    cdef Py_ssize_t k, i
    cdef floating* a1
    cdef floating* da
    cdef floating* h1
    cdef floating* h2
    cdef const floating* g1
    cdef const floating* g2
    for k in range(plan.L, 1, -1):
        da, a1 = slab(plan, work, count, DA, k - 1, p), slab(plan, work, count, A1, k - 1, p)
        h1, h2 = slab(plan, work, count, H1, k - 1, p), slab(plan, work, count, H2, k - 1, p)
        g1, g2 = slab(plan, work, count, G1, k - 1, p), slab(plan, work, count, G2, k - 1, p)
        panels_backward(
            n, plan.n[k], plan.n[k - 1], params + plan.W[k], slab(plan, work, count, DA, k, p), da
        )
        panels_backward(
            n, plan.n[k], plan.n[k - 1], v + plan.W[k], slab(plan, work, count, DA, k, p), h2
        )
        panels_backward(
            n, plan.n[k], plan.n[k - 1], params + plan.W[k], slab(plan, work, count, A1, k, p), h1
        )
        for i in range(plan.n[k - 1] * plan.S):
            a1[i] = g1[i] * (h1[i] + h2[i]) + g2[i] * a1[i] * da[i]
            da[i] = g1[i] * da[i]


cdef inline void output_gradients_along(
    const plan_t* plan, const batch_t* rows, double scale, Py_ssize_t p, floating* work,
    Py_ssize_t count,
) noexcept nogil:
    """DA := scale w ∇a_L and A1 := scale w R∇a_L of a panel of rows, from a_L in G1, ȧ_L in A1"""
    cdef Py_ssize_t L = plan.L, k = plan.n[L], n = rows.n, r, row, label = 0
    cdef floating* a = slab(plan, work, count, H1, L, p)
    cdef floating* t = slab(plan, work, count, H2, L, p)
    cdef floating* da = slab(plan, work, count, G2, L, p)
    cdef floating* spare = slab(plan, work, count, A2, L, p)
    cdef const floating* weight = <const floating*>rows.weight
    cdef const floating* y = NULL
    cdef floating w
    put_rows(n, k, slab(plan, work, count, G1, L, p), a, k)
    put_rows(n, k, slab(plan, work, count, A1, L, p), t, k)
    memcpy(da, a, n * k * sizeof(floating))
    for r in range(n):
        row = row_of(rows, r)
        w = <floating>scale
        if weight is not NULL:
            w = <floating>(scale * weight[row])
        if rows.Y is NULL:
            label = rows.labels[row]
        else:
            y = <const floating*>rows.Y + row * plan.targets
        loss_row(plan, da + r * k, y, label, w, True, spare)
        tangent_row(plan, a + r * k, t + r * k, y, label, w, spare)
    take_rows(n, k, da, k, slab(plan, work, count, DA, L, p))
    take_rows(n, k, t, k, slab(plan, work, count, A1, L, p))


cdef inline void add_penalty_product(
    const plan_t* plan, const floating* v, floating* product, team_t team
) noexcept nogil:
    """A thread's units of every W_k: product += l2 V"""
    cdef Py_ssize_t k, i, start, end
    for k in range(1, plan.L + 1):
        if plan.l2[k] != 0:
            start = plan.W[k] + share_start(plan.n[k], UNIT_GRAIN, team) * plan.n[k - 1]
            end = plan.W[k] + share_end(plan.n[k], UNIT_GRAIN, team) * plan.n[k - 1]
            for i in range(start, end):
                product[i] += <floating>plan.l2[k] * v[i]


cdef inline void sum_hessian_product(
    const plan_t* plan, const floating* params, const floating* v, const batch_t* batch,
    floating* product, floating* work, team_t team,
) noexcept nogil:
    """product := ∇²ℒ v of the objective on the batch, which has no order"""
    cdef Py_ssize_t S = plan.S, start = 0, n, p
    cdef Py_ssize_t count = panel_count(plan, min(batch.n, <Py_ssize_t>TAYLOR_ROWS))
    cdef const floating* X = <const floating*>batch.X
    cdef batch_t rows
    while start < batch.n:
        n = min(batch.n - start, <Py_ssize_t>TAYLOR_ROWS)
        for p in range(
            share_start(panel_count(plan, n), 1, team), share_end(panel_count(plan, n), 1, team)
        ):
            rows = rows_from(batch, start + p * S, min(S, n - p * S))
            forward_along(plan, params, v, X + rows.first * plan.n[0], rows.n, p, work, count)
            output_gradients_along(plan, &rows, 1.0 / batch.n, p, work, count)
            backward_along(plan, params, v, rows.n, p, work, count)
        team_barrier(team.threads)
        add_weight_gradients(
            plan, work, count, n, A1, 0, 1, <floating>(start > 0), product, team
        )
        add_weight_gradients(plan, work, count, n, DA, FIRST, 2, <floating>1, product, team)
        add_bias_gradients(plan, work, count, n, A1, <floating>(start > 0), product, team)
        team_barrier(team.threads)
        start += n
    add_penalty_product(plan, v, product, team)
