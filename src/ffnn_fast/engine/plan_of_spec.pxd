# Fills a plan (plan.pxd) from a NetworkSpec: names become codes, tuples become arrays.

cimport numpy as cnp

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ffnn_fast.engine.kernels.products cimport panel_size, samples_per_panel
from ffnn_fast.engine.passes.batch_panels cimport panels_together
from ffnn_fast.engine.passes.dropout_masks cimport MOST_DROPPED
from ffnn_fast.engine.plan cimport (
    PIECEWISE, SOFTMAX, derivative_from_input, feature_t, head_t, plan_t,
)


cdef inline list activation_codes(spec):
    """The codes of g_1, ..., g_{L-1}, then of the output of each head"""
    names = (  # in the order of their codes
        "identity", "logistic", "tanh", "relu", "softmax", "leaky_relu", "softplus",
        "hard_sigmoid", "exp", "elu", "selu", "softsign", "gelu", "gelu_tanh", "silu", "mish",
        "sin",
    )
    hidden = spec.layer_activations[:spec.n_layers - 1]
    given = [*hidden, *[head.output for head in spec.head_specs]]
    return [names.index(name) for name in given]


cdef inline int loss_code(name) except -1:
    """The code of a loss"""
    names = (  # in the order of their codes
        "cross_entropy", "squared_error", "half_squared_error", "binary_cross_entropy", "absolute",
        "huber", "log_cosh", "poisson", "quantile", "gaussian_nll", "hinge", "linear",
    )
    return names.index(name)


cdef inline bint is_canonical(output, loss) except -1:
    """Whether ∇a_L = ŷ − y"""
    pairs = (
        ("softmax", "cross_entropy"), ("logistic", "binary_cross_entropy"),
        ("identity", "half_squared_error"), ("exp", "poisson"),
    )
    return (output, loss) in pairs


cdef inline int allocate_plan(plan_t* plan, Py_ssize_t L, Py_ssize_t heads, Py_ssize_t levels) \
        except -1:
    """Memory for the arrays of a plan, all zero; plan must be zero; `release_plan` frees it"""
    cdef Py_ssize_t stride = L + 2
    plan.n = <Py_ssize_t*>PyMem_Calloc(10 * stride, sizeof(Py_ssize_t))
    plan.l1 = <double*>PyMem_Calloc(3 * stride + levels, sizeof(double))
    plan.head = <head_t*>PyMem_Calloc(heads, sizeof(head_t))
    if plan.n is NULL or plan.l1 is NULL or plan.head is NULL:
        raise MemoryError()
    plan.below, plan.W, plan.b = plan.n + stride, plan.n + 2 * stride, plan.n + 3 * stride
    plan.g, plan.threshold = plan.n + 4 * stride, plan.n + 5 * stride
    plan.panel, plan.panel_below = plan.n + 6 * stride, plan.n + 7 * stride
    plan.block_below, plan.alpha = plan.n + 8 * stride, plan.n + 9 * stride
    plan.l2, plan.kept_scale = plan.l1 + stride, plan.l1 + 2 * stride
    plan.head[0].level = plan.l1 + 3 * stride
    return 0


cdef inline void release_plan(plan_t* plan) noexcept:
    """Frees the arrays of a plan"""
    PyMem_Free(plan.feature)
    PyMem_Free(plan.bins)
    PyMem_Free(plan.n)
    PyMem_Free(plan.l1)
    PyMem_Free(plan.head)


cdef inline int fill_head(head_t* head, spec, double weight, double* level) except -1:
    """A head from its description as a network; its levels are placed in `level`"""
    cdef Py_ssize_t i
    levels = spec.loss_options.get("quantiles", ())
    head.width, head.targets, head.weight = spec.n_outputs, spec.n_targets, weight
    head.loss = loss_code(spec.loss)
    head.canonical = is_canonical(spec.output, spec.loss)
    head.missing = spec.missing_targets == "ignore"
    head.smoothing = spec.loss_options.get("label_smoothing", 0)
    head.delta = spec.loss_options.get("delta", 0)
    head.quantiles, head.level = len(levels), level
    for i in range(head.quantiles):
        level[i] = levels[i]
    return 0


cdef inline int fill_heads(plan_t* plan, spec) except -1:
    """The heads with their losses"""
    cdef Py_ssize_t i
    cdef double* level = plan.head[0].level
    plan.targets, plan.missing = spec.n_targets, spec.missing_targets == "ignore"
    plan.heads = len(spec.head_specs)
    for i in range(plan.heads):
        fill_head(plan.head + i, spec.head_specs[i], spec.head_weights[i], level)
        level += plan.head[i].quantiles
    return 0


cdef inline int fill_functions(plan_t* plan, spec) except -1:
    """g_k, and O of each head"""
    cdef Py_ssize_t k, i, L = plan.L
    codes = activation_codes(spec)
    for k in range(1, L):
        plan.g[k] = codes[k - 1]
    for i in range(plan.heads):
        plan.head[i].output = codes[L - 1 + i]
    plan.g[L] = SOFTMAX if plan.heads > 1 else plan.head[0].output
    return 0


cdef inline int fill_layers(plan_t* plan, spec) except -1:
    """The places of W_k and b_k in θ, the penalties and the rates of dropout"""
    cdef Py_ssize_t k
    plan.has_l1 = any(spec.layer_l1)
    plan.penalised = plan.has_l1 or any(spec.layer_l2)
    plan.dropout = any(spec.dropout_rates)
    plan.keeps_slopes = plan.dropout or spec.parametric
    for k in range(1, plan.L + 1):
        plan.W[k], plan.b[k] = spec.offsets[k - 1]
        plan.l1[k], plan.l2[k] = spec.layer_l1[k - 1], spec.layer_l2[k - 1]
        if k < plan.L and derivative_from_input(plan.g[k]):
            plan.keeps_slopes = True
    for k in range(plan.L):
        plan.threshold[k] = min(round(spec.dropout_rates[k] * 2**31), <Py_ssize_t>MOST_DROPPED)
        plan.kept_scale[k] = 1 / (1 - spec.dropout_rates[k])
    return 0


cdef inline int read_features(plan_t* plan, cnp.ndarray table) except -1:
    """The columns of X from `InputBlock.table`"""
    cdef const int64_t* number = <const int64_t*>cnp.PyArray_DATA(table)
    cdef feature_t* feature
    plan.feature = feature = <feature_t*>PyMem_Calloc(plan.columns, sizeof(feature_t))
    if feature is NULL:
        raise MemoryError()
    for _ in range(plan.columns):
        feature.kind, feature.at, feature.units = number[0], number[1], number[2]
        feature.start, feature.size, feature.count = number[3], number[4], number[5]
        feature += 1
        number += 6
    return 0


cdef inline int read_bins(plan_t* plan, cnp.ndarray bins) except -1:
    """The bins of the columns that have some, from `InputBlock.bins`"""
    cdef Py_ssize_t c, size = cnp.PyArray_NBYTES(bins)
    cdef double* bin = <double*>PyMem_Malloc(size)
    if bin is NULL:
        raise MemoryError()
    plan.bins = bin
    memcpy(bin, cnp.PyArray_DATA(bins), size)
    for c in range(plan.columns):
        if plan.feature[c].kind == PIECEWISE:
            plan.feature[c].bins = bin
            bin += 2 * plan.frequencies
    return 0


cdef inline int fill_inputs(plan_t* plan, spec) except -1:
    """The columns of X, the parameters of the input block and of the activations"""
    cdef Py_ssize_t k, at = spec.n_layer_params, used = 0
    plan.extended, plan.parametric = spec.is_extended, spec.parametric
    plan.columns, plan.scale = spec.n_inputs, -1
    if spec.inputs is not None:
        read_features(plan, spec.inputs.table(plan.columns))
        plan.frequencies, plan.outputs = spec.inputs.n_waves, spec.inputs.outputs
        plan.mixing = spec.inputs.embedding_size - plan.outputs * (plan.frequencies + 1)
        read_bins(plan, spec.inputs.bins())
        for k in range(plan.columns):
            plan.feature[k].start += at
            used += plan.feature[k].size
        at += used
        if spec.inputs.scale:
            plan.scale = at
            at += spec.n_units
    if spec.parametric:
        for k in range(1, plan.L):
            plan.alpha[k] = at
            at += spec.layer_sizes[k]
    return 0


cdef inline int fill_layout(plan_t* plan, sizes, Py_ssize_t itemsize) except -1:
    """Widths of the layers in rows, panels and blocks, and their running sums

    Sparse rows have no panel; in the place of their blocks are rows of n_1.
    """
    cdef Py_ssize_t k, width, largest = 0, widest = 0, S = samples_per_panel(itemsize)
    plan.itemsize, plan.S, plan.units = itemsize, S, 0
    for k in range(plan.L + 1):
        plan.n[k], plan.below[k] = sizes[k], plan.units
        plan.units += plan.n[k]
        width = plan.n[k]
        plan.panel[k] = panel_size(width, itemsize)
        if k == 0 and plan.sparse:
            width, plan.panel[k] = sizes[1], 0
        widest = max(widest, plan.panel[k] * itemsize)
        plan.panel_below[k + 1] = plan.panel_below[k] + plan.panel[k]
        plan.block_below[k + 1] = plan.block_below[k] + (width + S - 1) // S * S
        if k > plan.sparse:
            largest = max(largest, plan.n[k] * plan.n[k - 1] * itemsize)
    plan.group = panels_together(largest, widest)
    return 0


cdef inline int plan_of_spec(plan_t* plan, spec, bint own_products, bint sparse) except -1:
    """plan, zero on entry, := the description of the network"""
    levels = sum([len(head.loss_options.get("quantiles", ())) for head in spec.head_specs])
    allocate_plan(plan, spec.n_layers, len(spec.head_specs), levels)
    plan.L, plan.P = spec.n_layers, spec.n_params
    plan.sparse = sparse
    # The passes of these are on panels only.
    plan.own_products = own_products or spec.is_extended or sparse
    fill_heads(plan, spec)
    fill_functions(plan, spec)
    fill_layers(plan, spec)
    fill_inputs(plan, spec)
    fill_layout(plan, spec.unit_sizes, 8 if spec.dtype == "float64" else 4)
    return 0
