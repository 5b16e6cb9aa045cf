"""The compiled engine: the functions of reference.py, same signatures, over plain memory.

Built once per ISA level under the name engine_<level>. Arrays are C-contiguous and of the plan's
dtype, validated above; shapes are checked here once more since a wrong one would write astray.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t

from ffnn_fast.engine cimport vecmath as vm
from ffnn_fast.engine.activations cimport activate_output
from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.passes cimport (
    BLOCK_ROWS, forward_block, loss_and_gradient, losses_block, online_step, padded, penalty,
)
from ffnn_fast.engine.plan cimport plan_t
from ffnn_fast.engine.updates cimport SGD, apply_update

ACTIVATIONS = {"identity": 0, "logistic": 1, "tanh": 2, "relu": 3, "softmax": 4}
LOSSES = {
    "cross_entropy": 0, "squared_error": 1, "half_squared_error": 2, "binary_cross_entropy": 3,
}
OPTIMIZERS = {"sgd": SGD}
CANONICAL = {
    ("softmax", "cross_entropy"), ("logistic", "binary_cross_entropy"),
    ("identity", "half_squared_error"),
}
# Python looks at signals after about this much work, well under 50 ms on one slow core.
WORK_BETWEEN_SIGNALS = 20_000_000


cdef class Plan:
    """Sizes, offsets and codes of a network, as the kernels read them."""

    cdef plan_t c
    cdef bint is_double
    cdef readonly object spec

    def __cinit__(self, spec):
        cdef Py_ssize_t k, L = spec.n_layers, stride = L + 1
        cdef Py_ssize_t* memory = <Py_ssize_t*>PyMem_Malloc(5 * stride * sizeof(Py_ssize_t))
        if memory is NULL:
            raise MemoryError()
        self.spec = spec
        self.is_double = spec.dtype == "float64"
        self.c.L, self.c.P, self.c.l2 = L, spec.n_params, spec.l2
        self.c.n, self.c.below = memory, memory + stride
        self.c.W, self.c.b, self.c.g = memory + 2 * stride, memory + 3 * stride, memory + 4 * stride
        self.c.loss = LOSSES[spec.loss]
        self.c.canonical = (spec.output, spec.loss) in CANONICAL
        self.c.units = 0
        for k in range(stride):
            self.c.n[k] = spec.layer_sizes[k]
            self.c.below[k] = self.c.units
            self.c.units += self.c.n[k]
        self.c.W[0] = self.c.b[0] = self.c.g[0] = 0
        for k in range(1, stride):
            self.c.W[k], self.c.b[k] = spec.offsets[k - 1]
            self.c.g[k] = ACTIVATIONS[spec.layer_activations[k - 1]]

    def __dealloc__(self):
        PyMem_Free(self.c.n)


cdef struct Targets:
    const void* dense
    const int64_t* labels


cdef int _require(bint fits, str what) except -1:
    if not fits:
        raise ValueError(f"{what} does not fit the network or the rows given")
    return 0


cdef const floating* _optional(const floating[::1] vector, Py_ssize_t n) except? NULL:
    """Pointer to a sample weight vector (n,), or NULL for None"""
    if vector is None:
        return NULL
    _require(vector.shape[0] == n, "sample_weight")
    return &vector[0]


cdef const floating* _dense(object Y, Py_ssize_t n, Py_ssize_t k, floating unused) except? NULL:
    """Pointer to targets (n, k), or NULL when Y holds labels"""
    cdef const floating[:, ::1] y
    if Y.ndim == 1:
        return NULL
    y = Y
    _require(y.shape[0] == n and y.shape[1] == k, "Y")
    return &y[0, 0]


cdef const int64_t* _labels(object Y, Py_ssize_t n, Py_ssize_t k) except? NULL:
    """Pointer to labels (n,) in 0..k-1, or NULL when Y is dense"""
    cdef const int64_t[::1] labels
    cdef Py_ssize_t r
    if Y.ndim != 1:
        return NULL
    labels = Y
    _require(labels.shape[0] == n, "Y")
    for r in range(n):
        _require(0 <= labels[r] < k, "a label in Y")
    return &labels[0]


def workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for calls on `n` rows: activations and errors of a block, and ∇θ."""
    return 2 * padded(min(max(n, 1), <Py_ssize_t>BLOCK_ROWS)) * plan.c.units + plan.c.P


cdef int _check(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, const floating[::1] work,
    Py_ssize_t n,
) except -1:
    _require(params.shape[0] == plan.c.P, "params")
    _require(X.shape[0] > 0 and X.shape[1] == plan.c.n[0], "X")
    _require(work.shape[0] >= workspace_size(plan, n), "work")
    return 0


cdef object _forward(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, floating[:, ::1] out,
    floating[::1] work,
):
    cdef Py_ssize_t n = X.shape[0], k = plan.c.n[plan.c.L], start = 0, rows
    cdef Py_ssize_t cap = padded(min(n, <Py_ssize_t>BLOCK_ROWS))
    cdef floating* z = &work[cap * plan.c.below[plan.c.L]]
    cdef Py_ssize_t i
    _check[floating](plan, params, X, work, n)
    _require(out.shape[0] == n and out.shape[1] == k, "out")
    with nogil:
        while start < n:
            rows = min(n - start, <Py_ssize_t>BLOCK_ROWS)
            forward_block(&plan.c, &params[0], &X[start, 0], rows, &work[0], cap)
            activate_output(plan.c.g[plan.c.L], z, rows, k)
            for i in range(rows * k):
                (&out[start, 0])[i] = z[i]
            start += rows


cdef double _loss(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, object Y,
    const floating[::1] sample_weight, floating[::1] work,
) except? -1:
    cdef Py_ssize_t n = X.shape[0], k = plan.c.n[plan.c.L], start = 0, rows
    cdef Py_ssize_t cap = padded(min(n, <Py_ssize_t>BLOCK_ROWS))
    cdef floating* z = &work[cap * plan.c.below[plan.c.L]]
    cdef const floating* dense = _dense[floating](Y, n, k, 0)
    cdef const int64_t* labels = _labels(Y, n, k)
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef double total = 0
    _check[floating](plan, params, X, work, n)
    with nogil:
        while start < n:
            rows = min(n - start, <Py_ssize_t>BLOCK_ROWS)
            forward_block(&plan.c, &params[0], &X[start, 0], rows, &work[0], cap)
            total += losses_block(
                &plan.c, z, NULL if dense is NULL else dense + start * k,
                NULL if labels is NULL else labels + start,
                NULL if weight is NULL else weight + start, NULL, rows, 1, False,
            )
            start += rows
        total = total / n + penalty(&plan.c, &params[0])
    return total


cdef double _loss_gradient(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, object Y,
    const floating[::1] sample_weight, floating[::1] grad, floating[::1] work,
) except? -1:
    cdef Py_ssize_t n = X.shape[0], k = plan.c.n[plan.c.L]
    cdef const floating* dense = _dense[floating](Y, n, k, 0)
    cdef const int64_t* labels = _labels(Y, n, k)
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef double value
    _check[floating](plan, params, X, work, n)
    _require(grad.shape[0] == plan.c.P, "grad")
    with nogil:
        value = loss_and_gradient(
            &plan.c, &params[0], &X[0, 0], dense, labels, weight, NULL, n, &grad[0], &work[0]
        )
    return value


cdef double _train_steps(
    const plan_t* plan, floating* params, const floating* X, const floating* Y,
    const int64_t* labels, const floating* weight, const int64_t* order, Py_ssize_t n,
    Py_ssize_t batch_size, int rule, const double* hyper, floating* state, Py_ssize_t t,
    floating* work, floating* grad,
) noexcept nogil:
    """Steps on consecutive batches of the n rows `order`; returns Σ rows · objective"""
    cdef Py_ssize_t start = 0, rows, row, k = plan.n[plan.L]
    cdef double total = 0
    while start < n:
        rows = min(n - start, batch_size)
        if rows == 1 and rule == SGD:
            row = order[start]
            total += online_step(
                plan, params, X + row * plan.n[0], NULL if Y is NULL else Y + row * k,
                0 if labels is NULL else labels[row],
                <floating>1 if weight is NULL else weight[row], <floating>hyper[0], work,
            )
        else:
            total += rows * loss_and_gradient(
                plan, params, X, Y, labels, weight, order + start, rows, grad, work
            )
            apply_update(rule, hyper, params, grad, state, plan.P, t + 1)
        t += 1
        start += rows
    return total


cdef double _train_epoch(
    Plan plan, floating[::1] params, const floating[:, ::1] X, object Y,
    const floating[::1] sample_weight, const int64_t[::1] order, Py_ssize_t batch_size, int rule,
    const double[::1] hyper, floating[:, ::1] state, Py_ssize_t t, floating[::1] work,
) except? -1:
    cdef Py_ssize_t n = X.shape[0], m = order.shape[0], k = plan.c.n[plan.c.L], start = 0, rows
    cdef Py_ssize_t rows_per_chunk = max(1, WORK_BETWEEN_SIGNALS // (3 * plan.c.P))
    cdef const floating* dense = _dense[floating](Y, n, k, 0)
    cdef const int64_t* labels = _labels(Y, n, k)
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef floating* slots = &state[0, 0] if state.shape[0] > 0 else NULL
    cdef floating* grad
    cdef double total = 0
    _require(batch_size > 0 and m > 0, "batch_size or order")
    _check[floating](plan, params, X, work, batch_size)
    for start in range(m):
        _require(0 <= order[start] < n, "a row in order")
    rows_per_chunk = max(1, rows_per_chunk // batch_size) * batch_size
    grad = &work[work.shape[0] - plan.c.P]
    start = 0
    while start < m:
        rows = min(m - start, rows_per_chunk)
        with nogil:
            total += _train_steps(
                &plan.c, &params[0], &X[0, 0], dense, labels, weight, &order[start], rows,
                batch_size, rule, &hyper[0], slots, t, &work[0], grad,
            )
        t += (rows + batch_size - 1) // batch_size
        start += rows
        PyErr_CheckSignals()
    return total / m


def forward(Plan plan, params, X, out, work):
    """out := ŷ, (n, n_L), for the rows of X, (n, n_0)."""
    if plan.is_double:
        _forward[double](plan, params, X, out, work)
    else:
        _forward[float](plan, params, X, out, work)


def loss(Plan plan, params, X, Y, sample_weight, work):
    """(1/n) Σ_i w_i ℓ_i + l2/2 · Σ‖W_k‖²; Y is (n,) labels or (n, n_L), w is (n,) or None."""
    if plan.is_double:
        return _loss[double](plan, params, X, Y, sample_weight, work)
    return _loss[float](plan, params, X, Y, sample_weight, work)


def loss_gradient(Plan plan, params, X, Y, sample_weight, grad, work):
    """The same value, and grad := ∇θ, (P,), laid out like params."""
    if plan.is_double:
        return _loss_gradient[double](plan, params, X, Y, sample_weight, grad, work)
    return _loss_gradient[float](plan, params, X, Y, sample_weight, grad, work)


def train_epoch(
    Plan plan, params, X, Y, sample_weight, order, batch_size, optimizer, hyper, state, t, work
):
    """Steps t+1, t+2, ... on consecutive batches of the rows `order`; the mean loss before them.

    The mean is over samples, so a short last batch counts by its size.
    """
    rule = OPTIMIZERS[optimizer]
    if plan.is_double:
        return _train_epoch[double](
            plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work
        )
    return _train_epoch[float](
        plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work
    )


cdef object _update(
    int rule, const double[::1] hyper, floating[::1] params, const floating[::1] grad,
    floating[:, ::1] state, Py_ssize_t t,
):
    cdef floating* slots = &state[0, 0] if state.shape[0] > 0 else NULL
    _require(grad.shape[0] == params.shape[0], "grad")
    with nogil:
        apply_update(rule, &hyper[0], &params[0], &grad[0], slots, params.shape[0], t)


def update(optimizer, hyper, params, grad, state, t):
    """One step of a rule (module 4.2): params and state (slots, P) change in place; t is from 1."""
    if params.dtype.itemsize == 8:
        _update[double](OPTIMIZERS[optimizer], hyper, params, grad, state, t)
    else:
        _update[float](OPTIMIZERS[optimizer], hyper, params, grad, state, t)


cdef object _vecmath(str name, const floating[::1] x, floating[::1] out):
    cdef Py_ssize_t i, n = x.shape[0]
    _require(out.shape[0] == n, "out")
    if name == "exp":
        for i in range(n):
            out[i] = vm.exp(x[i])
    elif name == "log":
        for i in range(n):
            out[i] = vm.log(x[i])
    elif name == "tanh":
        for i in range(n):
            out[i] = vm.tanh(x[i])
    elif name == "logistic":
        for i in range(n):
            out[i] = vm.logistic(x[i])
    elif name == "expm1":
        for i in range(n):
            out[i] = vm.expm1(x[i])
    elif name == "log1p":
        for i in range(n):
            out[i] = vm.log1p(x[i])
    else:
        raise ValueError(f"unknown function {name!r}")


def vecmath(name, x, out):
    """A door for tests: out := name(x), elementwise, by the functions that the kernels inline."""
    if x.dtype.itemsize == 8:
        _vecmath[double](name, x, out)
    else:
        _vecmath[float](name, x, out)
