"""The compiled engine: the functions of reference.py, same signatures, over plain memory.

Built once per ISA level under the name engine_<level>. Arrays are C-contiguous and of the plan's
dtype, validated above; shapes are checked here once more since a wrong one would write astray.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cython.parallel cimport parallel, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int64_t

cimport numpy as cnp

from ffnn_fast.engine.arguments cimport (
    dense_targets, label_targets, optional_vector, require, state_vectors,
)
from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.jacobian cimport (
    block_panels, least_squares_scratch, sum_normal_equations,
)
from ffnn_fast.engine.passes.optimizer_rules cimport rates_t, rule_t, set_rates
from ffnn_fast.engine.passes.outputs cimport (
    BLOCK_ROWS, forward_rows, losses_of_rows, mean_loss, scratch_size,
)
from ffnn_fast.engine.passes.step_update cimport (
    count_of_parts, norm_scale, square_units, update_all,
)
from ffnn_fast.engine.passes.train_steps cimport loss_and_gradient, train_steps
from ffnn_fast.engine.plan cimport HALF_SQUARED_ERROR, SOFTMAX, SQUARED_ERROR, plan_t
from ffnn_fast.engine.plan_of_spec cimport plan_of_spec, release_plan
from ffnn_fast.engine.step_rule cimport read_rule

cnp.import_array()

cdef enum:
    # A team is called together for at least this many operations a thread: some 100 µs of work,
    # since threads that wait for one another on a busy machine may wait for much longer than that.
    WORK_FOR_A_TEAM = 10_000_000

cdef bint _serial = False


def run_serially():
    """From now on every call runs on one thread: the rule for forked children."""
    global _serial
    _serial = True


cdef class Plan:
    """Sizes, offsets and codes of a network, as the kernels read them, and how to run it.

    n_threads is the most threads a call may use, matmul is "own" or "blas" (on one thread).
    """

    cdef plan_t c
    cdef bint is_double
    cdef int n_threads
    cdef readonly object spec

    def __cinit__(self, spec, int n_threads=1, str matmul="own"):
        self.spec, self.n_threads = spec, n_threads
        self.is_double = spec.dtype == "float64"
        plan_of_spec(&self.c, spec, ("own", "blas").index(matmul) == 0)

    def __dealloc__(self):
        release_plan(&self.c)

    cdef int threads_for(self, Py_ssize_t n, Py_ssize_t operations) noexcept:
        """Threads for a call on n rows with this many operations for each parameter and row"""
        cdef Py_ssize_t work = operations * n * self.c.P
        cdef Py_ssize_t most = min(panel_count(&self.c, n), <Py_ssize_t>self.n_threads)
        if _serial or not self.c.own_products:
            return 1
        return <int>max(1, min(most, work // WORK_FOR_A_TEAM))


cdef plan_t _masked(const plan_t* plan, mask) except *:
    """The plan with the masks of (seed, step) in force, or none"""
    cdef plan_t here = plan[0]
    if mask is not None and plan.dropout:
        here.seed, here.step = mask
        if here.step < 1:
            raise ValueError(f"the step of a mask counts from 1, got {mask[1]}")
    return here


def workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for calls on `n` rows: activations and errors of a block, and ∇θ."""
    return _parts_at(plan, n) + padded(2 * count_of_parts(&plan.c)) + plan.c.P


cdef Py_ssize_t _parts_at(Plan plan, Py_ssize_t n) noexcept:
    """Where the parts of ‖∇θ‖² begin in the scratch, before ∇θ"""
    return padded(scratch_size(&plan.c, max(n, 1), plan.n_threads))


cdef int _check(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, const floating[::1] work,
    Py_ssize_t n,
) except -1:
    require(params.shape[0] == plan.c.P, "params")
    require(X.shape[0] > 0 and X.shape[1] == plan.c.n[0], "X")
    require(work.shape[0] >= workspace_size(plan, n), "work")
    return 0


cdef object _forward(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, floating[:, ::1] out,
    floating[::1] work,
):
    cdef Py_ssize_t n = X.shape[0]
    _check[floating](plan, params, X, work, n)
    require(out.shape[0] == n and out.shape[1] == plan.c.n[plan.c.L], "out")
    cdef int threads = plan.threads_for(n, 2)
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
    cdef const floating* dense = dense_targets[floating](Y, n, plan.c.targets, 0)
    cdef const int64_t* labels = label_targets(&plan.c, Y, n, None)
    cdef const floating* weight = optional_vector[floating](sample_weight, n)
    cdef plan_t c = _masked(&plan.c, mask)
    cdef double value
    _check[floating](plan, params, X, work, n)
    cdef int threads = plan.threads_for(n, 2)
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
    cdef const floating* dense = dense_targets[floating](Y, n, plan.c.targets, 0)
    cdef const int64_t* labels = label_targets(&plan.c, Y, n, None)
    cdef const floating* weight = optional_vector[floating](sample_weight, n)
    cdef plan_t c = _masked(&plan.c, mask)
    cdef double value = 0
    _check[floating](plan, params, X, work, n)
    require(grad.shape[0] == plan.c.P, "grad")
    cdef int threads = plan.threads_for(min(n, <Py_ssize_t>BLOCK_ROWS), 6)
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
    cdef bytes _flags = read_rule(rule, plan.c.L, &c)
    require(batch_size > 0 and m > 0, "batch_size or order")
    _check[floating](plan, params, X, work, batch_size)
    for r in range(m):
        require(0 <= order[r] < n, "a row in order")
    cdef const floating* dense = dense_targets[floating](Y, n, plan.c.targets, 0)
    cdef const int64_t* labels = label_targets(&plan.c, Y, n, order)
    cdef const floating* weight = optional_vector[floating](sample_weight, n)
    cdef Py_ssize_t steps = (m + batch_size - 1) // batch_size, stride = hyper.shape[1]
    require(hyper.shape[0] == 1 or hyper.shape[0] == steps, "hyper")
    require(stride == len(rule.optimizer.hyper), "hyper")
    if hyper.shape[0] == 1:
        stride = 0
    cdef floating* slots = state_vectors[floating](state, rule.slots, plan.c.P)
    cdef Py_ssize_t parts_at = _parts_at(plan, batch_size)
    cdef double* parts = <double*>&work[parts_at]
    cdef floating* grad = &work[parts_at + padded(2 * count_of_parts(&plan.c))]
    cdef int threads = plan.threads_for(min(batch_size, <Py_ssize_t>BLOCK_ROWS), 6)
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


cdef object _update(
    Plan plan, object rule, const double[::1] hyper, floating[::1] params,
    const floating[::1] grad, floating[:, ::1] state, Py_ssize_t t,
):
    cdef floating* slots = state_vectors[floating](state, rule.slots, plan.c.P)
    cdef Py_ssize_t P = plan.c.P
    cdef double* parts
    cdef rates_t rates
    cdef rule_t c
    cdef bytes _flags = read_rule(rule, plan.c.L, &c)
    require(params.shape[0] == P, "params")
    require(grad.shape[0] == P, "grad")
    require(hyper.shape[0] == len(rule.optimizer.hyper), "hyper")
    rates.product_t = 0
    set_rates(&c, &hyper[0], t, &rates)
    if c.clip_norm < INFINITY:
        parts = <double*>PyMem_Malloc(count_of_parts(&plan.c) * sizeof(double))
        if parts is NULL:
            raise MemoryError()
        square_units(&plan.c, &c, &grad[0], parts, 0, 1)
        rates.scale = norm_scale(&plan.c, &c, parts)
        PyMem_Free(parts)
    with nogil:
        update_all(&plan.c, &c, &rates, &params[0], &grad[0], slots, 0, 1)


def update(Plan plan, rule, hyper, params, grad, state, t):
    """One step (module 4.2): params and state (rule.slots, P) change in place; t is from 1."""
    if plan.is_double:
        _update[double](plan, rule, hyper, params, grad, state, t)
    else:
        _update[float](plan, rule, hyper, params, grad, state, t)


cdef class Predictor:
    """ŷ of `n_rows` rows at a call, into `out` or an array that the next call overwrites."""

    cdef Plan plan
    cdef cnp.ndarray params, work
    cdef readonly object out
    cdef Py_ssize_t n_rows
    cdef int typenum

    def __init__(self, Plan plan, cnp.ndarray params, Py_ssize_t n_rows, cnp.ndarray work):
        cdef cnp.npy_intp[2] shape
        require(cnp.PyArray_SIZE(params) == plan.c.P, "params")
        require(cnp.PyArray_SIZE(work) >= workspace_size(plan, n_rows), "work")
        shape[0], shape[1] = n_rows, plan.c.n[plan.c.L]
        self.plan, self.params, self.work, self.n_rows = plan, params, work, n_rows
        self.typenum = cnp.NPY_DOUBLE if plan.is_double else cnp.NPY_FLOAT
        self.out = cnp.PyArray_ZEROS(2, shape, self.typenum, 0)

    def __call__(self, x, out=None):
        """ŷ of x, n_rows · n_0 elements; into `out`, n_rows · n_L elements."""
        cdef plan_t* c = &self.plan.c
        if out is None:
            out = self.out
        if not (
            _plain(x, self.typenum, self.n_rows * c.n[0], False)
            and _plain(out, self.typenum, self.n_rows * c.n[c.L], True)
        ):
            raise ValueError(
                f"expected C-contiguous {self.plan.spec.dtype} arrays: x of "
                f"{self.n_rows * c.n[0]} elements, writable out of {self.n_rows * c.n[c.L]}"
            )
        if self.plan.is_double:
            _predict[double](self, cnp.PyArray_DATA(x), cnp.PyArray_DATA(out))
        else:
            _predict[float](self, cnp.PyArray_DATA(x), cnp.PyArray_DATA(out))
        return out


cdef inline bint _plain(object x, int typenum, Py_ssize_t size, bint written) noexcept:
    """Whether x is an array of this type and size whose memory can be used as it lies"""
    if not cnp.PyArray_Check(x):
        return False
    return (
        cnp.PyArray_TYPE(x) == typenum and cnp.PyArray_SIZE(x) == size
        and (cnp.PyArray_ISCARRAY(x) if written else cnp.PyArray_ISCARRAY_RO(x))
    )


cdef inline void _predict(Predictor p, void* x, void* out, floating unused=0) noexcept:
    forward_rows(
        &p.plan.c, <const floating*>cnp.PyArray_DATA(p.params), <const floating*>x, p.n_rows,
        <floating*>out, <floating*>cnp.PyArray_DATA(p.work), 0, 1,
    )


cdef double _normal_equations(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, const floating[:, ::1] Y,
    const floating[::1] sample_weight, floating[:, ::1] JTJ, floating[::1] JTr,
    floating[::1] work,
) except? -1:
    cdef Py_ssize_t n = X.shape[0], P = plan.c.P
    cdef const floating* weight = optional_vector[floating](sample_weight, n)
    cdef double value = 0
    require(params.shape[0] == P, "params")
    require(n > 0 and X.shape[1] == plan.c.n[0], "X")
    require(Y.shape[0] == n and Y.shape[1] == plan.c.n[plan.c.L], "Y")
    require(JTJ.shape[0] == P and JTJ.shape[1] == P and JTr.shape[0] == P, "JTJ or JTr")
    require(work.shape[0] >= normal_workspace_size(plan, n), "work")
    require(
        plan.c.g[plan.c.L] != SOFTMAX and plan.c.loss in (SQUARED_ERROR, HALF_SQUARED_ERROR),
        "the sum of squares",
    )
    # Threads meet after each block of J, which costs P operations for each of its elements.
    cdef int threads = plan.threads_for(block_panels(&plan.c, n) * plan.c.S, P * plan.c.n[plan.c.L])
    if threads == 1:
        with nogil:
            sum_normal_equations(
                &plan.c, &params[0], &X[0, 0], &Y[0, 0], weight, n, &JTJ[0, 0], &JTr[0],
                &work[0], 0, 1, &value,
            )
    else:
        with nogil, parallel(num_threads=threads):
            sum_normal_equations(
                &plan.c, &params[0], &X[0, 0], &Y[0, 0], weight, n, &JTJ[0, 0], &JTr[0],
                &work[0], threadid(), threads, &value,
            )
    return value


def normal_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for `normal_equations` on `n` rows: a block of J above all."""
    return least_squares_scratch(&plan.c, max(n, 1), plan.n_threads)


def normal_equations(Plan plan, params, X, Y, sample_weight, JTJ, JTr, work):
    """JTJ := lower triangle of JᵀJ, (P, P), JTr := Jᵀr, (P,); returns ½ Σ r², the mean loss.

    r_ij = √(c w_i / n) (ŷ_ij − y_ij) with c = 2 for squared_error, 1 for half_squared_error, and
    J = ∂r/∂θ; without the penalty. Needs an output other than softmax; Y is (n, n_L).
    """
    if plan.is_double:
        return _normal_equations[double](plan, params, X, Y, sample_weight, JTJ, JTr, work)
    return _normal_equations[float](plan, params, X, Y, sample_weight, JTJ, JTr, work)
