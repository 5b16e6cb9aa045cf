"""Learning curves as PNG files."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from ffnn_fast.cli.output import write_file
from ffnn_fast.history import History
from ffnn_fast.plotting import learning_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    write_png(figure, path)


def write_png(figure: Figure, path: str) -> None:
    """Write a figure to a PNG file, whole or not at all."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_file(path, content.getvalue())
