"""Training in a loop of the user's own, a step per call: `Network.stepper`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ffnn_fast._conversion import as_numbers
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.arrays import as_finite, as_rows
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_copy, aligned_empty, within
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._scalars import as_bool, as_float, as_int
from ffnn_fast._training.divergence import DivergedWarning
from ffnn_fast._training.partial_fit import warn_of_divergence
from ffnn_fast._training.streams import Stream
from ffnn_fast._user_line import stacklevel
from ffnn_fast.schedules import Constant, Schedule, WarmUp

Array = np.ndarray
RATES_AT_ONCE = 1024  # of a schedule
UNFIT = (TypeError, ValueError, OverflowError)  # the engine's, of arguments that it does not take


@public()
class Stepper:
    """One training step per call, for training loops of the user's own; made by `Network.stepper`.

    Plan, rule, optimizer state and scratch are made once, and a call converts nothing if its arrays
    are C-contiguous and of the network's dtype, labels int64. Others are converted first, which
    takes longer and gives the same result. For one thread at a time.

    Attributes
    ----------
    batch_size : int
        The most rows of a call.
    learning_rate : float
        η of the next step; assign a number > 0 to change it, which ends a schedule.
    t : int
        The number of steps done.
    """

    def __init__(
        self, bound: BoundNetwork, stream: Stream, batch_size: int, rollback: bool = True
    ) -> None:
        self.batch_size = as_int(batch_size, "batch_size")
        self._rollback = as_bool(rollback, "rollback")
        if not bound.has_finite_params():
            raise ValueError("the network's parameters hold NaN or infinity")
        check_schedule(stream.schedule)
        self._bound, self._stream = bound, stream
        state = stream.state_for(bound)
        self._engine = bound.stepper(
            stream.rule, state, stream.counter, self.batch_size, self._rollback
        )
        self._direct = bound.in_one_call(stream.rule, 1, self.batch_size)
        self._step = self._engine.step if self._direct else self._step_of_copies
        self._set_schedule(stream.schedule)

    @property
    def t(self) -> int:
        """The number of steps done."""
        return self._stream.t

    @property
    def learning_rate(self) -> float:
        """η of the next step."""
        return self._rate or self._scheduled_rate()

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._set_schedule(Constant(as_float(value, "learning_rate")))

    def step(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        learning_rate: float | None = None,
    ) -> float:
        """Take one step of the optimizer on these rows.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
            At most `batch_size` rows.
        y : array-like
            As in `Network.loss`.
        sample_weight : array-like of shape (n,), optional
            Taken as they are: the objective is (1/n) Σ w_i ℓ_i + penalty. They may be negative, as
            the advantages of a policy gradient are. `Network.fit` scales the weights of all its
            rows to mean 1.
        learning_rate : float, optional
            η >= 0 of this step alone.

        Returns
        -------
        float
            The objective before the step, with the dropout of this step.

        Warns
        -----
        DivergedWarning
            If the objective or a parameter is not finite any more. The parameters, the optimizer's
            state and `t` are then those before the step, unless ``rollback=False``.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, X holds NaN or infinity, or there are more rows than
            `batch_size`; nothing has been changed then.
        """
        if learning_rate is None:
            learning_rate = self._rate or self._scheduled_rate()
        try:
            return self._step(X, y, sample_weight, learning_rate)
        except UNFIT:
            return self._converted_step(X, y, sample_weight, learning_rate)
        except FloatingPointError:
            return self._diverged(X, y, sample_weight, learning_rate)

    def gradient(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        out: Array | None = None,
    ) -> Array:
        """∇θ of the objective of `step`, with the penalty and the dropout of the next step.

        Parameters
        ----------
        X, y, sample_weight
            As in `step`.
        out : ndarray of shape (P,), optional
            Where to write it, C-contiguous and of the network's dtype. Default: a new array.

        Returns
        -------
        ndarray of shape (P,)
            `out`, if given.

        Raises
        ------
        TypeError, ValueError
            As `step`, or if `out` is not as described.
        """
        return self.loss_gradient(X, y, sample_weight, out)[1]

    def loss_gradient(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        out: Array | None = None,
    ) -> tuple[float, Array]:
        """The objective and ∇θ in one pass.

        Parameters
        ----------
        X, y, sample_weight, out
            As in `gradient`.

        Returns
        -------
        float
            As from `step`.
        ndarray of shape (P,)
            As from `gradient`.

        Raises
        ------
        TypeError, ValueError
            As `gradient`.
        """
        grad = self._gradient_array(out)
        if self._direct:
            try:
                return self._engine.gradient(X, y, sample_weight, grad), grad
            except (TypeError, ValueError):
                pass  # other arrays, or values that the conversion names
        samples = self._converted(X, y, sample_weight)
        rule, mask = self._stream.rule, None
        if any(self._bound.spec.dropout_rates):
            mask = (rule.seed, self.t + 1)
        return self._bound.loss_gradient(samples, grad, mask)

    def apply(self, grad: ArrayLike, learning_rate: float | None = None) -> None:
        """Take one step of the optimizer with a given gradient.

        The gradient is bounded by ``clip_value`` and ``clip_norm``, and frozen layers stay as they
        are. It is that of the whole objective: `gradient` and `backward` include the penalty, and
        nothing is added here.

        Parameters
        ----------
        grad : array-like of shape (P,)
            ∇θ, laid out as `Network.params`; finite.
        learning_rate : float, optional
            As in `step`.

        Warns
        -----
        DivergedWarning
            If a parameter is not finite any more; as in `step`.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has been changed then.
        """
        if learning_rate is None:
            learning_rate = self._rate or self._scheduled_rate()
        try:
            try:
                self._engine.apply(grad, learning_rate)
            except UNFIT:
                dtype, P = self._bound.spec.dtype, len(self._bound.params)
                given = as_numbers(grad, "grad")
                if given.shape != (P,):
                    raise ValueError(f"grad must have shape ({P},), got {given.shape}") from None
                given = as_finite(given, dtype, "grad")
                self._engine.apply(given, as_float(learning_rate, "learning_rate", closed="left"))
        except FloatingPointError:
            self._warn("a parameter is")

    def backward(
        self,
        X: ArrayLike,
        grad_y_hat: ArrayLike,
        out: Array | None = None,
        *,
        penalty: bool = True,
    ) -> Array:
        """∇θ of an objective of the user's own, from its gradient with respect to ŷ.

        A vector-Jacobian product: Σ_ij ∂ŷ_ij/∂θ · grad_y_hat_ij, without dropout.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
            Any number of rows.
        grad_y_hat : array-like of shape (n, n_L), or (n_L,) for one sample
            ∂ℒ/∂ŷ, with ŷ as from `Network.forward`.
        out
            As in `gradient`.
        penalty : bool, default True
            Add the gradient of the network's penalty, l2_k W_k + l1_k sign(W_k).

        Returns
        -------
        ndarray of shape (P,)
            `out`, if given.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.
        """
        spec, bound = self._bound.spec, self._bound
        rows, single = as_rows(X, spec)
        given = as_numbers(grad_y_hat, "grad_y_hat")
        given = given[None] if single and given.ndim == 1 else given
        if given.shape != (len(rows), spec.n_outputs):
            raise ValueError(
                f"grad_y_hat must have shape ({len(rows)}, {spec.n_outputs}), got {given.shape}"
            )
        grad = self._gradient_array(out)
        _, grad[:], _ = bound.vjp(rows, as_finite(given, spec.dtype, "grad_y_hat"))
        if as_bool(penalty, "penalty"):
            weights = zip(spec.weights(grad), spec.weights(bound.params), strict=True)
            for (dW, W), l2, l1 in zip(weights, spec.layer_l2, spec.layer_l1, strict=True):
                if l2 != 0 or l1 != 0:
                    dW[...] += l2 * W + l1 * np.sign(W)
        return grad

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Stepper cannot be copied or pickled: it changes the parameters of its network. Copy "
            "or pickle the network, which holds the optimizer's state, and call stepper again"
        )

    def _gradient_array(self, out: Array | None) -> Array:
        dtype, P = self._bound.spec.dtype, len(self._bound.params)
        if out is None:
            return aligned_empty(P, dtype)
        if not (
            isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == (P,)
            and out.flags.carray
        ):  # fmt: skip
            raise ValueError(f"out must be a writable C-contiguous {dtype} array of shape ({P},)")
        return out

    def _set_schedule(self, schedule: Schedule) -> None:
        """Rates from now on; those of a constant are `_rate`, else 0, which is no constant rate."""
        self._stream.schedule = schedule
        self._rate = schedule.rate if isinstance(schedule, Constant) else 0.0
        self._first, self._rates = 0, np.empty(0)

    def _scheduled_rate(self) -> float:
        """η of the next step, by the schedule."""
        stream = self._stream
        u = stream.t + stream.steps_before
        if not self._first <= u < self._first + len(self._rates):
            n, memory = RATES_AT_ONCE, stream.schedule_memory
            self._first = u
            rates = ignoring("over invalid", stream.schedule.rates, u, n, 1, memory)
            self._rates = np.resize(rates, n)
        return float(self._rates[u - self._first])

    def _converted(self, X: Any, y: Any, sample_weight: Any) -> Samples:
        """Arrays as the engine takes them; TypeError or ValueError if they do not fit."""
        spec = self._bound.spec
        samples = as_samples(spec, X, y)
        n = len(samples.X)
        if n > self.batch_size:
            raise ValueError(
                f"the stepper was made for batch_size={self.batch_size} rows, got {n}; make one "
                "with a larger batch_size"
            )
        if sample_weight is None:
            return samples
        weight = as_numbers(sample_weight, "sample_weight")
        if weight.shape != (n,):
            raise ValueError(f"sample_weight must have shape ({n},), got {weight.shape}")
        return Samples(samples.X, samples.Y, as_finite(weight, spec.dtype, "sample_weight"))

    def _converted_step(self, X: Any, y: Any, sample_weight: Any, learning_rate: Any) -> float:
        rate = as_float(learning_rate, "learning_rate", closed="left")
        samples = self._converted(X, y, sample_weight)
        given = (samples.X, samples.Y, samples.sample_weight)
        try:
            return self._step(*given, rate)
        except FloatingPointError:
            return self._diverged(*given, rate)

    def _step_of_copies(self, X: Any, y: Any, sample_weight: Any, learning_rate: float) -> float:
        """A step that an interrupt leaves without a change: it is made on copies."""
        bound, stream = self._bound, self._stream.copy()
        twin = bound.on(aligned_copy(bound.params, bound.spec.dtype))
        state, size, rule = stream.state_for(bound), self.batch_size, stream.rule
        engine = twin.stepper(rule, state, stream.counter, size, self._rollback)
        given, interrupts = (X, y, sample_weight, learning_rate), Interrupts()

        def assign() -> None:
            interrupts.hold()
            bound.params[:] = twin.params
            self._stream.state_for(bound)[...] = state
            self._stream.counter[:] = stream.counter
            interrupts.release()

        def run() -> float:
            seconds = bound.durations.step(size, rule.slots)
            try:
                loss = within(seconds, engine.step, *given, exit_waits=bound.uses_blas)
            except FloatingPointError:
                if not self._rollback:
                    assign()
                raise
            assign()
            return loss

        return interrupts.run(bound.run, size, run)

    def _diverged(self, X: Any, y: Any, sample_weight: Any, learning_rate: float) -> float:
        """Warn of a step that diverged, and return its loss."""
        if not self._rollback:
            self._warn("the loss or a parameter is")
            return math.nan
        samples = self._converted(X, y, sample_weight)
        stream = self._stream.copy()
        stream.schedule = Constant(max(learning_rate, float(np.finfo(float).tiny)))
        warn_of_divergence(self._bound, np.random.default_rng(0), samples, stream)
        return math.nan

    def _warn(self, what: str) -> None:
        restored = "those before the step" if self._rollback else "those after it (rollback=False)"
        warnings.warn(
            f"training diverged: {what} not finite after step {self.t + self._rollback}; the "
            f"parameters are {restored}. Try a smaller learning rate, or clip_norm=1.0",
            DivergedWarning,
            stacklevel=stacklevel(),
        )


def check_schedule(schedule: Schedule) -> None:
    """ValueError unless the rates are known in advance, and counted by steps."""
    parts = [schedule]
    while isinstance(parts[-1], WarmUp) and isinstance(parts[-1].schedule, Schedule):
        parts.append(parts[-1].schedule)
    for part in parts:
        name = type(part).__name__
        if type(part).observe not in (Schedule.observe, WarmUp.observe):
            raise ValueError(
                f"a stepper records no epochs, which {name} needs; set stepper.learning_rate"
            )
        if part.per != "step" and not isinstance(part, Constant):
            raise ValueError(f"a stepper counts steps only; give {name} per='step'")
