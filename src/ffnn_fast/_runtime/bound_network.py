"""BoundNetwork: a network bound to a backend, with the calls of training and prediction.

The backend is the compiled engine or its reference; both have the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ffnn_fast import reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.interrupts import in_background
from ffnn_fast._runtime.threads import one_blas_thread
from ffnn_fast.activations import by_head, log_logistic, log_softmax
from ffnn_fast.optimizers import StepRule

Array = np.ndarray
ALIGNMENT = 64  # bytes; a cache line, and the widest vector
STEPS_TOGETHER = 64  # steps on one sample each are computed in panels; a multiple of their sizes
LONG_CALL = 0.15  # seconds; a longer call runs in another thread, so that this one handles signals
# Operations a second of a core in float32 products, at best: by the backend's module, or any other.
SPEED = {"engine_v4": 250e9, "engine_v3": 80e9, "reference": 2e9}
SPEED_OF_OTHERS = 20e9
CAUTION = 8  # times as long: activations, small products, traffic of θ from memory


@public()
class PredictFunction(Protocol):
    """What `ffnn_fast.Network.predictor` returns: ``predict(x, out=None) -> ŷ``."""

    def __call__(self, x: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Write ŷ for `x`, n_rows · n_0 elements, to `out`, n_rows · n_L elements; return it.

        Both are C-contiguous and of the network's dtype. Without `out` the result is a new array,
        (n_rows, n_L).

        Raises
        ------
        ValueError
            If dtype, number of elements or layout differ.
        """


def aligned_empty(n: int, dtype: str) -> Array:
    """An uninitialised vector of n elements that starts on a 64-byte boundary."""
    size = n * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype)


def aligned_copy(vector: Array, dtype: str) -> Array:
    """A copy of the vector in another dtype that starts on a 64-byte boundary."""
    copy = aligned_empty(len(vector), dtype)
    copy[:] = vector
    return copy


@dataclass(frozen=True)
class BoundNetwork:
    """A network bound to a backend.

    Attributes
    ----------
    spec : NetworkSpec
    plan : Plan
        The backend's own description of the network.
    params : ndarray of shape (P,)
        θ, changed in place.
    backend : module
    limits_blas : bool
        Whether the backend calls BLAS, from threads of its own: BLAS is limited to one thread then.
    n_threads : int
        The most threads that a call may use.
    spare : list of ndarray
        Scratch of calls on one row, each for one thread at a time.
    """

    spec: NetworkSpec
    plan: Any
    params: Array
    backend: ModuleType
    limits_blas: bool = False
    n_threads: int = 1
    spare: list[Array] = field(default_factory=list, repr=False)

    @property
    def compiled(self) -> bool:
        """Whether the backend is the compiled engine."""
        return self.backend is not reference

    def on(self, params: Array) -> BoundNetwork:
        """The same network with other parameters, (P,)."""
        return replace(self, params=params, spare=[])

    def running(self) -> AbstractContextManager[None]:
        """The context in which the backend runs: BLAS limited to one thread, where it is used."""
        return one_blas_thread() if self.limits_blas else nullcontext()

    def workspace(self, n: int) -> Array:
        """Scratch for calls on n rows."""
        return aligned_empty(self.backend.workspace_size(self.plan, n), self.spec.dtype)

    def forward(self, X: Array) -> Array:
        """ŷ, (n, n_L)."""
        out = np.empty((len(X), self.spec.n_outputs), dtype=self.spec.dtype)
        if len(X) > 1 or self.limits_blas:
            self._call(self.backend.forward, 2 * len(X), X, out, self.workspace(len(X)))
            return out
        # One row takes a microsecond, so its scratch is kept.
        try:
            work = self.spare.pop()
        except IndexError:
            work = self.workspace(1)
        self.backend.forward(self.plan, self.params, X, out, work)
        self.spare.append(work)
        return out

    @cached_property
    def _linear(self) -> BoundNetwork:
        """The network whose outputs are a_L, on the same θ."""
        spec = replace(
            self.spec, output="identity", loss="squared_error", loss_options={}, heads=()
        )
        matmul = "blas" if self.limits_blas else "own"
        plan = self.backend.Plan(spec, self.n_threads, matmul)
        return replace(self, spec=spec, plan=plan, spare=[])

    def log_proba(self, X: Array) -> Array:
        """Logarithms of the class probabilities, (n, n_L), or (n, 2) for one output: those of 0 and
        of 1. From a_L, where the output is softmax or logistic: finite where ŷ rounds to 0, and
        not 0 where it rounds to 1.
        """
        spec = self.spec
        if spec.output == "softmax":
            heads = by_head(spec.heads, self._linear.forward(X))
            return np.hstack([log_softmax(a, axis=1) for (a,) in heads])
        if spec.output == "logistic":
            a = self._linear.forward(X)
            return log_logistic(a if spec.n_outputs > 1 else np.hstack([-a, a]))
        y_hat = self.forward(X)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(y_hat)
            return log_p if spec.n_outputs > 1 else np.hstack([np.log1p(-y_hat), log_p])

    def loss(self, samples: Samples) -> float:
        """The objective on the samples."""
        X, Y, weight = samples.X, samples.Y, samples.sample_weight
        work = self.workspace(len(X))
        return self._call(self.backend.loss, 2 * len(X), X, Y, weight, work)

    def loss_gradient(
        self, samples: Samples, grad: Array | None = None, mask: tuple[int, int] | None = None
    ) -> tuple[float, Array]:
        """The objective and ∇θ, (P,), written to `grad` if given; `mask`, a seed and a step, turns
        dropout on.
        """
        X, Y, weight = samples.X, samples.Y, samples.sample_weight
        if grad is None:
            grad = aligned_empty(len(self.params), self.spec.dtype)
        given = (X, Y, weight, grad, self.workspace(len(X)), *([] if mask is None else [mask]))
        value = self._call(self.backend.loss_gradient, 6 * len(X), *given)
        return value, grad

    def predictor(self, n_rows: int) -> PredictFunction:
        """See `ffnn_fast.Network.predictor`."""
        work = self.workspace(n_rows)
        return self.backend.Predictor(self.plan, self.params, n_rows, work)

    def _call(self, function: Any, operations: int, *args: Any) -> Any:
        """A call that takes so many operations per parameter; a long one does not block signals."""
        with self.running():
            if self._seconds(operations) <= LONG_CALL:
                return function(self.plan, self.params, *args)
            return in_background(function, self.plan, self.params, *args)

    def _seconds(self, operations: int) -> float:
        """The least time of so many operations per parameter: that of matrix products alone."""
        speed = SPEED.get(self.backend.__name__.rpartition(".")[2], SPEED_OF_OTHERS)
        seconds = operations * len(self.params) / speed
        return seconds * (2 if self.spec.dtype == "float64" else 1)

    def runs_whole(self, rule: StepRule, batch_size: int) -> bool:
        """Whether one call of the backend makes several steps: it has the rule compiled, and a
        step is not so long that signals must be handled within it.
        """
        compiled = rule.optimizer.compiled or not self.compiled
        return compiled and self._seconds(6 * batch_size) <= LONG_CALL

    def steps_in(self, seconds: float, rule: StepRule, batch_size: int) -> int:
        """The number of steps that take at most about `seconds`; it does not depend on a clock."""
        in_python = 1e-4 * self.spec.n_layers + 2e-8 * len(self.params)
        alone = self.compiled and self.runs_whole(rule, batch_size)
        step = (1e-6 if alone else in_python) + CAUTION * self._seconds(6 * batch_size)
        steps = max(1, int(seconds / step))
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

        `hold` is called before the first change of θ.
        """
        if self.runs_whole(rule, batch_size):
            hold()
            return self.backend.train_epoch(
                self.plan, self.params, samples.X, samples.Y, samples.sample_weight, order,
                batch_size, rule, hyper, state, t, work,
            )  # fmt: skip
        update, plan = self.backend.update, self.plan
        if not rule.optimizer.compiled:
            update, plan = reference.update, reference.Plan(self.spec)
        grad = aligned_empty(len(self.params), self.spec.dtype)
        total, drops = 0.0, any(self.spec.dropout_rates)
        for step, start in enumerate(range(0, len(order), batch_size)):
            rows = order[start : start + batch_size]
            # All rows are one batch in their own order: nothing to gather.
            batch = samples if len(rows) == len(samples.X) else samples.rows(rows)
            t += 1
            loss, _ = self.loss_gradient(batch, grad, (rule.seed, t) if drops else None)
            hold()
            update(plan, rule, hyper[min(step, len(hyper) - 1)], self.params, grad, state, t)
            total += len(rows) * loss
        return total / len(order)
