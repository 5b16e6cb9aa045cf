"""An evaluation as tables of texts, for a terminal and for a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.metrics import precision_recall

Array = np.ndarray
Table = list[tuple[str, ...]]
Titled = list[tuple[str, Table]]  # tables with titles; that of a single one may be empty
MATRIX_CLASSES = 12  # more do not fit into the lines of a terminal
WORST = 10  # classes, and confusions, that are shown
WIDEST = 60  # characters of the classes above the columns of a matrix; more become numbers


def tables(evaluation: ScoredRows) -> Titled:
    """Titles and tables, for `output.aligned`.

    Up to 12 classes: the confusion matrix with recall, precision and F1 of each class; more: the
    classes with the lowest F1, and the most frequent confusions. Values: how large the errors are.
    """
    if not evaluation.is_classification:
        return [("size of the errors", _errors(evaluation))]
    names, confusion = evaluation.target.classes, evaluation.confusion
    if len(names) <= MATRIX_CLASSES:
        title = "confusion matrix: a row for each true class, a column for each predicted class"
        return [(title, _matrix(names, confusion))]
    head, *rows = per_class(evaluation)
    f1_of = precision_recall(confusion)[2]
    worst = [c for c in np.argsort(f1_of, kind="stable") if confusion[c].any()][:WORST]
    title = f"the {len(worst)} classes with the lowest F1"
    found = [(title, [head, *(rows[c] for c in worst)])]
    confusions = _confusions(names, confusion)
    return [*found, ("the most frequent confusions", confusions)] if len(confusions) > 1 else found


def all_tables(evaluations: Sequence[ScoredRows]) -> Titled:
    """The tables of each target; of several, titles begin with its name."""
    several = len(evaluations) > 1
    return [
        (f"{one.target.name}: {title}" if several else title, table)
        for one in evaluations
        for title, table in tables(one)
    ]


def per_class(evaluation: ScoredRows) -> Table:
    """A row for each class: its number of rows, precision, recall, F1."""
    columns = zip(evaluation.target.classes, *precision_recall(evaluation.confusion), strict=True)
    rows = [
        (name, f"{support}", f"{precision:.4f}", f"{recall:.4f}", f"{f1_of:.4f}")
        for name, precision, recall, f1_of, support in columns
    ]
    return [("class", "rows", "precision", "recall", "F1"), *rows]


def _matrix(names: tuple[str, ...], confusion: Array) -> Table:
    precision, recall, f1_of, _ = precision_recall(confusion)
    sides, tops = list(names), list(names)
    if sum(map(len, names)) > WIDEST:
        tops = [f"({c})" for c in range(1, len(names) + 1)]
        sides = [f"{top} {name}" for top, name in zip(tops, names, strict=True)]
    rows = [
        (name, *map(str, counts), f"{share:.3f}", f"{own:.3f}")
        for name, counts, share, own in zip(sides, confusion.tolist(), recall, f1_of, strict=True)
    ]
    return [
        ("", *tops, "recall", "F1"), *rows,
        ("precision", *(f"{share:.3f}" for share in precision), "", ""),
    ]  # fmt: skip


def _confusions(names: tuple[str, ...], confusion: Array) -> Table:
    """``predicted 4, actual 9`` with the number of rows: at most WORST of them."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:WORST]
    places = [divmod(int(place), len(names)) for place in order if wrong.flat[place]]
    rows = [
        (
            f"predicted {names[predicted]}, actual {names[truth]}",
            f"{wrong[truth, predicted]}",
        )
        for truth, predicted in places
    ]
    return [("confusion", "rows"), *rows]


def _errors(evaluation: ScoredRows) -> Table:
    """Quantiles of the absolute error, in the target's units."""
    size = np.abs(evaluation.truth - evaluation.predicted)
    shares = {"50% of the rows": 0.5, "90% of the rows": 0.9, "all rows": 1.0}
    rows = [(name, f"{np.quantile(size, share):.6g}") for name, share in shares.items()]
    return [("share of the rows", "absolute error at most"), *rows]
