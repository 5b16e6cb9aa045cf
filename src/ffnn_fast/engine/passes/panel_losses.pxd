# The losses of a panel: z (k, S) holds a_L of S samples feature-major, so loops run along samples.
#
# Only the lanes of the n samples matter; what the others hold stays in them.

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.maths.vecmath cimport vm_exp_f32, vm_exp_f64, vm_log1p_f32, vm_log1p_f64
from ffnn_fast.engine.passes.activation_loops cimport activate_any, value_and_slope
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.passes.logit_losses cimport times
from ffnn_fast.engine.passes.panel_output_losses cimport losses_over_outputs, sums_over_outputs
from ffnn_fast.engine.passes.row_losses cimport loss_of_head
from ffnn_fast.engine.plan cimport CROSS_ENTROPY, SOFTMAX, head_t, plan_t


cdef inline void panel_max(const floating* z, Py_ssize_t k, floating* top) noexcept nogil:
    """top_s := max_j z_js"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    for s in range(S):
        top[s] = z[s]
    for j in range(1, k):
        for s in range(S):
            top[s] = z[j * S + s] if z[j * S + s] > top[s] else top[s]


cdef inline void panel_exp(
    floating* z, Py_ssize_t k, const floating* top, floating* rest
) noexcept nogil:
    """z_js := exp(z_js − top_s), rest_s := Σ_j z_js − 1 to all digits, top_s = max_j z_js"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    cdef floating e[MAX_S]
    cdef floating ones[MAX_S]
    cdef floating x
    for s in range(S):
        rest[s], ones[s] = 0, -1
    for j in range(k):
        for s in range(S):
            x = z[j * S + s] - top[s]
            e[s] = vm_exp_f32(x) if floating is float else vm_exp_f64(x)
            rest[s] += <floating>0 if e[s] == 1 else e[s]
            ones[s] += <floating>1 if e[s] == 1 else <floating>0
        for s in range(S):
            z[j * S + s] = e[s]
    for s in range(S):
        rest[s] += ones[s]


cdef inline void panel_scale(
    floating* z, Py_ssize_t k, const floating* alpha
) noexcept nogil:
    """z_js := alpha_s z_js"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    for j in range(k):
        for s in range(S):
            z[j * S + s] *= alpha[s]


cdef inline void softmax_panel(floating* z, Py_ssize_t k) noexcept nogil:
    """z := the softmax of k outputs, sample by sample"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    cdef floating top[MAX_S]
    cdef floating rest[MAX_S]
    panel_max(z, k, top)
    panel_exp(z, k, top, rest)
    for s in range(S):
        rest[s] = <floating>1 / (<floating>1 + rest[s])
    panel_scale(z, k, rest)


cdef inline void activate_output_panel(const plan_t* plan, floating* z) noexcept nogil:
    """z := O(z), sample by sample and head by head"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), i, k
    for i in range(plan.heads):
        k = plan.head[i].width
        if plan.head[i].output == SOFTMAX:
            softmax_panel(z, k)
        else:
            activate_any(plan.head[i].output, z, k * S)
        z += k * S


cdef inline void outputs_and_slopes_panel(
    const plan_t* plan, floating* z, floating* y_hat
) noexcept nogil:
    """y_hat := ŷ, and z, which holds a_L, := O'(a_L), but ŷ of a softmax"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), i, k
    for i in range(plan.heads):
        k = plan.head[i].width
        if plan.head[i].output == SOFTMAX:
            softmax_panel(z, k)
            memcpy(y_hat, z, k * S * sizeof(floating))
        else:
            value_and_slope(plan.head[i].output, z, y_hat, k * S)
        z, y_hat = z + k * S, y_hat + k * S


cdef inline void smooth_panel(
    const floating* z, Py_ssize_t k, const floating* top, floating kept, floating share,
    floating* mass, floating* dot,
) noexcept nogil:
    """mass, dot := those of (1 − ε) y + ε / k, from those of y; share = ε / k"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    for s in range(S):
        mass[s], dot[s] = kept * mass[s] + <floating>k * share, kept * dot[s]
    for j in range(k):
        for s in range(S):
            dot[s] += share * (z[j * S + s] - top[s])


cdef inline void dense_sums(
    const plan_t* plan, const batch_t* batch, const floating* z, Py_ssize_t k, Py_ssize_t column,
    const floating* top, floating* mass, floating* dot, floating* w,
) noexcept nogil:
    """mass_s := Σ_j y_j, dot_s := Σ_j y_j (z_js − top_s); 0, like w_s, where targets are missing"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    cdef const floating* y
    for s in range(batch.n):
        y = <const floating*>batch.Y + row_of(batch, s) * plan.targets + column
        mass[s] = dot[s] = 0
        if plan.missing and y[0] != y[0]:
            w[s] = 0
            continue
        for j in range(k):
            mass[s] += y[j]
            dot[s] += times(y[j], z[j * S + s] - top[s])


cdef inline void subtract_targets(
    const plan_t* plan, const batch_t* batch, floating* z, Py_ssize_t k, Py_ssize_t column,
    const floating* w,
) noexcept nogil:
    """z_js −= w_s y_j, for dense targets; nothing where they are missing"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    cdef const floating* y
    for s in range(batch.n):
        y = <const floating*>batch.Y + row_of(batch, s) * plan.targets + column
        if not (plan.missing and y[0] != y[0]):
            for j in range(k):
                z[j * S + s] -= w[s] * y[j]


cdef inline double softmax_cross_entropy_panel(
    const plan_t* plan, const head_t* head, const batch_t* batch, floating* z, Py_ssize_t column,
    double scale, bint delta,
) noexcept nogil:
    """Σ_s w_s ℓ_s, ℓ = Σ_c y_c (log Σ_j e^{a_j} − a_c); z := scale w_s (ŷ − y), y smoothed

    For a head of k outputs, which begins at this column of dense targets.
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), k = head.width, j, s, n = batch.n
    cdef const floating* weight = <const floating*>batch.weight
    cdef Py_ssize_t at[MAX_S]  # of the logit of the label
    cdef floating top[MAX_S]
    cdef floating rest[MAX_S]
    cdef floating dot[MAX_S]
    cdef floating mass[MAX_S]
    cdef floating w[MAX_S]
    cdef floating kept = <floating>(1 - head.smoothing), share = <floating>(head.smoothing / k)
    cdef double result = 0
    panel_max(z, k, top)
    for s in range(S):
        mass[s], dot[s], w[s] = 1, 0, 0
    for s in range(n):
        w[s] = 1 if weight is NULL else weight[row_of(batch, s)]
    if batch.Y is NULL:
        for s in range(n):
            at[s] = batch.labels[row_of(batch, s)] * S + s
            dot[s] = z[at[s]] - top[s]
    else:
        dense_sums(plan, batch, z, k, column, top, mass, dot, w)
    if share != 0:
        smooth_panel(z, k, top, kept, share, mass, dot)
    panel_exp(z, k, top, rest)
    for s in range(S):
        top[s] = vm_log1p_f32(rest[s]) if floating is float else vm_log1p_f64(rest[s])
    for s in range(n):
        result += w[s] * (<double>mass[s] * top[s] - dot[s])
    if not delta:
        return result
    for s in range(S):
        w[s] *= <floating>scale
        rest[s] = w[s] / (<floating>1 + rest[s])
    panel_scale(z, k, rest)
    if share != 0:
        for j in range(k):
            for s in range(S):
                z[j * S + s] -= share * w[s]
    for s in range(S):
        w[s] *= kept
    if batch.Y is NULL:
        for s in range(n):
            z[at[s]] -= w[s]
    else:
        subtract_targets(plan, batch, z, k, column, w)
    return result


cdef inline double losses_by_rows(
    const plan_t* plan, const head_t* head, const batch_t* batch, floating* z, Py_ssize_t column,
    double scale, bint delta, floating* row_z,
) noexcept nogil:
    """Σ_s w_s ℓ_s of a head, sample by sample; z := scale w_s ∇a, row_z as below"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), k = head.width, j, s, row, label = 0
    cdef const floating* Y = <const floating*>batch.Y
    cdef const floating* weight = <const floating*>batch.weight
    cdef const floating* y = NULL
    cdef double total = 0, w
    for s in range(batch.n):
        row = row_of(batch, s)
        w = 1 if weight is NULL else weight[row]
        if Y is not NULL:
            y = Y + row * plan.targets + column
        else:
            label = batch.labels[row]
        for j in range(k):
            row_z[j] = z[j * S + s]
        total += w * loss_of_head(
            head, row_z, y, label, k, <floating>(scale * w), delta, row_z + k
        )
        for j in range(k):
            z[j * S + s] = row_z[j]
    if delta:
        for j in range(k):
            for s in range(batch.n, S):
                z[j * S + s] = 0
    return total


cdef inline double losses_panel(
    const plan_t* plan, const batch_t* batch, floating* z, double scale, bint delta,
    floating* row_z,
) noexcept nogil:
    """Σ_s w_s ℓ_s over the n <= S samples of the batch; when delta, z := scale w_s ∇a_L

    row_z: 2 n_L of scratch, and a panel of n_L rows where dense targets are gathered.
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), i, column = 0
    cdef double total = 0, share
    cdef const head_t* head
    for i in range(plan.heads):
        head = plan.head + i
        share = scale * head.weight
        if head.weight == 0:
            memset(z, 0, head.width * S * sizeof(floating))
        elif head.canonical and head.loss == CROSS_ENTROPY:
            total += head.weight * softmax_cross_entropy_panel(
                plan, head, batch, z, column, share, delta
            )
        elif sums_over_outputs(head):
            total += head.weight * losses_over_outputs(
                plan, head, batch, z, column, share, row_z
            )
        else:
            total += head.weight * losses_by_rows(
                plan, head, batch, z, column, share, delta, row_z
            )
        z += head.width * S
        column += head.targets
    return total
