# The class Stepper of engine.pyx.

from libc.math cimport isfinite
from libc.stdint cimport int64_t

from ffnn_fast.engine.arguments cimport all_below, check_array
from ffnn_fast.engine.passes.stepping cimport (
    ANY, DISTRIBUTION, ONE_HOT, all_finite, domain_t, keep, kept_t, restored, targets_fit,
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
            and n > 0 and cnp.PyArray_DIM(X, cnp.PyArray_NDIM(X) - 1) == c.n[0]
            and self.finite(batch.X, n * c.n[0])
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
            if not self.finite(batch.weight, n):
                _refuse("sample_weight")
        return batch

    cdef bint finite(self, const void* x, Py_ssize_t n) noexcept:
        """Whether n numbers of the plan's dtype are finite"""
        if self.plan.is_double:
            return all_finite(<const double*>x, n)
        return all_finite(<const float*>x, n)

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
        cdef int threads = self.plan.threads_for(min(size, <Py_ssize_t>BLOCK_ROWS), 6)
        cdef double total = 0
        cdef epoch_t epoch
        cdef bint diverged
        epoch.batch_size, epoch.hyper, epoch.stride, epoch.total = size, hyper, stride, &total
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
            &rows, size, hyperparameters(hyper, (rows.n + size - 1) // size, self.H),
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
        if not is_plain(grad, self.plan.typenum, c.P, False):
            _refuse("the gradient")
        cdef void* g = cnp.PyArray_DATA(grad)
        if not self.finite(g, c.P):
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
