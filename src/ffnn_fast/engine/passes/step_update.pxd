# All of a step that follows ∇a_k: ∇θ clipped, the optimizer's rule, the bound on rows of W_k, the
# average.
#
# Units are taken a few at a time, as threads share them: their gradient is used up while it is in
# cache. Only the norm of ∇θ needs all of it first.

from libc.math cimport INFINITY, sqrt

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport (
    MK_ROWS, bias_gradient, sum_of_squares, weight_gradient,
)
from ffnn_fast.engine.passes.batch_panels cimport (
    da_panel, extras_of, h_rows, panel_count, thread_scratch,
)
from ffnn_fast.engine.passes.input_block cimport feature_gradient, parts_panel
from ffnn_fast.engine.passes.optimizer_rates cimport (
    optimizer_t, rates_of_group, rates_t, rule_t,
)
from ffnn_fast.engine.passes.optimizer_rules cimport apply_rule, clip, update_average
from ffnn_fast.engine.passes.parametric cimport add_parts
from ffnn_fast.engine.passes.penalty cimport add_signs
from ffnn_fast.engine.passes.team cimport UNIT_GRAIN, share_end, share_start, team_t
from ffnn_fast.engine.plan cimport TABLE, plan_t

cdef enum:
    CLIPPED = 512       # entries of ∇θ that are clipped at a time
    IN_CACHE = 1 << 14  # entries of ∇W_k that are computed before they are used up, of a batch


cdef inline void update_entries(
    const rule_t* rule, const rates_t* rates, floating* params, const floating* grad,
    floating* state, Py_ssize_t P, Py_ssize_t n,
) noexcept nogil:
    """n entries one step on, from their gradient"""
    cdef floating[CLIPPED] clipped
    cdef Py_ssize_t start = 0, some
    if rule.clip_value == INFINITY and rates.scale == 1:
        apply_rule(rule.optimizer, rates, params, grad, state, P, n)
        return
    while start < n:
        some = min(n - start, <Py_ssize_t>CLIPPED)
        clip(rule.clip_value, rates.scale, grad + start, clipped, some)
        apply_rule(
            rule.optimizer, rates, params + start, clipped,
            NULL if state is NULL else state + start, P, some,
        )
        start += some


cdef inline void update_group(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t group, Py_ssize_t at,
    floating* params, const floating* grad, Py_ssize_t n,
) noexcept nogil:
    """Entries at..at+n-1 of θ, of one group, one step on, from their gradient (n,)"""
    update_range(plan, optimizer, &optimizer.rates, group, at, params, grad, n)


cdef inline void update_range(
    const plan_t* plan, const optimizer_t* optimizer, const rates_t* rates, Py_ssize_t group,
    Py_ssize_t at, floating* params, const floating* grad, Py_ssize_t n,
) noexcept nogil:
    """The same with the numbers of another step than the one at hand"""
    cdef floating* state = NULL
    cdef rates_t own
    if optimizer.rule.slots > 0:
        state = <floating*>optimizer.state + at
    if optimizer.rule.rate_factor is NULL:
        update_entries(optimizer.rule, rates, params + at, grad, state, plan.P, n)
    else:
        own = rates_of_group(optimizer.rule, rates, group)
        update_entries(optimizer.rule, &own, params + at, grad, state, plan.P, n)


cdef inline void average_entries(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t at, const floating* params,
    Py_ssize_t n,
) noexcept nogil:
    """The average of entries at..at+n-1, if one is kept, one step on"""
    cdef floating* mean = <floating*>optimizer.state + optimizer.rule.slots * plan.P
    if optimizer.rule.average > 0:
        update_average(
            optimizer.rule.average, optimizer.rates.t, params + at, mean + at, n
        )


cdef inline void bound_rows(
    double most, floating* W, Py_ssize_t rows, Py_ssize_t i
) noexcept nogil:
    """Each row of W (rows, i) scaled to norm `most` where it is larger"""
    cdef Py_ssize_t j
    cdef double norm
    cdef floating factor
    for _ in range(rows):
        norm = sqrt(sum_of_squares(i, W))
        if norm > most:
            factor = <floating>(most / norm)
            for j in range(i):
                W[j] *= factor
        W += i


cdef inline void update_units(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t k, Py_ssize_t r,
    Py_ssize_t rows, floating* params, const floating* dW, const floating* db,
) noexcept nogil:
    """W_k and b_k of units r..r+rows-1 one step on; dW (rows, n_{k-1}), db (rows,)"""
    cdef const rule_t* rule = optimizer.rule
    cdef Py_ssize_t i = plan.n[k - 1], b = plan.b[k] + r
    cdef Py_ssize_t at = plan.W[k] + r * i
    if not rule.frozen[k]:
        update_group(plan, optimizer, k - 1, at, params, dW, rows * i)
        update_group(plan, optimizer, plan.L + k - 1, b, params, db, rows)
        if rule.max_norm < INFINITY:
            bound_rows(rule.max_norm, params + at, rows, i)
    average_entries(plan, optimizer, at, params, rows * i)
    average_entries(plan, optimizer, b, params, rows)


cdef inline void update_alphas(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t k, Py_ssize_t r, Py_ssize_t rows,
    floating* params, const floating* d_alpha,
) noexcept nogil:
    """α_k of units r..r+rows-1 one step on; d_alpha (rows,)"""
    cdef Py_ssize_t at = plan.alpha[k] + r
    if not optimizer.rule.frozen[k]:
        update_group(plan, optimizer, 2 * plan.L + k - 1, at, params, d_alpha, rows)
    average_entries(plan, optimizer, at, params, rows)


cdef inline void update_feature(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t c, floating* params,
    const floating* grad,
) noexcept nogil:
    """The parameters of a column of X one step on, from ∇θ (P,)"""
    cdef Py_ssize_t at = plan.feature[c].start, n = plan.feature[c].size
    cdef Py_ssize_t group = 3 * plan.L + (1 if plan.feature[c].kind == TABLE else 0)
    for _ in range(2):  # the parameters of the column, then its scale
        if not optimizer.rule.frozen[0]:
            update_group(plan, optimizer, group, at, params, grad + at, n)
        average_entries(plan, optimizer, at, params, n)
        if plan.scale < 0:
            break
        at, n = plan.scale + plan.feature[c].at, plan.feature[c].units
        group = 3 * plan.L + 2


cdef inline void update_further(
    const plan_t* plan, const optimizer_t* optimizer, floating* params, const floating* grad,
    team_t team,
) noexcept nogil:
    """A thread's α_k and columns of X one step on, from ∇θ (P,)"""
    cdef Py_ssize_t k, first
    if plan.parametric:
        for k in range(1, plan.L):
            first = share_start(plan.n[k], UNIT_GRAIN, team)
            update_alphas(
                plan, optimizer, k, first, share_end(plan.n[k], UNIT_GRAIN, team) - first, params,
                grad + plan.alpha[k] + first,
            )
    if plan.feature is not NULL:
        for k in range(
            share_start(plan.columns, 1, team), share_end(plan.columns, 1, team)
        ):
            update_feature(plan, optimizer, k, params, grad)


cdef inline void update_all(
    const plan_t* plan, const optimizer_t* optimizer, floating* params, const floating* grad,
    team_t team,
) noexcept nogil:
    """A thread's units of all layers one step on, from ∇θ (P,)"""
    cdef Py_ssize_t k, first, rows
    for k in range(1, plan.L + 1):
        first = share_start(plan.n[k], UNIT_GRAIN, team)
        rows = share_end(plan.n[k], UNIT_GRAIN, team) - first
        update_units(
            plan, optimizer, k, first, rows, params, grad + plan.W[k] + first * plan.n[k - 1],
            grad + plan.b[k] + first,
        )
    if plan.extended:
        update_further(plan, optimizer, params, grad, team)


cdef inline void further_gradient(
    const plan_t* plan, Py_ssize_t n, const floating* params, floating* grad, bint accumulate,
    floating* work, team_t team,
) noexcept nogil:
    """A thread's α_k and columns of X: grad := their ∇θ, or + when accumulate, from ∇h of n
    samples"""
    cdef Py_ssize_t count = panel_count(plan, n), k, r
    cdef floating* extras = extras_of(plan, work, count)
    cdef floating* spare = thread_scratch(plan, work, count, team.thread) + plan.panel[plan.L]
    if plan.parametric:
        for k in range(1, plan.L):
            r = share_start(plan.n[k], UNIT_GRAIN, team)
            add_parts(
                count, plan.n[k], share_end(plan.n[k], UNIT_GRAIN, team) - r,
                parts_panel(plan, extras, count, k, 0) + r, accumulate, grad + plan.alpha[k] + r,
            )
    if plan.feature is not NULL:
        for k in range(
            share_start(plan.columns, 1, team), share_end(plan.columns, 1, team)
        ):
            feature_gradient(plan, n, params, k, extras, count, accumulate, grad, spare)


cdef inline Py_ssize_t block_of(
    Py_ssize_t i, Py_ssize_t entries, Py_ssize_t grain
) noexcept nogil:
    """Units with i inputs each that have about so many entries, in whole grains"""
    return max(<Py_ssize_t>1, entries // (i * grain)) * grain


cdef inline void panels_to_updates(
    const plan_t* plan, const optimizer_t* optimizer, Py_ssize_t n, floating* params,
    floating* grad, floating* work, bint store, team_t team,
) noexcept nogil:
    """Phase two, a thread's units: from ∇a_k of n samples one step on, or ∇θ into grad if `store`

    Else a few units' gradients at a time lie at the head of the thread's part of grad.
    """
    cdef Py_ssize_t count = panel_count(plan, n), N = count * plan.S, k, r, rows, i, first, end
    cdef const floating* da
    cdef floating* dW
    cdef floating* db
    for k in range(1 + plan.sparse, plan.L + 1):
        i = plan.n[k - 1]
        first = r = share_start(plan.n[k], UNIT_GRAIN, team)
        end = share_end(plan.n[k], UNIT_GRAIN, team)
        while r < end:
            rows = min(block_of(i, IN_CACHE, MK_ROWS), end - r)
            dW = grad + plan.W[k] + (r if store else first) * i
            db = grad + plan.b[k] + (r if store else first)
            if not optimizer.rule.frozen[k]:
                da = da_panel(plan, work, count, k, 0) + r * plan.S
                weight_gradient(
                    n, rows, plan.n[k], i, i, da, h_rows(plan, work, count, k - 1, 0), N,
                    <floating>1, <floating>plan.l2[k], params + plan.W[k] + r * i, dW, NULL,
                )
                bias_gradient(n, rows, plan.n[k], da, <floating>1, <floating>0, db, db)
                if plan.l1[k] != 0:
                    add_signs(plan.l1[k], params + plan.W[k] + r * i, dW, rows * i)
            if not store:
                update_units(plan, optimizer, k, r, rows, params, dW, db)
            r += rows
    if plan.extended:
        further_gradient(plan, n, params, grad, False, work, team)
        if not store:
            update_further(plan, optimizer, params, grad, team)


cdef inline Py_ssize_t count_of_parts(const plan_t* plan) noexcept nogil:
    """Parts of ‖∇θ‖²: one for each grain of units, one for each column of an input block"""
    cdef Py_ssize_t k, count = 0
    for k in range(1, plan.L + 1):
        count += (plan.n[k] + UNIT_GRAIN - 1) // UNIT_GRAIN
    return count + (0 if plan.feature is NULL else plan.columns)


cdef inline double squares(
    double bound, const floating* grad, Py_ssize_t n
) noexcept nogil:
    """Σ g² of the gradient cut to ±bound"""
    cdef floating[CLIPPED] clipped
    cdef Py_ssize_t start = 0, some
    cdef double total = 0
    if bound == INFINITY:
        return sum_of_squares(n, grad)
    while start < n:
        some = min(n - start, <Py_ssize_t>CLIPPED)
        clip(bound, 1, grad + start, clipped, some)
        total += sum_of_squares[floating](some, clipped)
        start += some
    return total


cdef inline void square_units(
    const plan_t* plan, const rule_t* rule, const floating* grad, double* parts, team_t team
) noexcept nogil:
    """A thread's parts of ‖∇θ‖², from ∇θ; frozen layers do not count"""
    cdef Py_ssize_t k, r, rows, i, end
    for k in range(1, plan.L + 1):
        i, r = plan.n[k - 1], share_start(plan.n[k], UNIT_GRAIN, team)
        end = share_end(plan.n[k], UNIT_GRAIN, team)
        while r < end:
            rows = min(<Py_ssize_t>UNIT_GRAIN, end - r)
            parts[r // UNIT_GRAIN] = 0
            if not rule.frozen[k]:
                parts[r // UNIT_GRAIN] = squares(
                    rule.clip_value, grad + plan.W[k] + r * i, rows * i
                ) + squares(rule.clip_value, grad + plan.b[k] + r, rows)
                if plan.parametric and k < plan.L:
                    parts[r // UNIT_GRAIN] += squares(
                        rule.clip_value, grad + plan.alpha[k] + r, rows
                    )
            r += rows
        parts += (plan.n[k] + UNIT_GRAIN - 1) // UNIT_GRAIN
    if plan.feature is not NULL:
        for k in range(share_start(plan.columns, 1, team), share_end(plan.columns, 1, team)):
            parts[k] = 0
            if rule.frozen[0]:
                continue
            parts[k] = squares(
                rule.clip_value, grad + plan.feature[k].start, plan.feature[k].size
            )
            if plan.scale >= 0:
                parts[k] += squares(
                    rule.clip_value, grad + plan.scale + plan.feature[k].at, plan.feature[k].units
                )


cdef inline double norm_scale(
    const plan_t* plan, const rule_t* rule, const double* parts
) noexcept nogil:
    """min(1, clip_norm / (‖∇θ‖ + 1e-6)), as torch.nn.utils.clip_grad_norm_"""
    cdef Py_ssize_t p
    cdef double total = 0, scale
    for p in range(count_of_parts(plan)):
        total += parts[p]
    scale = rule.clip_norm / (sqrt(total) + 1e-6)
    return scale if scale < 1 else 1
