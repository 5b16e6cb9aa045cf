"""The compiled engine: the functions of reference.py, same signatures, over plain memory.

Built once per ISA level under the name engine_<level>. Arrays are C-contiguous and of the plan's
dtype, validated above; they are checked here once more since a wrong one would be read or written
past its end.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int64_t, uint64_t

cimport numpy as cnp

from ffnn_fast.c_api cimport network_t
from ffnn_fast.engine.arguments cimport (
    all_below, batch_of_arrays, batch_of_inputs, batch_of_sparse, batch_with_targets, check_array,
    checked_dropout, hyperparameters, is_plain, matrix, memory_for_gradient, put_in_order,
    put_transposed, require, require_plain, stack, vector, workspace,
)
from ffnn_fast.engine.derivatives cimport (
    input_jacobians_of_arrays, jacobian_of_arrays, jacobian_scratch, parameter_jacobians_of_arrays,
    pull_arrays_back, run_either_jacobian, tangent_of_arrays, wanted_of_arrays,
)
from ffnn_fast.engine.kernels.compiler cimport seconds
from ffnn_fast.engine.kernels.digest cimport digest_of
from ffnn_fast.engine.machine cimport machine_t
from ffnn_fast.engine.passes.alignment cimport padded
from ffnn_fast.engine.passes.batch cimport batch_t, inputs_only
from ffnn_fast.engine.passes.batch_panels cimport panel_count, sum_of
from ffnn_fast.engine.passes.dropout_masks cimport set_dropout
from ffnn_fast.engine.passes.input_jacobian cimport input_jacobian_t
from ffnn_fast.engine.passes.jacobian cimport block_panels, least_squares_scratch
from ffnn_fast.engine.passes.optimizer_rates cimport optimizer_t, rule_t, set_rates
from ffnn_fast.engine.passes.outputs cimport BLOCK_ROWS, scratch_size
from ffnn_fast.engine.passes.point_functions cimport (
    call_t, data_jacobian_f32, data_jacobian_f64, data_value_f32, data_value_f64, filter_value,
    integrand, jacobian_f32, jacobian_f64, point_workspace, value_f32, value_f64,
)
from ffnn_fast.engine.passes.sparse_rows cimport sparse_t
from ffnn_fast.engine.passes.sparse_steps cimport makes_up
from ffnn_fast.engine.passes.step_update cimport count_of_parts
from ffnn_fast.engine.passes.stepping cimport (
    ANY, DISTRIBUTION, ONE_HOT, domain_t, keep, kept_t, restored, targets_fit,
)
from ffnn_fast.engine.passes.taylor cimport TAYLOR_ROWS, taylor_scratch, taylor_t
from ffnn_fast.engine.passes.train_steps cimport epoch_t, scratch_t
from ffnn_fast.engine.passes.vjp cimport pullback_scratch, pullback_t
from ffnn_fast.engine.plan cimport (
    HALF_SQUARED_ERROR, SOFTMAX, SQUARED_ERROR, outputs_only, plan_t, shares_of_samples, step_t,
)
from ffnn_fast.engine.plan_of_spec cimport plan_of_spec, release_plan
from ffnn_fast.engine.random_order cimport shuffle_array
from ffnn_fast.engine.row_calls cimport converted, described, finite_numbers, is_row, predict_either
from ffnn_fast.engine.step_rule cimport read_rule
from ffnn_fast.engine.team_calls cimport (
    run_forward, run_loss, run_loss_gradient, run_normal_equations, run_training, run_update,
)
from ffnn_fast.engine.taylor_calls cimport (
    run_hessian_product, run_taylor, run_taylor_gradient, run_taylor_jacobian, taylor_arguments,
)

cnp.import_array()

cdef enum:
    # A team is called together for at least this many operations a thread: some 100 µs of work,
    # since threads that wait for one another on a busy machine may wait for much longer than that.
    WORK_FOR_A_TEAM = 10_000_000

cdef bint _serial = False
cdef machine_t _machine


def run_serially():
    """From now on every call runs on one thread: the rule for forked children."""
    global _serial
    _serial = True


cdef class Plan:
    """Sizes, offsets and codes of a network, as the kernels read them, and how to run it.

    n_threads is the most threads a call may use, matmul is "own" or "blas" (on one thread). With
    `sparse` the rows X are `SparseRows`.
    """

    cdef plan_t c
    cdef bint is_double
    cdef int typenum, n_threads
    cdef readonly object spec

    def __cinit__(self, spec, int n_threads=1, str matmul="own", bint sparse=False):
        self.spec, self.n_threads = spec, n_threads
        self.is_double = spec.dtype == "float64"
        self.typenum = cnp.NPY_DOUBLE if self.is_double else cnp.NPY_FLOAT
        if sparse and spec.inputs is not None:
            raise ValueError("sparse rows do not support a network with an input block")
        plan_of_spec(&self.c, spec, ("own", "blas").index(matmul) == 0, sparse)
        self.c.machine = &_machine

    def __dealloc__(self):
        release_plan(&self.c)

    cdef int threads_for(self, Py_ssize_t n, Py_ssize_t operations) noexcept:
        """Threads for a call on n rows with this many operations for each parameter and row"""
        cdef int threads = min(self.threads_for_steps(n, operations), <int>panel_count(&self.c, n))
        return 1 if threads > 1 and seconds() < _machine.until else max(1, threads)

    cdef int threads_for_steps(self, Py_ssize_t n, Py_ssize_t operations) noexcept:
        """The same for steps on batches of n rows, however busy the machine is"""
        cdef Py_ssize_t work = operations * n * self.c.P
        cdef Py_ssize_t most = min(shares_of_samples(&self.c, n), <Py_ssize_t>self.n_threads)
        if _serial or not self.c.own_products:
            return 1
        return <int>max(1, min(most, work // WORK_FOR_A_TEAM))

    cdef int threads_for_sparse(
        self, const batch_t* batch, Py_ssize_t n, Py_ssize_t operations
    ) noexcept:
        """Threads for a call on n of the sparse rows, with about as many entries as the others"""
        cdef sparse_t* X = <sparse_t*>batch.X
        cdef Py_ssize_t first = self.c.n[0] * self.c.n[1]
        cdef Py_ssize_t work = operations * n * (self.c.P - first) + first
        work += operations * self.c.n[1] * (X.start[X.rows] * n // X.rows)
        if _serial or seconds() < _machine.until:
            return 1
        return <int>max(1, min(self.n_threads, work // WORK_FOR_A_TEAM))

    cdef void* transposed(self, void* scratch, Py_ssize_t n) noexcept:
        """Where W_1ᵀ of sparse rows lies in the scratch, behind ∇θ"""
        return <char*>scratch + padded(self.grad_start(n) + self.c.P) * self.c.itemsize

    cdef Py_ssize_t parts_start(self, Py_ssize_t n) noexcept:
        """Where the parts of ‖∇θ‖² begin in the scratch, before ∇θ"""
        return padded(scratch_size(&self.c, max(n, 1), self.n_threads))

    cdef Py_ssize_t grad_start(self, Py_ssize_t n) noexcept:
        """Where ∇θ begins in the scratch"""
        return self.parts_start(n) + padded(2 * count_of_parts(&self.c))


cdef step_t _masked_step(Plan plan, mask, bint train) except *:
    """A step with the dropout masks of (seed, step) or (seed, step, rate), or without masks"""
    cdef step_t step = outputs_only()
    step.train = train
    if mask is not None and plan.c.dropout:
        step.seed, step.mask = mask[:2]
        if step.mask < 1:
            raise ValueError(f"the step of a mask counts from 1, got {mask[1]}")
        if len(mask) == 3:
            set_dropout(&step, checked_dropout(mask[2]))
    return step


def workspace_size(Plan plan, Py_ssize_t n, bint forward_only=False):
    """Elements of scratch for calls on `n` rows: activations and errors of a block, and ∇θ.

    With `forward_only` it is that of `forward` with `transposed`.
    """
    if forward_only:
        return plan.parts_start(n)
    cdef Py_ssize_t size = plan.grad_start(n) + plan.c.P
    return padded(size) + plan.c.n[0] * plan.c.n[1] if plan.c.sparse else size  # W_1ᵀ


cdef bint _outputs(
    Plan plan, const char* theta, const batch_t* batch, char* y, void* scratch, int threads
) noexcept nogil:
    """y (n, n_L) := ŷ at θ; returns whether sums show that the rows are finite"""
    if plan.is_double:
        run_forward(&plan.c, <const double*>theta, batch, <double*>y, <double*>scratch, threads)
    else:
        run_forward(&plan.c, <const float*>theta, batch, <float*>y, <float*>scratch, threads)
    return isfinite(sum_of(<const double*>scratch, panel_count(&plan.c, batch.n)))


cdef double _objective(
    Plan plan, const step_t* step, const char* theta, const batch_t* batch, void* scratch,
    int threads,
) noexcept nogil:
    """The objective on the batch at θ"""
    if plan.is_double:
        return run_loss(&plan.c, step, <const double*>theta, batch, <double*>scratch, threads)
    return run_loss(&plan.c, step, <const float*>theta, batch, <float*>scratch, threads)


def first_layer_digest(Plan plan, params):
    """A number that differs, but for a chance of 2⁻⁶⁴, when W_1 does."""
    cdef char* theta = <char*>vector(params, plan.typenum, plan.c.P, "params")
    cdef Py_ssize_t size = plan.c.itemsize
    cdef uint64_t digest
    with nogil:
        digest = digest_of(plan.c.n[0] * plan.c.n[1] * size, theta + plan.c.W[1] * size)
    return digest


def forward(Plan plan, params, X, out, work, order=None, transposed=None, bint is_current=False):
    """out := ŷ, (n, n_L), for the rows of X, (n, n_0); (m, n_L) for those in `order`, (m,).

    `transposed` (n_0, n_1) := W_1ᵀ, for sparse rows, which read it, unless it holds that already.
    Returns whether the rows are known to be finite, since a_1 is; without an input block.
    """
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef sparse_t sparse
    cdef batch_t batch = _inputs(plan, X, &sparse)
    put_in_order(&batch, order)
    cdef void* y = matrix(out, plan.typenum, batch.n, c.n[c.L], "out", True)
    cdef bint given = put_transposed(c, &sparse, transposed, is_current, plan.typenum)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n, given))
    cdef int threads = _threads_for_outputs(plan, &batch, scratch)
    cdef bint finite
    with nogil:
        finite = _outputs(plan, <char*>theta, &batch, <char*>y, scratch, threads)
    return finite


cdef batch_t _inputs(Plan plan, X, sparse_t* sparse) except *:
    """The rows X, which may be sparse, without targets"""
    if plan.c.sparse:
        return batch_of_sparse(&plan.c, X, plan.typenum, sparse)
    return batch_of_inputs(&plan.c, X, plan.typenum)


cdef int _threads_for_outputs(Plan plan, const batch_t* batch, void* scratch) noexcept:
    """Threads for outputs of the rows; sparse ones with many entries read W_1ᵀ"""
    cdef sparse_t* sparse = <sparse_t*>batch.X
    if not plan.c.sparse:
        return plan.threads_for(batch.n, 2)
    if sparse.W is NULL and sparse.start[batch.n] > plan.c.n[0] // 8:
        sparse.W = plan.transposed(scratch, batch.n)
    return plan.threads_for_sparse(batch, batch.n, 2)


def forward_many(Plan plan, params, X, out, work):
    """out := ŷ of the same rows at each of K vectors θ, (K, n, n_L); params (K, P)."""
    cdef plan_t* c = &plan.c
    cdef Py_ssize_t j, K = params.shape[0]
    cdef char* theta = <char*>matrix(params, plan.typenum, K, c.P, "params")
    cdef batch_t batch = batch_of_inputs(c, X, plan.typenum)
    cdef char* y = <char*>stack(out, plan.typenum, K, batch.n, c.n[c.L], "out", True)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef Py_ssize_t size = batch.n * c.n[c.L] * c.itemsize
    cdef int threads = plan.threads_for(batch.n, 2)
    with nogil:
        for j in range(K):
            _outputs(plan, theta + j * c.P * c.itemsize, &batch, y + j * size, scratch, threads)


def loss(Plan plan, params, X, Y, sample_weight, work, mask=None, order=None):
    """(1/n) Σ_i w_i ℓ_i + Σ_k (l2_k/2 ‖W_k‖² + l1_k Σ|W_k|); Y (n,) or (n, T), w (n,) or None.

    Y of shape (n,) holds labels. `mask`, a seed and a step t >= 1, applies the dropout masks of
    that step. With `order`, (m,), of those rows only, m for n.
    """
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef sparse_t sparse
    cdef batch_t batch = _inputs(plan, X, &sparse)
    batch = batch_with_targets(c, batch, Y, sample_weight, order, plan.typenum)
    cdef step_t step = _masked_step(plan, mask, False)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef int threads = _threads_for_outputs(plan, &batch, scratch)
    cdef double value
    with nogil:
        value = _objective(plan, &step, <char*>theta, &batch, scratch, threads)
    return value


def loss_many(Plan plan, params, X, Y, sample_weight, values, work):
    """values := `loss` at each of K vectors θ, (K,) float64; params (K, P)."""
    cdef plan_t* c = &plan.c
    cdef Py_ssize_t j, K = params.shape[0]
    cdef char* theta = <char*>matrix(params, plan.typenum, K, c.P, "params")
    cdef batch_t batch = batch_of_arrays(c, X, Y, sample_weight, None, plan.typenum)
    cdef step_t step = _masked_step(plan, None, False)
    cdef double* found = <double*>vector(values, cnp.NPY_DOUBLE, K, "values", True)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef int threads = plan.threads_for(batch.n, 2)
    with nogil:
        for j in range(K):
            found[j] = _objective(
                plan, &step, theta + j * c.P * c.itemsize, &batch, scratch, threads
            )


def loss_gradient(Plan plan, params, X, Y, sample_weight, grad, work, mask=None, order=None):
    """The same value, and grad := ∇θ, (P,), laid out like params."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef sparse_t sparse
    cdef batch_t batch = _inputs(plan, X, &sparse)
    batch = batch_with_targets(c, batch, Y, sample_weight, order, plan.typenum)
    cdef step_t step = _masked_step(plan, mask, True)
    cdef void* g = vector(grad, plan.typenum, c.P, "grad", True)
    cdef void* scratch = workspace(work, plan.typenum, workspace_size(plan, batch.n))
    cdef Py_ssize_t block = min(batch.n, <Py_ssize_t>BLOCK_ROWS)
    cdef int threads = plan.threads_for(block, 6)
    cdef object _memory = None
    cdef double value
    if c.sparse:
        threads = plan.threads_for_sparse(&batch, block, 6)
        _memory = memory_for_gradient(c, &batch, batch.n, BLOCK_ROWS, threads, 0)
        sparse.W = plan.transposed(scratch, batch.n)
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


def vjp_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for `vjp` and `input_gradient` on `n` rows."""
    return pullback_scratch(&plan.c, max(n, 1), plan.n_threads)


def vjp(Plan plan, params, X, grad_y_hat, y_hat, grad, grad_X, work, mask=None):
    """ŷ, (n, n_L), grad := Σ_i (∂ŷ_i/∂θ)ᵀ u_i, (P,), grad_X := (∂ŷ_i/∂x_i)ᵀ u_i, (n, n_0).

    u_i are the rows of grad_y_hat, (n, n_L). Each of the three outputs may be None.
    """
    cdef plan_t* c = &plan.c
    cdef batch_t batch = batch_of_inputs(c, X, plan.typenum)
    cdef step_t step = _masked_step(plan, mask, True)
    require(grad_y_hat is not None, "grad_y_hat")
    cdef pullback_t want = wanted_of_arrays(
        c, batch.n, plan.typenum, grad_y_hat, y_hat, grad, grad_X
    )
    cdef Py_ssize_t together = batch.n if grad is None else min(batch.n, <Py_ssize_t>BLOCK_ROWS)
    cdef int threads = plan.threads_for(together, 6)
    pull_arrays_back(c, &step, plan.typenum, params, &batch, &want, work, plan.n_threads, threads)


def input_gradient(Plan plan, params, X, Y, sample_weight, grad_X, work):
    """grad_X := ∂(w_i ℓ_i)/∂x_i, (n, n_0), of each row's own loss; without the penalty."""
    cdef plan_t* c = &plan.c
    cdef batch_t batch = batch_of_arrays(c, X, Y, sample_weight, None, plan.typenum)
    cdef step_t step = _masked_step(plan, None, True)
    cdef pullback_t want = wanted_of_arrays(c, batch.n, plan.typenum, None, None, None, grad_X)
    cdef int threads = plan.threads_for(batch.n, 4)
    pull_arrays_back(c, &step, plan.typenum, params, &batch, &want, work, plan.n_threads, threads)


def jacobian_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for `input_jacobian`, `jvp` and `parameter_jacobian` on `n` rows."""
    return jacobian_scratch(&plan.c, plan.n_threads)


def input_jacobian(Plan plan, params, X, y_hat, J, work):
    """J := ∂ŷ_i/∂x_i of every row, (n, n_L, n_0), and ŷ, (n, n_L), unless None."""
    cdef plan_t* c = &plan.c
    cdef batch_t batch = batch_of_inputs(c, X, plan.typenum)
    cdef input_jacobian_t want = jacobian_of_arrays(c, batch.n, plan.typenum, y_hat, J)
    cdef int threads = plan.threads_for(batch.n, 2 * (1 + min(c.n[0], c.n[c.L])))
    input_jacobians_of_arrays(
        c, plan.typenum, params, &batch, &want, work, plan.n_threads, threads
    )


def jvp(Plan plan, params, X, V, y_hat, out, work):
    """out := (∂ŷ_i/∂x_i) v_i, (n, n_L), for the rows v_i of V, (n, n_0), and ŷ unless None."""
    cdef plan_t* c = &plan.c
    cdef batch_t batch = batch_of_inputs(c, X, plan.typenum)
    cdef input_jacobian_t want = tangent_of_arrays(c, batch.n, plan.typenum, V, y_hat, out)
    input_jacobians_of_arrays(
        c, plan.typenum, params, &batch, &want, work, plan.n_threads, plan.threads_for(batch.n, 4)
    )


def parameter_jacobian(Plan plan, params, X, J, work):
    """J := ∂ŷ_i/∂θ of every row, (n, n_L, P)."""
    cdef plan_t* c = &plan.c
    cdef batch_t batch = batch_of_inputs(c, X, plan.typenum)
    cdef int threads = plan.threads_for(batch.n, 2 + 4 * c.n[c.L])
    parameter_jacobians_of_arrays(
        c, plan.typenum, params, &batch, J, work, plan.n_threads, threads
    )


def shuffle(rng, rows):
    """``rng.shuffle`` of each row of `rows` (E, n) int64: the same draws and orders, without the
    GIL but for a subclass with a method of its own.
    """
    shuffle_array(rng, rows)


def train_epoch(
    Plan plan, params, X, Y, sample_weight, order, batch_size, rule, hyper, state, t, work,
    losses=None,
):
    """Steps t+1, t+2, ... on consecutive batches of the rows `order`; the mean loss before them.

    `hyper` is (1, H), for all steps, or (steps, H). A further column is the dropout rate of every
    layer that has one. The mean is over samples, so a short last batch counts by its size.
    With `losses` (E,), `order` holds the dense rows of E epochs, one after another; their mean
    losses are written there.
    """
    cdef plan_t* c = &plan.c
    cdef int typenum = plan.typenum
    cdef Py_ssize_t size = batch_size, H = len(rule.optimizer.hyper), itemsize = c.itemsize
    cdef void* theta = vector(params, typenum, c.P, "params", True)
    cdef sparse_t sparse
    cdef batch_t rows = _inputs(plan, X, &sparse)
    cdef rule_t numbers
    cdef bytes _flags = read_rule(rule, c.L, &numbers)
    cdef optimizer_t optimizer
    cdef epoch_t epoch
    cdef scratch_t scratch
    cdef double total = 0
    cdef double* means = &total
    cdef Py_ssize_t e, epochs = 1
    cdef object _memory = None
    rows = batch_with_targets(c, rows, Y, sample_weight, order, typenum)
    require(size > 0, "batch_size")
    if losses is not None:
        epochs = len(losses)
        means = <double*>vector(losses, cnp.NPY_DOUBLE, epochs, "losses", True)
        require(epochs > 0 and rows.n % epochs == 0 and not c.sparse, "losses")
        rows.n //= epochs
    optimizer.rule = &numbers
    optimizer.state = matrix(state, typenum, rule.slots, c.P, "state", True)
    epoch.hyper = hyperparameters(hyper, (rows.n + size - 1) // size, H, c.dropout)
    epoch.stride = 0 if hyper.shape[0] == 1 else hyper.shape[1]
    epoch.dropout = 0 if hyper.shape[1] == H else H
    epoch.batch_size, epoch.t, epoch.total = size, t, &total
    scratch.work = workspace(work, typenum, workspace_size(plan, size))
    scratch.parts = <double*>(<char*>scratch.work + plan.parts_start(size) * itemsize)
    scratch.grad = <char*>scratch.work + plan.grad_start(size) * itemsize
    cdef Py_ssize_t block = min(size, <Py_ssize_t>BLOCK_ROWS), steps = (rows.n + size - 1) // size
    cdef int threads = plan.threads_for_steps(block, 6)
    if c.sparse:
        threads = plan.threads_for_sparse(&rows, block, 6)
        _memory = memory_for_gradient(
            c, &rows, size, BLOCK_ROWS, threads, steps if makes_up(c, &numbers, size) else 0
        )
        sparse.W = plan.transposed(scratch.work, size)
    with nogil:
        for e in range(epochs):
            total, epoch.start, optimizer.rates.product_t = 0, 0, 0
            if plan.is_double:
                run_training(c, <double*>theta, &rows, &epoch, &optimizer, &scratch, threads)
            else:
                run_training(c, <float*>theta, &rows, &epoch, &optimizer, &scratch, threads)
            epoch.t += steps
            rows.order += rows.n
            means[e] = total / rows.n
    return means[epochs - 1]


def all_finite(Plan plan, params):
    """Whether no entry of θ is NaN or infinite."""
    return finite_numbers(&plan.c, vector(params, plan.typenum, plan.c.P, "params"), plan.c.P)


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
    optimizer.rule = &numbers
    optimizer.state = matrix(state, typenum, rule.slots, c.P, "state", True)
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
    cdef object params, work, row
    cdef void* theta
    cdef void* scratch
    cdef Py_ssize_t n_rows, inputs, outputs

    def __init__(self, Plan plan, params, Py_ssize_t n_rows, work):
        cdef plan_t* c = &plan.c
        cdef cnp.npy_intp columns = c.columns
        self.theta = vector(params, plan.typenum, c.P, "params")
        self.scratch = workspace(work, plan.typenum, workspace_size(plan, n_rows))
        self.plan, self.params, self.work, self.n_rows = plan, params, work, n_rows
        self.row = cnp.PyArray_EMPTY(1, &columns, plan.typenum, 0)
        self.inputs, self.outputs = n_rows * c.columns, n_rows * c.n[c.L]

    def __call__(self, x, out=None):
        """ŷ of x, n_rows · n_0 elements, in `out`, n_rows · n_L elements, or a new array."""
        if out is None:
            out = self.new_outputs()
        if not (is_plain(x, self.plan.typenum, self.inputs, False)
                and is_plain(out, self.plan.typenum, self.outputs, True)):
            raise ValueError(
                f"expected C-contiguous {self.plan.spec.dtype} arrays: x of {self.inputs} elements,"
                f" writable out of {self.outputs}; got {described(x)} and {described(out)}"
            )
        self.predict(cnp.PyArray_DATA(<cnp.ndarray>x), cnp.PyArray_DATA(<cnp.ndarray>out))
        return out

    def of_row(self, X):
        """ŷ, (1, n_L), of one row X, (1, n_0) or (n_0,); None unless X is a C-contiguous array,
        not of a subclass, of float32 or float64, and finite in the network's dtype.
        """
        require(self.n_rows == 1, "a row")
        cdef bint same = is_plain(X, self.plan.typenum, self.inputs, False)
        cdef int other = cnp.NPY_FLOAT if self.plan.is_double else cnp.NPY_DOUBLE
        cdef const void* x
        if not (same or is_plain(X, other, self.inputs, False)) or not is_row(<cnp.ndarray>X):
            return None
        x = cnp.PyArray_DATA(<cnp.ndarray>X)
        if not same:
            x = converted(x, cnp.PyArray_DATA(<cnp.ndarray>self.row), self.inputs, other)
        if not finite_numbers(&self.plan.c, x, self.inputs):
            return None
        out = self.new_outputs()
        self.predict(x, cnp.PyArray_DATA(<cnp.ndarray>out))
        return out

    cdef object new_outputs(self):
        """An array (n_rows, n_L)"""
        cdef cnp.npy_intp[2] shape
        shape[0], shape[1] = self.n_rows, self.plan.c.n[self.plan.c.L]
        return cnp.PyArray_EMPTY(2, shape, self.plan.typenum, 0)

    cdef void predict(self, const void* x, void* out) noexcept:
        """out (n_rows, n_L) := ŷ of x"""
        predict_either(&self.plan.c, self.theta, x, self.n_rows, out, self.scratch)


cdef class JacobianPredictor:
    """ŷ and ∂ŷ/∂x of `n_rows` rows at a call, into `out` and `jacobian_out` or new arrays."""

    cdef Plan plan
    cdef object params, work
    cdef void* theta
    cdef void* scratch
    cdef Py_ssize_t n_rows

    def __init__(self, Plan plan, params, Py_ssize_t n_rows, work):
        require_plain(&plan.c, "predictor(jacobian=True)")
        self.theta = vector(params, plan.typenum, plan.c.P, "params")
        self.scratch = workspace(work, plan.typenum, jacobian_scratch(&plan.c, plan.n_threads))
        self.plan, self.params, self.work, self.n_rows = plan, params, work, n_rows

    def __call__(self, x, out=None, jacobian_out=None):
        """ŷ of x, n_rows · n_0 elements, n_rows · n_L, and J, n_rows · n_L · n_0 elements."""
        cdef plan_t* c = &self.plan.c
        cdef int typenum = self.plan.typenum
        cdef Py_ssize_t inputs = self.n_rows * c.n[0], outputs = self.n_rows * c.n[c.L]
        cdef batch_t batch
        cdef input_jacobian_t want
        cdef cnp.npy_intp[3] shape
        shape[0], shape[1], shape[2] = self.n_rows, c.n[c.L], c.n[0]
        if out is None:
            out = cnp.PyArray_EMPTY(2, shape, typenum, 0)
        if jacobian_out is None:
            jacobian_out = cnp.PyArray_EMPTY(3, shape, typenum, 0)
        if not (is_plain(x, typenum, inputs, False) and is_plain(out, typenum, outputs, True)
                and is_plain(jacobian_out, typenum, outputs * c.n[0], True)):
            raise ValueError(
                f"expected C-contiguous {self.plan.spec.dtype} arrays: x of {inputs} elements, "
                f"writable out of {outputs} and jacobian_out of {outputs * c.n[0]}; got "
                f"{described(x)}, {described(out)} and {described(jacobian_out)}"
            )
        batch = inputs_only(cnp.PyArray_DATA(x), self.n_rows)
        want.V, want.y_hat, want.J = NULL, cnp.PyArray_DATA(out), cnp.PyArray_DATA(jacobian_out)
        run_either_jacobian(c, typenum, self.theta, &batch, &want, self.scratch, 1)
        return out, jacobian_out


cdef class PointFunction:
    """C functions of one sample: addresses, and what their `void *data` points to.

    The scratch is that of one thread at a time; `output` is the one that functions of one output
    return.
    """

    cdef Plan plan
    cdef object params
    cdef network_t c
    cdef call_t call
    cdef void* memory

    def __init__(self, Plan plan, params, Py_ssize_t output):
        cdef Py_ssize_t size = point_workspace(&plan.c)
        require_plain(&plan.c, "a C function")
        require(0 <= output < plan.c.n[plan.c.L] and self.memory is NULL, "output")
        self.c.params = vector(params, plan.typenum, plan.c.P, "params")
        self.plan, self.params = plan, params
        self.memory = PyMem_Malloc(size + 64 + plan.c.n[plan.c.L] * sizeof(double))
        if self.memory is NULL:
            raise MemoryError()
        self.c.n_inputs, self.c.n_outputs = plan.c.n[0], plan.c.n[plan.c.L]
        self.c.workspace_size, self.c.is_double, self.c.plan = size, plan.is_double, &plan.c
        self.c.value, self.c.value_f32 = value_f64, value_f32
        self.c.value_and_jacobian, self.c.value_and_jacobian_f32 = jacobian_f64, jacobian_f32
        self.call.net, self.call.output = &self.c, output
        self.call.work = <void*>((<size_t>self.memory + 63) // 64 * 64)
        self.call.y = <char*>self.call.work + size

    def __dealloc__(self):
        PyMem_Free(self.memory)

    @property
    def capsule(self):
        """A network_t of ffnn_fast/c_api.pxd, valid as long as this object is"""
        return PyCapsule_New(&self.c, b"ffnn_fast.network_t", NULL)

    @property
    def workspace_size(self):
        """Bytes of a workspace"""
        return self.c.workspace_size

    @property
    def data(self):
        """The address that the functions take as `data`"""
        return <size_t>&self.call

    def addresses(self):
        """Of the functions, by name"""
        return {
            "value_float32": <size_t>&data_value_f32,
            "value_float64": <size_t>&data_value_f64,
            "jacobian_float32": <size_t>&data_jacobian_f32,
            "jacobian_float64": <size_t>&data_jacobian_f64,
            "integrand": <size_t>&integrand,
            "filter": <size_t>&filter_value,
        }


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
    require_plain(c, "normal_equations")
    cdef void* theta = vector(params, typenum, P, "params")
    cdef batch_t batch = batch_of_inputs(c, X, typenum)
    cdef void* A = matrix(JTJ, typenum, P, P, "JTJ", True)
    cdef void* v = vector(JTr, typenum, P, "JTr", True)
    cdef void* scratch = workspace(work, typenum, normal_workspace_size(plan, batch.n))
    cdef void* weights = NULL
    cdef double value
    require(
        c.g[c.L] != SOFTMAX and c.head[0].loss in (SQUARED_ERROR, HALF_SQUARED_ERROR),
        "the sum of squares",
    )
    batch.Y = matrix(Y, typenum, batch.n, c.n[c.L], "Y")
    if sample_weight is not None:
        batch.weight = vector(sample_weight, typenum, batch.n, "sample_weight")
    if output_weight is not None:
        weights = vector(output_weight, typenum, c.n[c.L], "output_weight")
    # A barrier follows each block of J, which costs P operations for each of its elements.
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


def taylor_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for the functions below on `n` rows."""
    return taylor_scratch(&plan.c, max(n, 1), plan.n_threads)


def taylor(Plan plan, params, X, V, y_hat, first, second, work):
    """y_hat := ŷ (n, n_L), first := J v, second := vᵀ H v, (n, m, n_L), for V (n, m, n_0).

    V None: the m = n_0 unit vectors. A result that is None is left out.
    """
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef taylor_t args = taylor_arguments(c, plan.typenum, X, V, y_hat, first, second, True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(args.n, 4 * args.m + 2)
    with nogil:
        if plan.is_double:
            run_taylor(c, <double*>theta, &args, <double*>scratch, threads)
        else:
            run_taylor(c, <float*>theta, &args, <float*>scratch, threads)


def taylor_gradient(Plan plan, params, X, V, grad_y_hat, grad_first, grad_second, grad, work):
    """grad := ∇θ, (P,), of what has these gradients by the results of `taylor`; None is 0."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef taylor_t args = taylor_arguments(
        c, plan.typenum, X, V, grad_y_hat, grad_first, grad_second, False
    )
    cdef void* g = vector(grad, plan.typenum, c.P, "grad", True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(min(args.n, <Py_ssize_t>TAYLOR_ROWS), 6)
    with nogil:
        if plan.is_double:
            run_taylor_gradient(c, <double*>theta, &args, <double*>g, <double*>scratch, threads)
        else:
            run_taylor_gradient(c, <float*>theta, &args, <float*>g, <float*>scratch, threads)


def taylor_jacobian(Plan plan, params, X, V, J, work):
    """J := ∂(J v)/∂θ of every row, (n, m n_L, P), for V (n, m, n_0); None: the unit vectors."""
    cdef plan_t* c = &plan.c
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef taylor_t args = taylor_arguments(c, plan.typenum, X, V, None, None, None, True)
    cdef void* rows = stack(J, plan.typenum, args.n, args.m * c.n[c.L], c.P, "J")
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, args.n))
    cdef int threads = plan.threads_for(args.n, 8 * args.m * c.n[c.L])
    with nogil:
        if plan.is_double:
            run_taylor_jacobian(
                c, <double*>theta, &args, <double*>rows, <double*>scratch, threads
            )
        else:
            run_taylor_jacobian(c, <float*>theta, &args, <float*>rows, <float*>scratch, threads)


def hessian_product(Plan plan, params, v, X, Y, sample_weight, product, work):
    """product := ∇²ℒ v of the objective, (P,), for a vector v of θ's shape."""
    cdef plan_t* c = &plan.c
    require_plain(c, "hvp")
    cdef void* theta = vector(params, plan.typenum, c.P, "params")
    cdef void* along = vector(v, plan.typenum, c.P, "v")
    cdef batch_t batch = batch_of_arrays(c, X, Y, sample_weight, None, plan.typenum)
    cdef void* out = vector(product, plan.typenum, c.P, "product", True)
    cdef void* scratch = workspace(work, plan.typenum, taylor_workspace_size(plan, batch.n))
    cdef int threads = plan.threads_for(min(batch.n, <Py_ssize_t>TAYLOR_ROWS), 12)
    with nogil:
        if plan.is_double:
            run_hessian_product(
                c, <double*>theta, <double*>along, &batch, <double*>out, <double*>scratch, threads
            )
        else:
            run_hessian_product(
                c, <float*>theta, <float*>along, &batch, <float*>out, <float*>scratch, threads
            )


cdef int _refuse(str what) except -1:
    raise ValueError(f"the stepper does not take {what} as it is")


cdef class Stepper:
    """Steps of a rule on the rows of a call; all but these is made once.

    A call checks no more of its arrays than memory safety and finite parameters need. A ValueError
    means that nothing has been changed: an array of another dtype, size or layout, a value that is
    not finite, a target outside the domain of the loss, or a learning rate that is not finite and
    >= 0. A FloatingPointError means that the step has diverged: with `rollback`, the parameters,
    the state and t are those before the call.

    `t` is an int64 array, (1,), the number of steps done. `state` is (rule.slots, P). For one
    thread at a time.
    """

    cdef Plan plan
    cdef tuple used  # the objects that the pointers below point into
    cdef rule_t rule
    cdef optimizer_t optimizer
    cdef scratch_t scratch
    cdef kept_t kept
    cdef domain_t* domains
    cdef double* hyper
    cdef int64_t* t
    cdef int64_t* order
    cdef void* theta
    cdef Py_ssize_t batch_size, H
    cdef bint takes_labels

    def __cinit__(self):
        self.domains = NULL

    def __init__(
        self, Plan plan, params, rule, state, t, Py_ssize_t batch_size, work, bint rollback=True
    ):
        cdef plan_t* c = &plan.c
        cdef cnp.npy_intp size
        cdef Py_ssize_t i
        require(batch_size > 0, "batch_size")
        self.plan, self.batch_size = plan, batch_size
        self.takes_labels = plan.spec.takes_labels
        self.theta = vector(params, plan.typenum, c.P, "params", True)
        frozen = read_rule(rule, c.L, &self.rule)
        self.optimizer.rule = &self.rule
        self.optimizer.rates.product_t = 0
        self.optimizer.state = matrix(state, plan.typenum, rule.slots, c.P, "state", True)
        self.t = <int64_t*>vector(t, cnp.NPY_INT64, 1, "t", True)
        self.scratch.work = workspace(work, plan.typenum, workspace_size(plan, batch_size))
        self.scratch.parts = <double*>(
            <char*>self.scratch.work + plan.parts_start(batch_size) * c.itemsize
        )
        self.scratch.grad = (
            <char*>self.scratch.work + plan.grad_start(batch_size) * c.itemsize
        )
        values = rule.optimizer.hyper
        self.H = size = len(values)
        hyper = cnp.PyArray_EMPTY(1, &size, cnp.NPY_DOUBLE, 0)
        self.hyper = <double*>cnp.PyArray_DATA(hyper)
        for i in range(size):
            self.hyper[i] = values[i]
        size = batch_size
        order = cnp.PyArray_EMPTY(1, &size, cnp.NPY_INT64, 0)
        self.order = <int64_t*>cnp.PyArray_DATA(order)
        for i in range(size):
            self.order[i] = i
        copy = None
        self.kept.copy, self.kept.P, self.kept.slots = NULL, c.P, rule.slots
        if rollback:
            size = (1 + rule.slots) * c.P
            copy = cnp.PyArray_EMPTY(1, &size, plan.typenum, 0)
            self.kept.copy = cnp.PyArray_DATA(copy)
        self.used = (params, state, t, work, frozen, hyper, order, copy)
        self.read_domains(plan.spec.target_domains)

    def __dealloc__(self):
        PyMem_Free(self.domains)

    cdef int read_domains(self, domains) except -1:
        """self.domains := (width, low, high, row) of each head"""
        cdef Py_ssize_t k, width
        PyMem_Free(self.domains)
        self.domains = <domain_t*>PyMem_Malloc(len(domains) * sizeof(domain_t))
        if self.domains is NULL:
            raise MemoryError()
        rows = {"any": ANY, "distribution": DISTRIBUTION, "one-hot": ONE_HOT}
        width = 0
        for k in range(len(domains)):
            (self.domains[k].width, self.domains[k].low, self.domains[k].high, row) = domains[k]
            self.domains[k].row = rows[row]
            width += self.domains[k].width
        require(width == self.plan.c.targets and len(domains) == self.plan.c.heads, "the loss")
        return 0

    cdef batch_t rows(self, X, Y, sample_weight) except *:
        """The rows with their targets and weights, checked, in their own order"""
        cdef plan_t* c = &self.plan.c
        cdef int typenum = self.plan.typenum
        cdef Py_ssize_t n, T = c.targets
        cdef batch_t batch = inputs_only(NULL, 0)
        if not _is_readable(X, typenum):
            _refuse("X")
        batch.X = cnp.PyArray_DATA(X)
        n = batch.n = cnp.PyArray_DIM(X, 0) if cnp.PyArray_NDIM(X) == 2 else 1
        if not (
            1 <= cnp.PyArray_NDIM(X) <= 2
            and n > 0 and cnp.PyArray_DIM(X, cnp.PyArray_NDIM(X) - 1) == c.columns
            and finite_numbers(&self.plan.c, batch.X, n * c.columns)
        ):
            _refuse("X")
        if self.takes_labels and _is_readable(Y, cnp.NPY_INT64):
            batch.labels = <const int64_t*>cnp.PyArray_DATA(Y)
            if not (
                cnp.PyArray_NDIM(Y) == 1 and cnp.PyArray_SIZE(Y) == n
                and all_below(batch.labels, n, NULL, c.n[c.L])
            ):
                _refuse("y")
        elif _is_readable(Y, typenum) and cnp.PyArray_SIZE(Y) == n * T and (
            (cnp.PyArray_NDIM(Y) == 2 and cnp.PyArray_DIM(Y, 0) == n)
            or (cnp.PyArray_NDIM(Y) == 1 and (T == 1 or (n == 1 and not self.takes_labels)))
        ):
            batch.Y = cnp.PyArray_DATA(Y)
            if not self.in_domain(batch.Y, n):
                _refuse("y")
        else:
            _refuse("y")
        if sample_weight is not None:
            if not (
                _is_readable(sample_weight, typenum) and cnp.PyArray_NDIM(sample_weight) == 1
                and cnp.PyArray_SIZE(sample_weight) == n
            ):
                _refuse("sample_weight")
            batch.weight = cnp.PyArray_DATA(sample_weight)
            if not finite_numbers(&self.plan.c, batch.weight, n):
                _refuse("sample_weight")
        return batch

    cdef bint in_domain(self, const void* Y, Py_ssize_t n) noexcept:
        """Whether n rows of dense targets lie in the domain of the loss"""
        cdef plan_t* c = &self.plan.c
        if self.plan.is_double:
            return targets_fit(<const double*>Y, n, self.domains, c.heads, c.missing)
        return targets_fit(<const float*>Y, n, self.domains, c.heads, c.missing)

    cdef int set_rate(self, double learning_rate) except -1:
        """The learning rate of the next step"""
        if not 0 <= learning_rate < INFINITY:
            _refuse("the learning rate")
        self.hyper[0] = learning_rate
        return 0

    cdef bint train(self, const batch_t* rows, epoch_t* epoch, int threads) noexcept nogil:
        """Steps on the rows; whether they were undone, since the last loss or θ is not finite"""
        cdef plan_t* c = &self.plan.c
        cdef bint diverged
        epoch.t = self.t[0]
        if self.plan.is_double:
            keep(&self.kept, <double*>self.theta, <double*>self.optimizer.state)
            run_training(
                c, <double*>self.theta, rows, epoch, &self.optimizer, &self.scratch, threads
            )
            diverged = restored(
                &self.kept, <double*>self.theta, <double*>self.optimizer.state,
                not isfinite(epoch.total[0]),
            )
        else:
            keep(&self.kept, <float*>self.theta, <float*>self.optimizer.state)
            run_training(
                c, <float*>self.theta, rows, epoch, &self.optimizer, &self.scratch, threads
            )
            diverged = restored(
                &self.kept, <float*>self.theta, <float*>self.optimizer.state,
                not isfinite(epoch.total[0]),
            )
        if not diverged or self.kept.copy is NULL:
            self.t[0] += (rows.n + epoch.batch_size - 1) // epoch.batch_size
        return diverged

    cdef double run(
        self, const batch_t* rows, Py_ssize_t size, const double* hyper, Py_ssize_t stride
    ) except? -1:
        """Steps on consecutive batches of the rows; the mean loss before them"""
        cdef int threads = self.plan.threads_for_steps(min(size, <Py_ssize_t>BLOCK_ROWS), 6)
        cdef double total = 0
        cdef epoch_t epoch
        cdef bint diverged
        epoch.batch_size, epoch.hyper, epoch.stride, epoch.total = size, hyper, stride, &total
        epoch.dropout, epoch.start = 0, 0
        if 6 * rows.n * self.plan.c.P < WORK_FOR_A_TEAM:  # shorter than a change of threads
            diverged = self.train(rows, &epoch, 1)
        else:
            with nogil:
                diverged = self.train(rows, &epoch, threads)
        if diverged:
            raise FloatingPointError(f"the loss, {total / rows.n}, or a parameter is not finite")
        return total / rows.n

    def step(self, X, Y, sample_weight, double learning_rate):
        """One step on at most batch_size rows, X (n, n_0) or (n_0,); the loss before it."""
        cdef batch_t rows = self.rows(X, Y, sample_weight)
        if rows.n > self.batch_size:
            _refuse("more rows than batch_size")
        self.set_rate(learning_rate)
        rows.order = self.order
        return self.run(&rows, rows.n, self.hyper, 0)

    def steps(self, X, Y, sample_weight, order, hyper):
        """Steps on consecutive batches of the rows `order`; as `train_epoch`, with its `hyper`."""
        cdef batch_t rows = self.rows(X, Y, sample_weight)
        cdef Py_ssize_t n = rows.n, size = self.batch_size
        check_array(order, cnp.NPY_INT64, 1, "order", False)
        rows.order, rows.n = <const int64_t*>cnp.PyArray_DATA(order), cnp.PyArray_DIM(order, 0)
        require(rows.n > 0 and all_below(rows.order, rows.n, NULL, n), "a row in order")
        return self.run(
            &rows, size, hyperparameters(hyper, (rows.n + size - 1) // size, self.H, False),
            0 if cnp.PyArray_DIM(hyper, 0) == 1 else self.H,
        )

    def gradient(self, X, Y, sample_weight, grad):
        """grad := ∇θ, (P,), with the dropout of the next step; the loss, penalty included."""
        cdef plan_t* c = &self.plan.c
        cdef batch_t rows = self.rows(X, Y, sample_weight)
        cdef int threads = self.plan.threads_for(min(rows.n, <Py_ssize_t>BLOCK_ROWS), 6)
        cdef step_t step = outputs_only()
        cdef void* work = self.scratch.work
        cdef double value
        if rows.n > self.batch_size:
            _refuse("more rows than batch_size")
        if not is_plain(grad, self.plan.typenum, c.P, True):
            _refuse("the array for the gradient")
        step.train = True
        if c.dropout:
            step.seed, step.mask = self.rule.seed, self.t[0] + 1
        cdef void* g = cnp.PyArray_DATA(grad)
        with nogil:
            if self.plan.is_double:
                value = run_loss_gradient(
                    c, &step, <double*>self.theta, &rows, <double*>g, <double*>work, threads
                )
            else:
                value = run_loss_gradient(
                    c, &step, <float*>self.theta, &rows, <float*>g, <float*>work, threads
                )
        return value

    def apply(self, grad, double learning_rate):
        """One step of the rule with this gradient, (P,)."""
        cdef plan_t* c = &self.plan.c
        cdef bint diverged
        cdef double* parts = self.scratch.parts if self.rule.clip_norm < INFINITY else NULL
        if not (
            _is_readable(grad, self.plan.typenum) and cnp.PyArray_NDIM(grad) == 1
            and cnp.PyArray_SIZE(grad) == c.P
        ):
            _refuse("the gradient")
        cdef void* g = cnp.PyArray_DATA(grad)
        if not finite_numbers(&self.plan.c, g, c.P):
            _refuse("the gradient")
        self.set_rate(learning_rate)
        set_rates(&self.rule, self.hyper, self.t[0] + 1, &self.optimizer.rates)
        if self.plan.is_double:
            keep(&self.kept, <double*>self.theta, <double*>self.optimizer.state)
            run_update(c, &self.optimizer, <double*>self.theta, <double*>g, parts)
            diverged = restored(
                &self.kept, <double*>self.theta, <double*>self.optimizer.state, False
            )
        else:
            keep(&self.kept, <float*>self.theta, <float*>self.optimizer.state)
            run_update(c, &self.optimizer, <float*>self.theta, <float*>g, parts)
            diverged = restored(
                &self.kept, <float*>self.theta, <float*>self.optimizer.state, False
            )
        if diverged:
            raise FloatingPointError("a parameter is not finite")
        self.t[0] += 1


cdef inline bint _is_readable(object x, int typenum) noexcept:
    """Whether x is an array of this type, not masked, whose memory can be read as it lies"""
    return (
        cnp.PyArray_CheckExact(x) and cnp.PyArray_TYPE(x) == typenum and cnp.PyArray_ISCARRAY_RO(x)
    )
