# Included by engine.pyx: names to codes, and what a plan says of activations, loss and dropout.

ACTIVATIONS = {
    "identity": pl.IDENTITY, "logistic": pl.LOGISTIC, "tanh": pl.TANH, "relu": pl.RELU,
    "softmax": pl.SOFTMAX, "leaky_relu": pl.LEAKY_RELU, "elu": pl.ELU, "selu": pl.SELU,
    "softplus": pl.SOFTPLUS, "softsign": pl.SOFTSIGN, "hard_sigmoid": pl.HARD_SIGMOID,
    "exp": pl.EXP, "gelu": pl.GELU, "gelu_tanh": pl.GELU_TANH, "silu": pl.SILU, "mish": pl.MISH,
    "sin": pl.SIN,
}
LOSSES = {
    "cross_entropy": pl.CROSS_ENTROPY, "squared_error": pl.SQUARED_ERROR,
    "half_squared_error": pl.HALF_SQUARED_ERROR, "binary_cross_entropy": pl.BINARY_CROSS_ENTROPY,
    "absolute": pl.ABSOLUTE, "huber": pl.HUBER, "log_cosh": pl.LOG_COSH, "poisson": pl.POISSON,
    "quantile": pl.QUANTILE, "gaussian_nll": pl.GAUSSIAN_NLL, "hinge": pl.HINGE,
}
CANONICAL = {
    ("softmax", "cross_entropy"), ("logistic", "binary_cross_entropy"),
    ("identity", "half_squared_error"), ("exp", "poisson"),
}
MOST_DROPPED = 2**31 - 1


cdef int fill_functions(plan_t* c, spec) except -1:
    """Codes of g_k, O and the loss, the heads, the options of the loss, the rates of dropout"""
    cdef Py_ssize_t k
    levels = spec.loss_options.get("quantiles", ())
    c.level = <double*>PyMem_Malloc((c.L + len(levels)) * sizeof(double))
    if c.level is NULL:
        raise MemoryError()
    c.kept_scale = c.level
    c.level += c.L
    c.loss = LOSSES[spec.loss]
    c.canonical = (spec.output, spec.loss) in CANONICAL
    c.targets, c.missing = spec.n_targets, spec.missing_targets == "ignore"
    c.heads = len(spec.head_widths)
    for k in range(c.heads):
        c.head[k] = spec.head_widths[k]
    c.smoothing = spec.loss_options.get("label_smoothing", 0)
    c.delta = spec.loss_options.get("delta", 0)
    c.quantiles = len(levels)
    for k in range(c.quantiles):
        c.level[k] = levels[k]
    c.dropout = c.apart = any(spec.dropout_rates)
    c.seed, c.step, c.position = 0, 0, 0
    for k in range(c.L):
        c.g[k + 1] = ACTIVATIONS[spec.layer_activations[k]]
        c.threshold[k] = min(round(spec.dropout_rates[k] * 2**31), MOST_DROPPED)
        c.kept_scale[k] = 1 / (1 - spec.dropout_rates[k])
        if 0 < k and c.g[k] >= pl.GELU:
            c.apart = True
    c.threshold[c.L] = 0
    return 0


cdef plan_t masked(const plan_t* c, mask) except *:
    """The plan with the masks of (seed, step) in force, or none"""
    cdef plan_t here = c[0]
    if mask is not None and c.dropout:
        here.seed, here.step = mask
        if here.step < 1:
            raise ValueError(f"the step of a mask counts from 1, got {mask[1]}")
    return here
