# Passes over a block of n samples in panels (feature-major, S samples each), by our own products.
#
# Every thread runs the same code on its share: first whole panels, forward and back to all ∇a_k;
# then, after a barrier, whole output units of every W_k. No bit of a result depends on the shares.
# Scratch for a block of `count` panels, each part aligned:
#   h[k]      panels of layer k = 0..L (h[L] holds a_L, then ∇a_L)
#   da[k]     panels of layer k = 1..L-1
#   rows[k]   h[k] again, sample-major in blocks, k = 0..L-1, for the products over samples
#   scratch   2 n_L elements for each thread
# To train, a layer apart (plan.pxd) has h[k] in the place of da[k] and g'(a_k), with the mask, in
# that of h[k].

from libc.stdint cimport int64_t

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport prefetch
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, bias_gradient, gather_panel, panel_to_blocks, panel_to_rows, panels_backward,
    panels_forward, weight_gradient,
)
from ffnn_fast.engine.passes.activation_loops cimport (
    activate, activate_rest, apply_any_derivative, multiply, value_and_slope,
)
from ffnn_fast.engine.passes.dropout_masks cimport drop_panel
from ffnn_fast.engine.passes.panel_losses cimport activate_output_panel, losses_panel
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, share
from ffnn_fast.engine.plan cimport SOFTMAX, drops, keeps_slope, plan_t

cdef enum:
    GROUP = 16  # panels that go through the layers together, where that is better


cdef inline Py_ssize_t panels_together(Py_ssize_t largest) noexcept nogil:
    """Panels to take together when the largest W_k has this many bytes

    One by one while W stays in the second-level cache; together, so that W is read once for all,
    where it does not. 512 wide on AVX-512: one panel 106-109 GFLOP/s, eight 97-108; 2048 wide: two
    92, eight 100-105, and on a machine of twice the peak eight 205, sixteen 220. The panels of
    narrower vectors hold fewer samples to share W.
    """
    cdef Py_ssize_t alone = 1536 << 10 if MK_BYTES == 64 else 256 << 10
    return 1 if largest <= alone else <Py_ssize_t>GROUP


cdef inline Py_ssize_t panel_count(const plan_t* plan, Py_ssize_t n) noexcept nogil:
    """Panels of n samples"""
    return (n + plan.S - 1) // plan.S


cdef inline floating* h_panel(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p
) noexcept nogil:
    """h[k] of panel p"""
    return work + count * plan.panel_below[k] + p * plan.panel[k]


cdef inline floating* da_panel(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p
) noexcept nogil:
    """∇a_k of panel p; ∇a_L stands where a_L was"""
    if k == plan.L:
        return h_panel(plan, work, count, k, p)
    return work + count * (plan.panel_below[plan.L + 1] + plan.panel_below[k] - plan.panel[0]) \
        + p * plan.panel[k]


cdef inline floating* input_panel_above(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p, bint train
) noexcept nogil:
    """h[k] of panel p as layer k + 1 sees it"""
    if train and keeps_slope(plan, k):
        return da_panel(plan, work, count, k, p)
    return h_panel(plan, work, count, k, p)


cdef inline Py_ssize_t rows_at(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Where rows[0] begins"""
    return count * (plan.panel_below[plan.L + 1] + plan.panel_below[plan.L] - plan.panel[0])


cdef inline floating* h_rows(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p
) noexcept nogil:
    """rows[k], from the first sample of panel p"""
    return work + rows_at(plan, count) + count * plan.S * plan.block_below[k] + p * plan.S * plan.S


cdef inline floating* thread_scratch(
    const plan_t* plan, floating* work, Py_ssize_t count, int thread
) noexcept nogil:
    """A panel of a thread's own, of which 2 n_L elements are used"""
    return work + rows_at(plan, count) + count * plan.S * plan.block_below[plan.L] \
        + thread * plan.panel[plan.L]


cdef inline Py_ssize_t panels_workspace(
    const plan_t* plan, Py_ssize_t n, int threads
) noexcept nogil:
    """Elements of scratch for a block of n samples"""
    cdef Py_ssize_t count = panel_count(plan, n)
    return rows_at(plan, count) + count * plan.S * plan.block_below[plan.L] \
        + threads * plan.panel[plan.L]


cdef inline Py_ssize_t outputs_workspace(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Elements of scratch for one thread that wants outputs only: h[k], and a panel of its own"""
    return count * plan.panel_below[plan.L + 1] + plan.panel[plan.L]


cdef inline floating* activate_panel(
    const plan_t* plan, Py_ssize_t k, Py_ssize_t position, floating* a, floating* h
) noexcept nogil:
    """h := g(a) with the mask; where h has a place of its own, a := g'(a) with the mask"""
    if h == a:
        if plan.g[k] > SOFTMAX:
            activate_rest(plan.g[k], a, plan.n[k] * plan.S)
        else:
            activate(plan.g[k], a, plan.n[k] * plan.S)
    else:
        value_and_slope(plan.g[k], a, h, plan.n[k] * plan.S)
    if drops(plan, k):
        drop_panel(plan, k, position, h, NULL if h == a else a)
    return h


cdef inline void inputs_of_panel(
    const plan_t* plan, const floating* X, const int64_t* order, Py_ssize_t position,
    Py_ssize_t n, floating* h, floating* rows, Py_ssize_t N,
) noexcept nogil:
    """h[0] of n <= S rows, X[order] or X, with the mask; and rows[0] unless NULL"""
    if not drops(plan, 0):
        gather_panel(n, plan.n[0], X, order, h, rows, N)
        return
    gather_panel(n, plan.n[0], X, order, h, <floating*>NULL, N)
    drop_panel(plan, 0, position, h, <floating*>NULL)
    if rows is not NULL:
        panel_to_blocks(n, plan.n[0], h, rows, N)


cdef inline void forward_panels(
    const plan_t* plan, const floating* params, const floating* X, const int64_t* order,
    Py_ssize_t position, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, floating* work,
    Py_ssize_t count, bint train,
) noexcept nogil:
    """h[k] of the panels first..last-1 of n samples, h[L] := a_L; and rows[k] to train on

    Panel 0 has this position in the batch.
    """
    cdef Py_ssize_t S = plan.S, N = count * S, p, k
    cdef Py_ssize_t samples = min(n, last * S) - first * S
    cdef floating* z
    cdef const floating* h = h_panel(plan, work, count, 0, first)
    for p in range(first, last):
        inputs_of_panel(
            plan, X if order is not NULL else X + p * S * plan.n[0],
            NULL if order is NULL else order + p * S, position + p * S, min(S, n - p * S),
            h_panel(plan, work, count, 0, p), h_rows(plan, work, count, 0, p) if train else NULL, N,
        )
    for k in range(1, plan.L + 1):
        panels_forward(
            samples, plan.n[k], plan.n[k - 1], params + plan.W[k], params + plan.b[k], h,
            h_panel(plan, work, count, k, first),
        )
        if k == plan.L:
            return
        h = input_panel_above(plan, work, count, k, first, train)
        for p in range(first, last):
            z = activate_panel(
                plan, k, position + p * S, h_panel(plan, work, count, k, p),
                input_panel_above(plan, work, count, k, p, train),
            )
            if train:
                panel_to_blocks(
                    min(S, n - p * S), plan.n[k], z, h_rows(plan, work, count, k, p), N
                )


cdef inline void backward_panels(
    const plan_t* plan, const floating* params, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last,
    floating* work, Py_ssize_t count,
) noexcept nogil:
    """∇a_k of the panels first..last-1, k = L-1..1, from ∇a_L"""
    cdef Py_ssize_t S = plan.S, p, k, samples = min(n, last * S) - first * S
    for k in range(plan.L, 1, -1):
        panels_backward(
            samples, plan.n[k], plan.n[k - 1], params + plan.W[k],
            da_panel(plan, work, count, k, first), da_panel(plan, work, count, k - 1, first),
        )
        for p in range(first, last):
            if keeps_slope(plan, k - 1):
                multiply(
                    h_panel(plan, work, count, k - 1, p), da_panel(plan, work, count, k - 1, p),
                    plan.n[k - 1] * S,
                )
            else:
                apply_any_derivative(
                    plan.g[k - 1], h_panel(plan, work, count, k - 1, p),
                    da_panel(plan, work, count, k - 1, p), plan.n[k - 1] * S,
                )


cdef inline void panels_to_deltas(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    double scale, bint train, floating* work, double* sums, int thread, int threads,
) noexcept nogil:
    """Phase one, a thread's panels: sums[p] := Σ w ℓ; when train, all ∇a_k of scale Σ w ℓ"""
    cdef Py_ssize_t count = panel_count(plan, n), S = plan.S, k = plan.targets, p, row
    cdef Py_ssize_t first = share(count, 1, thread, threads), last
    cdef Py_ssize_t end = share(count, 1, thread + 1, threads)
    cdef floating* scratch = thread_scratch(plan, work, count, thread)
    while first < end:
        last = min(first + plan.group, end)
        forward_panels(
            plan, params, X, order, plan.position, n, first, last, work, count, train
        )
        for p in range(first, last):
            row = 0 if order is not NULL else p * S
            sums[p] = losses_panel(
                plan, h_panel(plan, work, count, plan.L, p),
                NULL if Y is NULL else Y + row * k, NULL if labels is NULL else labels + row,
                NULL if weight is NULL else weight + row,
                NULL if order is NULL else order + p * S, min(S, n - p * S), scale, train, scratch,
            )
        if train:
            backward_panels(plan, params, n, first, last, work, count)
        first = last


cdef inline void prefetch_rows(
    const plan_t* plan, const floating* X, const int64_t* order, Py_ssize_t n, Py_ssize_t i,
    int thread, int threads,
) noexcept nogil:
    """Sends for features i..i+S-1 of the rows X[order] that a thread will take of the next n"""
    cdef Py_ssize_t panels = panel_count(plan, n), r, line
    cdef Py_ssize_t first = share(panels, 1, thread, threads) * plan.S
    cdef Py_ssize_t end = min(n, share(panels, 1, thread + 1, threads) * plan.S)
    for r in range(first, end):
        line = i
        while line < min(plan.n[0], i + plan.S):
            prefetch(X + order[r] * plan.n[0] + line)
            line += 64 // sizeof(floating)


cdef inline void panels_to_units(
    const plan_t* plan, Py_ssize_t n, floating alpha, double keep, double decay,
    const floating* D, floating* C, floating* work, const floating* X, const int64_t* following,
    Py_ssize_t ahead, int thread, int threads,
) noexcept nogil:
    """Phase two, a thread's units: C := alpha ∇θ + (keep + decay l2_k) D; D, C (P,)

    Biases have no l2. ∇θ, that of the losses, is never stored by itself: C may be the gradient, or
    θ one step on. The `ahead` rows X[following] come next: they travel to the cache meanwhile.
    """
    cdef Py_ssize_t count = panel_count(plan, n), S = plan.S, N = count * S, k, r, rows, at, i
    cdef Py_ssize_t width, strip
    cdef floating beta
    cdef const floating* da
    for k in range(1, plan.L + 1):
        width = plan.n[k - 1]
        r = share(plan.n[k], UNIT_GRAIN, thread, threads)
        rows = share(plan.n[k], UNIT_GRAIN, thread + 1, threads) - r
        da = da_panel(plan, work, count, k, 0) + r * S
        at = plan.W[k] + r * width
        beta = <floating>(keep + decay * plan.l2[k])
        strip = S if k == 1 and ahead > 0 else width
        i = 0
        while i < width:
            weight_gradient(
                n, rows, plan.n[k], min(strip, width - i), width, da,
                h_rows(plan, work, count, k - 1, 0) + i * N, N, alpha, beta, D + at + i,
                C + at + i,
            )
            if k == 1 and ahead > 0:
                prefetch_rows(plan, X, following, ahead, i, thread, threads)
            i += strip
        at = plan.b[k] + r
        bias_gradient(n, rows, plan.n[k], da, alpha, <floating>keep, D + at, C + at)


cdef inline void outputs_of_panels(
    const plan_t* plan, const floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, Py_ssize_t n, floating* out, floating* work,
    double* sums, int thread, int threads,
) noexcept nogil:
    """A thread's share of ŷ into out (n, n_L), or, when out is NULL, of the losses into sums[p]"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], panels = panel_count(plan, n), row, p, rows
    cdef Py_ssize_t first = share(panels, 1, thread, threads), group
    cdef Py_ssize_t end = share(panels, 1, thread + 1, threads)
    cdef floating* z
    work += thread * outputs_workspace(plan, min(plan.group, panels))
    while first < end:
        group, row = min(plan.group, end - first), first * S
        rows = min(n - row, group * S)
        forward_panels(
            plan, params, X + row * plan.n[0], NULL, row, rows, 0, group, work, group, False
        )
        for p in range(group):
            z, row = h_panel(plan, work, group, plan.L, p), (first + p) * S
            rows = min(S, n - row)
            if out is not NULL:
                activate_output_panel(plan, z)
                panel_to_rows(rows, k, z, out + row * k)
            else:
                sums[first + p] = losses_panel(
                    plan, z, NULL if Y is NULL else Y + row * plan.targets,
                    NULL if labels is NULL else labels + row,
                    NULL if weight is NULL else weight + row, NULL, rows, 1, False,
                    work + group * plan.panel_below[plan.L + 1],
                )
        first += group
