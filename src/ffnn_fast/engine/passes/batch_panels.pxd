# Passes over a block of n samples in panels (feature-major, S samples each), by our own products.
#
# Every thread runs the same code on its share: first half panels, forward and back to all ∇a_k;
# then, after a barrier, whole output units of every W_k. No bit of a result depends on the shares.
# Phase one is in panel_deltas.pxd, phase two in panel_gradients.pxd and step_update.pxd.
# Scratch for a block of `count` panels, each part aligned:
#   h[k]      panels of layer k = 0..L (h[L] holds a_L, then ∇a_L)
#   da[k]     panels of layer k = 1..L-1
#   rows[k]   h[k] again, sample-major in blocks, k = 0..L-1, for the products over samples
#   extras    of an input block and of parametric activations: see input_block.pxd
#   scratch   2 n_L elements for each thread, and those of an input block
#   halves    of a team: for each thread all but the extras of one panel, and a panel of a_L
# Of sparse rows there is no h[0], and rows[0] holds rows of a_1, then of ∇a_1, (·, n_1).
# Where slopes are kept (plan.pxd), h[k] is in the place of da[k] and g'(a_k), with the mask, in
# that of h[k].

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, MK_COPY_BYTES, gather_panel, panel_to_blocks, panel_to_rows, panels_backward,
    panels_forward,
)
from ffnn_fast.engine.passes.activation_loops cimport apply_any_derivative, multiply
from ffnn_fast.engine.passes.batch cimport batch_t, rows_from
from ffnn_fast.engine.passes.dropout_masks cimport drop_panel
from ffnn_fast.engine.passes.input_block cimport (
    clear_lanes, columns_size, d_panel, dh0_panel, expand_panel, extras_size, gather_columns,
    parts_panel, spare_size, x_panel,
)
from ffnn_fast.engine.passes.panel_activation cimport activate_samples
from ffnn_fast.engine.passes.panel_losses cimport activate_output_panel, losses_panel
from ffnn_fast.engine.passes.parametric cimport (
    activate_parametric, activate_parametric_panel, alpha_part,
)
from ffnn_fast.engine.passes.sparse_rows cimport sparse_units
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport drops, grain_of_samples, keeps_slope, plan_t, step_t

cdef enum:
    GROUP = 16  # panels that go through the layers together, where that is better
    FEW = 8     # with vectors below 64 bytes and a W that stays in the second-level cache
    MORE = 64   # with 32-byte vectors and a large W, whose copies more panels then share


cdef inline Py_ssize_t panels_together(Py_ssize_t largest, Py_ssize_t widest) noexcept nogil:
    """Panels to take together when the largest W_k and the widest panel have these many bytes

    With 64-byte vectors one by one while W stays in the second-level cache, and together, so that W
    is read once for all, where it does not. 512 wide on AVX-512: one panel 106-109 GFLOP/s, eight
    97-108; 2048 wide: two 92, eight 100-105, and on a machine of twice the peak eight 205, sixteen
    220. The panels of narrower vectors hold fewer samples to share W, and a tile takes half the
    time, so that what it costs to begin one counts: with AVX2, eight instead of one took 0.94 of
    the time of steps of 4-32-16-4, 0.97 of 13-64-64-2 and 0.8 to 0.95 of predictions, unless a
    layer is so wide that they leave the cache. With 64 instead of 16, forward products 512 wide
    took 0.97 of the time.
    """
    cdef Py_ssize_t cached = 1536 << 10 if MK_BYTES == 64 else 256 << 10
    if MK_BYTES == 32 and largest > MK_COPY_BYTES:
        return MORE
    if largest > cached:
        return GROUP
    return 1 if MK_BYTES == 64 else max(1, min(FEW, (128 << 10) // widest))


cdef inline bint stays_cached(const plan_t* plan) noexcept nogil:
    """Whether each W_k stays in the second-level cache: more panels are taken together else"""
    return plan.group <= FEW


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
    """∇a_k of panel p; ∇a_L is in the place of a_L"""
    if k == plan.L:
        return h_panel(plan, work, count, k, p)
    return work + count * (plan.panel_below[plan.L + 1] + plan.panel_below[k] - plan.panel[0]) \
        + p * plan.panel[k]


cdef inline floating* input_panel_above(
    const plan_t* plan, const step_t* step, floating* work, Py_ssize_t count, Py_ssize_t k,
    Py_ssize_t p,
) noexcept nogil:
    """h[k] of panel p as layer k + 1 takes it"""
    if keeps_slope(plan, step, k):
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


cdef inline floating* extras_of(
    const plan_t* plan, floating* work, Py_ssize_t count
) noexcept nogil:
    """Where the extras begin"""
    return work + rows_at(plan, count) + count * plan.S * plan.block_below[plan.L]


cdef inline floating* thread_scratch(
    const plan_t* plan, floating* work, Py_ssize_t count, int thread
) noexcept nogil:
    """A panel of a thread's own; behind it that of a block"""
    return extras_of(plan, work, count) + extras_size(plan, count) \
        + thread * (plan.panel[plan.L] + spare_size(plan))


cdef inline Py_ssize_t half_size(const plan_t* plan) noexcept nogil:
    """Elements of scratch of one thread for halves of panels"""
    if grain_of_samples(plan) == plan.S:
        return 0
    return rows_at(plan, 1) + plan.S * plan.block_below[plan.L] + plan.panel[plan.L]


cdef inline floating* half_scratch(
    const plan_t* plan, floating* work, Py_ssize_t count, int thread, int threads
) noexcept nogil:
    """That of a thread; the a_L come last"""
    return thread_scratch(plan, work, count, threads) + thread * half_size(plan)


cdef inline Py_ssize_t panels_workspace(
    const plan_t* plan, Py_ssize_t n, int threads
) noexcept nogil:
    """Elements of scratch for a block of n samples"""
    cdef Py_ssize_t count = panel_count(plan, n)
    return rows_at(plan, count) + count * plan.S * plan.block_below[plan.L] \
        + extras_size(plan, count) + threads * (plan.panel[plan.L] + spare_size(plan)) \
        + (threads * half_size(plan) if threads > 1 else 0)


cdef inline Py_ssize_t outputs_workspace(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Elements of scratch of one thread for outputs only: h[k], a panel of its own, and one of X,
    or S rows of n_1"""
    cdef Py_ssize_t size = columns_at(plan, count)
    if plan.sparse:
        return size + plan.S * plan.block_below[1]
    return size + (0 if plan.feature is NULL else columns_size(plan))


cdef inline Py_ssize_t columns_at(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Where that panel of X begins"""
    return count * plan.panel_below[plan.L + 1] + plan.panel[plan.L]


cdef inline void activate_panel(
    const plan_t* plan, const step_t* step, Py_ssize_t k, Py_ssize_t first, Py_ssize_t n,
    floating* a, floating* h,
) noexcept nogil:
    """h := g(a) with the mask, for the n rows first.. of the batch

    Where h has a place of its own, a := g'(a) with the mask.
    """
    activate_samples(plan.g[k], plan.n[k], plan.S, n, a, h)
    if drops(plan, step, k):
        drop_panel(plan, step, k, first, h, NULL if h == a else a)


cdef inline void gather_inputs(
    const plan_t* plan, const batch_t* batch, floating* h, floating* rows, Py_ssize_t N
) noexcept nogil:
    """h (n_0, S) := the n <= S inputs of the batch; rows[0], unless NULL, the same"""
    cdef Py_ssize_t width = plan.n[0]
    cdef const floating* X = <const floating*>batch.X
    if batch.order is NULL:
        gather_panel(batch.n, width, X + batch.first * width, NULL, h, rows, N)
    else:
        gather_panel(batch.n, width, X, batch.order + batch.first, h, rows, N)


cdef inline void inputs_of_panel(
    const plan_t* plan, const step_t* step, const batch_t* batch, floating* h, floating* rows,
    Py_ssize_t N,
) noexcept nogil:
    """h[0] of the n <= S rows of the batch, with the mask; and rows[0] unless NULL"""
    if not drops(plan, step, 0):
        gather_inputs(plan, batch, h, rows, N)
        return
    gather_inputs(plan, batch, h, <floating*>NULL, N)
    drop_panel(plan, step, 0, batch.first, h, <floating*>NULL)
    if rows is not NULL:
        panel_to_blocks(batch.n, plan.n[0], h, rows, N)


cdef inline void block_of_panel(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* x, floating* h, floating* rows, Py_ssize_t N,
) noexcept nogil:
    """x := the n <= S rows of the batch, h[0] := the units of the input block, with the mask; and
    rows[0] unless NULL"""
    gather_columns(plan, batch, x)
    expand_panel(plan, params, x, h)
    if drops(plan, step, 0):
        drop_panel(plan, step, 0, batch.first, h, <floating*>NULL)
    if rows is not NULL:
        panel_to_blocks(batch.n, plan.n[0], h, rows, N)


cdef inline floating* sparse_rows_of(
    const plan_t* plan, floating* work, Py_ssize_t count, Py_ssize_t p
) noexcept nogil:
    """Rows of a_1, then of ∇a_1, from the first sample of panel p"""
    return h_rows(plan, work, count, 0, 0) + p * plan.S * plan.n[1]


cdef inline batch_t rows_of_panel(
    const plan_t* plan, const batch_t* batch, Py_ssize_t p
) noexcept nogil:
    """The rows of panel p of the batch"""
    return rows_from(batch, p * plan.S, min(plan.S, batch.n - p * plan.S))


cdef inline double sum_of(const floating* x, Py_ssize_t n) noexcept nogil:
    """Σ_i x_i, in order"""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n):
        total += x[i]
    return total


cdef inline void forward_panels(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    Py_ssize_t first, Py_ssize_t last, floating* work, Py_ssize_t count, bint with_rows,
    double* sums,
) noexcept nogil:
    """h[k] of the panels first..last-1 of the batch, h[L] := a_L; and rows[k] for ∇W_k

    Unless NULL, sums[p - first] := Σ a_1 of the first unit over panel p, finite only if h[0] is.
    """
    cdef Py_ssize_t S = plan.S, N = count * S, n = batch.n, p, k
    cdef Py_ssize_t samples = min(n, last * S) - first * S
    cdef batch_t panel
    cdef floating* a
    cdef floating* z
    cdef floating* extras = extras_of(plan, work, count)
    cdef const floating* h = h_panel(plan, work, count, 0, first)
    for p in range(first, last):
        panel = rows_of_panel(plan, batch, p)
        if rare(plan.sparse):
            sparse_units(
                plan, step, params, &panel, sparse_rows_of(plan, work, count, p) if with_rows
                else work + columns_at(plan, count), h_panel(plan, work, count, 1, p),
            )
            continue
        if rare(plan.feature is not NULL):
            block_of_panel(
                plan, step, params, &panel, x_panel(plan, extras, count, p) if with_rows
                else work + columns_at(plan, count), h_panel(plan, work, count, 0, p),
                h_rows(plan, work, count, 0, p) if with_rows else NULL, N,
            )
            continue
        inputs_of_panel(
            plan, step, &panel, h_panel(plan, work, count, 0, p),
            h_rows(plan, work, count, 0, p) if with_rows else NULL, N,
        )
    for k in range(1, plan.L + 1):
        if k > plan.sparse:
            panels_forward(
                samples, plan.n[k], plan.n[k - 1], params + plan.W[k], params + plan.b[k], h,
                h_panel(plan, work, count, k, first),
            )
        if rare(sums is not NULL and k == 1):
            for p in range(first, last):
                sums[p - first] = sum_of(h_panel(plan, work, count, 1, p), min(S, n - p * S))
        if k == plan.L:
            return
        h = input_panel_above(plan, step, work, count, k, first)
        for p in range(first, last):
            z = input_panel_above(plan, step, work, count, k, p)
            a = h_panel(plan, work, count, k, p)
            if not rare(plan.parametric):
                activate_panel(plan, step, k, batch.first + p * S, min(S, n - p * S), a, z)
            elif step.train:
                activate_parametric_panel(
                    plan, step, params, k, batch.first + p * S, a, z,
                    d_panel(plan, extras, count, k, p),
                )
            else:
                activate_parametric(plan, params, k, z)
                if drops(plan, step, k):
                    drop_panel(plan, step, k, batch.first + p * S, z, <floating*>NULL)
            if with_rows:
                panel_to_blocks(
                    min(S, n - p * S), plan.n[k], z, h_rows(plan, work, count, k, p), N
                )


cdef inline void backward_panels(
    const plan_t* plan, const step_t* step, const floating* params, Py_ssize_t n,
    Py_ssize_t first, Py_ssize_t last, floating* work, Py_ssize_t count,
) noexcept nogil:
    """∇a_k of the panels first..last-1 of n samples, k = L-1..1, from ∇a_L"""
    cdef Py_ssize_t S = plan.S, p, k, samples = min(n, last * S) - first * S
    cdef floating* extras = extras_of(plan, work, count)
    for k in range(plan.L, 1, -1):
        panels_backward(
            samples, plan.n[k], plan.n[k - 1], params + plan.W[k],
            da_panel(plan, work, count, k, first), da_panel(plan, work, count, k - 1, first),
        )
        for p in range(first, last):
            if rare(plan.parametric):
                alpha_part(
                    min(S, n - p * S), plan.n[k - 1], da_panel(plan, work, count, k - 1, p),
                    d_panel(plan, extras, count, k - 1, p),
                    parts_panel(plan, extras, count, k - 1, p),
                )
            if keeps_slope(plan, step, k - 1):
                multiply(
                    h_panel(plan, work, count, k - 1, p), da_panel(plan, work, count, k - 1, p),
                    plan.n[k - 1] * S,
                )
            else:
                apply_any_derivative(
                    plan.g[k - 1], h_panel(plan, work, count, k - 1, p),
                    da_panel(plan, work, count, k - 1, p), plan.n[k - 1] * S,
                )


cdef inline void backward_to_block(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    Py_ssize_t first, Py_ssize_t last, floating* work, Py_ssize_t count,
) noexcept nogil:
    """∇h_0 of the panels first..last-1 of the batch, with the mask, from ∇a_1"""
    cdef Py_ssize_t S = plan.S, p, samples = min(batch.n, last * S) - first * S
    cdef floating* extras = extras_of(plan, work, count)
    cdef floating* dh
    panels_backward(
        samples, plan.n[1], plan.n[0], params + plan.W[1], da_panel(plan, work, count, 1, first),
        dh0_panel(plan, extras, first),
    )
    for p in range(first, last):
        dh = dh0_panel(plan, extras, p)
        if drops(plan, step, 0):
            drop_panel(plan, step, 0, batch.first + p * S, dh, <floating*>NULL)
        clear_lanes(dh, plan.n[0], min(S, batch.n - p * S))


cdef inline void outputs_of_panels(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* out, floating* work, double* sums, team_t team,
) noexcept nogil:
    """A thread's share of ŷ into out (n, n_L), or, when out is NULL, of the losses into sums[p];
    with ŷ these are the sums of `forward_panels`"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], panels = panel_count(plan, batch.n), p, group
    cdef Py_ssize_t first = share_start(panels, 1, team), end = share_end(panels, 1, team)
    cdef batch_t rows, panel
    cdef floating* z
    work += team.thread * outputs_workspace(plan, min(plan.group, panels))
    while first < end:
        group = min(plan.group, end - first)
        rows = rows_from(batch, first * S, min(batch.n - first * S, group * S))
        forward_panels(
            plan, step, params, &rows, 0, group, work, group, False,
            sums + first if out is not NULL else NULL,
        )
        for p in range(group):
            z = h_panel(plan, work, group, plan.L, p)
            panel = rows_of_panel(plan, &rows, p)
            if out is not NULL:
                activate_output_panel(plan, z)
                panel_to_rows(panel.n, k, z, out + (first + p) * S * k)
            else:
                sums[first + p] = losses_panel(
                    plan, &panel, z, 1, False, work + group * plan.panel_below[plan.L + 1]
                )
        first += group
