# Reads a StepRule, all of a step that is not the gradient, into the numbers of a rule_t.

from libc.math cimport INFINITY

from ffnn_fast.engine.arguments cimport require
from ffnn_fast.engine.passes.optimizer_rates cimport (
    ADADELTA, ADAGRAD, ADAM, ADAMAX, ADAMW, AMSGRAD, MOMENTUM, NADAM, NESTEROV, RADAM, RMSPROP,
    RMSPROP_MOMENTUM, RPROP, SGD, rule_t,
)


cdef inline int optimizer_code(optimizer) except -1:
    """The code of a compiled optimizer with its number of state vectors"""
    if not optimizer.compiled:
        raise ValueError(f"the compiled engine has no rule {optimizer!r}")
    return {
        ("sgd", 0): SGD, ("momentum", 1): MOMENTUM, ("nesterov", 1): NESTEROV,
        ("adagrad", 1): ADAGRAD, ("rmsprop", 1): RMSPROP, ("rmsprop", 2): RMSPROP_MOMENTUM,
        ("adadelta", 2): ADADELTA, ("adam", 2): ADAM, ("nadam", 2): NADAM, ("adamw", 2): ADAMW,
        ("adamax", 2): ADAMAX, ("amsgrad", 3): AMSGRAD, ("radam", 2): RADAM, ("rprop", 2): RPROP,
    }[optimizer.name, optimizer.slots]


cdef inline bytes read_rule(rule, Py_ssize_t L, rule_t* c):
    """c := a StepRule for L layers; the caller keeps the returned bytes, which c points to"""
    cdef bytes frozen = bytes([k in rule.frozen for k in range(L + 1)])
    cdef Py_ssize_t groups = 3 * L + 3 if rule.has_factors else 0
    cdef bytes numbers = rule.packed_factors(L) + frozen
    c.rate_factor = c.decay_factor = c.epsilon_factor = NULL
    if groups:
        c.rate_factor = <const double*><const char*>numbers
        c.decay_factor = c.rate_factor + groups
        c.epsilon_factor = c.decay_factor + groups
    c.frozen = <const char*>numbers + 3 * groups * sizeof(double)
    require(all([k <= L for k in rule.frozen]), f"frozen {rule.frozen}")
    c.optimizer, c.slots = optimizer_code(rule.optimizer), rule.optimizer.slots
    c.clip_value, c.clip_norm, c.max_norm = rule.clip_value, rule.clip_norm, rule.max_norm
    c.average, c.seed = rule.average, rule.seed
    cdef bint alone = (
        c.average == 0 and not rule.frozen and not groups
        and min(c.clip_value, c.clip_norm, c.max_norm) == INFINITY
    )
    c.plain = alone and c.optimizer == SGD
    c.linear = alone and (c.optimizer == MOMENTUM or c.optimizer == NESTEROV)
    c.adam = alone and (c.optimizer == ADAM or c.optimizer == ADAMW)
    return numbers
