# Taylor passes: ŷ, ẏ = J v and ÿ = vᵀ H v of every row, for m directions v, panel by panel.
#
# Of layer k: a, ȧ = W ḣ_{k-1}, ä = W ḧ_{k-1} and h = g(a), ḣ = g' ȧ, ḧ = g'' ȧ² + g' ä. The values
# and g', g'', g''' are computed once for all directions, one direction after the other.
# Scratch: work, count, each one panel of every layer k = 0..L for `count` panels:
#   H    h                       A1   ȧ, then its gradient       H1   ḣ, then its gradient
#   G1   g'; a_L without O        A2   ä, likewise                H2   ḧ, likewise
#   G2   g''                     DA   what the directions add to ∇a, then ∇a
#   G3   g'''
# and, to differentiate, three times the inputs of all layers, sample-major in blocks: of H, H1, H2.

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    mk_gather_f32, mk_gather_f64, mk_to_rows_f32, mk_to_rows_f64, panel_to_blocks, panels_forward,
)
from ffnn_fast.engine.passes.activation_loops cimport value_and_slope
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.derivative_loops cimport second_derivative, third_derivative
from ffnn_fast.engine.passes.panel_losses cimport softmax_panel
from ffnn_fast.engine.passes.taylor_softmax cimport softmax_tangents
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport SOFTMAX, part_of, part_t, parts_of, plan_t

cdef enum:  # the slabs
    H = 0
    G1 = 1
    G2 = 2
    G3 = 3
    DA = 4
    A1 = 5
    A2 = 6
    H1 = 7
    H2 = 8
    SLABS = 9
    FIRST = 1  # blocks of H1, of H2
    SECOND = 2

cdef enum:
    TAYLOR_ROWS = 256  # rows whose slabs are held at once to differentiate

cdef struct taylor_t:  # the arguments, of the plan's dtype; n rows, m directions for each
    Py_ssize_t n, m
    const void* X        # (n, n_0)
    const void* V        # (n, m, n_0); NULL: the m = n_0 unit vectors
    void* y_hat          # (n, n_L), or ∇ŷ; NULL: not wanted, or 0
    void* first          # (n, m, n_L), ẏ or its gradient, likewise
    void* second         # (n, m, n_L), ÿ or its gradient, likewise

cdef struct pass_t:
    bint second   # with ä and ḧ
    bint keep     # a reverse pass follows: inputs are stored sample-major
    bint third    # with g'''
    bint outputs  # O is applied


cdef inline pass_t pass_of(bint second, bint keep, bint outputs) noexcept nogil:
    """A pass with ä and ḧ or not, to differentiate or not, up to ŷ or a_L"""
    cdef pass_t kind
    kind.second, kind.keep, kind.outputs = second, keep, outputs
    kind.third = second and keep
    return kind


cdef inline floating* slab(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t which, Py_ssize_t k,
    Py_ssize_t p,
) noexcept nogil:
    """Layer k of panel p in a slab"""
    cdef Py_ssize_t below = which * plan.panel_below[plan.L + 1] + plan.panel_below[k]
    return work + below * count + p * plan.panel[k]


cdef inline floating* slab_rows(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t which, Py_ssize_t k,
    Py_ssize_t p,
) noexcept nogil:
    """Layer k of the blocks of H (0), H1 (1) or H2 (2), from the first sample of panel p"""
    cdef Py_ssize_t below = which * plan.block_below[plan.L] + plan.block_below[k]
    return work + slabs_size(plan, count) + (below * count + p * plan.S) * plan.S


cdef inline Py_ssize_t slabs_size(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Elements of the slabs of so many panels"""
    return SLABS * count * plan.panel_below[plan.L + 1]


cdef inline Py_ssize_t taylor_jacobian_scratch(const plan_t* plan) noexcept nogil:
    """Elements of scratch of one thread for taylor_jacobian.pxd: the slabs of a panel, and more"""
    return slabs_size(plan, 1) + 4 * plan.S * plan.units


cdef inline Py_ssize_t taylor_scratch(const plan_t* plan, Py_ssize_t n, int threads) noexcept nogil:
    """Elements of scratch for n rows"""
    cdef Py_ssize_t count = panel_count(plan, min(n, <Py_ssize_t>TAYLOR_ROWS))
    cdef Py_ssize_t reverse = slabs_size(plan, count) \
        + 3 * plan.block_below[plan.L] * count * plan.S
    return max(reverse, threads * taylor_jacobian_scratch(plan))


cdef inline void take_rows(
    Py_ssize_t n, Py_ssize_t width, const floating* X, Py_ssize_t stride, floating* panel
) noexcept nogil:
    """panel := n <= S rows of X, `stride` apart, and zeros"""
    cdef const int64_t* order = NULL
    if floating is float:
        mk_gather_f32(n, width, X, stride, order, panel, NULL, 0)
    else:
        mk_gather_f64(n, width, X, stride, order, panel, NULL, 0)


cdef inline void put_rows(
    Py_ssize_t n, Py_ssize_t width, const floating* panel, floating* Y, Py_ssize_t stride
) noexcept nogil:
    """n <= S rows of Y, `stride` apart, := panel"""
    if floating is float:
        mk_to_rows_f32(n, width, panel, Y, stride)
    else:
        mk_to_rows_f64(n, width, panel, Y, stride)


cdef inline void keep_rows(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t which, Py_ssize_t k,
    Py_ssize_t p, Py_ssize_t n, const floating* panel,
) noexcept nogil:
    """The blocks of H, H1 or H2 := layer k < L of a panel of n samples"""
    if k < plan.L:
        panel_to_blocks(
            n, plan.n[k], panel, slab_rows(plan, work, count, which, k, p), count * plan.S
        )


cdef inline void derivatives_of_layer(
    const plan_t* plan, Py_ssize_t k, floating* g1, floating* g2, floating* g3, floating* h,
    bint third,
) noexcept nogil:
    """g2 := g''(a), g3 := g'''(a) if `third`, h := g(a), g1 := g'(a), from a in g1

    Of a softmax h alone.
    """
    cdef Py_ssize_t i, size, at = 0
    cdef part_t part
    for i in range(parts_of(plan, k)):
        part = part_of(plan, k, i)
        size = part.width * plan.S
        if part.g == SOFTMAX:
            memcpy(h + at, g1 + at, size * sizeof(floating))
            softmax_panel(h + at, part.width)
        else:
            second_derivative(part.g, g1 + at, g2 + at, size)
            if third:
                third_derivative(part.g, g1 + at, g3 + at, size)
            value_and_slope(part.g, g1 + at, h + at, size)
        at += size


cdef inline void values_and_derivatives(
    const plan_t* plan, const floating* params, const floating* X, Py_ssize_t n, Py_ssize_t p,
    floating* work, Py_ssize_t count, const pass_t* kind,
) noexcept nogil:
    """H, G1, G2, and G3 if wanted, of the n <= S rows X; DA := 0; without `outputs` G1 := a_L"""
    cdef Py_ssize_t L = plan.L, size, k
    cdef floating* h = slab(plan, work, count, H, 0, p)
    cdef floating* a
    cdef floating* g2
    cdef floating* g3
    take_rows(n, plan.n[0], X, plan.n[0], h)
    if kind.keep:
        keep_rows(plan, work, count, 0, 0, p, n, h)
    for k in range(1, L + 1):
        size = plan.n[k] * plan.S
        a = slab(plan, work, count, G1, k, p)
        panels_forward(
            n, plan.n[k], plan.n[k - 1], params + plan.W[k], params + plan.b[k], h, a
        )
        h = slab(plan, work, count, H, k, p)
        memset(slab(plan, work, count, DA, k, p), 0, size * sizeof(floating))
        if k == L and not kind.outputs:
            return
        g2, g3 = slab(plan, work, count, G2, k, p), slab(plan, work, count, G3, k, p)
        derivatives_of_layer(plan, k, a, g2, g3, h, kind.third)
        if kind.keep:
            keep_rows(plan, work, count, 0, k, p, n, h)


cdef inline void take_direction(
    const plan_t* plan, const taylor_t* args, Py_ssize_t d, Py_ssize_t start, Py_ssize_t n,
    floating* panel,
) noexcept nogil:
    """panel := direction d of the n <= S rows from `start`"""
    cdef Py_ssize_t width = plan.n[0], S = plan.S, i
    if args.V is not NULL:
        take_rows(
            n, width, <const floating*>args.V + (start * args.m + d) * width, args.m * width, panel
        )
        return
    memset(panel, 0, width * S * sizeof(floating))
    for i in range(n):
        panel[d * S + i] = 1


cdef inline void tangents_of_layer(
    const plan_t* plan, Py_ssize_t k, const floating* h, const floating* g1, const floating* g2,
    const floating* a1, const floating* a2, floating* h1, floating* h2, bint second,
) noexcept nogil:
    """h1 := ḣ = g' ȧ; h2 := ḧ = g'' ȧ² + g' ä if `second`"""
    cdef Py_ssize_t i, j, size, at = 0
    cdef part_t part
    for i in range(parts_of(plan, k)):
        part = part_of(plan, k, i)
        size = part.width * plan.S
        if part.g == SOFTMAX:
            softmax_tangents(
                part.width, h + at, a1 + at, a2 + at, h1 + at, h2 + at, second
            )
        else:
            for j in range(at, at + size):
                h1[j] = g1[j] * a1[j]
            for j in range(at, at + size if second else at):
                h2[j] = g2[j] * a1[j] * a1[j] + g1[j] * a2[j]
        at += size


cdef inline void tangents_of_panel(
    const plan_t* plan, const floating* params, const taylor_t* args, Py_ssize_t d,
    Py_ssize_t start, Py_ssize_t n, Py_ssize_t p, floating* work, Py_ssize_t count,
    const pass_t* kind,
) noexcept nogil:
    """A1, H1, and A2, H2 if wanted, of direction d for the n <= S rows from `start`"""
    cdef Py_ssize_t L = plan.L, size, k
    cdef const floating* none = NULL
    cdef floating* h1 = slab(plan, work, count, H1, 0, p)
    cdef floating* h2 = NULL
    cdef floating* a1
    cdef floating* a2
    cdef const floating* g1
    cdef const floating* g2
    take_direction(plan, args, d, start, n, h1)
    if kind.keep:
        keep_rows(plan, work, count, FIRST, 0, p, n, h1)
    for k in range(1, L + 1):
        size = plan.n[k] * plan.S
        a1, a2 = slab(plan, work, count, A1, k, p), slab(plan, work, count, A2, k, p)
        panels_forward(n, plan.n[k], plan.n[k - 1], params + plan.W[k], none, h1, a1)
        if kind.second and k > 1:
            panels_forward(n, plan.n[k], plan.n[k - 1], params + plan.W[k], none, h2, a2)
        elif kind.second:
            memset(a2, 0, size * sizeof(floating))
        h1, h2 = slab(plan, work, count, H1, k, p), slab(plan, work, count, H2, k, p)
        g1, g2 = slab(plan, work, count, G1, k, p), slab(plan, work, count, G2, k, p)
        tangents_of_layer(
            plan, k, slab(plan, work, count, H, k, p), g1, g2, a1, a2, h1, h2, kind.second
        )
        if kind.keep:
            keep_rows(plan, work, count, FIRST, k, p, n, h1)
        if kind.second and kind.keep:
            keep_rows(plan, work, count, SECOND, k, p, n, h2)


cdef inline void taylor_rows(
    const plan_t* plan, const floating* params, const taylor_t* args, floating* work, team_t team
) noexcept nogil:
    """A thread's share of ŷ, ẏ and ÿ; those that are NULL are left out"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], panels = panel_count(plan, args.n), p, d, n
    cdef Py_ssize_t m = args.m if args.first is not NULL or args.second is not NULL else 0
    cdef pass_t kind = pass_of(args.second is not NULL, False, True)
    work += team.thread * slabs_size(plan, 1)
    for p in range(share_start(panels, 1, team), share_end(panels, 1, team)):
        n = min(S, args.n - p * S)
        values_and_derivatives(
            plan, params, <const floating*>args.X + p * S * plan.n[0], n, 0, work, 1, &kind
        )
        if args.y_hat is not NULL:
            put_rows(
                n, k, slab(plan, work, 1, H, plan.L, 0), <floating*>args.y_hat + p * S * k, k
            )
        for d in range(m):
            tangents_of_panel(plan, params, args, d, p * S, n, 0, work, 1, &kind)
            if args.first is not NULL:
                put_rows(
                    n, k, slab(plan, work, 1, H1, plan.L, 0),
                    <floating*>args.first + (p * S * m + d) * k, m * k,
                )
            if kind.second:
                put_rows(
                    n, k, slab(plan, work, 1, H2, plan.L, 0),
                    <floating*>args.second + (p * S * m + d) * k, m * k,
                )
