"""The epochs of the stochastic solvers: scikit-learn's batches, losses and stopping rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._training.loop import CHUNK
from ffnn_fast._user_line import stacklevel
from ffnn_fast.sklearn._estimator_network import EstimatorNetwork
from ffnn_fast.sklearn._monitoring import Monitor, Validation
from ffnn_fast.sklearn._optimizer_state import OptimizerState

Array = np.ndarray
MAX_BATCH = 200  # rows of a batch by default
FIGURES = ("epoch", "loss", "learning_rate")
Recorded = tuple[str, bool] | None  # the monitor's name, and whether the fit stops by it


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a fit.

    Attributes
    ----------
    samples : Samples
        Rows, targets and weights as given, also those that are not trained on.
    indices : ndarray of shape (n,)
        Of the rows to train on.
    alpha : float
        Of the penalty, for these weights.
    constant : ndarray of shape (len(samples.X),) or None
        What scikit-learn's formula adds to the engine's loss of each row.
    loss_divisor : int
        What the loss without penalty is divided by where it is reported.
    """

    samples: Samples
    indices: Array
    alpha: float
    constant: Array | None = None
    loss_divisor: int = 1


class EpochRunner:
    """Computes one epoch after another over the same rows.

    A batch's loss is Σ w_i ℓ_i / S + alpha/(2 S) · Σ‖W_k‖² with S = Σ w_i over the batch, so the
    coefficient of the penalty depends on S.
    """

    def __init__(
        self,
        net: EstimatorNetwork,
        rows: TrainingRows,
        optimizer: OptimizerState,
        batch_size: int,
    ) -> None:
        self.net, self.rows, self.optimizer = net, rows, optimizer
        self.alpha, self.batch_size = rows.alpha, batch_size
        bound = net.bound.taking(rows.samples.X)
        self.work = bound.workspace(batch_size)
        self.chunk = batch_size * bound.steps_in(CHUNK, optimizer.rule, batch_size)
        self.steps_per_epoch = -(-len(rows.indices) // batch_size)

    def run(self, order: Array) -> float:
        """Steps over the rows in this order; the mean over rows of the loss before their step.

        An interrupt takes effect after a whole step.
        """
        interrupts = Interrupts()
        mean: float = interrupts.run(self._run, order, interrupts)
        return mean

    def _run(self, order: Array, interrupts: Interrupts) -> float:
        n, total, optimizer = len(order), 0.0, self.optimizer
        weight, sums = self._weights(order)
        samples = Samples(self.rows.samples.X, self.rows.samples.Y, weight)
        before = self.net.squared_norm() if self.rows.loss_divisor > 1 else 0.0
        for start, end, l2 in self._spans(n, sums):
            bound = self.net.with_penalty(l2, keep=sums is None).taking(samples.X)
            for first in range(start, end, self.chunk):
                part = order[first : min(first + self.chunk, end)]
                n_steps = -(-len(part) // self.batch_size)
                table = optimizer.table(n_steps, self.steps_per_epoch)
                try:
                    total += len(part) * bound.train(
                        samples, part, self.batch_size, optimizer.rule, table,
                        optimizer.vectors, optimizer.t, self.work, interrupts.hold,
                    )  # fmt: skip
                    optimizer.t += n_steps
                finally:
                    interrupts.release()
        penalty = 0.0
        if self.rows.loss_divisor > 1:
            coefficient = self.alpha / (2 * n) * self._inverse_sums(n, sums)
            penalty = coefficient * (before + self.net.squared_norm()) / 2
        return self._reported(total / n, penalty, order, weight)

    def _weights(self, order: Array) -> tuple[Array | None, Array | None]:
        """Weights with mean 1 in every batch, indexed like the rows, and S of every batch."""
        given = self.rows.samples.sample_weight
        if given is None:
            return None, None
        starts = np.arange(0, len(order), self.batch_size)
        sizes = np.diff(np.append(starts, len(order)))
        sums = np.add.reduceat(given[order], starts)
        scale = np.divide(sizes, sums, out=np.zeros(len(starts)), where=sums != 0)
        weight = np.zeros_like(given)
        weight[order] = given[order] * np.repeat(scale, sizes)
        return weight.astype(self.net.spec.dtype), sums

    def _inverse_sums(self, n: int, sums: Array | None) -> float:
        """Σ n_b / S_b over the batches, n_b rows each."""
        if sums is None:
            return float(self.steps_per_epoch)
        sizes = np.full(len(sums), self.batch_size)
        sizes[-1] = n - self.batch_size * (len(sums) - 1)
        return float((sizes[sums != 0] / sums[sums != 0]).sum())

    def _spans(self, n: int, sums: Array | None) -> Iterator[tuple[int, int, float]]:
        """Consecutive batches with the same penalty: first row, last row + 1, l2."""
        size, whole = self.batch_size, n - n % self.batch_size
        if self.alpha == 0:
            yield 0, n, 0.0
        elif sums is None:
            if whole:
                yield 0, whole, self.alpha / size
            if whole < n:
                yield whole, n, self.alpha / (n - whole)
        else:
            for start, S in zip(range(0, n, size), sums.tolist(), strict=True):
                yield start, min(start + size, n), self.alpha / S if S else 0.0

    def _reported(self, loss: float, penalty: float, order: Array, weight: Array | None) -> float:
        """The loss by scikit-learn's formula; `penalty` approximates its part in `loss`."""
        rows = self.rows
        if rows.constant is not None:
            constant = rows.constant[order]
            loss += float(np.mean(constant if weight is None else weight[order] * constant))
        return (loss - penalty) / rows.loss_divisor + penalty


def rows_per_batch(batch_size: int | str, n: int) -> int:
    """The number of rows of a batch; warns as scikit-learn does if `batch_size` exceeds n."""
    if batch_size == "auto":
        return min(MAX_BATCH, n)
    if batch_size > n:  # type: ignore[operator]
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=stacklevel(),
        )
    return min(int(batch_size), n)


def continues_curves(est: Any, recorded: Recorded, incremental: bool) -> bool:
    """Whether the attributes that record a fit are those of the previous call."""
    if "_recorded" not in vars(est) or (est.best_loss_ is None) != est.early_stopping:
        return False
    return incremental or bool(est._recorded == recorded)


def reset_curves(est: Any, params: Array, recorded: Recorded) -> None:
    """Set the attributes that record a fit to their initial values; `params` is θ, (P,)."""
    est._recorded = recorded
    est.loss_curve_, est._no_improvement_count = [], 0
    for name in ("validation_scores_", "validation_loss_curve_", "monitor_curve_"):
        setattr(est, name, None if recorded is None else [])
    est.best_loss_ = None if est.early_stopping else np.inf
    est.best_validation_score_ = -np.inf if est.early_stopping else None
    if est.early_stopping:
        est._best, est._best_figure = params.copy(), -np.inf


def begin_epochs(runner: EpochRunner, validation: Validation | None, max_iter: int) -> None:
    """Adapt the learning rate to the fit; ValueError if it does not suit."""
    runner.optimizer.check_monitor([*FIGURES, *([] if validation is None else validation.names)])
    runner.optimizer.begin(max_iter, runner.steps_per_epoch)


def fit_epochs(
    est: Any,
    runner: EpochRunner,
    validation: Validation | None,
    rng: Callable[[], np.random.RandomState],
    max_iter: int,
    incremental: bool,
) -> None:
    """Epochs until the estimator's stopping rules end them; updates the estimator's attributes."""
    order, optimizer = runner.rows.indices, runner.optimizer
    monitor = validation.monitor if validation is not None and est.early_stopping else None
    est.n_iter_ = 0
    try:
        for _ in range(max_iter):
            if est.shuffle and len(order) > 1:
                permutation = np.arange(len(order))
                rng().shuffle(permutation)
                order = order[permutation]
            est.loss_ = runner.run(order)
            est.n_iter_ += 1
            est.t_ += len(order)
            est.loss_curve_.append(est.loss_)
            if est.verbose:
                print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")  # noqa: T201
            record = _record(est, validation, optimizer)
            record |= optimizer.scheduled_values(runner.steps_per_epoch)
            if _is_best(est, monitor):
                est._best = runner.net.params.copy()
            optimizer.end_epoch(est.t_, record)
            stop = _callbacks_stop(est.callbacks, record)
            if stop or _is_over(est, optimizer, monitor) or incremental:
                break
            if est.n_iter_ == max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the "
                    "optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=stacklevel(),
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=stacklevel())


def _record(est: Any, validation: Validation | None, optimizer: OptimizerState) -> dict[str, float]:
    """The figures of an epoch, for callbacks and schedules."""
    record = {"epoch": est.n_iter_, "loss": est.loss_, "learning_rate": optimizer.rate}
    if validation is not None:
        figures, name = validation.figures(), validation.monitor.name
        est.validation_loss_curve_.append(figures["val_loss"])
        est.validation_scores_.append(figures["val_score"])
        est.monitor_curve_.append(figures[name])
        if est.verbose:
            print(f"{validation.monitor.title}: {figures[name]:f}")  # noqa: T201
        record |= figures
    return record


def _is_best(est: Any, monitor: Monitor | None) -> bool:
    """Update the best figure or loss and the count of epochs without progress; whether early
    stopping by a monitor has a new best figure.
    """
    if monitor is not None:
        figure, best = monitor.signed(est.monitor_curve_[-1]), est._best_figure
        bad = figure < best + est.tol
    else:
        figure, best, bad = -est.loss_, -est.best_loss_, est.loss_ > est.best_loss_ - est.tol
    est._no_improvement_count = est._no_improvement_count + 1 if bad else 0
    if not figure > best:
        return False
    if monitor is not None:
        est._best_figure, est.best_validation_score_ = figure, est.validation_scores_[-1]
        return True
    est.best_loss_ = est.loss_
    return False


def _is_over(est: Any, optimizer: OptimizerState, monitor: Monitor | None) -> bool:
    """Whether there has been no progress for too long, and the rate cannot be reduced."""
    if est._no_improvement_count <= est.n_iter_no_change:
        return False
    what = "Training loss" if monitor is None else monitor.title
    message = (
        f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} "
        "consecutive epochs."
    )
    reduced = optimizer.reduce_rate()
    if reduced:
        est._no_improvement_count = 0
        message += f" Setting learning rate to {optimizer.rate:f}"
    else:
        message += " Learning rate too small." if optimizer.schedule == "adaptive" else ""
        message += " Stopping."
    if est.verbose:
        print(message)  # noqa: T201
    return not reduced


def _callbacks_stop(callbacks: Any, record: dict[str, float]) -> bool:
    """Call all callbacks; whether one of them returned True."""
    if callbacks is None:
        return False
    several = callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,)
    results = [bool(callback(dict(record))) for callback in several]
    return any(results)
