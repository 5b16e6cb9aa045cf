"""The compiled engine: the functions of reference.py, same signatures, over plain memory.

Built once per ISA level under the name engine_<level>. Arrays are C-contiguous and of the plan's
dtype, validated above; shapes are checked here once more since a wrong one would write astray.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cython.parallel cimport parallel, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int64_t

cimport numpy as cnp

from ffnn_fast.engine cimport plan as pl
from ffnn_fast.engine cimport vecmath as vm
from ffnn_fast.engine.blas cimport floating
from ffnn_fast.engine.moves cimport move_all, norm_scale, parts_count, square_units
from ffnn_fast.engine.outputs cimport (
    BLOCK_ROWS, forward_rows, losses_of_rows, mean_loss, scratch_size,
)
from ffnn_fast.engine.panels cimport group_of, panel_count
from ffnn_fast.engine.plan cimport plan_t
from ffnn_fast.engine.products cimport panel_samples, panel_size
from ffnn_fast.engine.rows cimport padded
from ffnn_fast.engine.steps cimport loss_and_gradient, train_steps
from ffnn_fast.engine.updates cimport (
    ADAGRAD, ADAM, ADAMW, MOMENTUM, NADAM, NESTEROV, RMSPROP, RMSPROP_MOMENTUM, RPROP, SGD,
    rates_t, rule_t, set_rates,
)

cnp.import_array()

MATMULS = ("own", "blas")

cdef enum:
    # A team is called together for at least this many operations a thread: some 100 µs of work,
    # since threads that wait for one another on a busy machine may wait for much longer than that.
    WORK_FOR_A_TEAM = 10_000_000

cdef bint alone = False


def run_serially():
    """From now on every call runs on its own thread alone: the rule for forked children."""
    global alone
    alone = True


include "functions.pxi"


cdef class Plan:
    """Sizes, offsets and codes of a network, as the kernels read them, and how to run it.

    n_threads is the most threads a call may use, matmul is "own" or "blas" (on one thread).
    """

    cdef plan_t c
    cdef bint is_double
    cdef int n_threads
    cdef readonly object spec

    def __cinit__(self, spec, int n_threads=1, str matmul="own"):
        cdef Py_ssize_t k, L = spec.n_layers, stride = L + 2
        cdef Py_ssize_t size = 9 * stride + len(spec.head_widths)
        cdef Py_ssize_t* memory = <Py_ssize_t*>PyMem_Malloc(size * sizeof(Py_ssize_t))
        cdef double* penalties = <double*>PyMem_Malloc(2 * stride * sizeof(double))
        self.c.n, self.c.l1 = memory, penalties
        if memory is NULL or penalties is NULL:
            raise MemoryError()
        self.c.l2 = penalties + stride
        self.c.n, self.c.below = memory, memory + stride
        self.c.W, self.c.b, self.c.g = memory + 2 * stride, memory + 3 * stride, memory + 4 * stride
        self.c.panel, self.c.panel_below = memory + 5 * stride, memory + 6 * stride
        self.c.block_below, self.c.threshold = memory + 7 * stride, memory + 8 * stride
        self.c.head = memory + 9 * stride
        self.spec = spec
        self.n_threads = n_threads
        self.is_double = spec.dtype == "float64"
        self.c.own = MATMULS.index(matmul) == 0
        self.c.L, self.c.P = L, spec.n_params
        self.c.W[0] = self.c.b[0] = self.c.g[0] = 0
        for k in range(1, L + 1):
            self.c.W[k], self.c.b[k] = spec.offsets[k - 1]
            self.c.l1[k], self.c.l2[k] = spec.layer_l1[k - 1], spec.layer_l2[k - 1]
        self.c.has_l1 = any(spec.layer_l1)
        self.c.penalised = self.c.has_l1 or any(spec.layer_l2)
        fill_functions(&self.c, spec)
        self._lay_out(spec.layer_sizes)

    cdef int _lay_out(self, sizes) except -1:
        """Widths of the layers in rows, panels and blocks, and their running sums"""
        cdef Py_ssize_t k, itemsize = 8 if self.is_double else 4, largest = 0
        cdef Py_ssize_t S = panel_samples(itemsize)
        self.c.S, self.c.units = S, 0
        self.c.panel_below[0] = self.c.block_below[0] = 0
        for k in range(self.c.L + 1):
            self.c.n[k], self.c.below[k] = sizes[k], self.c.units
            self.c.units += self.c.n[k]
            self.c.panel[k] = panel_size(self.c.n[k], itemsize)
            self.c.panel_below[k + 1] = self.c.panel_below[k] + self.c.panel[k]
            self.c.block_below[k + 1] = self.c.block_below[k] + (self.c.n[k] + S - 1) // S * S
            if k > 0:
                largest = max(largest, self.c.n[k] * self.c.n[k - 1] * itemsize)
        self.c.group = group_of(largest)
        return 0

    def __dealloc__(self):
        PyMem_Free(self.c.n)
        PyMem_Free(self.c.kept_scale)
        PyMem_Free(self.c.l1)

    cdef int team(self, Py_ssize_t n, Py_ssize_t operations) noexcept:
        """Threads for a call on n rows with this many operations for each parameter and row"""
        cdef Py_ssize_t work = operations * n * self.c.P
        cdef Py_ssize_t most = min(panel_count(&self.c, n), <Py_ssize_t>self.n_threads)
        if alone or not self.c.own:
            return 1
        return <int>max(1, min(most, work // WORK_FOR_A_TEAM))


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


cdef const int64_t* _labels(
    Plan plan, object Y, Py_ssize_t n, const int64_t[::1] order=None
) except? NULL:
    """Pointer to labels (n,), those of all rows or of `order` in 0..n_L-1; NULL when Y is dense

    Targets of several heads are dense.
    """
    cdef const int64_t[::1] labels
    cdef Py_ssize_t r, k = plan.c.n[plan.c.L]
    if Y.ndim != 1:
        return NULL
    labels = Y
    _require(labels.shape[0] == n and plan.c.heads == 1, "Y")
    if order is None:
        for r in range(n):
            _require(0 <= labels[r] < k, "a label in Y")
    else:
        for r in range(order.shape[0]):
            _require(0 <= labels[order[r]] < k, "a label in Y")
    return &labels[0]


def workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for calls on `n` rows: activations and errors of a block, and ∇θ."""
    return _parts_at(plan, n) + padded(2 * parts_count(&plan.c)) + plan.c.P


cdef Py_ssize_t _parts_at(Plan plan, Py_ssize_t n) noexcept:
    """Where the parts of ‖∇θ‖² begin in the scratch, before ∇θ"""
    return padded(scratch_size(&plan.c, max(n, 1), plan.n_threads))


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
    cdef Py_ssize_t n = X.shape[0]
    _check[floating](plan, params, X, work, n)
    _require(out.shape[0] == n and out.shape[1] == plan.c.n[plan.c.L], "out")
    cdef int threads = plan.team(n, 2)
    if threads == 1:
        with nogil:
            forward_rows(&plan.c, &params[0], &X[0, 0], n, &out[0, 0], &work[0], 0, 1)
    else:
        with nogil, parallel(num_threads=threads):
            forward_rows(
                &plan.c, &params[0], &X[0, 0], n, &out[0, 0], &work[0], threadid(), threads
            )


cdef double _loss(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, object Y,
    const floating[::1] sample_weight, floating[::1] work, object mask,
) except? -1:
    cdef Py_ssize_t n = X.shape[0]
    cdef const floating* dense = _dense[floating](Y, n, plan.c.targets, 0)
    cdef const int64_t* labels = _labels(plan, Y, n)
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef plan_t c = masked(&plan.c, mask)
    cdef double value
    _check[floating](plan, params, X, work, n)
    cdef int threads = plan.team(n, 2)
    if threads == 1:
        with nogil:
            losses_of_rows(&c, &params[0], &X[0, 0], dense, labels, weight, n, &work[0], 0, 1)
    else:
        with nogil, parallel(num_threads=threads):
            losses_of_rows(
                &c, &params[0], &X[0, 0], dense, labels, weight, n, &work[0], threadid(), threads
            )
    with nogil:
        value = mean_loss(&plan.c, &params[0], &work[0], n)
    return value


cdef double _loss_gradient(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, object Y,
    const floating[::1] sample_weight, floating[::1] grad, floating[::1] work, object mask,
) except? -1:
    cdef Py_ssize_t n = X.shape[0]
    cdef const floating* dense = _dense[floating](Y, n, plan.c.targets, 0)
    cdef const int64_t* labels = _labels(plan, Y, n)
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef plan_t c = masked(&plan.c, mask)
    cdef double value = 0
    _check[floating](plan, params, X, work, n)
    _require(grad.shape[0] == plan.c.P, "grad")
    cdef int threads = plan.team(min(n, <Py_ssize_t>BLOCK_ROWS), 6)
    if threads == 1:
        with nogil:
            loss_and_gradient(
                &c, &params[0], &X[0, 0], dense, labels, weight, NULL, n, &grad[0], &work[0], 0, 1,
                &value,
            )
    else:
        with nogil, parallel(num_threads=threads):
            loss_and_gradient(
                &c, &params[0], &X[0, 0], dense, labels, weight, NULL, n, &grad[0], &work[0],
                threadid(), threads, &value,
            )
    return value


cdef double _train_epoch(
    Plan plan, floating[::1] params, const floating[:, ::1] X, object Y,
    const floating[::1] sample_weight, const int64_t[::1] order, Py_ssize_t batch_size,
    object rule, const double[:, ::1] hyper, floating[:, ::1] state, Py_ssize_t t,
    floating[::1] work,
) except? -1:
    cdef Py_ssize_t n = X.shape[0], m = order.shape[0], r
    cdef double total = 0
    cdef rule_t c
    cdef bytes _flags = _read_rule(plan, rule, &c)
    _require(batch_size > 0 and m > 0, "batch_size or order")
    _check[floating](plan, params, X, work, batch_size)
    for r in range(m):
        _require(0 <= order[r] < n, "a row in order")
    cdef const floating* dense = _dense[floating](Y, n, plan.c.targets, 0)
    cdef const int64_t* labels = _labels(plan, Y, n, order)
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef Py_ssize_t steps = (m + batch_size - 1) // batch_size, stride = hyper.shape[1]
    _require(hyper.shape[0] == 1 or hyper.shape[0] == steps, "hyper")
    _require(stride == len(rule.optimizer.hyper), "hyper")
    if hyper.shape[0] == 1:
        stride = 0
    cdef floating* slots = _state[floating](plan, rule, state)
    cdef Py_ssize_t parts_at = _parts_at(plan, batch_size)
    cdef double* parts = <double*>&work[parts_at]
    cdef floating* grad = &work[parts_at + padded(2 * parts_count(&plan.c))]
    cdef int threads = plan.team(min(batch_size, <Py_ssize_t>BLOCK_ROWS), 6)
    if threads == 1:
        with nogil:
            train_steps(
                &plan.c, &params[0], &X[0, 0], dense, labels, weight, &order[0], m, batch_size,
                &c, &hyper[0, 0], stride, slots, t, grad, parts, &work[0], 0, 1, &total,
            )
    else:
        with nogil, parallel(num_threads=threads):
            train_steps(
                &plan.c, &params[0], &X[0, 0], dense, labels, weight, &order[0], m, batch_size,
                &c, &hyper[0, 0], stride, slots, t, grad, parts, &work[0], threadid(), threads,
                &total,
            )
    return total / m


def forward(Plan plan, params, X, out, work):
    """out := ŷ, (n, n_L), for the rows of X, (n, n_0)."""
    if plan.is_double:
        _forward[double](plan, params, X, out, work)
    else:
        _forward[float](plan, params, X, out, work)


def loss(Plan plan, params, X, Y, sample_weight, work, mask=None):
    """(1/n) Σ_i w_i ℓ_i + l2/2 · Σ‖W_k‖²; Y is (n,) labels or (n, T), w is (n,) or None.

    With a mask, a seed and a step t >= 1, that step's masks of dropout are in force.
    """
    if plan.is_double:
        return _loss[double](plan, params, X, Y, sample_weight, work, mask)
    return _loss[float](plan, params, X, Y, sample_weight, work, mask)


def loss_gradient(Plan plan, params, X, Y, sample_weight, grad, work, mask=None):
    """The same value, and grad := ∇θ, (P,), laid out like params."""
    if plan.is_double:
        return _loss_gradient[double](plan, params, X, Y, sample_weight, grad, work, mask)
    return _loss_gradient[float](plan, params, X, Y, sample_weight, grad, work, mask)


def train_epoch(
    Plan plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work
):
    """Steps t+1, t+2, ... on consecutive batches of the rows `order`; the mean loss before them.

    `hyper` is (1, H), for all steps, or (steps, H). The mean is over samples, so a short last batch
    counts by its size.
    """
    if plan.is_double:
        return _train_epoch[double](
            plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work
        )
    return _train_epoch[float](
        plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work
    )


include "predictor.pxi"
include "rule_door.pxi"
include "vecmath_door.pxi"
include "least_squares.pxi"
