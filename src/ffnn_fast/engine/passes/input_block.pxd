# An input block on panels: columns of X to units of h_0, and ∇h_0 to the block's parameters.
#
# x (columns, S) and h, dh (n_0, S) are panels; F frequencies or bins, M outputs of the embedding of
# a number, whose waves, (F, S), are its cosines or shares; formulas in inputs.py. The gradient of a
# column's parameters is summed over all panels of a block of rows by one thread, in their order.
# Beside the passes, from `extras` on, for a block of `count` panels, each part aligned:
#   dh[0]     panels of ∇h_0, without a block none, 0 in the lanes beyond the samples
#   x         panels of X, without a block none
#   d[k]      panels of g(a_k) − a_k, k = 1..L-1, with the mask, unless activations are parametric
#   parts[k]  Σ over the samples of a panel of ∇h_k ⊙ d[k], the same

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_BYTES, bias_gradient, gather_panel, panel_size, panels_backward, panels_forward,
)
from ffnn_fast.engine.maths.vecmath cimport sine_derivatives
from ffnn_fast.engine.passes.activation_loops cimport multiply
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.plan cimport (
    ONE_HOT, PERIODIC, PIECEWISE, PLAIN, SIGNED, TABLE, feature_t, plan_t,
)

cdef enum:
    MOST_FREQUENCIES = 64  # and bins, as in inputs.py
    LINE = 16              # elements that hold a cache line
    SLACK = 16             # rows that a sum over samples may read beyond the last one


cdef inline bint is_embedded(const feature_t* feature) noexcept nogil:
    """Whether it is a number with an embedding"""
    return feature.kind == PERIODIC or feature.kind == PIECEWISE


cdef inline Py_ssize_t columns_size(const plan_t* plan) noexcept nogil:
    """Elements from one panel of X to the next"""
    return panel_size(plan.columns, plan.itemsize)


cdef inline Py_ssize_t extras_size(const plan_t* plan, Py_ssize_t count) noexcept nogil:
    """Elements from `extras` on"""
    cdef Py_ssize_t size = 0
    if plan.feature is not NULL:
        size += count * (plan.panel[0] + columns_size(plan))
    if plan.parametric:
        size += count * (plan.panel_below[plan.L] - plan.panel[0])
        size += padded(count * (plan.below[plan.L] - plan.n[0]))
    return size


cdef inline Py_ssize_t spare_size(const plan_t* plan) noexcept nogil:
    """Elements of a thread's own for `feature_gradient`"""
    cdef Py_ssize_t F = plan.frequencies, M = plan.outputs, widest = 0, c
    if plan.feature is NULL:
        return 0
    for c in range(plan.columns):
        widest = max(widest, plan.feature[c].units)
    return (5 * F + M * F + M + 1 + 3 * widest + SLACK) * plan.S


cdef inline floating* dh0_panel(
    const plan_t* plan, floating* extras, Py_ssize_t p
) noexcept nogil:
    """dh[0] of panel p"""
    return extras + p * plan.panel[0]


cdef inline floating* x_panel(
    const plan_t* plan, floating* extras, Py_ssize_t count, Py_ssize_t p
) noexcept nogil:
    """x of panel p"""
    return extras + count * plan.panel[0] + p * columns_size(plan)


cdef inline floating* d_panel(
    const plan_t* plan, floating* extras, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p
) noexcept nogil:
    """d[k] of panel p"""
    if plan.feature is not NULL:
        extras += count * (plan.panel[0] + columns_size(plan))
    return extras + count * (plan.panel_below[k] - plan.panel[0]) + p * plan.panel[k]


cdef inline floating* parts_panel(
    const plan_t* plan, floating* extras, Py_ssize_t count, Py_ssize_t k, Py_ssize_t p
) noexcept nogil:
    """parts[k] of panel p, (n_k,)"""
    return d_panel(plan, extras, count, plan.L, 0) \
        + count * (plan.below[k] - plan.n[0]) + p * plan.n[k]


cdef inline void gather_columns(
    const plan_t* plan, const batch_t* batch, floating* x
) noexcept nogil:
    """x := the n <= S rows of the batch, and zeros"""
    cdef Py_ssize_t width = plan.columns
    cdef const floating* X = <const floating*>batch.X
    if batch.order is NULL:
        gather_panel[floating](batch.n, width, X + batch.first * width, NULL, x, NULL, 0)
    else:
        gather_panel[floating](batch.n, width, X, batch.order + batch.first, x, NULL, 0)


cdef inline Py_ssize_t code_of(floating x, Py_ssize_t count) noexcept nogil:
    """x where it is a whole number in 1..count, else 0"""
    cdef Py_ssize_t code
    if not 1 <= x <= <floating>count:
        return 0
    code = <Py_ssize_t>x
    return code if <floating>code == x else 0


cdef inline void angles_of(
    const plan_t* plan, const floating* theta, const floating* x, floating* turns, floating* angles
) noexcept nogil:
    """turns (S,) := 2π x; angles (F, S) := b₁ + w turns"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), F = plan.frequencies, s
    for s in range(S):
        turns[s] = <floating>6.283185307179586 * x[s]
    panels_forward(S, F, 1, theta, theta + F, turns, angles)


cdef inline void shares_of(
    const plan_t* plan, const double* bins, const floating* x, floating* shares, floating* slopes
) noexcept nogil:
    """shares (F, S) := (x − edge) / width of each bin, from 0 to 1; slopes, unless NULL, :=
    d shares / dx"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), f, s
    cdef floating edge, rise, share
    for f in range(plan.frequencies):
        edge, rise = <floating>bins[2 * f], <floating>bins[2 * f + 1]
        for s in range(S):
            share = (x[s] - edge) * rise
            shares[s] = <floating>0 if share < 0 else <floating>1 if share > 1 else share
        if slopes is not NULL:
            for s in range(S):
                share = (x[s] - edge) * rise
                slopes[s] = rise if 0 <= share < 1 else <floating>0
            slopes += S
        shares += S


cdef inline void waves_of(
    const plan_t* plan, const feature_t* feature, const floating* theta, const floating* x,
    floating* turns, floating* waves, floating* slopes,
) noexcept nogil:
    """waves (F, S) := the cosines or shares of a number x (S,); slopes, unless NULL, := their
    derivatives in the angle or x; turns (S,) is set with cosines"""
    cdef Py_ssize_t n = plan.frequencies * (2 * MK_BYTES // sizeof(floating))
    if feature.kind == PIECEWISE:
        shares_of(plan, feature.bins, x, waves, slopes)
        return
    angles_of(plan, theta, x, turns, waves)
    if slopes is not NULL:
        memcpy(slopes, waves, n * sizeof(floating))
        sine_derivatives(slopes, n, 2)
    sine_derivatives(waves, n, 1)


cdef inline void mix(
    const plan_t* plan, const floating* theta, const floating* waves, const floating* x, floating* h
) noexcept nogil:
    """h (M + 1, S) := (W₂ waves + b₂, x)"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), F = plan.frequencies, M = plan.outputs
    theta += plan.mixing
    panels_forward(S, M, F, theta, theta + M * F, waves, h)
    memcpy(h + M * S, x, S * sizeof(floating))


cdef inline void units_of_feature(
    const plan_t* plan, const feature_t* feature, const floating* params, const floating* x,
    floating* h,
) noexcept nogil:
    """h (units, S) := the units of a column x (S,), before the scale"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s, j, code
    cdef floating raw[MAX_S * (MOST_FREQUENCIES + 1) + LINE]
    cdef const floating* row
    cdef floating* turns
    if is_embedded(feature):
        turns = <floating*>((<size_t>raw + 63) // 64 * 64)
        waves_of(plan, feature, params + feature.start, x, turns, turns + S, <floating*>NULL)
        mix(plan, params + feature.start, turns + S, x, h)
    elif feature.kind == TABLE:
        for s in range(S):
            row = params + feature.start + code_of(x[s], feature.count) * feature.units
            for j in range(feature.units):
                h[j * S + s] = row[j]
    elif feature.kind == ONE_HOT:
        for j in range(feature.units):
            for s in range(S):
                h[j * S + s] = <floating>1 if x[s] == <floating>(j + 1) else <floating>0
    elif feature.kind == SIGNED:
        for s in range(S):
            code = code_of(x[s], 2)
            h[s] = <floating>0 if code == 0 else <floating>(2 * code - 3)
    else:
        memcpy(h, x, S * sizeof(floating))


cdef inline void expand_panel(
    const plan_t* plan, const floating* params, const floating* x, floating* h
) noexcept nogil:
    """h := the units of all columns"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), c, j, s
    cdef floating factor
    for c in range(plan.columns):
        units_of_feature(
            plan, plan.feature + c, params, x + c * S, h + plan.feature[c].at * S
        )
    if plan.scale >= 0:
        for j in range(plan.n[0]):
            factor = params[plan.scale + j]
            for s in range(S):
                h[j * S + s] *= factor


cdef inline void clear_lanes(floating* z, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    """z (rows, S) := 0 beyond its n samples"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j
    if n < S:
        for j in range(rows):
            memset(z + j * S + n, 0, (S - n) * sizeof(floating))


cdef inline void add_products(
    const floating* x, const floating* y, floating* total, Py_ssize_t n
) noexcept nogil:
    """total := total + x ⊙ y"""
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += x[i] * y[i]


cdef inline void add(const floating* x, floating* total, Py_ssize_t n) noexcept nogil:
    """total := total + x"""
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += x[i]


cdef inline void scaled_gradient(
    const plan_t* plan, const feature_t* feature, const floating* params, const floating* dh,
    floating* du,
) noexcept nogil:
    """du (units, S) := ∇ of the units before the scale"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    cdef floating factor
    for j in range(feature.units):
        factor = <floating>1 if plan.scale < 0 else params[plan.scale + feature.at + j]
        for s in range(S):
            du[j * S + s] = factor * dh[j * S + s]


cdef inline void add_to_table(
    const feature_t* feature, const floating* x, const floating* du, Py_ssize_t n, floating* table
) noexcept nogil:
    """table := table + ∇ of its rows, for n samples in their order"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s, j
    cdef floating* row
    for s in range(n):
        row = table + code_of(x[s], feature.count) * feature.units
        for j in range(feature.units):
            row[j] += du[j * S + s]


cdef inline void add_to_embedding(
    const plan_t* plan, const feature_t* feature, const floating* theta, const floating* x,
    const floating* dz, floating* units, floating* total, floating* spare,
) noexcept nogil:
    """total (size, S) := total + ∇ of the column's parameters, lane by lane; units := the units

    spare: 1 + 3F rows.
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), F = plan.frequencies, M = plan.outputs
    cdef Py_ssize_t f, m
    cdef floating* turns = spare
    cdef floating* waves = spare + S
    cdef floating* slopes = waves + F * S if feature.kind == PERIODIC else <floating*>NULL
    cdef floating* d_angles = waves + 2 * F * S
    waves_of(plan, feature, theta, x, turns, waves, slopes)
    mix(plan, theta, waves, x, units)
    if slopes is not NULL:
        panels_backward(S, M, F, theta + 2 * F, dz, d_angles)
        for f in range(F):
            for m in range(S):
                d_angles[f * S + m] *= slopes[f * S + m]
            add_products(d_angles + f * S, turns, total + f * S, S)
            add(d_angles + f * S, total + (F + f) * S, S)
    total += plan.mixing * S
    for m in range(M):
        for f in range(F):
            add_products(dz + m * S, waves + f * S, total + (m * F + f) * S, S)
        add(dz + m * S, total + (M * F + m) * S, S)


cdef inline void feature_gradient(
    const plan_t* plan, Py_ssize_t n, const floating* params, Py_ssize_t c, floating* extras,
    Py_ssize_t count, bint accumulate, floating* grad, floating* spare,
) noexcept nogil:
    """grad := ∇ of a column's parameters and its scale, from n samples; + when accumulate"""
    cdef Py_ssize_t S = plan.S, p, samples
    cdef const feature_t* feature = plan.feature + c
    cdef Py_ssize_t units = feature.units, sums = feature.size if is_embedded(feature) else 0
    cdef floating beta = 1 if accumulate else 0
    cdef floating* du = spare
    cdef floating* raw = du + units * S
    cdef floating* total = raw + units * S  # lane by lane, of the parameters, then of the scale
    cdef const floating* x
    cdef const floating* dh
    memset(total, 0, (sums + units) * S * sizeof(floating))
    if feature.kind == TABLE and not accumulate:
        memset(grad + feature.start, 0, feature.size * sizeof(floating))
    for p in range(count):
        samples = min(S, n - p * S)
        x = x_panel(plan, extras, count, p) + c * S
        dh = dh0_panel(plan, extras, p) + feature.at * S
        scaled_gradient(plan, feature, params, dh, du)
        if sums > 0:
            add_to_embedding(
                plan, feature, params + feature.start, x, du, raw, total,
                total + (sums + units) * S,
            )
        elif plan.scale >= 0:
            units_of_feature(plan, feature, params, x, raw)
        if feature.kind == TABLE:
            add_to_table(feature, x, du, samples, grad + feature.start)
        if plan.scale >= 0:
            add_products(dh, raw, total + sums * S, units * S)
    if sums > 0:
        bias_gradient(
            S, sums, sums, total, <floating>1, beta, grad + feature.start, grad + feature.start
        )
    if plan.scale >= 0:
        grad += plan.scale + feature.at
        bias_gradient(S, units, units, total + sums * S, <floating>1, beta, grad, grad)


cdef inline void columns_gradient(
    const plan_t* plan, const floating* params, const floating* x, const floating* dh,
    floating* dx, floating* spare,
) noexcept nogil:
    """dx (columns, S) := ∇ of the columns of X from ∇h_0; 0 for categories"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), F = plan.frequencies, M = plan.outputs
    cdef Py_ssize_t c, s
    cdef const feature_t* feature
    cdef const floating* theta
    cdef floating* waves
    cdef floating* slopes
    cdef floating* d_waves
    for c in range(plan.columns):
        feature, theta = plan.feature + c, params + plan.feature[c].start
        scaled_gradient(plan, feature, params, dh + feature.at * S, spare)
        if is_embedded(feature):
            waves = spare + (feature.units + 1) * S
            slopes, d_waves = waves + F * S, waves + 2 * F * S
            waves_of(plan, feature, theta, x + c * S, waves - S, waves, slopes)
            panels_backward(S, M, F, theta + plan.mixing, spare, d_waves)
            multiply(slopes, d_waves, F * S)
            if feature.kind == PERIODIC:
                panels_backward(S, F, 1, theta, d_waves, dx)
                for s in range(S):
                    dx[s] *= <floating>6.283185307179586
            else:
                memset(dx, 0, S * sizeof(floating))
                for s in range(F):
                    add(d_waves + s * S, dx, S)
            add(spare + M * S, dx, S)
        elif feature.kind == PLAIN:
            memcpy(dx, spare, S * sizeof(floating))
        else:
            memset(dx, 0, S * sizeof(floating))
        dx += S
