# R∇a_L of one sample, the derivative of ∇a_L along v, from a_L and its derivative ȧ_L along v.
#
# k outputs of one head; t holds ȧ_L on entry, R∇a_L on return; a_L is spent. y and label are as in
# row_losses.pxd. With J = ∂ŷ/∂a_L, which is symmetric, and ŷ̇ = J ȧ_L: for canonical pairs, whose
# ∇a_L is ŷ − y, R∇a_L = ŷ̇; else J (∂²ℓ/∂ŷ² ŷ̇) + J̇ ∇ŷ. Second derivatives are 0 at a kink.
# For the pairs in logit_losses.pxd that are not canonical, formulas of a_L take no quotient by a
# rounded probability. Where the head ignores missing targets, one that is NaN adds nothing.

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.maths.vecmath cimport POISSON_FLOOR, exp, log, logistic, tanh
from ffnn_fast.engine.passes.activation_loops cimport (
    magnitude, multiply, scale_row, softmax_row, value_and_slope,
)
from ffnn_fast.engine.passes.derivative_loops cimport second_derivative
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S
from ffnn_fast.engine.passes.logit_losses cimport (
    row_arg_max, set_zero, smoothed, target_of, times,
)
from ffnn_fast.engine.passes.row_losses cimport loss_and_slopes
from ffnn_fast.engine.plan cimport (
    BINARY_CROSS_ENTROPY, CROSS_ENTROPY, GAUSSIAN_NLL, HALF_SQUARED_ERROR, HUBER, LOGISTIC,
    LOG_COSH, POISSON, QUANTILE, SOFTMAX, SQUARED_ERROR, head_t, plan_t,
)


cdef inline bint is_missing(
    const head_t* head, const floating* y, Py_ssize_t j
) noexcept nogil:
    """Whether y_j is NaN and passed over"""
    return head.missing and y is not NULL and y[j] != y[j]


cdef inline floating row_dot(const floating* x, const floating* y, Py_ssize_t k) noexcept nogil:
    """Σ_j x_j y_j"""
    cdef Py_ssize_t j
    cdef floating total = 0
    for j in range(k):
        total += x[j] * y[j]
    return total


cdef inline floating loss_curvature(
    const head_t* head, int loss, floating p, floating y
) noexcept nogil:
    """∂²ℓ/∂ŷ_j² at ŷ_j = p, for a loss that is a sum over outputs, with 0 / 0 = 0"""
    cdef floating total = 0, slope
    if loss == SQUARED_ERROR:
        return 2
    if loss == HALF_SQUARED_ERROR:
        return 1
    if loss == HUBER:
        return <floating>(1 if magnitude(p - y) < <floating>head.delta else 0)
    if loss == LOG_COSH:
        slope = tanh(p - y)
        return <floating>1 - slope * slope
    if loss == POISSON:
        return y / (p * p) if p > POISSON_FLOOR else <floating>0
    if (loss == CROSS_ENTROPY or loss == BINARY_CROSS_ENTROPY) and y != 0:
        total += y / (p * p)
    if loss == BINARY_CROSS_ENTROPY and y != 1:
        total += (1 - y) / ((1 - p) * (1 - p))
    return total


cdef inline void curvature_of_gaussian(
    const head_t* head, const floating* p, const floating* y, floating* m
) noexcept nogil:
    """m := ∂²ℓ/∂ŷ² m of ℓ = Σ_t (s_t + u_t²) / 2, u = (μ − y) e^−s/2, ŷ = (μ, s)"""
    cdef Py_ssize_t t, T = head.targets
    cdef floating d, root, u, along
    for t in range(T):
        if is_missing(head, y, t):
            m[t] = m[T + t] = 0
            continue
        d, root = p[t] - y[t], exp(<floating>-0.5 * p[T + t])
        u = d * root if d != 0 else d  # not 0 · ∞
        along = times(m[t], root) - times(m[T + t], u)
        m[T + t] = <floating>-0.5 * u * (along + times(m[t], root))
        m[t] = times(along, root)


cdef inline void curvature_of_outputs(
    const head_t* head, int loss, const floating* p, const floating* y, Py_ssize_t label,
    Py_ssize_t k, floating* m,
) noexcept nogil:
    """m := ∂²ℓ/∂ŷ² m at ŷ = p"""
    cdef Py_ssize_t j, classes = 2 if loss == BINARY_CROSS_ENTROPY else k
    if loss == GAUSSIAN_NLL:
        curvature_of_gaussian(head, p, y, m)
        return
    if loss == QUANTILE:  # several outputs a target
        set_zero(m, k)
        return
    for j in range(k):
        if is_missing(head, y, j):
            m[j] = 0
        else:
            m[j] *= loss_curvature(
                head, loss, p[j], smoothed(head, target_of(y, label, j), classes)
            )


cdef inline void softmax_product(const floating* p, Py_ssize_t k, floating* t) noexcept nogil:
    """t := J t, J = diag(ŷ) − ŷ ŷᵀ, ŷ = p"""
    cdef Py_ssize_t j
    cdef floating dot = row_dot(p, t, k)
    for j in range(k):
        t[j] = p[j] * (t[j] - dot)


cdef inline void canonical_tangent(
    const head_t* head, Py_ssize_t O, floating* a, floating* t, const floating* y, Py_ssize_t k,
    floating* spare,
) noexcept nogil:
    """t := J t, 0 where the target is missing; spare: k of scratch"""
    cdef Py_ssize_t j
    if O == SOFTMAX:
        softmax_row(a, k)
        softmax_product(a, k, t)
    else:
        value_and_slope(O, a, spare, k)
        multiply(a, t, k)
    for j in range(k):
        if is_missing(head, y, j):
            t[j] = 0


cdef inline void second_derivatives_of_outputs(
    Py_ssize_t O, const floating* a, floating* m, Py_ssize_t k
) noexcept nogil:
    """m (k,) := O''(a), S at a time"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), at = 0, some
    cdef floating[MAX_S] x
    cdef floating[MAX_S] slopes
    memset(x, 0, S * sizeof(floating))
    while at < k:
        some = min(k - at, S)
        memcpy(x, a + at, some * sizeof(floating))
        second_derivative(O, <const floating*>x, <floating*>slopes, S)
        memcpy(m + at, slopes, some * sizeof(floating))
        at += some


cdef inline void general_tangent(
    const head_t* head, int loss, Py_ssize_t O, floating* a, floating* t, const floating* y,
    Py_ssize_t label, Py_ssize_t k, floating* p,
) noexcept nogil:
    """t := J (∂²ℓ/∂ŷ² J t) + J̇ ∇ŷ; p: 3 k of scratch

    For softmax J̇ g = ŷ̇ ⊙ (g − ŷ·g) − ŷ (ŷ̇·g), g = ∇ŷ; else O'' ȧ g.
    """
    cdef Py_ssize_t j
    cdef floating* g = p + k
    cdef floating* m = g + k
    cdef floating mean, turned
    if O == SOFTMAX:
        memcpy(p, a, k * sizeof(floating))
        softmax_row(p, k)
        softmax_product(p, k, t)
        memcpy(m, t, k * sizeof(floating))
    else:
        second_derivatives_of_outputs(O, a, m, k)
        multiply(t, m, k)
        value_and_slope(O, a, p, k)
        multiply(a, t, k)
    memcpy(g, p, k * sizeof(floating))
    loss_and_slopes(head, g, y, label, k, True)
    curvature_of_outputs(head, loss, p, y, label, k, t)
    if O == SOFTMAX:
        mean, turned = row_dot(p, g, k), row_dot(m, g, k)
        softmax_product(p, k, t)
        for j in range(k):
            t[j] += m[j] * (g[j] - mean) - p[j] * turned
    else:
        for j in range(k):
            t[j] = a[j] * t[j] + m[j] * g[j]


cdef inline void logistic_cross_entropy_tangent(
    const head_t* head, const floating* a, floating* t, const floating* y, Py_ssize_t label,
    Py_ssize_t k,
) noexcept nogil:
    """t_j := y_j σ(a_j) σ(−a_j) t_j, y smoothed"""
    cdef Py_ssize_t j
    for j in range(k):
        if is_missing(head, y, j):
            t[j] = 0
        else:
            t[j] *= smoothed(head, target_of(y, label, j), k) * logistic(a[j]) * logistic(-a[j])


cdef inline void softmax_binary_cross_entropy_tangent(
    const head_t* head, const floating* a, floating* t, const floating* y, Py_ssize_t label,
    Py_ssize_t k, floating* p,
) noexcept nogil:
    """t := ∂²ℓ/∂a² t of ℓ = −Σ_j y_j a_j + K log Σ_i e^{a_i} − Σ_j (1 − y_j) log Σ_{i≠j} e^{a_i}

    Sums over the K outputs whose targets are given, y smoothed; p: 4 k of scratch. The Hessian of
    log Σ_i e^{a_i} is that of softmax, J_q t = q ⊙ (t − q·t), the same for t less a constant: with
    m the output of the largest ŷ, w = t − t_m, f_j = (1 − y_j) / (1 − ŷ_j) and
    μ_j = (ŷ·w − ŷ_j w_j) / (1 − ŷ_j), j ≠ m, c the softmax without m, s its largest, u = t − t_s:
    R∇a_i = ŷ_i (K (w_i − ŷ·w) − Σ_{j≠i,m} f_j (w_i − μ_j)) − (1 − y_m) c_i (u_i − c·u),
    R∇a_m = −ŷ_m (K ŷ·w − Σ_{j≠m} f_j μ_j).
    """
    cdef Py_ssize_t j, s = -1, m = row_arg_max(a, k), given = 0
    cdef floating* f = p + k
    cdef floating* mu = f + k
    cdef floating* c = mu + k
    cdef floating y_j, no = 0, others = 0, rest, dot = 0, dot_c = 0, F = 0, M = 0, base, w
    for j in range(k):
        if j != m and (s < 0 or a[j] > a[s]):
            s = j
    for j in range(k):
        c[j] = <floating>0 if j == m else exp(a[j] - a[s])
        others += c[j]
    rest = <floating>0 if s < 0 else exp(a[s] - a[m] + log(others))
    base = t[m]
    for j in range(k):
        p[j] = exp(a[j] - a[m]) / (<floating>1 + rest)
        dot += p[j] * (t[j] - base)
        if j != m:
            c[j] /= others
            dot_c += c[j] * (t[j] - t[s])
    for j in range(k):
        f[j] = mu[j] = 0
        if is_missing(head, y, j):
            continue
        given += 1
        y_j = smoothed(head, target_of(y, label, j), 2)
        if j == m:
            no = <floating>1 - y_j
        else:
            f[j] = (<floating>1 - y_j) / (<floating>1 - p[j])
            mu[j] = (dot - p[j] * (t[j] - base)) / (<floating>1 - p[j])
            F += f[j]
            M += f[j] * mu[j]
    for j in range(k):
        c[j] *= (t[j] - t[s] if s >= 0 else <floating>0) - dot_c
    for j in range(k):
        w = t[j] - base
        t[j] = p[j] * (
            <floating>given * (w - dot) - ((F - f[j]) * w - (M - f[j] * mu[j]))
        ) - no * c[j]


cdef inline void tangent_of_head(
    const head_t* head, floating* a, floating* t, const floating* y, Py_ssize_t label,
    Py_ssize_t k, floating* spare,
) noexcept nogil:
    """t := R∇a_L of the k outputs of a head; spare: 4 k of scratch"""
    cdef Py_ssize_t O = head.output
    cdef int loss = head.loss
    if head.canonical:
        canonical_tangent(head, O, a, t, y, k, spare)
    elif loss == CROSS_ENTROPY and O == LOGISTIC:
        logistic_cross_entropy_tangent(head, a, t, y, label, k)
    elif loss == BINARY_CROSS_ENTROPY and O == SOFTMAX:
        softmax_binary_cross_entropy_tangent(head, a, t, y, label, k, spare)
    else:
        general_tangent(head, loss, O, a, t, y, label, k, spare)


cdef inline void tangent_row(
    const plan_t* plan, floating* a, floating* t, const floating* y, Py_ssize_t label,
    floating scale, floating* spare,
) noexcept nogil:
    """t := scale R∇a_L, head by head; spare: 4 n_L of scratch"""
    cdef Py_ssize_t i
    cdef const head_t* head
    for i in range(plan.heads):
        head = plan.head + i
        if head.weight == 0:
            memset(t, 0, head.width * sizeof(floating))
        else:
            tangent_of_head(head, a, t, y, label, head.width, spare)
            scale_row(t, head.width, <floating>(scale * head.weight))
        a, t = a + head.width, t + head.width
        if y is not NULL:
            y += head.targets
