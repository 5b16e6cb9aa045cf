# The product of ∇²ℒ with a vector v of θ's shape, V_k and c_k of W_k and b_k, forward over reverse.
#
# Forward, ȧ_k = V_k h_{k-1} + c_k + W_k ḣ_{k-1}, ḣ = g' ȧ: a_L and ȧ_L. From ∇a_L and its
# derivative R∇a_L along v, back: ∇h = W_kᵀ ∇a_k, R∇h = W_kᵀ R∇a_k + V_kᵀ ∇a_k, ∇a = g' ∇h,
# R∇a = g' R∇h + g'' ȧ ∇h, and of W_k: R∇a_k h_{k-1}ᵀ + ∇a_k ḣ_{k-1}ᵀ, of b_k: R∇a_k.
# Scratch as in taylor.pxd: A1 holds ȧ, then R∇a; DA ∇a; H2 and A2 hold one of two summands.

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport team_barrier
from ffnn_fast.engine.kernels.products cimport panels_backward, panels_forward
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.taylor cimport (
    A1, A2, DA, FIRST, G1, G2, H, H1, H2, TAYLOR_ROWS, keep_rows, pass_of, pass_t, put_rows,
    slab, slabs_size, take_rows, values_and_derivatives,
)
from ffnn_fast.engine.passes.taylor_gradient cimport add_bias_gradients, add_weight_gradients
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport plan_t

cdef struct product_t:  # the arguments, of the plan's dtype
    Py_ssize_t n
    const void* X    # (n, n_0)
    const void* v    # (P,)
    void* a          # (n, n_L), a_L, or ∇a_L
    void* tangent    # (n, n_L), ȧ_L, or R∇a_L


cdef inline void forward_along(
    const plan_t* plan, const floating* params, const floating* v, const floating* X,
    Py_ssize_t n, Py_ssize_t p, floating* work, Py_ssize_t count, bint keep,
) noexcept nogil:
    """H, G1, G2, A1 := ȧ and H1 := ḣ of the n <= S rows X; a_L is in G1"""
    cdef Py_ssize_t k, i
    cdef const floating* none = NULL
    cdef floating* h1 = NULL
    cdef floating* a1
    cdef floating* a2
    cdef const floating* g1
    cdef pass_t kind = pass_of(False, keep, False)
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
            if keep:
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


cdef inline void tangents_of_outputs(
    const plan_t* plan, const floating* params, const product_t* args, floating* work, team_t team
) noexcept nogil:
    """A thread's share of a_L and ȧ_L"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], panels = panel_count(plan, args.n), p, n
    work += team.thread * slabs_size(plan, 1)
    for p in range(share_start(panels, 1, team), share_end(panels, 1, team)):
        n = min(S, args.n - p * S)
        forward_along(
            plan, params, <const floating*>args.v, <const floating*>args.X + p * S * plan.n[0], n,
            0, work, 1, False,
        )
        put_rows(n, k, slab(plan, work, 1, G1, plan.L, 0), <floating*>args.a + p * S * k, k)
        put_rows(
            n, k, slab(plan, work, 1, A1, plan.L, 0), <floating*>args.tangent + p * S * k, k
        )


cdef inline void sum_hessian_product(
    const plan_t* plan, const floating* params, const product_t* args, floating* product,
    floating* work, team_t team,
) noexcept nogil:
    """product := ∇²ℒ v without the penalty"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], start = 0, n, row, p, m
    cdef const floating* v = <const floating*>args.v
    cdef Py_ssize_t count = panel_count(plan, min(args.n, <Py_ssize_t>TAYLOR_ROWS))
    while start < args.n:
        n = min(args.n - start, <Py_ssize_t>TAYLOR_ROWS)
        for p in range(
            share_start(panel_count(plan, n), 1, team), share_end(panel_count(plan, n), 1, team)
        ):
            m, row = min(S, n - p * S), start + p * S
            forward_along(
                plan, params, v, <const floating*>args.X + row * plan.n[0], m, p, work, count, True
            )
            take_rows(
                m, k, <const floating*>args.a + row * k, k, slab(plan, work, count, DA, plan.L, p)
            )
            take_rows(
                m, k, <const floating*>args.tangent + row * k, k,
                slab(plan, work, count, A1, plan.L, p),
            )
            backward_along(plan, params, v, m, p, work, count)
        team_barrier(team.threads)
        add_weight_gradients(
            plan, work, count, n, A1, 0, 1, <floating>(start > 0), product, team
        )
        add_weight_gradients(plan, work, count, n, DA, FIRST, 2, <floating>1, product, team)
        add_bias_gradients(plan, work, count, n, A1, <floating>(start > 0), product, team)
        team_barrier(team.threads)
        start += n
