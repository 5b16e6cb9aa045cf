# The losses of a panel that are sums over outputs, each of one ŷ_j and one target.
#
# z (k, S) holds a_L of S samples feature-major: the samples of one output are taken together. Each
# sample has the numbers, in the order of the sums, of its loss by row_losses.pxd.

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.maths.vecmath cimport (
    vm_exp_f32, vm_exp_f64, vm_logistic_f32, vm_logistic_f64, vm_softplus_tail_f32,
    vm_softplus_tail_f64,
)
from ffnn_fast.engine.passes.activation_loops cimport magnitude, value_and_slope
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.passes.logit_losses cimport smoothed, times
from ffnn_fast.engine.passes.row_losses cimport loss_of_output, loss_slope
from ffnn_fast.engine.plan cimport (
    ABSOLUTE, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, GAUSSIAN_NLL, HALF_SQUARED_ERROR, HINGE, HUBER,
    IDENTITY, LOGISTIC, POISSON, QUANTILE, SOFTMAX, SQUARED_ERROR, head_t, plan_t,
)

cdef struct sample_targets_t:  # the targets of the samples of a panel
    const void* target[MAX_S]  # where the targets of the sample begin, of the plan's dtype
    Py_ssize_t label[MAX_S]    # instead of them


cdef inline bint sums_over_outputs(const head_t* head) noexcept nogil:
    """Whether the losses of a head are computed here"""
    if head.output == SOFTMAX or head.loss == GAUSSIAN_NLL or head.loss == HINGE:
        return False
    return not (head.loss == CROSS_ENTROPY and head.output == LOGISTIC)


cdef inline void targets_of_output(
    const head_t* head, const sample_targets_t* rows, Py_ssize_t n, Py_ssize_t j, floating* y
) noexcept nogil:
    """y_s := the target of output j, smoothed, of n <= S samples; 0 in the other lanes"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    cdef Py_ssize_t classes = 2 if head.loss == BINARY_CROSS_ENTROPY else head.width
    cdef Py_ssize_t t = j // head.quantiles if head.loss == QUANTILE else j
    for s in range(n):
        if rows.target[s] is NULL:
            y[s] = <floating>(1 if rows.label[s] == t else 0)
        else:
            y[s] = (<const floating*>rows.target[s])[t]
    for s in range(n, S):
        y[s] = 0
    if head.smoothing != 0 and head.loss != QUANTILE:
        for s in range(n):
            y[s] = smoothed(head, y[s], classes)


cdef inline void losses_from_logits(
    const head_t* head, floating* z, const floating* y, floating* loss
) noexcept nogil:
    """loss_s, z := ŷ − y of a canonical pair, from a_L; the formulas are those of logit_losses"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    cdef floating a, p
    if head.loss == POISSON:
        for s in range(S):
            a = z[s]
            p = vm_exp_f32(a) if floating is float else vm_exp_f64(a)
            loss[s] = p - times(y[s], a)
            z[s] = p - y[s]
        return
    for s in range(S):
        a = magnitude(z[s])
        p = vm_softplus_tail_f32(a) if floating is float else vm_softplus_tail_f64(a)
        loss[s] = times(<floating>1 - y[s] if z[s] > 0 else y[s], a) + p
    for s in range(S):
        p = vm_logistic_f32(z[s]) if floating is float else vm_logistic_f64(z[s])
        z[s] = p - y[s]


cdef inline void losses_of_output(
    const head_t* head, Py_ssize_t j, floating* p, const floating* y, Py_ssize_t n, floating* loss
) noexcept nogil:
    """loss_s of ŷ_j = p, and p := ∂ℓ/∂ŷ_j, for n samples"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    cdef floating d, half, delta = <floating>head.delta, q
    if head.loss == SQUARED_ERROR or head.loss == HALF_SQUARED_ERROR:
        half = <floating>(1 if head.loss == SQUARED_ERROR else 0.5)
        for s in range(S):
            d = p[s] - y[s]
            loss[s] = half * d * d
            p[s] = <floating>2 * half * d
    elif head.loss == ABSOLUTE:
        for s in range(S):
            d = p[s] - y[s]
            loss[s] = magnitude(d)
            p[s] = <floating>1 if d > 0 else (<floating>-1 if d < 0 else d)
    elif head.loss == HUBER:
        for s in range(S):
            d = p[s] - y[s]
            q = magnitude(d)
            loss[s] = delta * (q - <floating>0.5 * delta) if q > delta else <floating>0.5 * q * q
            p[s] = delta if d > delta else (-delta if d < -delta else d)
    elif head.loss == QUANTILE:
        q = <floating>head.level[j % head.quantiles]
        for s in range(S):
            d = y[s] - p[s]
            loss[s] = q * d if d > 0 else (q - <floating>1) * d
            p[s] = -q if d > 0 else (<floating>1 - q if d < 0 else d)
    else:
        for s in range(n):
            loss[s] = loss_of_output(head, p[s], y[s])
            p[s] = loss_slope(head, p[s], y[s])


cdef inline void add_output(
    const head_t* head, Py_ssize_t j, floating* z, const floating* y, const floating* w,
    double* total, Py_ssize_t n,
) noexcept nogil:
    """total_s += the loss of output j of n samples, z := w_s ∂ℓ/∂a_j

    A target that is NaN adds nothing where the head passes over missing ones.
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    cdef floating loss[MAX_S]
    cdef floating p[MAX_S]
    if head.canonical and (head.loss == BINARY_CROSS_ENTROPY or head.loss == POISSON):
        losses_from_logits(head, z, y, loss)
        for s in range(S):
            z[s] = w[s] * z[s]
    elif head.output == IDENTITY:  # p = a, and its slope is 1
        losses_of_output(head, j, z, y, n, loss)
        for s in range(S):
            z[s] = w[s] * z[s]
    else:
        value_and_slope(head.output, z, p, S)
        losses_of_output(head, j, p, y, n, loss)
        for s in range(S):
            z[s] = w[s] * p[s] * z[s]
    if head.missing:
        for s in range(n):
            loss[s] = loss[s] if y[s] == y[s] else <floating>0
            z[s] = z[s] if y[s] == y[s] else <floating>0
    for s in range(n):
        total[s] += loss[s]
    for s in range(n, S):
        z[s] = 0


cdef inline double losses_over_outputs(
    const plan_t* plan, const head_t* head, const batch_t* batch, floating* z, Py_ssize_t column,
    double scale,
) noexcept nogil:
    """Σ_s w_s ℓ_s, z := scale w_s ∇a

    For a head of k outputs, which begins at this column of dense targets.
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s, row, n = batch.n
    cdef const floating* Y = <const floating*>batch.Y
    cdef const floating* weight = <const floating*>batch.weight
    cdef sample_targets_t rows
    cdef floating y[MAX_S]
    cdef floating w[MAX_S]
    cdef double total[MAX_S]
    cdef double result = 0
    for s in range(S):
        total[s] = w[s] = 0
    for s in range(n):
        row = row_of(batch, s)
        w[s] = <floating>(scale if weight is NULL else scale * weight[row])
        rows.target[s] = NULL if Y is NULL else Y + row * plan.targets + column
        rows.label[s] = batch.labels[row] if Y is NULL else 0
    for j in range(head.width):
        targets_of_output(head, &rows, n, j, y)
        add_output(head, j, z + j * S, y, w, total, n)
    for s in range(n):
        result += (<double>1 if weight is NULL else <double>weight[row_of(batch, s)]) * total[s]
    return result
