# Parametric activations, h = a + (g(a) − a) α, with α for each unit; d = g(a) − a.

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES, bias_gradient
from ffnn_fast.engine.passes.activation_loops cimport activate_any, multiply, value_and_slope
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S, drop_panel
from ffnn_fast.engine.plan cimport drops, plan_t, step_t

cdef enum:
    UNITS_AT_ONCE = 16  # of a panel, copied to the stack


cdef inline void blend(
    floating alpha, floating* d, floating* h, floating* slope, Py_ssize_t n
) noexcept nogil:
    """From d = a, h = g(a), slope = g'(a) of a unit: d := g(a) − a, h := a + d α,
    slope := 1 + (g'(a) − 1) α; slope may be NULL"""
    cdef Py_ssize_t i
    cdef floating a
    for i in range(n):
        a = d[i]
        d[i] = h[i] - a
        h[i] = a + d[i] * alpha
    if slope is not NULL:
        for i in range(n):
            slope[i] = <floating>1 + (slope[i] - <floating>1) * alpha


cdef inline void activate_parametric(
    const plan_t* plan, const floating* params, Py_ssize_t k, floating* h
) noexcept nogil:
    """h (n_k, S), which holds a, := a + (g(a) − a) α"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), n = plan.n[k], j = 0, i, some
    cdef const floating* alpha = params + plan.alpha[k]
    cdef floating a[UNITS_AT_ONCE * MAX_S]
    while j < n:
        some = min(<Py_ssize_t>UNITS_AT_ONCE, n - j)
        memcpy(a, h, some * S * sizeof(floating))
        activate_any(plan.g[k], h, some * S)
        for i in range(some):
            blend[floating](alpha[j + i], a + i * S, h + i * S, NULL, S)
        h += some * S
        j += some


cdef inline void activate_parametric_panel(
    const plan_t* plan, const step_t* step, const floating* params, Py_ssize_t k,
    Py_ssize_t first, floating* a, floating* h, floating* d,
) noexcept nogil:
    """h (n_k, S) := a + d α, a := its derivative, d := g(a) − a, all with the mask of the rows
    first.."""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), n = plan.n[k], j
    cdef const floating* alpha = params + plan.alpha[k]
    memcpy(d, a, n * S * sizeof(floating))
    value_and_slope(plan.g[k], a, h, n * S)
    for j in range(n):
        blend(alpha[j], d + j * S, h + j * S, a + j * S, S)
    if drops(plan, step, k):
        drop_panel(plan, step, k, first, h, a)
        drop_panel(plan, step, k, first, d, <floating*>NULL)


cdef inline void alpha_part(
    Py_ssize_t samples, Py_ssize_t n, const floating* dh, floating* d, floating* part
) noexcept nogil:
    """part (n,) := Σ over the samples of a panel of ∇h ⊙ d; d is used up"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating)
    multiply(dh, d, n * S)
    bias_gradient(samples, n, n, d, <floating>1, <floating>0, part, part)


cdef inline void add_parts(
    Py_ssize_t count, Py_ssize_t stride, Py_ssize_t n, const floating* parts, bint accumulate,
    floating* total,
) noexcept nogil:
    """total (n,) := Σ of `count` parts, stride apart, or + when accumulate"""
    cdef Py_ssize_t p, j
    if not accumulate:
        for j in range(n):
            total[j] = 0
    for p in range(count):
        for j in range(n):
            total[j] += parts[p * stride + j]
