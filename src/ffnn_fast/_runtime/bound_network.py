"""BoundNetwork: a network bound to a backend, with the calls of training and prediction.

The backend is the compiled engine or its reference; both have the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import ModuleType
from typing import Any

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.dropout_masks import Mask
from ffnn_fast._model.predictions import log_probabilities, logarithms
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.sparse_rows import SparseRows
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.blas_limit import one_blas_thread
from ffnn_fast._runtime.durations import LONG_CALL, Durations
from ffnn_fast._runtime.interrupts import in_background
from ffnn_fast._runtime.predict_functions import JacobianFunction, PredictFunction
from ffnn_fast._runtime.reference_stepper import ReferenceStepper
from ffnn_fast._runtime.sparse_plans import for_sparse_rows, forward_transposed, reads_transposed
from ffnn_fast._runtime.threads import openmp_limit
from ffnn_fast._scalars import LARGEST
from ffnn_fast.optimizers import StepRule

Array = np.ndarray
ALIGNMENT = 64  # bytes; a cache line, and the widest vector
STEPS_TOGETHER = 64  # steps on one sample each are computed in panels; a multiple of their sizes
MOST_KEPT = 1 << 21  # bytes of scratch that is kept: new pages take as long as the passes over them
MOST_PREDICTED = 1 << 18  # parameters of networks whose row takes microseconds, with the GIL
# Parameters times rows of a call of the reference engine that needs one BLAS thread: with fewer,
# BLAS uses one by itself; with more, several are faster.
SMALL_PRODUCTS = range(4096, 50_000_000)


def aligned_empty(n: int, dtype: str) -> Array:
    """An uninitialised vector of n elements that starts on a 64-byte boundary."""
    size = n * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT  # `ctypes.data` takes 2 µs more
    return raw[start : start + size].view(dtype)


def aligned_copy(vector: Array, dtype: str) -> Array:
    """A copy of the vector in another dtype that starts on a 64-byte boundary."""
    aligned = aligned_empty(len(vector), dtype)
    aligned[:] = vector
    return aligned


@dataclass(frozen=True)
class BoundNetwork:
    """A network bound to a backend.

    Attributes
    ----------
    spec : NetworkSpec
    plan : Plan
        The backend's own description of the network, for the most threads.
    params : ndarray of shape (P,)
        θ, changed in place.
    backend : module
    calls_blas : bool
        Whether the compiled backend leaves its products to BLAS, limited to one thread then.
    n_threads : int, default 1
        The most threads of `plan`.
    limited_plan : callable or None
        Returns the plan for the number of threads allowed now, at most that of `plan`.
    entries : float or None
        Stored entries of a row, about, if the rows are `SparseRows`; None: they are dense.
    dense : BoundNetwork or None
        The same network for dense rows, if the rows are `SparseRows`.
    kept : list of ndarray
        Scratch of former calls, each for one thread at a time.
    kept_predictors : list of callable
        Predictors of one row, each for one thread at a time.
    made : dict
        Objects of other modules that are made once for this network and these parameters.
    """

    spec: NetworkSpec
    plan: Any
    params: Array
    backend: ModuleType
    calls_blas: bool = False
    n_threads: int = 1
    limited_plan: Callable[[], Any] | None = field(default=None, repr=False)
    entries: float | None = None
    dense: BoundNetwork | None = field(default=None, repr=False)
    # New in every copy by `dataclasses.replace`.
    kept: list[Array] = field(default_factory=list, init=False, repr=False)
    kept_predictors: list[Any] = field(default_factory=list, init=False, repr=False)
    made: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def compiled(self) -> bool:
        """Whether the backend is the compiled engine."""
        return self.backend is not reference

    @cached_property
    def uses_blas(self) -> bool:
        """Whether BLAS computes the products."""
        return self.calls_blas or not self.compiled

    @property
    def plan_now(self) -> Any:
        """The plan for the number of threads allowed now."""
        return self.plan if self.limited_plan is None else self.limited_plan()

    @property
    def threads_now(self) -> int:
        """The number of threads allowed now."""
        return self.n_threads if self.limited_plan is None else min(self.n_threads, openmp_limit())

    @cached_property
    def durations(self) -> Durations:
        """Estimates of how long calls take."""
        return Durations(self.spec, self.backend, self.calls_blas, self.entries)

    def on(self, params: Array, kept: list[Array] | None = None) -> BoundNetwork:
        """The same network with other parameters, (P,), and scratch of its own unless `kept`."""
        dense, kept = self.dense and self.dense.on(params), [] if kept is None else kept
        other = object.__new__(type(self))  # `copy` takes four times as long
        vars(other).update(vars(self), params=params, dense=dense)  # with estimates of durations
        vars(other).update(kept=kept, kept_predictors=[], made={})
        return other

    def taking(self, X: Any) -> BoundNetwork:
        """The same network for sparse or for dense rows, whichever X holds."""
        dense = self.dense or self
        return for_sparse_rows(dense, X.entries_per_row) if isinstance(X, SparseRows) else dense

    def run(self, n: int, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, which calls the backend on n rows at a time.

        BLAS is limited to one thread meanwhile if the compiled backend calls it, or if the
        reference multiplies small matrices.
        """
        if self.calls_blas or (not self.compiled and n * len(self.params) in SMALL_PRODUCTS):
            return one_blas_thread(function, *args)
        return function(*args)

    def has_finite_params(self) -> bool:
        """Whether no entry of θ is NaN or infinite."""
        if len(self.params) > MOST_PREDICTED:  # in blocks, between which signals are handled
            return all_finite(self.params)
        return bool(self.backend.all_finite(self.plan, self.params))

    def workspace(self, n: int) -> Array:
        """Scratch for calls on n rows."""
        return aligned_empty(self.backend.workspace_size(self.plan, n), self.spec.dtype)

    def take_workspace(self, n: int) -> Array:
        """The same, of a former call if there is some; see `keep_scratch`."""
        return self.take_scratch(self.backend.workspace_size(self.plan, n))

    def forward(self, X: Array, order: Array | None = None) -> Array:
        """ŷ, (n, n_L), or of the rows in `order` only."""
        n = len(X) if order is None else len(order)
        if isinstance(X, SparseRows) != (self.entries is not None):
            return self.taking(X).forward(X, order)
        if n == 1 and self._keeps_predictors:
            return self._forward_of_one(X if order is None else X[order])
        out = np.empty((n, self.spec.n_outputs), dtype=self.spec.dtype)
        if self.compiled and isinstance(X, SparseRows) and reads_transposed(self.spec, X, n):
            forward_transposed(self, X, order, out)
            return out
        size, options = self.backend.workspace_size, () if order is None else (order,)
        self.scratched(size, self.backend.forward, 1, (X, out), options, n)
        return out

    def of_row(self, X: Any) -> Array | None:
        """ŷ, (1, n_L), of a row from the user; None if X is not one that fits as it is: other
        functions check it, and convert it or raise.
        """
        if type(X) is not np.ndarray or X.size != self._row_size:
            return None
        try:
            predict = self.kept_predictors.pop()
        except IndexError:
            predict = self.predictor(1)
        y_hat: Array | None = predict.of_row(X)
        self.kept_predictors.append(predict)
        return y_hat

    @cached_property
    def _row_size(self) -> int:
        """n_0 where a predictor of one row is kept, else the size of no array."""
        return self.spec.n_inputs if self._keeps_predictors else -1

    @cached_property
    def _keeps_predictors(self) -> bool:
        return len(self.params) <= MOST_PREDICTED and not self.uses_blas and self.entries is None

    def _forward_of_one(self, X: Array) -> Array:
        """ŷ of one row, (1, n_L), by a predictor that is kept."""
        try:
            predict = self.kept_predictors.pop()
        except IndexError:
            predict = self.predictor(1)
        y_hat = predict(X)
        self.kept_predictors.append(predict)
        return y_hat

    def _linear(self) -> BoundNetwork:
        """The network whose outputs are a_L, on the same θ."""
        spec = replace(
            self.spec, output="identity", loss="squared_error", loss_options={}, heads=()
        )
        matmul = "blas" if self.calls_blas else "own"
        plan = self.backend.Plan(spec, self.threads_now, matmul, self.entries is not None)
        return replace(self, spec=spec, plan=plan, limited_plan=None)

    def log_proba(self, X: Array) -> Any:
        """Logarithms of the class probabilities, (n, n_L), or (n, 2) for one output: those of 0 and
        of 1. From a_L, where the output is softmax or logistic: finite where ŷ rounds to 0, and
        not 0 where it rounds to 1. Of each head where heads have their own, None for one that gives
        no probabilities.
        """
        spec = self.spec
        if spec.mixed or spec.output in ("softmax", "logistic"):
            return log_probabilities(spec, self.taking(X)._linear().forward(X))
        return logarithms(self.forward(X))

    def loss(self, samples: Samples, work: Array | None = None) -> float:
        """The objective on the samples; `work` is scratch for them."""
        X, Y, weight = samples.X, samples.Y, samples.sample_weight
        if isinstance(X, SparseRows) != (self.entries is not None):
            return self.taking(X).loss(samples)
        options = () if samples.order is None else (None, samples.order)
        if work is not None:
            return self._call(self.backend.loss, samples.n, 1, X, Y, weight, work, *options)
        size, function = self.backend.workspace_size, self.backend.loss
        return self.scratched(size, function, 1, (X, Y, weight), options, samples.n)

    def loss_gradient(
        self,
        samples: Samples,
        grad: Array | None = None,
        mask: Mask | None = None,
        work: Array | None = None,
    ) -> tuple[float, Array]:
        """The objective and ∇θ, (P,), written to `grad` if given; `mask`, a seed and a step, and a
        rate if it is not the network's, turns dropout on.
        """
        X, Y, weight, n = samples.X, samples.Y, samples.sample_weight, samples.n
        if isinstance(X, SparseRows) != (self.entries is not None):
            return self.taking(X).loss_gradient(samples, grad, mask)
        if grad is None:
            grad = aligned_empty(len(self.params), self.spec.dtype)
        options = () if mask is None and samples.order is None else (mask, samples.order)
        function, size = self.backend.loss_gradient, self.backend.workspace_size
        if work is None:
            value = self.scratched(size, function, 3, (X, Y, weight, grad), options, n)
        else:
            value = self._call(function, n, 3, X, Y, weight, grad, work, *options)
        return value, grad

    def vjp(
        self, X: Array, grad_y_hat: Array, mask: Mask | None = None
    ) -> tuple[Array, Array, Array]:
        """ŷ, (n, n_L), Σ_i (∂ŷ_i/∂θ)ᵀ u_i, (P,), and (∂ŷ_i/∂x_i)ᵀ u_i, (n, n_0), for the rows u_i
        of `grad_y_hat`; `mask` as in `loss_gradient`.
        """
        y_hat, grad_X = np.empty_like(grad_y_hat), np.empty_like(X)
        grad = aligned_empty(len(self.params), self.spec.dtype)
        size = self.backend.vjp_workspace_size
        given = () if mask is None else (mask,)
        self.scratched(size, self.backend.vjp, 3, (X, grad_y_hat, y_hat, grad, grad_X), given)
        return y_hat, grad, grad_X

    def input_gradient(self, samples: Samples) -> Array:
        """∂(w_i ℓ_i)/∂x_i, (n, n_0)."""
        X, Y, weight = samples.X, samples.Y, samples.sample_weight
        grad_X = np.empty_like(X)
        size = self.backend.vjp_workspace_size
        self.scratched(size, self.backend.input_gradient, 2, (X, Y, weight, grad_X))
        return grad_X

    def jacobian(self, X: Array) -> Array:
        """∂ŷ_i/∂x_i, (n, n_L, n_0)."""
        n, spec = len(X), self.spec
        J = np.empty((n, spec.n_outputs, spec.n_inputs), dtype=spec.dtype)
        passes = 1 + min(spec.n_outputs, spec.n_inputs if self.compiled else spec.n_outputs)
        size = self.backend.jacobian_workspace_size
        self.scratched(size, self.backend.input_jacobian, passes, (X, None, J))
        return J

    def jvp(self, X: Array, V: Array) -> tuple[Array, Array]:
        """ŷ and (∂ŷ_i/∂x_i) v_i for the rows v_i of V, both (n, n_L)."""
        y_hat, out = (np.empty((len(X), self.spec.n_outputs), self.spec.dtype) for _ in range(2))
        size = self.backend.jacobian_workspace_size
        self.scratched(size, self.backend.jvp, 2, (X, V, y_hat, out))
        return y_hat, out

    def parameter_jacobian(self, X: Array) -> Array:
        """∂ŷ_i/∂θ, (n, n_L, P)."""
        n, spec = len(X), self.spec
        J = np.empty((n, spec.n_outputs, spec.n_params), dtype=spec.dtype)
        # To write an entry to a new page of J takes as long as a hundred operations.
        size, passes = self.backend.jacobian_workspace_size, 1 + 100 * spec.n_outputs
        self.scratched(size, self.backend.parameter_jacobian, passes, (X, J))
        return J

    def scratched(
        self,
        size: Callable[[Any, int], int],
        function: Any,
        passes: int,
        arrays: tuple[Array | None, ...],
        options: tuple[Any, ...] = (),
        n: int | None = None,
    ) -> Any:
        """``function(*arrays, work, *options)`` on n rows, those of arrays[0] by default, with
        scratch that is kept for the next call unless it is large.
        """
        n = len(arrays[0]) if n is None else n  # type: ignore[arg-type]
        work = self.take_scratch(size(self.plan, n))
        result = self._call(function, n, passes, *arrays, work, *options)
        self.keep_scratch(work)
        return result

    def take_scratch(self, needed: int) -> Array:
        """Scratch of at least so many elements, of a former call if there is some."""
        try:
            work = self.kept.pop()
        except IndexError:
            return aligned_empty(needed, self.spec.dtype)
        return work if len(work) >= needed else aligned_empty(needed, self.spec.dtype)

    def keep_scratch(self, work: Array) -> None:
        """Keep scratch, which nothing writes to any more, for a later call unless it is large."""
        if work.nbytes <= MOST_KEPT:
            self.kept.append(work)

    def predictor(self, n_rows: int) -> PredictFunction:
        """See `ffnn_fast.Network.predictor`."""
        return self.backend.Predictor(self.plan, self.params, n_rows, self.workspace(n_rows))

    def jacobian_predictor(self, n_rows: int) -> JacobianFunction:
        """The same with ∂ŷ/∂x; ValueError if no array can hold it."""
        self.spec.require_plain("predictor(jacobian=True)")
        if 8 * n_rows * self.spec.n_outputs * self.spec.n_inputs > LARGEST:
            raise ValueError(f"the Jacobians of n_rows={n_rows} rows fit no array")
        size = self.backend.jacobian_workspace_size
        work = aligned_empty(size(self.plan, n_rows), self.spec.dtype)
        return self.backend.JacobianPredictor(self.plan, self.params, n_rows, work)

    def in_one_call(self, rule: StepRule, n_steps: int, batch_size: int) -> bool:
        """Whether so many steps are one call of the engine that needs no background thread: so
        short that signals may wait.
        """
        if self.uses_blas or not rule.optimizer.compiled:
            return False
        return n_steps * self.durations.step(batch_size, rule.slots) <= LONG_CALL

    def stepper(
        self, rule: StepRule, state: Array, t: Array, batch_size: int, rollback: bool = True
    ) -> Any:
        """The backend's Stepper, for the number of threads allowed now; see `ReferenceStepper`."""
        given = (
            self.plan_now, self.params, rule, state, t, batch_size, self.workspace(batch_size),
            rollback,
        )  # fmt: skip
        if self.compiled and rule.optimizer.compiled:
            return self.backend.Stepper(*given)
        return ReferenceStepper(*given, backend=self.backend)

    def _call(self, function: Any, n: int, passes: int, *args: Any) -> Any:
        """A call that makes so many passes over n rows; a long one does not block signals."""
        seconds = self.durations.passes(n, passes)
        if seconds <= LONG_CALL and not self.uses_blas:  # saves two calls, 1 µs
            return function(self.plan_now, self.params, *args)
        call = partial(within, seconds, exit_waits=self.uses_blas)
        return self.run(n, call, function, self.plan_now, self.params, *args)

    def steps_in(self, seconds: float, rule: StepRule, batch_size: int) -> int:
        """The number of steps that take at most about `seconds`; it does not depend on a clock."""
        durations = self.durations
        if self.compiled and not rule.optimizer.compiled:
            durations = Durations(self.spec, reference, entries=self.entries)
        steps = durations.steps_within(seconds, batch_size, rule.slots)
        if batch_size == 1 and steps > STEPS_TOGETHER:
            steps -= steps % STEPS_TOGETHER
        return steps

    def train(
        self,
        samples: Samples,
        order: Array,
        batch_size: int,
        rule: StepRule,
        hyper: Array,
        state: Array,
        t: int,
        work: Array,
        hold: Callable[[], None] = lambda: None,
    ) -> float:
        """Steps t+1, t+2, ... as the backends' ``train_epoch``, also by user-defined rules.

        `hold` is called before the first change of θ. The first step that is long is interrupted
        without a change.
        """
        if self.compiled and not rule.optimizer.compiled:
            return self._train_in_python(samples, order, batch_size, rule, hyper, state, t, hold)
        fixed = (samples.X, samples.Y, samples.sample_weight)
        if self.durations.step(batch_size, rule.slots) <= LONG_CALL:
            hold()
            return self.backend.train_epoch(
                self.plan_now, self.params, *fixed, order, batch_size, rule, hyper, state, t, work
            )
        total = 0.0
        for step, start in enumerate(range(0, len(order), batch_size)):
            rows = order[start : start + batch_size]
            # A thread that is left behind after an interrupt goes on to write to these.
            params, vectors = aligned_copy(self.params, self.spec.dtype), state.copy()
            row = hyper[min(step, len(hyper) - 1)][None]
            loss = in_background(
                self.backend.train_epoch, self.plan_now, params, *fixed, rows, batch_size, rule,
                row, vectors, t + step, work, exit_waits=self.uses_blas,
            )  # fmt: skip
            hold()
            self.params[:], state[...] = params, vectors
            total += len(rows) * loss
        return total / len(order)

    def _train_in_python(
        self,
        samples: Samples,
        order: Array,
        batch_size: int,
        rule: StepRule,
        hyper: Array,
        state: Array,
        t: int,
        hold: Callable[[], None],
    ) -> float:
        """Steps one by one: gradients by the backend, updates too unless the rule is user-defined:
        then by the reference.
        """
        compiled = self.compiled and rule.optimizer.compiled
        plan = self.plan if compiled else reference.Plan(self.spec)
        update = self.backend.update if compiled else reference.update
        grad = aligned_empty(len(self.params), self.spec.dtype)
        total, drops, H = 0.0, any(self.spec.dropout_rates), len(rule.optimizer.hyper)
        for step, start in enumerate(range(0, len(order), batch_size)):
            rows = order[start : start + batch_size]
            batch = samples.batch(rows)
            t += 1
            row = hyper[min(step, len(hyper) - 1)]
            mask: Any = (rule.seed, t, *row[H:].tolist()) if drops else None
            loss, _ = self.loss_gradient(batch, grad, mask)
            hold()
            update(plan, rule, row[:H], self.params, grad, state, t)
            total += len(rows) * loss
        return total / len(order)


def within(
    seconds: float,
    function: Callable[..., Any],
    *args: Any,
    exit_waits: bool = True,
    limits_blas: bool = False,
) -> Any:
    """``function(*args)``, which is estimated to take so long: in the background if that is long,
    and then, with `limits_blas`, with BLAS limited to one thread until it ends.

    See `ffnn_fast._runtime.interrupts.in_background`.
    """
    if seconds <= LONG_CALL:
        return function(*args)
    if limits_blas:
        return in_background(one_blas_thread, function, *args, exit_waits=exit_waits)
    return in_background(function, *args, exit_waits=exit_waits)
