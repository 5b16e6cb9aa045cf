# ∂ẏ/∂θ of every sample and direction, (n_L, P): taylor_gradient.pxd for each output, without the
# sum over samples. The row of W_k is ∇ȧ ḣ_{k-1}ᵀ + ∇a h_{k-1}ᵀ, that of b_k is ∇a.
#
# Scratch of a thread: the slabs of one panel, as in taylor.pxd; then sample-major, (S, n_k) one
# after another, h[k] and ḣ[k], k < L, ∇ȧ_k, and ∇a_k of one layer.

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport panel_to_rows
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.taylor cimport (
    A1, DA, H, H1, pass_of, pass_t, slab, slabs_size, tangents_of_panel, taylor_jacobian_scratch,
    taylor_t, values_and_derivatives,
)
from ffnn_fast.engine.passes.taylor_gradient cimport reverse_layers, reverse_values
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport plan_t


cdef inline void seed_tangent(const plan_t* plan, Py_ssize_t j, floating* work) noexcept nogil:
    """H1 := ∂ẏ_j/∂ẏ, DA := 0"""
    cdef Py_ssize_t S = plan.S, L = plan.L, k, s
    cdef floating* seed = slab(plan, work, 1, H1, L, 0)
    memset(seed, 0, plan.n[L] * S * sizeof(floating))
    for s in range(S):
        seed[j * S + s] = 1
    for k in range(1, L + 1):
        memset(slab(plan, work, 1, DA, k, 0), 0, plan.n[k] * S * sizeof(floating))


cdef inline void layers_to_rows(
    const plan_t* plan, Py_ssize_t n, Py_ssize_t which, Py_ssize_t first, Py_ssize_t end,
    floating* work, floating* rows,
) noexcept nogil:
    """Layers first <= k < end of a slab, sample-major"""
    cdef Py_ssize_t k
    for k in range(first, end):
        panel_to_rows(
            n, plan.n[k], slab(plan, work, 1, which, k, 0), rows + plan.S * plan.below[k]
        )


cdef inline void write_slope_gradient(
    Py_ssize_t o, Py_ssize_t i, const floating* da, const floating* h, const floating* da1,
    const floating* h1, floating* dW,
) noexcept nogil:
    """dW (o, i) := da hᵀ + da1 h1ᵀ, and da (o,) after it"""
    cdef Py_ssize_t u, v
    for u in range(o):
        for v in range(i):
            dW[v] = da[u] * h[v] + da1[u] * h1[v]
        dW += i
    memcpy(dW, da, o * sizeof(floating))


cdef inline void taylor_jacobian_of_panel(
    const plan_t* plan, const floating* params, const taylor_t* args, Py_ssize_t start,
    Py_ssize_t n, floating* J, floating* work,
) noexcept nogil:
    """Rows of J (n, m n_L, P) of the n <= S samples from `start`"""
    cdef Py_ssize_t S = plan.S, L = plan.L, o = plan.n[L], d, j, k, s, at
    cdef floating* h = work + slabs_size(plan, 1)
    cdef floating* h1 = h + S * plan.units
    cdef floating* da1 = h1 + S * plan.units
    cdef floating* da = da1 + S * plan.units
    cdef pass_t kind = pass_of(False, False, True)
    values_and_derivatives(
        plan, params, <const floating*>args.X + start * plan.n[0], n, 0, work, 1, &kind
    )
    layers_to_rows(plan, n, H, 0, L, work, h)
    for d in range(args.m):
        for j in range(o):
            tangents_of_panel(plan, params, args, d, start, n, 0, work, 1, &kind)
            if j == 0:
                layers_to_rows(plan, n, H1, 0, L, work, h1)
            seed_tangent(plan, j, work)
            reverse_layers(plan, params, n, 0, work, 1, False)
            layers_to_rows(plan, n, A1, 1, L + 1, work, da1)
            reverse_values(plan, params, args, start, n, 0, work, 1)
            for k in range(1, L + 1):
                panel_to_rows(n, plan.n[k], slab(plan, work, 1, DA, k, 0), da)
                for s in range(n):
                    at = S * plan.below[k - 1] + s * plan.n[k - 1]
                    write_slope_gradient(
                        plan.n[k], plan.n[k - 1], da + s * plan.n[k], h + at,
                        da1 + S * plan.below[k] + s * plan.n[k], h1 + at,
                        J + (((start + s) * args.m + d) * o + j) * plan.P + plan.W[k],
                    )


cdef inline void taylor_jacobians(
    const plan_t* plan, const floating* params, const taylor_t* args, floating* J, floating* work,
    team_t team,
) noexcept nogil:
    """J (n, m n_L, P), a thread's share of the rows; the results in `args` are NULL"""
    cdef Py_ssize_t S = plan.S, panels = panel_count(plan, args.n), p
    work += team.thread * taylor_jacobian_scratch(plan)
    for p in range(share_start(panels, 1, team), share_end(panels, 1, team)):
        taylor_jacobian_of_panel(plan, params, args, p * S, min(S, args.n - p * S), J, work)
