# The reverse of taylor.pxd: ∇θ of any function of ŷ, ẏ and ÿ, from ∇ŷ, ∇ẏ and ∇ÿ.
#
# Of layer k, for each direction: ∇ä = g' ∇ḧ, ∇ȧ = g' ∇ḣ + 2 g'' ȧ ∇ḧ, and to ∇a is added
# g'' ȧ ∇ḣ + (g''' ȧ² + g'' ä) ∇ḧ; ∇W += ∇ȧ ḣ_{k-1}ᵀ + ∇ä ḧ_{k-1}ᵀ. Then once for the values:
# ∇a += g' ∇h, ∇W += ∇a h_{k-1}ᵀ, ∇b += ∇a. Threads take panels, meet, and take output units.

from libc.string cimport memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport team_barrier
from ffnn_fast.engine.kernels.products cimport bias_gradient, panels_backward, weight_gradient
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.taylor cimport (
    A1, A2, DA, FIRST, G1, G2, G3, H, H1, H2, SECOND, TAYLOR_ROWS, pass_of, pass_t, slab,
    slab_rows, take_rows, tangents_of_panel, taylor_t, values_and_derivatives,
)
from ffnn_fast.engine.passes.taylor_softmax cimport softmax_jacobian, softmax_reverse
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, share_end, share_start, team_t
from ffnn_fast.engine.plan cimport SOFTMAX, part_of, part_t, parts_of, plan_t


cdef inline void reverse_part(
    const floating* g1, const floating* g2, const floating* g3, floating* a1, floating* a2,
    const floating* dh1, const floating* dh2, floating* da, Py_ssize_t n, bint second,
) noexcept nogil:
    """a1 := ∇ȧ, da += what is added to ∇a; and a2 := ∇ä if `second`"""
    cdef Py_ssize_t i
    cdef floating x
    if not second:
        for i in range(n):
            da[i] += g2[i] * a1[i] * dh1[i]
            a1[i] = g1[i] * dh1[i]
        return
    for i in range(n):
        x = g2[i] * a1[i]
        da[i] += x * dh1[i] + (g3[i] * a1[i] * a1[i] + g2[i] * a2[i]) * dh2[i]
        a1[i] = g1[i] * dh1[i] + 2 * x * dh2[i]
        a2[i] = g1[i] * dh2[i]


cdef inline void reverse_layer(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p, bint second
) noexcept nogil:
    """A1 := ∇ȧ, A2 := ∇ä if `second`, from H1 = ∇ḣ, H2 = ∇ḧ; DA += what is added to ∇a

    Of a softmax what is added to ∇ŷ.
    """
    cdef Py_ssize_t i, at = 0
    cdef part_t part
    for i in range(parts_of(plan, k)):
        part = part_of(plan, k, i)
        if part.g == SOFTMAX:
            softmax_reverse(
                part.width, slab(plan, work, count, H, k, p) + at,
                slab(plan, work, count, A1, k, p) + at, slab(plan, work, count, A2, k, p) + at,
                slab(plan, work, count, H1, k, p) + at, slab(plan, work, count, H2, k, p) + at,
                slab(plan, work, count, DA, k, p) + at, second,
            )
        else:
            reverse_part(
                slab(plan, work, count, G1, k, p) + at, slab(plan, work, count, G2, k, p) + at,
                slab(plan, work, count, G3, k, p) + at, slab(plan, work, count, A1, k, p) + at,
                slab(plan, work, count, A2, k, p) + at, slab(plan, work, count, H1, k, p) + at,
                slab(plan, work, count, H2, k, p) + at, slab(plan, work, count, DA, k, p) + at,
                part.width * plan.S, second,
            )
        at += part.width * plan.S


cdef inline void reverse_values_of_layer(
    const plan_t* plan, Py_ssize_t k, const floating* h, const floating* g1, const floating* dh,
    floating* da,
) noexcept nogil:
    """da := ∇a_k from dh = ∇h_k and from what the directions add, in da"""
    cdef Py_ssize_t i, j, size, at = 0
    cdef part_t part
    for i in range(parts_of(plan, k)):
        part = part_of(plan, k, i)
        size = part.width * plan.S
        if part.g == SOFTMAX:
            for j in range(at, at + size):
                da[j] += dh[j]
            softmax_jacobian(part.width, h + at, da + at)
        else:
            for j in range(at, at + size):
                da[j] += g1[j] * dh[j]
        at += size


cdef inline void take_seed(
    const plan_t* plan, const void* gradient, Py_ssize_t at, Py_ssize_t stride, Py_ssize_t n,
    floating* panel,
) noexcept nogil:
    """panel (n_L, S) := n <= S rows of a gradient from element `at`, or 0 if it is NULL"""
    if gradient is NULL:
        memset(panel, 0, plan.n[plan.L] * plan.S * sizeof(floating))
    else:
        take_rows(n, plan.n[plan.L], <const floating*>gradient + at, stride, panel)


cdef inline void reverse_layers(
    const plan_t* plan, const floating* params, Py_ssize_t n, Py_ssize_t p, floating* work,
    Py_ssize_t count, bint second
) noexcept nogil:
    """A1 := ∇ȧ, A2 := ∇ä, and DA, of a direction for n <= S rows, from ∇ẏ in H1 and ∇ÿ in H2"""
    cdef Py_ssize_t L = plan.L, k
    cdef floating* a1
    cdef floating* a2
    cdef floating* h1 = slab(plan, work, count, H1, L, p)
    cdef floating* h2 = slab(plan, work, count, H2, L, p)
    for k in range(L, 0, -1):
        a1, a2 = slab(plan, work, count, A1, k, p), slab(plan, work, count, A2, k, p)
        reverse_layer(plan, work, count, k, p, second)
        if k == 1:
            return
        h1, h2 = slab(plan, work, count, H1, k - 1, p), slab(plan, work, count, H2, k - 1, p)
        panels_backward(n, plan.n[k], plan.n[k - 1], params + plan.W[k], a1, h1)
        if second:
            panels_backward(n, plan.n[k], plan.n[k - 1], params + plan.W[k], a2, h2)


cdef inline void reverse_direction(
    const plan_t* plan, const floating* params, const taylor_t* args, Py_ssize_t d,
    Py_ssize_t start, Py_ssize_t n, Py_ssize_t p, floating* work, Py_ssize_t count, bint second
) noexcept nogil:
    """The same of direction d for the rows from `start`, from the arguments"""
    cdef Py_ssize_t L = plan.L, width = plan.n[L], at = (start * args.m + d) * width
    take_seed(plan, args.first, at, args.m * width, n, slab(plan, work, count, H1, L, p))
    if second:
        take_seed(plan, args.second, at, args.m * width, n, slab(plan, work, count, H2, L, p))
    reverse_layers(plan, params, n, p, work, count, second)


cdef inline void reverse_values(
    const plan_t* plan, const floating* params, const taylor_t* args, Py_ssize_t start,
    Py_ssize_t n, Py_ssize_t p, floating* work, Py_ssize_t count,
) noexcept nogil:
    """DA := ∇a of the n <= S rows from `start`; uses A1"""
    cdef Py_ssize_t L = plan.L, width = plan.n[L], k
    cdef floating* dh = slab(plan, work, count, A1, L, p)
    cdef floating* da
    cdef const floating* g1
    take_seed(plan, args.y_hat, start * width, width, n, dh)
    for k in range(L, 0, -1):
        da, g1 = slab(plan, work, count, DA, k, p), slab(plan, work, count, G1, k, p)
        reverse_values_of_layer(plan, k, slab(plan, work, count, H, k, p), g1, dh, da)
        if k > 1:
            dh = slab(plan, work, count, A1, k - 1, p)
            panels_backward(n, plan.n[k], plan.n[k - 1], params + plan.W[k], da, dh)


cdef inline void add_weight_gradients(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t n, Py_ssize_t errors,
    Py_ssize_t inputs, Py_ssize_t lowest, floating beta, floating* C, team_t team,
) noexcept nogil:
    """A thread's units: C := errors ⊗ inputs + beta C over n rows, for W_k, k >= lowest

    The errors are a slab, the inputs are blocks.
    """
    cdef Py_ssize_t S = plan.S, k, r, rows, at
    for k in range(lowest, plan.L + 1):
        r = share_start(plan.n[k], UNIT_GRAIN, team)
        rows = share_end(plan.n[k], UNIT_GRAIN, team) - r
        at = plan.W[k] + r * plan.n[k - 1]
        weight_gradient(
            n, rows, plan.n[k], plan.n[k - 1], plan.n[k - 1],
            slab(plan, work, count, errors, k, 0) + r * S,
            slab_rows(plan, work, count, inputs, k - 1, 0), count * S, <floating>1, beta, C + at,
            C + at, NULL,
        )


cdef inline void add_bias_gradients(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t n, Py_ssize_t errors,
    floating beta, floating* C, team_t team,
) noexcept nogil:
    """A thread's units: C := Σ errors + beta C, for every b_k, over n rows"""
    cdef Py_ssize_t k, r, rows, at
    for k in range(1, plan.L + 1):
        r = share_start(plan.n[k], UNIT_GRAIN, team)
        rows = share_end(plan.n[k], UNIT_GRAIN, team) - r
        at = plan.b[k] + r
        bias_gradient(
            n, rows, plan.n[k], slab(plan, work, count, errors, k, 0) + r * plan.S, <floating>1,
            beta, C + at, C + at,
        )


cdef inline void sum_taylor_gradient(
    const plan_t* plan, const floating* params, const taylor_t* args, floating* grad,
    floating* work, team_t team,
) noexcept nogil:
    """grad := ∇θ"""
    cdef Py_ssize_t S = plan.S, start = 0, n, first, end, p, d
    cdef Py_ssize_t m = args.m if args.first is not NULL or args.second is not NULL else 0
    cdef Py_ssize_t count = panel_count(plan, min(args.n, <Py_ssize_t>TAYLOR_ROWS))
    cdef pass_t kind = pass_of(args.second is not NULL, True, True)
    while start < args.n:
        n = min(args.n - start, <Py_ssize_t>TAYLOR_ROWS)
        first = share_start(panel_count(plan, n), 1, team)
        end = share_end(panel_count(plan, n), 1, team)
        for p in range(first, end):
            values_and_derivatives(
                plan, params, <const floating*>args.X + (start + p * S) * plan.n[0],
                min(S, n - p * S), p, work, count, &kind,
            )
        for d in range(m):
            for p in range(first, end):
                tangents_of_panel(
                    plan, params, args, d, start + p * S, min(S, n - p * S), p, work, count, &kind
                )
                reverse_direction(
                    plan, params, args, d, start + p * S, min(S, n - p * S), p, work, count,
                    kind.second,
                )
            team_barrier(team.threads)
            add_weight_gradients(
                plan, work, count, n, A1, FIRST, 1, <floating>(start > 0 or d > 0), grad, team
            )
            if kind.second:
                add_weight_gradients(
                    plan, work, count, n, A2, SECOND, 2, <floating>1, grad, team
                )
            team_barrier(team.threads)
        for p in range(first, end):
            reverse_values(
                plan, params, args, start + p * S, min(S, n - p * S), p, work, count
            )
        team_barrier(team.threads)
        add_weight_gradients(
            plan, work, count, n, DA, 0, 1, <floating>(start > 0 or m > 0), grad, team
        )
        add_bias_gradients(plan, work, count, n, DA, <floating>(start > 0), grad, team)
        team_barrier(team.threads)
        start += n
