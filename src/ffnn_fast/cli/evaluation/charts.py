"""The charts of a report."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast import plotting
from ffnn_fast._text import shortened
from ffnn_fast.cli.evaluation.prediction_columns import class_probabilities
from ffnn_fast.cli.evaluation.report import Chart, Report
from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.cli.evaluation.thresholds import threshold_charts
from ffnn_fast.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_CURVES = ("epoch", "seconds", "samples_per_second", "learning_rate")
MOST_CURVES = 6
MOST_BARS, LONGEST_NAME = 20, 30
SMALL = (5, 12)  # the most layers, and units of a layer but the inputs, of a network that is drawn
STYLE: Any = {
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ffnn_fast",  # the same ids each time
}


def charts(report: Report) -> list[Chart]:
    """All charts of a report, in their order."""
    network = report.network
    drawn = _curves(report.history) if report.history else []
    for evaluation in report.evaluations:
        of_target = _of_classes if evaluation.is_classification else _of_values
        found = of_target(evaluation, report.rows)
        if len(report.evaluations) > 1:
            name = evaluation.target.name
            found = [replace(one, title=f"{name}: {one.title}", target=name) for one in found]
        drawn += found
    if report.importances:
        drawn.append(_importances(report.importances))
    layers, units = SMALL
    if network.spec.n_layers <= layers and max(network.spec.layer_sizes[1:]) <= units:
        columns, rows = network.spec.n_layers + 1, min(max(network.spec.layer_sizes), 7)
        drawn.append(
            Chart(
                "network",
                "network",
                "Units and weights: red positive, blue negative.",
                lambda ax: plotting.network_diagram(network, ax),
                (2.0 * columns, 0.62 * rows + 1.6),
            )
        )
    return drawn


@contextmanager
def chart_style() -> Iterator[None]:
    """matplotlib's settings for charts: deterministic, and without warnings about letters that its
    own font lacks.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _curves(history: History) -> list[Chart]:
    """A learning curve of each quantity that was recorded."""
    recorded = history.keys()
    names = dict.fromkeys(key.removeprefix("val_") for key in recorded if key not in NO_CURVES)

    def curve(name: str) -> Chart:
        def draw(ax: Axes) -> Any:
            return plotting.learning_curve(history, ax, name)

        return Chart("learning", f"{name.replace('_', ' ')} over the epochs", "", draw)

    return [curve(name) for name in list(names)[:MOST_CURVES]]


def _of_classes(evaluation: ScoredRows, rows: str) -> list[Chart]:
    names, confusion = evaluation.target.classes, evaluation.confusion
    side = min(max(4.4, 2.4 + 0.36 * len(names)), 9.0)
    drawn = [
        Chart(
            "predictions",
            "confusion matrix",
            f"Predictions for {rows}: a row for each true class, a column for each predicted "
            "class. The darker a cell, the larger its share of its row.",
            lambda ax: plotting.confusion_matrix(confusion, ax, classes=names),
            (side, side),
        )
    ]
    drawn += threshold_charts(evaluation)
    if evaluation.spec.gives_probabilities:
        drawn.append(_calibration(evaluation))
    return drawn


def _calibration(evaluation: ScoredRows) -> Chart:
    """Observed frequency over probability, of the second of two classes or of the predicted one."""
    names = evaluation.target.classes
    if len(names) == 2:
        is_true, probability = evaluation.positive_class()
        which = f"the class {names[1]}"
    else:
        is_true = evaluation.truth == evaluation.predicted
        probability = class_probabilities(evaluation.y_hat).max(axis=1)
        which = "the predicted class"
    probability = np.clip(probability, 0, 1)
    return Chart(
        "calibration",
        "calibration of the probabilities",
        f"Share of the rows where {which} is the true one, over its predicted probability. On the "
        "diagonal the probabilities are calibrated; below it they are too high.",
        lambda ax: plotting.reliability_diagram(is_true, probability, ax),
    )


def _importances(shares: dict[str, float]) -> Chart:
    """A bar for each of the most important columns."""
    order = sorted(shares, key=lambda name: shares[name])[-MOST_BARS:]

    def draw(ax: Axes) -> Any:
        names = [shortened(name, LONGEST_NAME) for name in order]
        bars = ax.barh(range(len(order)), [shares[name] for name in order])
        ax.set_yticks(range(len(order)), names, parse_math=False)
        ax.set_xlabel("share of the rise of the loss")
        return bars

    return Chart(
        "columns",
        "importance of the columns",
        "By how much the loss rises where the values of a column are permuted, as a share of the "
        "sum over all columns.",
        draw,
        (5.0, min(1.2 + 0.3 * len(order), 8.0)),
    )


def _of_values(evaluation: ScoredRows, rows: str) -> list[Chart]:
    truth, predicted = evaluation.truth, evaluation.predicted
    return [
        Chart(
            "predictions",
            "predicted against actual",
            f"Each dot is one of {rows}; on the line, predicted and actual value are equal.",
            lambda ax: plotting.predicted_against_actual(truth, predicted, ax),
        ),
        Chart(
            "predictions",
            "residuals",
            "Actual minus predicted value. Where the mean is off the line, the predictions are too "
            "high or too low; the longer the bar, the less precise they are.",
            lambda ax: plotting.binned_residuals(truth, predicted, ax),
        ),
    ]
