"""The compiled engine: the functions of reference.py, same signatures, over plain memory.

Built once per ISA level under the name engine_<level>. Arrays are C-contiguous and of the plan's
dtype, validated above; they are checked here once more since a wrong one would be read or written
past its end.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport INFINITY

cimport numpy as cnp

from ffnn_fast.engine.arguments cimport (
    batch_of_arrays, batch_of_inputs, hyperparameters, matrix, require, vector, workspace,
)
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t, inputs_only
from ffnn_fast.engine.passes.batch_panels cimport panel_count
from ffnn_fast.engine.passes.jacobian cimport block_panels, least_squares_scratch
from ffnn_fast.engine.passes.optimizer_rates cimport optimizer_t, rule_t, set_rates
from ffnn_fast.engine.passes.outputs cimport BLOCK_ROWS, scratch_size
from ffnn_fast.engine.passes.step_update cimport count_of_parts
from ffnn_fast.engine.passes.train_steps cimport epoch_t, scratch_t
from ffnn_fast.engine.plan cimport (
    HALF_SQUARED_ERROR, SOFTMAX, SQUARED_ERROR, outputs_only, plan_t, step_t,
)
from ffnn_fast.engine.plan_of_spec cimport plan_of_spec, release_plan
from ffnn_fast.engine.step_rule cimport read_rule
from ffnn_fast.engine.team_calls cimport (
    run_forward, run_loss, run_loss_gradient, run_normal_equations, run_training, run_update,
)

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
    cdef int typenum, n_threads
    cdef readonly object spec

    def __cinit__(self, spec, int n_threads=1, str matmul="own"):
        self.spec, self.n_threads = spec, n_threads
        self.is_double = spec.dtype == "float64"
        self.typenum = cnp.NPY_DOUBLE if self.is_double else cnp.NPY_FLOAT
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

    cdef Py_ssize_t parts_start(self, Py_ssize_t n) noexcept:
        """Where the parts of ‖∇θ‖² begin in the scratch, before ∇θ"""
        return padded(scratch_size(&self.c, max(n, 1), self.n_threads))

    cdef Py_ssize_t grad_start(self, Py_ssize_t n) noexcept:
        """Where ∇θ begins in the scratch"""
        return self.parts_start(n) + padded(2 * count_of_parts(&self.c))


cdef step_t _masked_step(Plan plan, mask, bint train) except *:
    """The masks of (seed, step) in force, or none"""
    cdef step_t step = outputs_only()
    step.train = train
    if mask is not None and plan.c.dropout:
        step.seed, step.mask = mask
        if step.mask < 1:
            raise ValueError(f"the step of a mask counts from 1, got {mask[1]}")
    return step


def workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for calls on `n` rows: activations and errors of a block, and ∇θ."""
    return plan.grad_start(n) + plan.c.P


def forward(Plan plan, params, X, out, work):
    """out := ŷ, (n, n_L), for the rows of X, (n, n_0)."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef batch_t batch = batch_of_inputs(c, X, plan.typenum)
    cdef void* y = matrix(out, plan.typenum, batch.n, c.n[c.L], "out", True)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef int threads = plan.threads_for(batch.n, 2)
    with nogil:
        if plan.is_double:
            run_forward(c, <double*>theta, &batch, <double*>y, <double*>scratch, threads)
        else:
            run_forward(c, <float*>theta, &batch, <float*>y, <float*>scratch, threads)


def loss(Plan plan, params, X, Y, sample_weight, work, mask=None):
    """(1/n) Σ_i w_i ℓ_i + l2/2 · Σ‖W_k‖²; Y is (n,) labels or (n, T), w is (n,) or None.

    l1 · Σ|W_k| is added as well. With a mask, a seed and a step t >= 1, that step's masks of
    dropout are in force.
    """
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef batch_t batch = batch_of_arrays(c, X, Y, sample_weight, None, plan.typenum)
    cdef step_t step = _masked_step(plan, mask, False)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef int threads = plan.threads_for(batch.n, 2)
    cdef double value
    with nogil:
        if plan.is_double:
            value = run_loss(c, &step, <double*>theta, &batch, <double*>scratch, threads)
        else:
            value = run_loss(c, &step, <float*>theta, &batch, <float*>scratch, threads)
    return value


def loss_gradient(Plan plan, params, X, Y, sample_weight, grad, work, mask=None):
    """The same value, and grad := ∇θ, (P,), laid out like params."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef batch_t batch = batch_of_arrays(c, X, Y, sample_weight, None, plan.typenum)
    cdef step_t step = _masked_step(plan, mask, True)
    cdef void* g = vector(grad, plan.typenum, c.P, "grad", True)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef int threads = plan.threads_for(min(batch.n, <Py_ssize_t>BLOCK_ROWS), 6)
    cdef double value
    with nogil:
        if plan.is_double:
            value = run_loss_gradient(
                c, &step, <double*>theta, &batch, <double*>g, <double*>scratch, threads
            )
        else:
            value = run_loss_gradient(
                c, &step, <float*>theta, &batch, <float*>g, <float*>scratch, threads
            )
    return value


def train_epoch(
    Plan plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work
):
    """Steps t+1, t+2, ... on consecutive batches of the rows `order`; the mean loss before them.

    `hyper` is (1, H), for all steps, or (steps, H). The mean is over samples, so a short last batch
    counts by its size.
    """
    cdef plan_t* c = &plan.c
    cdef int typenum = plan.typenum
    cdef Py_ssize_t size = batch_size, H = len(rule.optimizer.hyper), itemsize = c.itemsize
    cdef void* theta = vector(params, typenum, c.P, "params", True)
    cdef batch_t rows = batch_of_arrays(c, X, Y, sample_weight, order, typenum)
    cdef rule_t numbers
    cdef bytes _flags = read_rule(rule, c.L, &numbers)
    cdef optimizer_t optimizer
    cdef epoch_t epoch
    cdef scratch_t scratch
    cdef double total = 0
    require(size > 0, "batch_size")
    optimizer.rule, optimizer.state = &numbers, matrix(
        state, typenum, rule.slots, c.P, "state", True
    )
    epoch.hyper = hyperparameters(hyper, (rows.n + size - 1) // size, H)
    epoch.stride = 0 if hyper.shape[0] == 1 else H
    epoch.batch_size, epoch.t, epoch.total = size, t, &total
    scratch.work = workspace(work, typenum, workspace_size(plan, size))
    scratch.parts = <double*>(<char*>scratch.work + plan.parts_start(size) * itemsize)
    scratch.grad = <char*>scratch.work + plan.grad_start(size) * itemsize
    cdef int threads = plan.threads_for(min(size, <Py_ssize_t>BLOCK_ROWS), 6)
    with nogil:
        if plan.is_double:
            run_training(c, <double*>theta, &rows, &epoch, &optimizer, &scratch, threads)
        else:
            run_training(c, <float*>theta, &rows, &epoch, &optimizer, &scratch, threads)
    return total / rows.n


def update(Plan plan, rule, hyper, params, grad, state, t):
    """One step (module 4.2): params and state (rule.slots, P) change in place; t is from 1."""
    cdef plan_t* c = &plan.c
    cdef int typenum = plan.typenum
    cdef rule_t numbers
    cdef bytes _flags = read_rule(rule, c.L, &numbers)
    cdef optimizer_t optimizer
    cdef void* theta = vector(params, typenum, c.P, "params", True)
    cdef void* g = vector(grad, typenum, c.P, "grad")
    cdef void* rates = vector(hyper, cnp.NPY_DOUBLE, len(rule.optimizer.hyper), "hyper")
    cdef double* parts = NULL
    optimizer.rule, optimizer.state = &numbers, matrix(
        state, typenum, rule.slots, c.P, "state", True
    )
    optimizer.rates.product_t = 0
    set_rates(&numbers, <double*>rates, t, &optimizer.rates)
    if numbers.clip_norm < INFINITY:
        parts = <double*>PyMem_Malloc(count_of_parts(c) * sizeof(double))
        if parts is NULL:
            raise MemoryError()
    with nogil:
        if plan.is_double:
            run_update(c, &optimizer, <double*>theta, <double*>g, parts)
        else:
            run_update(c, &optimizer, <float*>theta, <float*>g, parts)
    PyMem_Free(parts)


cdef class Predictor:
    """ŷ of `n_rows` rows at a call, into `out` or a new array.

    For the lowest latency: a call checks no more than memory safety needs.
    """

    cdef Plan plan
    cdef object params, work
    cdef void* theta
    cdef void* scratch
    cdef Py_ssize_t n_rows

    def __init__(self, Plan plan, params, Py_ssize_t n_rows, work):
        self.theta = vector(params, plan.typenum, plan.c.P, "params")
        self.scratch = workspace(work, plan.typenum, workspace_size(plan, n_rows))
        self.plan, self.params, self.work, self.n_rows = plan, params, work, n_rows

    def __call__(self, x, out=None):
        """ŷ of x, n_rows · n_0 elements, in `out`, n_rows · n_L elements, or a new array."""
        cdef plan_t* c = &self.plan.c
        cdef Py_ssize_t inputs = self.n_rows * c.n[0], outputs = self.n_rows * c.n[c.L]
        cdef batch_t batch
        cdef cnp.npy_intp[2] shape
        if out is None:
            shape[0], shape[1] = self.n_rows, c.n[c.L]
            out = cnp.PyArray_EMPTY(2, shape, self.plan.typenum, 0)
        if not (_is_plain(x, self.plan.typenum, inputs, False)
                and _is_plain(out, self.plan.typenum, outputs, True)):
            raise ValueError(
                f"expected C-contiguous {self.plan.spec.dtype} arrays: x of {inputs} elements, "
                f"writable out of {outputs}"
            )
        batch = inputs_only(cnp.PyArray_DATA(x), self.n_rows)
        if self.plan.is_double:
            run_forward(
                c, <double*>self.theta, &batch, <double*>cnp.PyArray_DATA(out),
                <double*>self.scratch, 1,
            )
        else:
            run_forward(
                c, <float*>self.theta, &batch, <float*>cnp.PyArray_DATA(out),
                <float*>self.scratch, 1,
            )
        return out


cdef inline bint _is_plain(object x, int typenum, Py_ssize_t size, bint written) noexcept:
    """Whether x is an array of this type and size whose memory can be used as it lies"""
    if not cnp.PyArray_Check(x):
        return False
    return (
        cnp.PyArray_TYPE(x) == typenum and cnp.PyArray_SIZE(x) == size
        and (cnp.PyArray_ISCARRAY(x) if written else cnp.PyArray_ISCARRAY_RO(x))
    )


def normal_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for `normal_equations` on `n` rows: a block of J above all."""
    return least_squares_scratch(&plan.c, max(n, 1), plan.n_threads)


def normal_equations(Plan plan, params, X, Y, sample_weight, output_weight, JTJ, JTr, work):
    """JTJ := lower triangle of JᵀJ, (P, P), JTr := Jᵀr, (P,); returns ½ Σ r², the mean loss.

    r_ij = √(c w_i v_j / n) (ŷ_ij − y_ij) with c = 2 for squared_error, 1 for half_squared_error;
    J = ∂r/∂θ. r_ij is 0 where the network ignores a missing y_ij. Without the penalty. w is (n,) or
    None, v is (n_L,) or None. Needs an output other than softmax; Y is (n, n_L).
    """
    cdef plan_t* c = &plan.c
    cdef int typenum = plan.typenum
    cdef Py_ssize_t P = c.P
    cdef void* theta = vector(params, typenum, P, "params")
    cdef batch_t batch = batch_of_inputs(c, X, typenum)
    cdef void* A = matrix(JTJ, typenum, P, P, "JTJ", True)
    cdef void* v = vector(JTr, typenum, P, "JTr", True)
    cdef void* scratch = workspace(work, typenum, normal_workspace_size(plan, batch.n))
    cdef void* weights = NULL
    cdef double value
    require(
        c.g[c.L] != SOFTMAX and c.loss in (SQUARED_ERROR, HALF_SQUARED_ERROR), "the sum of squares"
    )
    batch.Y = matrix(Y, typenum, batch.n, c.n[c.L], "Y")
    if sample_weight is not None:
        batch.weight = vector(sample_weight, typenum, batch.n, "sample_weight")
    if output_weight is not None:
        weights = vector(output_weight, typenum, c.n[c.L], "output_weight")
    # Threads meet after each block of J, which costs P operations for each of its elements.
    cdef int threads = plan.threads_for(block_panels(c, batch.n) * c.S, P * c.n[c.L])
    with nogil:
        if plan.is_double:
            value = run_normal_equations(
                c, <double*>theta, &batch, <double*>weights, <double*>A, <double*>v,
                <double*>scratch, threads,
            )
        else:
            value = run_normal_equations(
                c, <float*>theta, &batch, <float*>weights, <float*>A, <float*>v,
                <float*>scratch, threads,
            )
    return value
