# ∂ŷ/∂θ of every sample, (n_L, P): a pass back for each output, without the sum over samples.
#
# Scratch of a thread, each part aligned:
#   passes    h[k], da[k] of one panel, as in batch_panels.pxd
#   slopes    O'(a_L), but ŷ of a softmax
#   h rows    h[k] sample-major, (S, n_k), k = 0..L-1, one after another
#   da rows   ∇a_k sample-major, (S, n_k)

from libc.string cimport memcpy, memset

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport panel_to_rows
from ffnn_fast.engine.passes.batch cimport batch_t
from ffnn_fast.engine.passes.batch_panels cimport (
    backward_panels, da_panel, forward_panels, h_panel, input_panel_above, panel_count, rows_at,
    rows_of_panel,
)
from ffnn_fast.engine.passes.panel_losses cimport outputs_and_slopes_panel
from ffnn_fast.engine.passes.team cimport share_end, share_start, team_t
from ffnn_fast.engine.plan cimport SOFTMAX, outputs_only, plan_t, step_t


cdef inline Py_ssize_t parameter_jacobian_scratch(const plan_t* plan) noexcept nogil:
    """Elements of scratch of one thread"""
    return rows_at(plan, 1) + plan.panel[plan.L] + 2 * plan.S * plan.units


cdef inline void seed_output(
    const plan_t* plan, Py_ssize_t j, const floating* slopes, floating* z
) noexcept nogil:
    """z := ∂ŷ_j/∂a_L for the samples of a panel"""
    cdef Py_ssize_t S = plan.S, k = plan.n[plan.L], first = 0, i = 0, m, s
    memset(z, 0, k * S * sizeof(floating))
    while first + plan.head[i].width <= j:
        first += plan.head[i].width
        i += 1
    if plan.head[i].output != SOFTMAX:
        memcpy(z + j * S, slopes + j * S, S * sizeof(floating))
        return
    for m in range(first, first + plan.head[i].width):
        for s in range(S):
            z[m * S + s] = slopes[j * S + s] * (<floating>(m == j) - slopes[m * S + s])


cdef inline void write_gradient(
    Py_ssize_t o, Py_ssize_t i, const floating* da, const floating* h, floating* dW
) noexcept nogil:
    """dW (o, i) := da hᵀ, and da (o,) after it"""
    cdef Py_ssize_t u, v
    for u in range(o):
        for v in range(i):
            dW[v] = da[u] * h[v]
        dW += i
    memcpy(dW, da, o * sizeof(floating))


cdef inline void parameter_jacobian_of_panel(
    const plan_t* plan, const floating* params, const batch_t* panel, floating* J, floating* work
) noexcept nogil:
    """Rows of J (n, n_L, P) of the n <= S samples of a panel"""
    cdef Py_ssize_t S = plan.S, P = plan.P, o = plan.n[plan.L], n = panel.n, j, k, s
    cdef floating* slopes = work + rows_at(plan, 1)
    cdef floating* rows = slopes + plan.panel[plan.L]
    cdef floating* da = rows + S * plan.units
    cdef floating* z = h_panel(plan, work, 1, plan.L, 0)
    cdef step_t step = outputs_only()
    step.train = plan.keeps_slopes
    forward_panels(plan, &step, params, panel, 0, 1, work, 1, False, NULL)
    for k in range(plan.L):
        panel_to_rows(
            n, plan.n[k], input_panel_above(plan, &step, work, 1, k, 0), rows + S * plan.below[k]
        )
    memcpy(slopes, z, o * S * sizeof(floating))
    outputs_and_slopes_panel(plan, slopes, z)
    for j in range(o):
        seed_output(plan, j, slopes, z)
        backward_panels(plan, &step, params, n, 0, 1, work, 1)
        for k in range(1, plan.L + 1):
            panel_to_rows(n, plan.n[k], da_panel(plan, work, 1, k, 0), da)
            for s in range(n):
                write_gradient(
                    plan.n[k], plan.n[k - 1], da + s * plan.n[k],
                    rows + S * plan.below[k - 1] + s * plan.n[k - 1],
                    J + ((panel.first + s) * o + j) * P + plan.W[k],
                )


cdef inline void parameter_jacobians(
    const plan_t* plan, const floating* params, const batch_t* batch, floating* J, floating* work,
    team_t team,
) noexcept nogil:
    """J (n, n_L, P), a thread's share of the rows of the batch, which has no order"""
    cdef Py_ssize_t panels = panel_count(plan, batch.n), p
    cdef batch_t panel
    work += team.thread * parameter_jacobian_scratch(plan)
    for p in range(share_start(panels, 1, team), share_end(panels, 1, team)):
        panel = rows_of_panel(plan, batch, p)
        parameter_jacobian_of_panel(plan, params, &panel, J, work)
