"""How good a network is on rows whose target is known: figures, and tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._text import shortened
from ffnn_fast.cli.judging import answers
from ffnn_fast.cli.output import CommandError
from ffnn_fast.metrics import (
    accuracy,
    confusion_matrix,
    f1,
    log_loss,
    mae,
    precision_recall,
    r2,
    rmse,
    roc_auc,
)
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray
Table = list[tuple[str, ...]]
MATRIX_CLASSES = 12  # more do not fit into the lines of a terminal
WORST = 10  # classes, and confusions, that are told of more
LONGEST = (20, 8)  # characters of a class before its row, and above its column
NORMAL_90 = 1.6448536269514722  # 90 % of a normal distribution lie within so many deviations
HEADS = {
    "r2": "R2", "rmse": "RMSE", "mae": "MAE", "f1": "F1", "log_loss": "log loss",
    "roc_auc": "ROC AUC",
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """Rows whose target is known, and what a network says of them.

    Attributes
    ----------
    target : TargetEncoder
    spec : NetworkSpec
    truth, predicted : array of shape (n,)
        Labels, int64, or values in the target's units, float64.
    y_hat : array of shape (n, n_L)
        As the network gives it.
    """

    target: TargetEncoder
    spec: NetworkSpec
    truth: Array
    predicted: Array
    y_hat: Array

    @property
    def classifies(self) -> bool:
        """Whether the target is a class."""
        return self.target.task == "classification"

    @property
    def confusion(self) -> Array:
        """(c, c) int64: rows the true classes, columns those said."""
        return confusion_matrix(self.truth, self.predicted, len(self.target.classes))

    def second_class(self) -> tuple[Array, Array]:
        """For two classes: whether the second is true (n,), and the score it has (n,), its
        probability if there are probabilities.
        """
        y_hat = self.y_hat.astype(np.float64)
        if self.spec.gives_probabilities or y_hat.shape[1] == 1:
            return self.truth == 1, y_hat[:, -1]
        return self.truth == 1, y_hat[:, 1] - y_hat[:, 0]


def judge(network: Network, target: TargetEncoder, X: Array, y: Array) -> Judged:
    """What a network says of inputs X, (n, d), beside targets y, (n,), that `target` encoded.

    Raises
    ------
    CommandError
        If it says something that is no finite number.
    """
    y_hat = network.forward(X)
    bad = int((~np.isfinite(y_hat)).any(axis=1).sum())
    if bad:
        raise CommandError(f"the outputs of the network are not finite for {bad} of {len(X)} rows")
    said = answers.point(network.spec, target, y_hat)
    if target.task == "classification":
        return Judged(target, network.spec, y, said, y_hat)
    return Judged(target, network.spec, target.decode(y), target.decode(said), y_hat)


def scores(judged: Judged) -> dict[str, float]:
    """The figures by name.

    Classes: ``accuracy``, ``f1`` (the mean over the classes), ``log_loss`` where there are
    probabilities, ``roc_auc`` of two classes that both occur. Values: ``r2``, ``rmse``, ``mae``, in
    the target's units; the share of the rows ``below 0.1`` and so on of quantiles, and ``within
    90%`` of a mean and its uncertainty.
    """
    truth, spec = judged.truth, judged.spec
    found = simple_scores(judged.target, truth, judged.predicted)
    if not judged.classifies:
        return found | {name: share for name, (_, share) in coverage(judged).items()}
    if spec.gives_probabilities:
        found["log_loss"] = log_loss(truth, judged.y_hat)
    if len(judged.target.classes) == 2:
        happened, score = judged.second_class()
        if 0 < happened.sum() < len(happened):
            found["roc_auc"] = roc_auc(happened, score)
    return found


def simple_scores(target: TargetEncoder, truth: Array, said: Array) -> dict[str, float]:
    """Those of the figures that any answers have, labels or values, (n,)."""
    if target.task == "classification":
        return {"accuracy": accuracy(truth, said), "f1": f1(truth, said)}
    return {"r2": r2(truth, said), "rmse": rmse(truth, said), "mae": mae(truth, said)}


def coverage(judged: Judged) -> dict[str, tuple[float, float]]:
    """The share of the rows that should be, and that is, below each quantile, or in the middle 90 %
    of the normal distribution; nothing for other losses.
    """
    spec, target, truth = judged.spec, judged.target, judged.truth
    if spec.loss == "quantile":
        below = (truth[:, None] <= target.decode(judged.y_hat)).mean(axis=0).tolist()
        levels = spec.loss_options["quantiles"]
        return {f"below {q:g}": (q, share) for q, share in zip(levels, below, strict=True)}
    if spec.loss == "gaussian_nll":
        distance = np.abs(truth - judged.predicted)
        inside = distance <= NORMAL_90 * answers.deviation(target, judged.y_hat)
        return {"within 90%": (0.9, float(inside.mean()))}
    return {}


def cells(found: Mapping[str, float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Figures as two rows of texts: their names, and their values."""
    in_units = ("rmse", "mae")
    names = tuple(HEADS.get(name, name) for name in found)
    return names, tuple(
        f"{value:.6g}" if name in in_units else f"{value:.4f}" for name, value in found.items()
    )


def tables(judged: Judged) -> list[tuple[str, Table]]:
    """Titles and tables, for `output.aligned`.

    Up to 12 classes: the confusion matrix with recall and precision; more: the classes that are
    recognised worst, and the most frequent confusions. Values: how large the errors are.
    """
    if not judged.classifies:
        return [("size of the errors", _errors(judged))]
    names, confusion = judged.target.classes, judged.confusion
    if len(names) <= MATRIX_CLASSES:
        title = "confusion matrix: a row for each true class, a column for each class said"
        return [(title, _matrix(names, confusion))]
    head, *rows = per_class(judged)
    f1_of = precision_recall(confusion)[2]
    worst = [c for c in np.argsort(f1_of, kind="stable") if confusion[c].any()][:WORST]
    found = [
        (f"the {len(worst)} classes that are recognised worst", [head, *(rows[c] for c in worst)])
    ]
    mixed = _confusions(names, confusion)
    return [*found, ("the most frequent confusions", mixed)] if mixed else found


def per_class(judged: Judged) -> Table:
    """A row for each class: how many rows it has, precision, recall, F1."""
    columns = zip(judged.target.classes, *precision_recall(judged.confusion), strict=True)
    rows = [
        (name, f"{support}", f"{precision:.4f}", f"{recall:.4f}", f"{f1_of:.4f}")
        for name, precision, recall, f1_of, support in columns
    ]
    return [("class", "rows", "precision", "recall", "F1"), *rows]


def _matrix(names: tuple[str, ...], confusion: Array) -> Table:
    precision, recall, _, _ = precision_recall(confusion)
    sides, tops = ([shortened(name, most) for name in names] for most in LONGEST)
    rows = [
        (name, *map(str, counts), f"{share:.3f}")
        for name, counts, share in zip(sides, confusion.tolist(), recall, strict=True)
    ]
    return [
        ("", *tops, "recall"), *rows,
        ("precision", *(f"{share:.3f}" for share in precision), ""),
    ]  # fmt: skip


def _confusions(names: tuple[str, ...], confusion: Array) -> Table:
    """``said 4 where it was 9``, how often: at most WORST of them."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:WORST]
    places = [divmod(int(place), len(names)) for place in order if wrong.flat[place]]
    return [
        (
            f"said {shortened(names[said], 30)} where it was {shortened(names[truth], 30)}",
            f"{wrong[truth, said]} times",
        )
        for truth, said in places
    ]


def _errors(judged: Judged) -> Table:
    """What share of the rows is off by at most how much, in the target's units."""
    size = np.abs(judged.truth - judged.predicted)
    shares = {"half of the rows": 0.5, "nine of ten": 0.9, "all": 1.0}
    rows = [(name, f"{np.quantile(size, share):.6g}") for name, share in shares.items()]
    return [("share of the rows", "off by at most"), *rows]
