# The directional derivatives of a softmax of k outputs in panels: loops run along the S lanes.
#
# ŷ = p, c = ȧ − Σ p ȧ, ẏ = p c; e = ä − Σ (ẏ ȧ + p ä), ÿ = ẏ c + p e.

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.passes.dropout_masks cimport MAX_S


cdef inline void add_products(
    const floating* x, const floating* y, Py_ssize_t k, floating* total
) noexcept nogil:
    """total_s += Σ_j x_js y_js"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    for j in range(k):
        for s in range(S):
            total[s] += x[j * S + s] * y[j * S + s]


cdef inline void clear_lanes(floating* total) noexcept nogil:
    """total_s := 0"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    for s in range(S):
        total[s] = 0


cdef inline void softmax_tangents(
    Py_ssize_t k, const floating* y, const floating* a1, const floating* a2, floating* y1,
    floating* y2, bint second,
) noexcept nogil:
    """y1 := ẏ; y2 := ÿ if `second`"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s, i
    cdef floating mean[MAX_S]
    cdef floating rate[MAX_S]
    clear_lanes(mean)
    add_products(y, a1, k, mean)
    for j in range(k):
        for s in range(S):
            i = j * S + s
            y1[i] = y[i] * (a1[i] - mean[s])
    if not second:
        return
    clear_lanes(rate)
    add_products(y1, a1, k, rate)
    add_products(y, a2, k, rate)
    for j in range(k):
        for s in range(S):
            i = j * S + s
            y2[i] = y1[i] * (a1[i] - mean[s]) + y[i] * (a2[i] - rate[s])


cdef inline void softmax_reverse(
    Py_ssize_t k, const floating* y, floating* a1, floating* a2, const floating* dy1,
    const floating* dy2, floating* dy, bint second,
) noexcept nogil:
    """a1 := ∇ȧ, dy += ∇ŷ, from dy1 = ∇ẏ; and a2 := ∇ä, from dy2 = ∇ÿ, if `second`

    With r = −Σ p ∇ÿ: ∇ẏ += ∇ÿ c + r ȧ, ∇c = ∇ÿ ẏ + ∇ẏ p; ∇ŷ = ∇ÿ e + r ä + ∇ẏ c − ȧ Σ ∇c,
    ∇ȧ = r ẏ + ∇c − p Σ ∇c, ∇ä = p (∇ÿ + r).
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s, i
    cdef floating mean[MAX_S]    # Σ p ȧ
    cdef floating rate[MAX_S]    # Σ (ẏ ȧ + p ä)
    cdef floating r[MAX_S]
    cdef floating dc[MAX_S]      # Σ ∇c
    cdef floating c, y1, d1, d2, e
    clear_lanes(mean)
    clear_lanes(rate)
    clear_lanes(r)
    clear_lanes(dc)
    add_products(y, a1, k, mean)
    if second:
        add_products(y, a2, k, rate)
        add_products(y, dy2, k, r)
        for s in range(S):
            r[s] = -r[s]
    for j in range(k):
        for s in range(S):
            i = j * S + s
            c = a1[i] - mean[s]
            y1 = y[i] * c
            d1, d2 = dy1[i], <floating>0
            if second:
                d2 = dy2[i]
                d1 += d2 * c + r[s] * a1[i]
            rate[s] += y1 * a1[i]
            dc[s] += d2 * y1 + d1 * y[i]
    for j in range(k):
        for s in range(S):
            i = j * S + s
            c = a1[i] - mean[s]
            y1 = y[i] * c
            d1, d2, e = dy1[i], <floating>0, <floating>0
            if second:
                d2, e = dy2[i], a2[i] - rate[s]
                d1 += d2 * c + r[s] * a1[i]
                dy[i] += d2 * e + r[s] * a2[i]
                a2[i] = y[i] * (d2 + r[s])
            dy[i] += d1 * c - dc[s] * a1[i]
            a1[i] = r[s] * y1 + d2 * y1 + d1 * y[i] - dc[s] * y[i]


cdef inline void softmax_jacobian(
    Py_ssize_t k, const floating* y, floating* dy
) noexcept nogil:
    """dy := ∇a = ŷ ⊙ (∇ŷ − Σ_j ∇ŷ_j ŷ_j), from dy = ∇ŷ"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    cdef floating mean[MAX_S]
    clear_lanes(mean)
    add_products(y, dy, k, mean)
    for j in range(k):
        for s in range(S):
            dy[j * S + s] = y[j * S + s] * (dy[j * S + s] - mean[s])
