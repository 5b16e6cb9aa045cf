# ℓ(ŷ, y) of one sample and its ∇a_L. Targets are dense (y, T values) or a label, y = e(label).
#
# k outputs of one head; z holds a_L on entry. The pairs of output and loss in logit_losses.pxd are
# computed from a_L; every other pair goes through ŷ and the Jacobian product.
# Where the head ignores missing targets, one that is NaN adds nothing.

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare
from ffnn_fast.engine.maths.vecmath cimport POISSON_FLOOR, exp, expm1, log, log1p, tanh
from ffnn_fast.engine.passes.activation_loops cimport (
    magnitude, softmax_row, value_and_slope,
)
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.logit_losses cimport (
    exp_poisson, logistic_binary_cross_entropy, logistic_cross_entropy,
    softmax_binary_cross_entropy, softmax_cross_entropy, smoothed, target_of,
)
from ffnn_fast.engine.plan cimport (
    ABSOLUTE, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, GAUSSIAN_NLL, HALF_SQUARED_ERROR, HINGE, HUBER,
    IDENTITY, LINEAR, LOGISTIC, LOG_COSH, POISSON, QUANTILE, SOFTMAX, SQUARED_ERROR, head_t, plan_t,
)


cdef inline floating log_cosh(floating d) noexcept nogil:
    """log cosh d for d >= 0; cosh d − 1 = 2 sinh²(d/2) = m² / (2 (1 + m)), m = e^−d − 1"""
    cdef floating m
    if d < 1:
        m = expm1(-d)
        return log1p(<floating>0.5 * m * m / (<floating>1 + m))
    return d - (<floating>0.6931471805599453 - log1p(exp(<floating>-2 * d)))


cdef inline floating loss_of_output(const head_t* head, floating p, floating y) noexcept nogil:
    """One output's share of ℓ, with 0 log 0 = 0"""
    cdef floating total = 0, d = magnitude(p - y), delta
    cdef int loss = head.loss
    if loss == SQUARED_ERROR:
        return d * d
    if loss == HALF_SQUARED_ERROR:
        return <floating>0.5 * d * d
    if loss == ABSOLUTE:
        return d
    if loss == HUBER:
        delta = <floating>head.delta
        return delta * (d - <floating>0.5 * delta) if d > delta else <floating>0.5 * d * d
    if loss == LINEAR:
        return y * p
    if loss == LOG_COSH:
        return log_cosh(d)
    if loss == POISSON:
        return p - y * log(<floating>POISSON_FLOOR if p < POISSON_FLOOR else p)
    if y != 0:
        total -= y * log(p)
    if loss == BINARY_CROSS_ENTROPY and y != 1:
        total -= (1 - y) * log(1 - p)
    return total


cdef inline floating loss_slope(const head_t* head, floating p, floating y) noexcept nogil:
    """∂ℓ/∂ŷ_j at ŷ_j = p, with 0 / 0 = 0"""
    cdef floating total = 0, d = p - y, delta
    cdef int loss = head.loss
    if loss == SQUARED_ERROR:
        return <floating>2 * d
    if loss == HALF_SQUARED_ERROR:
        return d
    if loss == ABSOLUTE:
        return <floating>1 if d > 0 else (<floating>-1 if d < 0 else d)
    if loss == HUBER:
        delta = <floating>head.delta
        return delta if d > delta else (-delta if d < -delta else d)
    if loss == LINEAR:
        return y
    if loss == LOG_COSH:
        return tanh(d)
    if loss == POISSON:
        return <floating>1 - y / (<floating>POISSON_FLOOR if p < POISSON_FLOOR else p)
    if y != 0:
        total -= y / p
    if loss == BINARY_CROSS_ENTROPY and y != 1:
        total += (1 - y) / (1 - p)
    return total


cdef inline double loss_of_outputs(
    const head_t* head, floating* p, const floating* y, Py_ssize_t label, Py_ssize_t k, bint delta
) noexcept nogil:
    """ℓ, a sum over outputs; when delta, ŷ := ∇ŷ"""
    cdef Py_ssize_t j, classes = 2 if head.loss == BINARY_CROSS_ENTROPY else k
    cdef floating y_j
    cdef double total = 0
    for j in range(k):
        y_j = target_of(y, label, j)
        if head.missing and y_j != y_j:
            p[j] = 0
            continue
        y_j = smoothed(head, y_j, classes)
        total += loss_of_output(head, p[j], y_j)
        if delta:
            p[j] = loss_slope(head, p[j], y_j)
    return total


cdef inline double quantile_loss(
    const head_t* head, floating* p, const floating* y, Py_ssize_t label, bint delta
) noexcept nogil:
    """ℓ = Σ_t Σ_q max(q d, (q − 1) d), d = y_t − ŷ_tq; when delta, ŷ := ∇ŷ"""
    cdef Py_ssize_t t, i
    cdef floating d, q, y_t
    cdef double total = 0
    for t in range(head.targets):
        y_t = target_of(y, label, t)
        for i in range(head.quantiles):
            q, d = <floating>head.level[i], y_t - p[i]
            if head.missing and y_t != y_t:
                d = 0
            total += q * d if d > 0 else (q - <floating>1) * d
            if delta:
                p[i] = -q if d > 0 else (<floating>1 - q if d < 0 else d)
        p += head.quantiles
    return total


cdef inline double gaussian_nll_loss(
    const head_t* head, floating* p, const floating* y, bint delta
) noexcept nogil:
    """ℓ = Σ_t (s_t + u_t²) / 2, u = (μ − y) e^−s/2, ŷ = (μ, s); when delta, ŷ := ∇ŷ

    u is 0 where μ = y, however large e^−s/2; otherwise it may overflow to ∞.
    """
    cdef Py_ssize_t t
    cdef floating* s = p + head.targets
    cdef floating d, root, u
    cdef double total = 0
    for t in range(head.targets):
        if head.missing and y[t] != y[t]:
            p[t] = s[t] = 0
            continue
        d, root = p[t] - y[t], exp(<floating>-0.5 * s[t])
        u = d * root if d != 0 else d  # not 0 · ∞
        total += <floating>0.5 * (s[t] + u * u)
        if delta:
            p[t] = u * root if u != 0 else u
            s[t] = <floating>0.5 - <floating>0.5 * u * u
    return total


cdef inline double hinge_loss(
    const head_t* head, floating* p, const floating* y, Py_ssize_t label, Py_ssize_t k, bint delta
) noexcept nogil:
    """ℓ = max(0, 1 + max_{j ≠ c} ŷ_j − ŷ_c), c the class; when delta, ŷ := ∇ŷ"""
    cdef Py_ssize_t j, best
    cdef floating margin
    cdef bint known = y is NULL or not head.missing or y[0] == y[0]
    if y is not NULL:
        label = 0
        for j in range(1, k):
            label = j if y[j] > y[label] else label
    best = 1 if label == 0 else 0
    for j in range(best + 1, k):
        best = j if j != label and p[j] > p[best] else best
    margin = <floating>1 + p[best] - p[label] if known else 0
    if delta:
        for j in range(k):
            p[j] = 0
        if margin > 0:
            p[best], p[label] = 1, -1
    return 0 if margin < 0 else margin


cdef inline double loss_and_slopes(
    const head_t* head, floating* p, const floating* y, Py_ssize_t label, Py_ssize_t k, bint delta
) noexcept nogil:
    """ℓ(ŷ, y), p = ŷ; when delta, p := ∇ŷ, else it may be spent"""
    if head.loss == QUANTILE:
        return quantile_loss(head, p, y, label, delta)
    if head.loss == GAUSSIAN_NLL:
        return gaussian_nll_loss(head, p, y, delta)
    if head.loss == HINGE:
        return hinge_loss(head, p, y, label, k, delta)
    return loss_of_outputs(head, p, y, label, k, delta)


cdef inline double general_loss(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta, floating* spare,
) noexcept nogil:
    """ℓ from ŷ = O(a_L); z := scale J_Oᵀ ∇ŷ (for softmax, J = diag(ŷ) − ŷ ŷᵀ)"""
    cdef Py_ssize_t j
    cdef floating dot = 0
    cdef double total
    if head.output == IDENTITY:
        total = loss_and_slopes(head, z, y, label, k, delta)
        for j in range(k):
            z[j] = scale * z[j]
        return total
    if head.output != SOFTMAX:
        value_and_slope(head.output, z, spare, k)
        total = loss_and_slopes(head, spare, y, label, k, delta)
        for j in range(k):
            z[j] = scale * spare[j] * z[j]
        return total
    softmax_row(z, k)
    memcpy(spare, z, k * sizeof(floating))
    total = loss_and_slopes(head, z, y, label, k, delta)
    for j in range(k):
        dot += spare[j] * z[j]
    for j in range(k):
        z[j] = scale * spare[j] * (z[j] - dot)
    return total


cdef inline double loss_of_head(
    const head_t* head, floating* z, const floating* y, Py_ssize_t label, Py_ssize_t k,
    floating scale, bint delta, floating* spare,
) noexcept nogil:
    """ℓ of the k outputs of a head; when delta, z := scale ∇a_L, else z is spent"""
    cdef Py_ssize_t O = head.output
    if head.canonical and head.loss == CROSS_ENTROPY:
        return softmax_cross_entropy(head, z, y, label, k, scale, delta)
    if head.canonical and head.loss == BINARY_CROSS_ENTROPY:
        return logistic_binary_cross_entropy(head, z, y, label, k, scale, delta)
    if head.canonical and head.loss == POISSON:
        return exp_poisson(head, z, y, label, k, scale, delta)
    if head.loss == CROSS_ENTROPY and O == LOGISTIC:
        return logistic_cross_entropy(head, z, y, label, k, scale, delta)
    if head.loss == BINARY_CROSS_ENTROPY and O == SOFTMAX:
        return softmax_binary_cross_entropy(head, z, y, label, k, scale, delta, spare)
    return general_loss(head, z, y, label, k, scale, delta, spare)


cdef inline double loss_of_heads(
    const plan_t* plan, floating* z, const floating* y, floating scale, bint delta, floating* spare,
) noexcept nogil:
    """ℓ, the weighted sum over several heads, whose targets are dense; z as in loss_row"""
    cdef Py_ssize_t i
    cdef const head_t* head
    cdef double total = 0
    for i in range(plan.heads):
        head = plan.head + i
        if head.weight == 0:  # times an infinite loss it would be NaN
            memset(z, 0, head.width * sizeof(floating))
        else:
            total += head.weight * loss_of_head(
                head, z, y, 0, head.width, <floating>(scale * head.weight), delta, spare
            )
        z += head.width
        y += head.targets
    return total


cdef inline double loss_row(
    const plan_t* plan, floating* z, const floating* y, Py_ssize_t label, floating scale,
    bint delta, floating* spare,
) noexcept nogil:
    """Returns ℓ; when delta, z := scale ∇a_L, else z is spent; spare: n_L of scratch"""
    if rare(plan.heads > 1):
        return loss_of_heads(plan, z, y, scale, delta, spare)
    return loss_of_head(plan.head, z, y, label, plan.n[plan.L], scale, delta, spare)


cdef inline double add_loss(
    double total, const plan_t* plan, const batch_t* batch, Py_ssize_t r, floating* z,
    double scale, bint delta, floating* spare,
) noexcept nogil:
    """Returns total + w ℓ of row r of the batch; when delta, z := scale w ∇a_L

    z and spare as above. The sum is made here: the compiler may fuse it with the product.
    """
    cdef Py_ssize_t row = row_of(batch, r)
    cdef const floating* Y = <const floating*>batch.Y
    cdef const floating* weight = <const floating*>batch.weight
    cdef double w = 1
    if weight is not NULL:
        w = weight[row]
    if Y is not NULL:
        return total + w * loss_row(
            plan, z, Y + row * plan.targets, 0, <floating>(scale * w), delta, spare
        )
    return total + w * loss_row(
        plan, z, <const floating*>NULL, batch.labels[row], <floating>(scale * w), delta, spare
    )
