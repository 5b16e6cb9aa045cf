"""The epochs of the stochastic solvers: scikit-learn's batches, losses and rules of stopping."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ffnn_fast._model.samples import Samples
from ffnn_fast._training.loop import CHUNK
from ffnn_fast.sklearn._estimator_network import Core
from ffnn_fast.sklearn._steps import Steps

Array = np.ndarray
MOST_ROWS = 200  # of a batch by default


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    ``which`` are the numbers of those that are not held out, (n,); ``constant`` is what every row
    adds to the loss by scikit-learn's formula, but not by the engine's, or None; ``shown_over`` is
    what the data's part of the loss is divided by where it is shown.
    """

    problem: Samples
    which: Array
    constant: Array | None = None
    shown_over: int = 1


@dataclass(frozen=True)
class Judge:
    """Validation rows: ``score()`` and ``loss()`` say how good the network is on them."""

    score: Callable[[], float]
    loss: Callable[[], float]


class Epochs:
    """One epoch after another over the same rows.

    A batch's loss is Σ w_i ℓ_i / S + alpha/(2 S) · Σ‖W_k‖² with S = Σ w_i over the batch, so the
    penalty's share is another one for each S.
    """

    def __init__(self, core: Core, rows: Rows, steps: Steps, alpha: float, batch_size: int) -> None:
        self.core, self.rows, self.steps = core, rows, steps
        self.alpha, self.batch_size = alpha, batch_size
        self.work = core.machine.workspace(batch_size)
        self.chunk = batch_size * core.machine.steps_in(CHUNK, steps.rule, batch_size)
        self.per_epoch = -(-len(rows.which) // batch_size)

    def run(self, order: Array) -> float:
        """Steps over rows in this order; the mean over the rows of the loss before each step."""
        n, total = len(order), 0.0
        weight, sums = self._weights(order)
        problem = Samples(self.rows.problem.X, self.rows.problem.Y, weight)
        before = self.core.squares() if self.rows.shown_over > 1 else 0.0
        for start, end, l2 in self._stretches(n, sums):
            machine = self.core.penalised(l2, keep=sums is None)
            for first in range(start, end, self.chunk):
                part = order[first : min(first + self.chunk, end)]
                n_steps = -(-len(part) // self.batch_size)
                table = self.steps.table(n_steps, self.per_epoch)
                total += len(part) * machine.train(
                    problem, part, self.batch_size, self.steps.rule, table,
                    self.steps.state, self.steps.t, self.work,
                )  # fmt: skip
                self.steps.t += n_steps
        penalty = 0.0
        if self.rows.shown_over > 1:
            share = self.alpha / (2 * n) * self._inverse_sums(n, sums)
            penalty = share * (before + self.core.squares()) / 2
        return self._shown(total / n, penalty, order, weight)

    def _weights(self, order: Array) -> tuple[Array | None, Array | None]:
        """Weights with mean 1 in every batch, in the rows' own order, and their sums before."""
        given = self.rows.problem.sample_weight
        if given is None:
            return None, None
        starts = np.arange(0, len(order), self.batch_size)
        sizes = np.diff(np.append(starts, len(order)))
        sums = np.add.reduceat(given[order], starts)
        scale = np.divide(sizes, sums, out=np.zeros(len(starts)), where=sums != 0)
        weight = np.zeros_like(given)
        weight[order] = given[order] * np.repeat(scale, sizes)
        return weight.astype(self.core.spec.dtype), sums

    def _inverse_sums(self, n: int, sums: Array | None) -> float:
        """Σ n_b / S_b over the batches, n_b rows each."""
        if sums is None:
            return float(self.per_epoch)
        sizes = np.full(len(sums), self.batch_size)
        sizes[-1] = n - self.batch_size * (len(sums) - 1)
        return float((sizes[sums != 0] / sums[sums != 0]).sum())

    def _stretches(self, n: int, sums: Array | None) -> Iterator[tuple[int, int, float]]:
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

    def _shown(self, loss: float, penalty: float, order: Array, weight: Array | None) -> float:
        """The loss as scikit-learn states it; the penalty's part is about that of the epoch."""
        rows = self.rows
        if rows.constant is not None:
            constant = rows.constant[order]
            loss += float(np.mean(constant if weight is None else weight[order] * constant))
        return (loss - penalty) / rows.shown_over + penalty


def batch_rows(batch_size: int | str, n: int) -> int:
    """Rows of a batch; warns as scikit-learn does where more are asked for than there are."""
    if batch_size == "auto":
        return min(MOST_ROWS, n)
    if batch_size > n:  # type: ignore[operator]
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=4,
        )
    return min(int(batch_size), n)


def fit_epochs(
    est: Any, epochs: Epochs, judge: Judge | None, rng: Any, max_iter: int, incremental: bool
) -> None:
    """Epochs until the estimator's rules stop them; its attributes are kept up to date."""
    order, steps = epochs.rows.which, epochs.steps
    est.n_iter_ = 0
    try:
        for _ in range(max_iter):
            if est.shuffle and len(order) > 1:
                permutation = np.arange(len(order))
                rng().shuffle(permutation)
                order = order[permutation]
            est.loss_ = epochs.run(order)
            est.n_iter_ += 1
            est.t_ += len(order)
            est.loss_curve_.append(est.loss_)
            if est.verbose:
                print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")  # noqa: T201
            record = _record(est, judge, steps)
            if _better(est, judge is not None):
                est._best = epochs.core.params.copy()
            steps.end_epoch(est.t_, record)
            if _told_to_stop(est.callbacks, record) or _is_over(est, steps) or incremental:
                break
            if est.n_iter_ == max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the "
                    "optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)


def _record(est: Any, judge: Judge | None, steps: Steps) -> dict[str, float]:
    """An epoch's figures, for callbacks and schedules."""
    record = {"epoch": est.n_iter_, "loss": est.loss_, "learning_rate": steps.rate}
    if judge is not None:
        record["val_loss"], record["val_score"] = judge.loss(), judge.score()
        est.validation_loss_curve_.append(record["val_loss"])
        est.validation_scores_.append(record["val_score"])
        if est.verbose:
            print(f"Validation score: {record['val_score']:f}")  # noqa: T201
    return record


def _better(est: Any, judged: bool) -> bool:
    """Count epochs without progress; whether this one has the best validation score so far."""
    if judged and est.early_stopping:
        score, best = est.validation_scores_[-1], est.best_validation_score_
        bad = score < best + est.tol
    else:
        score, best, bad = -est.loss_, -est.best_loss_, est.loss_ > est.best_loss_ - est.tol
    est._no_improvement_count = est._no_improvement_count + 1 if bad else 0
    if not score > best:
        return False
    if judged and est.early_stopping:
        est.best_validation_score_ = score
        return True
    est.best_loss_ = est.loss_
    return False


def _is_over(est: Any, steps: Steps) -> bool:
    """Whether there has been no progress for too long, and no rate is left to lower."""
    if est._no_improvement_count <= est.n_iter_no_change:
        return False
    what = "Validation score" if est.early_stopping else "Training loss"
    said = (
        f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} "
        "consecutive epochs."
    )
    fell = steps.falls()
    if fell:
        est._no_improvement_count = 0
        said += f" Setting learning rate to {steps.rate:f}"
    else:
        said += " Learning rate too small." if steps.mode == "adaptive" else ""
        said += " Stopping."
    if est.verbose:
        print(said)  # noqa: T201
    return not fell


def _told_to_stop(callbacks: Any, record: dict[str, float]) -> bool:
    """Call the callbacks; any of them may end the fit."""
    if callbacks is None:
        return False
    several = callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,)
    answers = [bool(callback(dict(record))) for callback in several]  # all are called
    return any(answers)
