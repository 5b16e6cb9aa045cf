# One sample: ŷ and J = ∂ŷ/∂x, (n_L, n_0), by tangents: each input's goes through the layers.
#
# Scratch, each part aligned, in this order: h_k of every layer; g'(a_k) of every layer; two
# tangents; zeros in the place of b_k.

from libc.string cimport memset

from ffnn_fast.engine.blas cimport gemv
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport forward_one_layer
from ffnn_fast.engine.passes.activation_loops cimport multiply, softmax_row, value_and_slope
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.one_sample cimport forward_layer
from ffnn_fast.engine.plan cimport SOFTMAX, plan_t


cdef inline Py_ssize_t widest(const plan_t* plan) noexcept nogil:
    """The most units of a layer, padded"""
    cdef Py_ssize_t k, most = 0
    for k in range(plan.L + 1):
        most = max(most, padded(plan.n[k]))
    return most


cdef inline Py_ssize_t point_jacobian_size(const plan_t* plan) noexcept nogil:
    """Elements of scratch"""
    return widest(plan) * (2 * plan.L + 3)


cdef inline void tangent_layer(
    const plan_t* plan, const floating* params, Py_ssize_t k, const floating* t,
    const floating* zeros, floating* out
) noexcept nogil:
    """out := W_k t"""
    cdef Py_ssize_t i = plan.n[k - 1], o = plan.n[k]
    if plan.own_products:
        forward_one_layer(o, i, params + plan.W[k], zeros, t, out)
    else:
        gemv(
            False, <int>o, <int>i, <floating>1, params + plan.W[k], <int>i, t, <floating>0, out
        )


cdef inline void softmax_tangent(const floating* y, floating* t, Py_ssize_t k) noexcept nogil:
    """t_j := ŷ_j (t_j − Σ_i ŷ_i t_i)"""
    cdef Py_ssize_t j
    cdef floating total = 0
    for j in range(k):
        total += y[j] * t[j]
    for j in range(k):
        t[j] = y[j] * (t[j] - total)


cdef inline void output_tangent(
    const plan_t* plan, const floating* y, const floating* slope, floating* t
) noexcept nogil:
    """t := O'(a_L) t"""
    cdef Py_ssize_t i
    if plan.g[plan.L] != SOFTMAX:
        multiply(slope, t, plan.n[plan.L])
        return
    for i in range(plan.heads):
        softmax_tangent(y, t, plan.head[i])
        y += plan.head[i]
        t += plan.head[i]


cdef inline void forward_with_slopes(
    const plan_t* plan, const floating* params, const floating* x, floating* h, floating* slopes
) noexcept nogil:
    """h_k and g'(a_k) of every layer, `widest` apart"""
    cdef Py_ssize_t width = widest(plan), k, i
    cdef floating* a
    for k in range(1, plan.L + 1):
        a = slopes + k * width
        forward_layer(plan, params, k, x, a)
        x = h + k * width
        if plan.g[k] != SOFTMAX:
            value_and_slope(plan.g[k], a, h + k * width, plan.n[k])
            continue
        for i in range(plan.n[k]):
            h[k * width + i] = a[i]
    if plan.g[plan.L] == SOFTMAX:
        a = h + plan.L * width
        for i in range(plan.heads):
            softmax_row(a, plan.head[i])
            a += plan.head[i]


cdef inline void value_and_jacobian_one(
    const plan_t* plan, const floating* params, const floating* x, floating* y, floating* J,
    floating* work,
) noexcept nogil:
    """y (n_L,) := ŷ and J (n_L, n_0) := ∂ŷ/∂x"""
    cdef Py_ssize_t width = widest(plan), L = plan.L, n_0 = plan.n[0], n_L = plan.n[plan.L]
    cdef Py_ssize_t c, i, k
    cdef floating* h = work - width  # h_1 is the first part
    cdef floating* slopes = h + L * width
    cdef floating* t = slopes + (L + 1) * width
    cdef floating* u = t + width
    cdef floating* zeros = u + width
    cdef const floating* W = params + plan.W[1]
    memset(zeros, 0, width * sizeof(floating))
    forward_with_slopes(plan, params, x, h, slopes)
    for i in range(n_L):
        y[i] = h[L * width + i]
    for c in range(n_0):
        for i in range(plan.n[1]):
            t[i] = W[i * n_0 + c]
        for k in range(2, L + 1):
            multiply(slopes + (k - 1) * width, t, plan.n[k - 1])
            tangent_layer(plan, params, k, t, zeros, u)
            t, u = u, t
        output_tangent(plan, h + L * width, slopes + L * width, t)
        for i in range(n_L):
            J[i * n_0 + c] = t[i]
