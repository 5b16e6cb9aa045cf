"""Learning curves and results as PNG files."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffnn_fast.cli.output import write_file
from ffnn_fast.history import History
from ffnn_fast.plotting import confusion_matrix, learning_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ffnn_fast.cli.assignment import Result


def is_drawable() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(history: History, path: str, title: str) -> None:
    """Write the loss and the score of each epoch to a PNG file, whole or not at all."""
    from matplotlib.figure import Figure

    metrics = [name for name in ("loss", "accuracy", "r2") if name in history[0]]
    figure = Figure(figsize=(5 * len(metrics), 4), layout="constrained")
    for metric, ax in zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True):
        learning_curve(history, ax, metric)
    figure.suptitle(title, parse_math=False)
    _write(figure, path)


def draw_results(results: Sequence[Result], path: str, title: str) -> None:
    """Write the epochs of all runs, and the confusion matrix of the best, to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.5), layout="constrained")
    loss, accuracy, matrix = figure.subplots(1, 3)
    for result in results:
        epochs = [record["epoch"] for record in result.history]
        for ax, key in ((loss, "val_loss"), (accuracy, "val_accuracy")):
            values = [record[key] for record in result.history]
            label = f"{result.optimizer}, rate {result.learning_rate:g}"
            ax.plot(epochs, values, marker="o", markersize=3, label=label)
            ax.set(xlabel="epoch", ylabel=f"{key.removeprefix('val_')} in validation")
            ax.grid(alpha=0.3)
    loss.legend()
    best = max(results, key=lambda result: result.history[-1]["val_accuracy"])
    confusion_matrix(best.confusion, matrix)
    matrix.set_title(f"{best.optimizer}: {best.test_accuracy:.1%} of the test images")
    figure.suptitle(title, parse_math=False)
    _write(figure, path)


def _write(figure: Figure, path: str) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_file(path, content.getvalue())
