"""The twin of the engine's class Stepper in NumPy, which also runs user-defined rules."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from ffnn_fast import reference
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples
from ffnn_fast.optimizers import StepRule

Array = np.ndarray
ROW_SUMS = 1e-4  # |Σ_c y_c − 1| that still counts as a distribution in float32


class ReferenceStepper:
    """Steps of a rule on the rows of a call.

    Parameters
    ----------
    plan : Plan
        Of `backend`.
    params : ndarray of shape (P,)
        θ, changed in place.
    rule : StepRule
    state : ndarray of shape (rule.slots, P)
        Changed in place.
    t : ndarray of shape (1,)
        The number of steps done, int64.
    batch_size : int
        The most rows of a step.
    work : ndarray
        Scratch for `batch_size` rows.
    rollback : bool, default True
        Undo the steps of a call after which the loss or a parameter is not finite.
    backend : module
        It computes the gradients; the reference updates θ.
    """

    def __init__(
        self,
        plan: Any,
        params: Array,
        rule: StepRule,
        state: Array,
        t: Array,
        batch_size: int,
        work: Array | None,
        rollback: bool = True,
        backend: ModuleType = reference,
    ) -> None:
        self._plan, self._backend, self._work = plan, backend, work
        self._reference_plan = reference.Plan(plan.spec)
        self._params, self._rule, self._state, self._t = params, rule, state, t
        self._batch_size, self._rollback = batch_size, rollback
        self._grad = np.empty_like(params)

    def step(self, X: Array, Y: Array, sample_weight: Array | None, learning_rate: float) -> float:
        """One step on at most `batch_size` rows, X (n, n_0) or (n_0,); the loss before it.

        Raises
        ------
        ValueError
            If an array has another dtype, size or layout, holds a value that is not finite, or a
            target outside the domain of the loss; nothing has been changed then.
        FloatingPointError
            If the loss or a parameter is not finite after the step, which `rollback` undoes.
        """
        samples = self._checked(X, Y, sample_weight)
        self._check(len(samples.X) <= self._batch_size, "more rows than batch_size")
        order = np.arange(len(samples.X))
        return self._run(samples, order, self._hyper(learning_rate)[None])

    def steps(
        self, X: Array, Y: Array, sample_weight: Array | None, order: Array, hyper: Array
    ) -> float:
        """Steps on consecutive batches of the rows `order`; as `reference.train_epoch`."""
        return self._run(self._checked(X, Y, sample_weight), order, hyper)

    def gradient(self, X: Array, Y: Array, sample_weight: Array | None, grad: Array) -> float:
        """grad := ∇θ, (P,), with the dropout of the next step; the loss, penalty included."""
        samples = self._checked(X, Y, sample_weight)
        self._check(len(samples.X) <= self._batch_size, "more rows than batch_size")
        self._check(grad.shape == self._params.shape, "the array for the gradient")
        return ignoring("over invalid", self._loss_gradient, samples, grad)

    def apply(self, grad: Array, learning_rate: float) -> None:
        """One step of the rule with this gradient, (P,)."""
        plain = _is_plain(grad, self._plan.spec.dtype) and grad.shape == self._params.shape
        self._check(plain and bool(np.isfinite(grad).all()), "the gradient")
        hyper = self._hyper(learning_rate)
        self._undoing(ignoring, "over invalid", self._update, hyper, grad)

    def _run(self, samples: Samples, order: Array, hyper: Array) -> float:
        return self._undoing(ignoring, "over invalid", self._descend, samples, order, hyper)

    def _descend(self, samples: Samples, order: Array, hyper: Array) -> float:
        total, size = 0.0, self._batch_size
        for step, start in enumerate(range(0, len(order), size)):
            rows = order[start : start + size]
            total += len(rows) * self._loss_gradient(samples.rows(rows), self._grad)
            self._update(hyper[step if len(hyper) > 1 else 0], self._grad)
        return total / len(order)

    def _loss_gradient(self, samples: Samples, grad: Array) -> float:
        drops = any(self._plan.spec.dropout_rates)
        mask = (self._rule.seed, int(self._t[0]) + 1) if drops else None
        X, Y, weight = samples.X, samples.Y, samples.sample_weight
        work = self._work
        return self._backend.loss_gradient(self._plan, self._params, X, Y, weight, grad, work, mask)

    def _update(self, hyper: Array, grad: Array) -> None:
        t = int(self._t[0]) + 1
        reference.update(
            self._reference_plan, self._rule, hyper, self._params, grad, self._state, t
        )
        self._t[0] = t

    def _undoing(self, function: Any, *args: Any) -> Any:
        """``function(*args)``; θ, state and t are restored after an error or a divergence."""
        before = self._params.copy(), self._state.copy(), int(self._t[0])
        done = False
        try:
            value = function(*args)
            finite = value is None or math.isfinite(value)
            if self._rollback:
                finite = finite and bool(np.isfinite(self._params).all())
            if not finite:
                done = not self._rollback
                raise FloatingPointError(f"the loss, {value}, or a parameter is not finite")
            done = True
            return value
        finally:
            if not done:
                self._params[:], self._state[...], self._t[0] = before

    def _hyper(self, learning_rate: float) -> Array:
        self._check(0 <= learning_rate < math.inf, "the learning rate")
        return np.array([learning_rate, *self._rule.optimizer.hyper[1:]])

    def _checked(self, X: Array, Y: Array, sample_weight: Array | None) -> Samples:
        """The rows with their targets and weights."""
        spec = self._plan.spec
        self._check(_is_plain(X, spec.dtype), "X")
        rows = X[None] if X.ndim == 1 else X
        n, T = len(rows), spec.n_targets
        fits = rows.ndim == 2 and n > 0 and rows.shape[1] == spec.n_inputs
        self._check(fits and bool(np.isfinite(rows).all()), "X")
        if spec.takes_labels and _is_plain(Y, "int64"):
            known = Y.shape == (n,) and bool(np.isin(Y, range(spec.n_outputs)).all())
            self._check(known, "y")
        else:
            self._check(_is_plain(Y, spec.dtype), "y")
            flat = Y.ndim == 1 and (T == 1 or (n == 1 and not spec.takes_labels))
            self._check(Y.size == n * T and ((Y.ndim == 2 and len(Y) == n) or flat), "y")
            Y = Y.reshape(n, T)
            self._check(_in_domain(Y, spec), "y")
        if sample_weight is not None:
            fits = _is_plain(sample_weight, spec.dtype) and sample_weight.shape == (n,)
            self._check(fits and bool(np.isfinite(sample_weight).all()), "sample_weight")
        return Samples(rows, Y, sample_weight)

    def _check(self, fits: bool, what: str) -> None:
        if not fits:
            raise ValueError(f"the stepper does not take {what} as it is")


def _is_plain(x: Any, dtype: str) -> bool:
    """Whether x is an array of this dtype, not masked, whose memory can be read as it lies."""
    return type(x) is np.ndarray and x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned


def _in_domain(Y: Array, spec: Any) -> bool:
    """Whether dense targets, (n, T), lie in the domain of the loss, NaN where they are missing."""
    start = 0
    for width, low, high, kind in spec.target_domains:
        y = Y[:, start : start + width]
        start += width
        missing = np.isnan(y) if spec.missing_targets == "ignore" else np.zeros(y.shape, bool)
        good = np.isfinite(y) & (y >= low) & (y <= high)
        if kind == "one-hot":
            good &= (y == 0) | (y == 1)
        if not (good | missing).all():
            return False
        if kind != "any":
            off = np.abs(y.sum(axis=1, dtype=np.float64) - 1) > ROW_SUMS
            if (off & ~missing.all(axis=1)).any() or (missing.any(axis=1) & ~missing.all(1)).any():
                return False
    return True
