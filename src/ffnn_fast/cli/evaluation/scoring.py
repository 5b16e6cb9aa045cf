"""The scores of a network on rows whose targets are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.cli.evaluation.prediction_columns import by_target, deviation, point_prediction
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.metrics import accuracy, confusion_matrix, f1, log_loss, mae, r2, rmse, roc_auc
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray
COVERAGE, WITHIN = 0.9, "within 90%"
NORMAL_90 = 1.6448536269514722  # 90 % of a normal distribution lie within so many deviations
IN_UNITS = ("rmse", "mae")  # scores in the units of the target
HEADS = {
    "r2": "R2", "rmse": "RMSE", "mae": "MAE", "f1": "F1 macro", "log_loss": "log loss",
    "roc_auc": "ROC AUC",
}  # fmt: skip


@dataclass(frozen=True)
class ScoredRows:
    """Rows whose target is known, and a network's predictions of it; of one target.

    Attributes
    ----------
    target : TargetEncoder
    spec : NetworkSpec
        Of the outputs of this target.
    truth, predicted : array of shape (n,)
        Labels, int64, or values in the target's units, float64.
    y_hat : array of shape (n, k)
        The network's outputs for the target.
    n_unknown : int
        How many of the target's classes, the last ones, the model has not: they only occur in
        these rows, and every such row counts as an error.
    interval : pair of arrays of shape (n,), or None
        Ends of intervals that hold 90 % of the values.
    """

    target: TargetEncoder
    spec: NetworkSpec
    truth: Array
    predicted: Array
    y_hat: Array
    n_unknown: int = 0
    interval: tuple[Array, Array] | None = None

    @property
    def n_known(self) -> int:
        """How many of the target's classes the model has."""
        return len(self.target.classes) - self.n_unknown

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.target.task == "classification"

    @property
    def confusion(self) -> Array:
        """(c, c) int64: a row for each true class, a column for each predicted class."""
        return confusion_matrix(self.truth, self.predicted, len(self.target.classes))

    def positive_class(self) -> tuple[Array, Array]:
        """For two classes: whether the second is the true one (n,), and its score (n,): its
        probability, if the network gives probabilities.
        """
        y_hat = self.y_hat.astype(np.float64)
        if self.spec.gives_probabilities or y_hat.shape[1] == 1:
            return self.truth == 1, y_hat[:, -1]
        return self.truth == 1, y_hat[:, 1] - y_hat[:, 0]


def evaluate(
    network: Network, targets: TargetEncoders, X: Array, y: Array,
    unknown: Sequence[tuple[str, ...]],
) -> tuple[ScoredRows, ...]:  # fmt: skip
    """A network's predictions of each target for inputs X, (n, d), beside y, (n, T), encoded.

    `unknown` are classes of each target that the network has not, whose labels follow its own.

    Raises
    ------
    CommandError
        If an output is not finite.
    """
    y_hat = network.forward(X)
    bad = int((~np.isfinite(y_hat)).any(axis=1).sum())
    if bad:
        raise CommandError(f"the outputs of the network are not finite for {bad} of {len(X)} rows")
    parts = zip(by_target(network.spec, targets, y_hat), y.T, unknown, strict=True)
    return tuple(scored(*part, truth, others) for part, truth, others in parts)


def scored(
    spec: NetworkSpec, target: TargetEncoder, y_hat: Array, y: Array, unknown: tuple[str, ...] = ()
) -> ScoredRows:
    """The predictions of a target from its outputs, (n, k), beside its encoded values y, (n,)."""
    predicted = point_prediction(spec, target, y_hat)
    if target.task == "classification":
        everything = with_unknown(target, unknown)
        return ScoredRows(everything, spec, y, predicted, y_hat, len(unknown))
    return ScoredRows(target, spec, target.decode(y), target.decode(predicted), y_hat)


def with_unknown(target: TargetEncoder, unknown: tuple[str, ...]) -> TargetEncoder:
    """The target with further classes."""
    return replace(target, classes=(*target.classes, *unknown)) if unknown else target


def scores(evaluation: ScoredRows) -> dict[str, float]:
    """The scores by name.

    Classes: ``accuracy``, ``f1`` (the mean over the classes), ``log_loss`` if the network gives
    probabilities (over the rows of classes that it has), ``roc_auc`` of two classes that both
    occur. Values: ``r2``, ``rmse``, ``mae``, in the target's units; the share of the rows ``below
    0.1`` and so on of quantiles, and ``within 90%`` of a mean and its uncertainty or of intervals.
    """
    truth, spec = evaluation.truth, evaluation.spec
    found = point_scores(evaluation.target, truth, evaluation.predicted)
    if not evaluation.is_classification:
        return found | {name: share for name, (_, share) in coverage(evaluation).items()}
    if spec.gives_probabilities:
        found |= known_log_loss(evaluation, evaluation.y_hat)
    if len(evaluation.target.classes) == 2:
        is_second, score = evaluation.positive_class()
        if 0 < is_second.sum() < len(is_second):
            found["roc_auc"] = roc_auc(is_second, score)
    return found


def known_log_loss(evaluation: ScoredRows, proba: Array) -> dict[str, float]:
    """The ``log_loss`` of probabilities over the rows of classes that the model has; {} without."""
    known = evaluation.truth < evaluation.n_known
    return {"log_loss": log_loss(evaluation.truth[known], proba[known])} if known.any() else {}


def point_scores(target: TargetEncoder, truth: Array, predicted: Array) -> dict[str, float]:
    """The scores that need nothing but one prediction a row, a label or a value, (n,)."""
    if target.task == "classification":
        return {"accuracy": accuracy(truth, predicted), "f1": f1(truth, predicted)}
    return {
        "r2": r2(truth, predicted),
        "rmse": rmse(truth, predicted),
        "mae": mae(truth, predicted),
    }


def coverage(evaluation: ScoredRows) -> dict[str, tuple[float, float]]:
    """The nominal and the observed share of the rows below each quantile, or in the middle 90 % of
    the normal distribution, or in `ScoredRows.interval`; {} for other models.
    """
    spec, target, truth = evaluation.spec, evaluation.target, evaluation.truth
    if evaluation.interval is not None:
        low, high = evaluation.interval
        return {WITHIN: (COVERAGE, float(((low <= truth) & (truth <= high)).mean()))}
    if spec.loss == "quantile":
        below = (truth[:, None] <= target.decode(evaluation.y_hat)).mean(axis=0).tolist()
        levels = spec.loss_options["quantiles"]
        return {f"below {q:g}": (q, share) for q, share in zip(levels, below, strict=True)}
    if spec.loss == "gaussian_nll":
        distance = np.abs(truth - evaluation.predicted)
        inside = distance <= NORMAL_90 * deviation(target, evaluation.y_hat)
        return {WITHIN: (COVERAGE, float(inside.mean()))}
    return {}


def as_cells(found: Mapping[str, float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Scores as two rows of a table: their names, and their values."""
    names = tuple(HEADS.get(name, name) for name in found)
    return names, tuple(
        f"{value:.6g}" if name in IN_UNITS else f"{round(value, 4) + 0.0:.4f}"
        for name, value in found.items()
    )
