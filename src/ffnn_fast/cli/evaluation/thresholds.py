"""Two classes at every threshold of the second one's score: ROC, precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ffnn_fast.cli.evaluation.report import Chart
from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.cli.evaluation.tables import Table
from ffnn_fast.metrics import roc_auc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray
SHOWN = tuple(tenth / 10 for tenth in range(1, 10))  # thresholds of a table


class Thresholds(NamedTuple):
    """Counts of the rows whose score is at least a threshold.

    Attributes
    ----------
    threshold : array of shape (t,)
        Every distinct score, from the highest.
    true, false : array of shape (t,)
        Rows of the second class, and of the first, with at least this score.
    """

    threshold: Array
    true: Array
    false: Array

    @property
    def precision(self) -> Array:
        """The share of the second class among these rows."""
        return self.true / (self.true + self.false)

    @property
    def recall(self) -> Array:
        """The share of these rows in the second class."""
        return self.true / self.true[-1]

    @property
    def f1(self) -> Array:
        """2 TP / (2 TP + FP + FN)."""
        return 2 * self.true / (self.true + self.false + self.true[-1])

    @property
    def average_precision(self) -> float:
        """The precision at each threshold, weighted by the rise of the recall."""
        return float(self.precision @ np.diff(self.recall, prepend=0.0))


def thresholds(evaluation: ScoredRows) -> Thresholds | None:
    """The counts at every threshold; None unless there are two classes and both occur."""
    if not evaluation.is_classification or len(evaluation.target.classes) != 2:
        return None
    is_second, score = evaluation.positive_class()
    if evaluation.n_unknown or is_second.all() or not is_second.any():
        return None
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))  # of equal scores
    true = np.cumsum(is_second[order])[last]
    return Thresholds(score[order][last], true, last + 1 - true)


def threshold_table(evaluation: ScoredRows) -> Table | None:
    """Precision, recall and F1 at some thresholds, the one with the highest F1 among them.

    None without probabilities of two classes that both occur.
    """
    found = thresholds(evaluation)
    if found is None or not evaluation.spec.gives_probabilities:
        return None
    second = evaluation.target.classes[1]
    is_second, score = evaluation.positive_class()
    best = float(found.threshold[found.f1.argmax()])
    rows: Table = [
        (
            *("threshold", f"rows predicted {second}", "precision", "recall", "F1"),
            *("false positive rate", "accuracy"),
        )
    ]
    for threshold in sorted({*SHOWN, best}):
        name = f"{threshold:.4g}{' (highest F1)' if threshold == best else ''}"
        rows.append((name, *_at(is_second, score >= threshold)))
    return rows


def _at(truth: Array, predicted: Array) -> tuple[str, ...]:
    """The cells of a row: of (n,) bool, whether a row is of the second class, and predicted so."""
    hits, positive, taken = int((truth & predicted).sum()), int(truth.sum()), int(predicted.sum())
    shares = (
        hits / taken if taken else float("nan"),
        hits / positive,
        2 * hits / (taken + positive),
        (taken - hits) / (len(truth) - positive),
        float((truth == predicted).mean()),
    )
    return f"{taken}", *("" if np.isnan(share) else f"{share:.4f}" for share in shares)


def threshold_charts(evaluation: ScoredRows) -> list[Chart]:
    """The ROC curve, and precision over recall; [] unless there are two classes and both occur."""
    found = thresholds(evaluation)
    if found is None:
        return []
    second, share = evaluation.target.classes[1], found.true[-1] / len(evaluation.truth)
    area = roc_auc(*evaluation.positive_class())

    def roc(ax: Axes) -> Any:
        x, y = found.false / found.false[-1], found.recall
        ax.plot([0, *x], [0, *y])
        ax.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        return ax.set(xlabel="false positive rate", ylabel="true positive rate (recall)")

    def precision_recall(ax: Axes) -> Any:
        ax.step(found.recall, found.precision, where="pre")
        ax.axhline(share, color="0.6", linewidth=1)
        return ax.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))

    return [
        Chart(
            "predictions",
            "ROC curve",
            f"Share of the rows of class {second} that are found, over the share of the others "
            f"that are taken for it, at every threshold. The area below the curve is {area:.4f}; "
            "random scores give the diagonal.",
            roc,
        ),
        Chart(
            "predictions",
            "precision and recall",
            f"Precision of class {second} over its recall, at every threshold. The average "
            f"precision is {found.average_precision:.4f}; the line is the share of the class, "
            f"{share:.4f}.",
            precision_recall,
        ),
    ]
