# Included by engine.pyx: a StepRule made plain numbers, and a step by itself.

OPTIMIZERS = {  # (name, state vectors): code
    ("sgd", 0): SGD, ("momentum", 1): MOMENTUM, ("nesterov", 1): NESTEROV,
    ("adagrad", 1): ADAGRAD, ("rmsprop", 1): RMSPROP, ("rmsprop", 2): RMSPROP_MOMENTUM,
    ("adam", 2): ADAM, ("nadam", 2): NADAM, ("adamw", 2): ADAMW, ("rprop", 2): RPROP,
}


cdef bytes _read_rule(Plan plan, object rule, rule_t* c):
    """c := a StepRule; the caller holds the returned flags, which c points to"""
    cdef Py_ssize_t L = plan.c.L, k
    if not rule.optimizer.compiled:
        raise ValueError(f"the compiled engine has no rule {rule.optimizer!r}")
    cdef bytes frozen = bytes(k in rule.frozen for k in range(L + 1))
    _require(all(k <= L for k in rule.frozen), f"frozen {rule.frozen}")
    c.slots = rule.optimizer.slots
    c.optimizer = OPTIMIZERS[rule.optimizer.name, c.slots]
    c.clip_value, c.clip_norm, c.max_norm = rule.clip_value, rule.clip_norm, rule.max_norm
    c.average, c.frozen, c.seed = rule.average, frozen, rule.seed
    c.plain = (
        c.optimizer == SGD and c.average == 0 and not rule.frozen
        and min(c.clip_value, c.clip_norm, c.max_norm) == INFINITY
    )
    return frozen


cdef floating* _state(Plan plan, object rule, floating[:, ::1] state) except? NULL:
    """Pointer to the state (rule.slots, P), or NULL when the rule keeps none"""
    cdef Py_ssize_t slots = rule.slots
    _require(state.shape[0] == slots and state.shape[1] == plan.c.P, "state")
    return &state[0, 0] if slots > 0 else NULL


cdef object _update(
    Plan plan, object rule, const double[::1] hyper, floating[::1] params,
    const floating[::1] grad, floating[:, ::1] state, Py_ssize_t t,
):
    cdef floating* slots = _state[floating](plan, rule, state)
    cdef Py_ssize_t P = plan.c.P
    cdef double* parts
    cdef rates_t rates
    cdef rule_t c
    cdef bytes _flags = _read_rule(plan, rule, &c)
    _require(params.shape[0] == P, "params")
    _require(grad.shape[0] == P, "grad")
    _require(hyper.shape[0] == len(rule.optimizer.hyper), "hyper")
    rates.product_t = 0
    set_rates(&c, &hyper[0], t, &rates)
    if c.clip_norm < INFINITY:
        parts = <double*>PyMem_Malloc(parts_count(&plan.c) * sizeof(double))
        if parts is NULL:
            raise MemoryError()
        square_units(&plan.c, &c, &grad[0], parts, 0, 1)
        rates.scale = norm_scale(&plan.c, &c, parts)
        PyMem_Free(parts)
    with nogil:
        move_all(&plan.c, &c, &rates, &params[0], &grad[0], slots, 0, 1)


def update(Plan plan, rule, hyper, params, grad, state, t):
    """One step (module 4.2): params and state (rule.slots, P) change in place; t is from 1."""
    if plan.is_double:
        _update[double](plan, rule, hyper, params, grad, state, t)
    else:
        _update[float](plan, rule, hyper, params, grad, state, t)
