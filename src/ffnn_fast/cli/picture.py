"""Learning curves and results as PNG files."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffnn_fast.cli.output import write_file
from ffnn_fast.history import History
from ffnn_fast.plotting import learning_curve

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ffnn_fast.cli.assignment import Result


def is_drawable() -> bool:
    """Whether matplotlib is there."""
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
    _draw_confusion(matrix, best.confusion)
    matrix.set_title(f"{best.optimizer}: {best.test_accuracy:.1%} of the test images")
    figure.suptitle(title, parse_math=False)
    _write(figure, path)


def _draw_confusion(ax: Axes, confusion: np.ndarray) -> None:
    """Counts as text on shades: a row for each true class, a column for each said."""
    shares = confusion / confusion.sum(axis=1, keepdims=True).clip(1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (truth, said), count in zip(_places(confusion), confusion.flat, strict=True):
        colour = "white" if shares[truth, said] > 0.5 else "black"
        ax.text(said, truth, str(count), ha="center", va="center", color=colour, fontsize=8)
    labels = range(len(confusion))
    ax.set(xticks=labels, yticks=labels, xlabel="said", ylabel="true class")


def _places(matrix: np.ndarray) -> list[tuple[int, int]]:
    rows, columns = matrix.shape
    return [(r, c) for r in range(rows) for c in range(columns)]


def _write(figure: Figure, path: str) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_file(path, content.getvalue())
