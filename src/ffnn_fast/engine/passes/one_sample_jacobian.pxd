# ∂ŷ/∂x of one sample, (n_L, n_0): all rows at once in reverse mode; in forward mode columns are
# the "samples" of panels; modes as in input_jacobian.pxd.
#
# Scratch, each part aligned:
#   g'(a_k) at 16 below[k], and O'(a_L), but ŷ of a softmax
#   h[k] at 16 (units + below[k])
#   rows or columns, twice, in turn

from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES, panels_forward, rows_product
from ffnn_fast.engine.passes.activation_loops cimport multiply, value_and_slope
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.one_sample cimport forward_layer
from ffnn_fast.engine.passes.outputs cimport outputs_and_slopes_row
from ffnn_fast.engine.plan cimport IDENTITY, SOFTMAX, plan_t


cdef inline Py_ssize_t products_after(const plan_t* plan, Py_ssize_t first, Py_ssize_t last) \
        noexcept nogil:
    """Σ n_k n_{k-1}, k = first..last"""
    cdef Py_ssize_t k, total = 0
    for k in range(first, last + 1):
        total += plan.n[k] * plan.n[k - 1]
    return total


cdef inline bint reverse_is_cheaper(const plan_t* plan, Py_ssize_t columns) noexcept nogil:
    """Whether n_L passes back cost no more than so many passes forward"""
    return plan.n[plan.L] * products_after(plan, 1, plan.L - 1) \
        <= columns * products_after(plan, 2, plan.L)


cdef inline Py_ssize_t columns_in_lanes(const plan_t* plan) noexcept nogil:
    """n_0, rounded up to whole vectors"""
    cdef Py_ssize_t lanes = plan.S // 2
    return (plan.n[0] + lanes - 1) // lanes * lanes


cdef inline Py_ssize_t widest_panel(const plan_t* plan) noexcept nogil:
    """Elements of the widest layer's panel"""
    cdef Py_ssize_t k, most = 0
    for k in range(plan.L + 1):
        most = max(most, plan.panel[k])
    return most


cdef inline Py_ssize_t one_sample_scratch(const plan_t* plan) noexcept nogil:
    """Elements that one sample needs: g' and h, and two blocks of rows or panels of columns"""
    cdef Py_ssize_t k, widest = 0, rows, columns
    for k in range(plan.L + 1):
        widest = max(widest, plan.n[k])
    rows = padded(plan.n[plan.L] * widest)
    columns = (plan.n[0] + plan.S - 1) // plan.S * widest_panel(plan)
    return 32 * plan.units \
        + 2 * (rows if reverse_is_cheaper(plan, columns_in_lanes(plan)) else columns)


cdef inline void scale_lanes(const floating* x, floating w, floating* d) noexcept nogil:
    """d := w x for the S lanes of a row of a panel"""
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), s
    for s in range(S):
        d[s] = w * x[s]


cdef inline floating* slopes_of_sample(
    const plan_t* plan, const floating* params, const floating* x, floating* slopes
) noexcept nogil:
    """slopes_of_panel for one sample; slopes[k] at 16 below[k], h[k] at 16 (units + below[k])"""
    cdef Py_ssize_t k
    cdef const floating* below = x
    cdef floating* a = NULL
    cdef floating* h = NULL
    for k in range(1, plan.L + 1):
        a, h = slopes + 16 * plan.below[k], slopes + 16 * (plan.units + plan.below[k])
        forward_layer(plan, params, k, below, a)
        if k == plan.L:
            outputs_and_slopes_row(plan, a, h)
        else:
            value_and_slope(plan.g[k], a, h, plan.n[k])
        below = h
    return h


cdef inline void rows_of_sample(
    const plan_t* plan, const floating* params, const floating* slopes, floating* d,
    floating* spare, floating* J,
) noexcept nogil:
    """J (n_L, n_0) := ∂a_L/∂x of one sample in reverse mode, L > 1"""
    cdef Py_ssize_t rows = plan.n[plan.L], k = plan.L - 1, j, size = rows * plan.n[k]
    cdef floating* following
    memcpy(d, params + plan.W[plan.L], size * sizeof(floating))
    while k > 0:
        for j in range(rows):
            multiply(slopes + 16 * plan.below[k], d + j * plan.n[k], plan.n[k])
        following = J if k == 1 else spare
        rows_product(
            rows, plan.n[k], plan.n[k - 1], d, plan.n[k], params + plan.W[k], following,
            plan.n[k - 1],
        )
        d, spare, k = following, d, k - 1


cdef inline void columns_of_sample(
    const plan_t* plan, const floating* params, const floating* slopes, floating* d,
    floating* spare, floating* J,
) noexcept nogil:
    """The same in forward mode: d holds n_0 columns as the samples of panels"""
    cdef Py_ssize_t S = plan.S, width = plan.n[0], panels = (width + S - 1) // S, k, p, u, c, size
    cdef const floating* W = params + plan.W[1]
    for p in range(panels):
        for u in range(plan.n[1]):
            size = min(S, width - p * S)
            for c in range(S):
                d[p * plan.panel[1] + u * S + c] = \
                    W[u * width + p * S + c] if c < size else <floating>0
    for k in range(1, plan.L):
        for p in range(panels):
            for u in range(plan.n[k]):
                scale_lanes(
                    d + p * plan.panel[k] + u * S, slopes[16 * plan.below[k] + u],
                    d + p * plan.panel[k] + u * S,
                )
        panels_forward[floating](
            width, plan.n[k + 1], plan.n[k], params + plan.W[k + 1], NULL, d, spare
        )
        d, spare = spare, d
    for p in range(panels):
        size = min(S, width - p * S)
        for u in range(plan.n[plan.L]):
            memcpy(
                J + u * width + p * S, d + p * plan.panel[plan.L] + u * S, size * sizeof(floating)
            )


cdef inline void output_jacobian_of_sample(
    const plan_t* plan, const floating* slope, floating* J
) noexcept nogil:
    """output_jacobian_panel for one sample"""
    cdef Py_ssize_t width = plan.n[0], i, j, c, k
    cdef floating dot
    if plan.g[plan.L] == IDENTITY:
        return
    for i in range(plan.heads):
        k = plan.head[i].width
        if plan.head[i].output != SOFTMAX:
            for j in range(k):
                for c in range(width):
                    J[j * width + c] *= slope[j]
        else:
            for c in range(width):
                dot = 0
                for j in range(k):
                    dot += slope[j] * J[j * width + c]
                for j in range(k):
                    J[j * width + c] = slope[j] * (J[j * width + c] - dot)
        slope, J = slope + k, J + k * width


cdef inline void input_jacobian_of_sample(
    const plan_t* plan, const floating* params, const floating* x, floating* y_hat, floating* J,
    floating* work,
) noexcept nogil:
    """ŷ, unless NULL, and J of one sample"""
    cdef Py_ssize_t k = plan.n[plan.L], size
    cdef floating* d = work + 32 * plan.units
    cdef floating* y = slopes_of_sample(plan, params, x, work)
    if y_hat is not NULL:
        memcpy(y_hat, y, k * sizeof(floating))
    size = (one_sample_scratch(plan) - 32 * plan.units) // 2
    if plan.L == 1:
        memcpy(J, params + plan.W[1], k * plan.n[0] * sizeof(floating))
    elif reverse_is_cheaper(plan, columns_in_lanes(plan)):
        rows_of_sample(plan, params, work, d, d + size, J)
    else:
        columns_of_sample(plan, params, work, d, d + size, J)
    output_jacobian_of_sample(plan, work + 16 * plan.below[plan.L], J)
