"""A report of a trained network: a page of its own, or one picture."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast import plotting
from ffnn_fast.cli.judging import Judged
from ffnn_fast.cli.output import CommandError, check_output, write_file
from ffnn_fast.cli.picture import is_drawable
from ffnn_fast.history import History
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".html", ".png")
NO_CURVES = ("epoch", "seconds", "samples_per_second", "learning_rate")
MOST_CURVES = 6
SMALL = (5, 12)  # the most layers, and units of a layer but the inputs, of a network that is drawn
COLUMNS = 3  # of pictures in a PNG file


@dataclass(frozen=True)
class Report:
    """What is told of a trained network.

    Attributes
    ----------
    title : str
    facts : list of (str, str)
        What was trained, on what, with which options.
    network : Network
    results : list of tuple of str
        A table: its head, then the network and the baselines with their scores.
    judged : Judged
    history : History or None
    on : str
        The rows it was judged on: "the 400 held-out rows".
    """

    title: str
    facts: list[tuple[str, str]]
    network: Network
    results: list[tuple[str, ...]]
    judged: Judged
    history: History | None
    on: str


@dataclass(frozen=True)
class Picture:
    """A picture to draw: the part of the report it belongs to, a title, words below it, what draws
    it on axes, and its size in inches.
    """

    part: str
    title: str
    caption: str
    draw: Callable[[Axes], Any]
    size: tuple[float, float] = (5.0, 4.2)

    def figure(self) -> Figure:
        """It alone, on a figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.size, layout="constrained")
        self.draw(figure.subplots())
        return figure


def check(path: str, *inputs: str) -> None:
    """Refuse a report that cannot be written, before the work starts.

    `inputs` are files that must not be overwritten by it.

    Raises
    ------
    CommandError
        If the name of the file does not end in .html or .png, matplotlib is not installed, or the
        path cannot be written.
    """
    if os.path.splitext(path)[1].lower() not in SUFFIXES:
        raise CommandError(f"the name of a report must end in .html or .png, got {path}")
    if not is_drawable():
        raise CommandError('a report needs matplotlib: pip install "ffnn_fast[cli]"')
    check_output(path, *inputs)


def write(report: Report, path: str) -> None:
    """Write a page (.html) or a picture (.png), whole or not at all; raises as `check`."""
    check(path)
    if os.path.splitext(path)[1].lower() == ".png":
        content = _png(report)
    else:
        from ffnn_fast.cli.judging.page import page

        with drawing():
            content = page(report, pictures(report)).encode("utf-8")
    write_file(path, content)


def pictures(report: Report) -> list[Picture]:
    """All pictures of a report, in their order."""
    judged, network = report.judged, report.network
    drawn = _curves(report.history) if report.history else []
    drawn += _of_classes(judged, report.on) if judged.classifies else _of_values(judged, report.on)
    layers, units = SMALL
    if network.spec.n_layers <= layers and max(network.spec.layer_sizes[1:]) <= units:
        columns, rows = network.spec.n_layers + 1, min(max(network.spec.layer_sizes), 7)
        drawn.append(
            Picture(
                "network",
                "network",
                "Units with their weights: red above zero, blue below.",
                lambda ax: plotting.network_diagram(network, ax),
                (2.0 * columns, 0.62 * rows + 1.6),
            )
        )
    return drawn


@contextmanager
def drawing() -> Iterator[None]:
    """Text stays text in pictures and ids are the same each time; a letter that matplotlib's own
    font lacks is no reason to warn.
    """
    import matplotlib as mpl

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "ffnn_fast"}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _curves(history: History) -> list[Picture]:
    """A learning curve of each figure that was recorded of the epochs."""
    recorded = history.keys()
    names = dict.fromkeys(key.removeprefix("val_") for key in recorded if key not in NO_CURVES)

    def curve(name: str) -> Picture:
        def draw(ax: Axes) -> Any:
            return plotting.learning_curve(history, ax, name)

        return Picture("learning", f"{name.replace('_', ' ')} over the epochs", "", draw)

    return [curve(name) for name in list(names)[:MOST_CURVES]]


def _of_classes(judged: Judged, on: str) -> list[Picture]:
    names, confusion = judged.target.classes, judged.confusion
    side = min(max(4.4, 2.4 + 0.36 * len(names)), 9.0)
    drawn = [
        Picture(
            "answers",
            "confusion matrix",
            f"What was said on {on}: a row for each true class, a column for each class said; "
            "a cell is the darker, the larger its share of its row.",
            lambda ax: plotting.confusion_matrix(confusion, ax, classes=names),
            (side, side),
        )
    ]
    if judged.spec.gives_probabilities:
        if len(names) == 2:
            happened, probability = judged.second_class()
            whose = f"the class {names[1]}"
        else:
            happened, probability = judged.truth == judged.predicted, judged.y_hat.max(axis=1)
            whose = "the class that was said"
        sure = np.clip(probability, 0, 1)
        drawn.append(
            Picture(
                "calibration",
                "calibration of the probabilities",
                f"How often {whose} was the true one, over the probability it was given. On the "
                "line, a probability is what it claims to be; below it, too high.",
                lambda ax: plotting.reliability_diagram(happened, sure, ax),
            )
        )
    return drawn


def _of_values(judged: Judged, on: str) -> list[Picture]:
    truth, said = judged.truth, judged.predicted
    return [
        Picture(
            "answers",
            "predicted against actual",
            f"Each dot is one of {on}; on the line, prediction and true value are equal.",
            lambda ax: plotting.predicted_against_actual(truth, said, ax),
        ),
        Picture(
            "answers",
            "residuals",
            "What is missing from the prediction to the true value. A mean off the line: "
            "predictions there are too high or too low; a long bar: they are uncertain.",
            lambda ax: plotting.binned_residuals(truth, said, ax),
        ),
    ]


def _png(report: Report) -> bytes:
    """All pictures in a grid."""
    from matplotlib.figure import Figure

    drawn = pictures(report)
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    width, height = np.max([picture.size for picture in drawn], axis=0)
    content = io.BytesIO()
    with drawing():
        figure = Figure(figsize=(columns * width, rows * height + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for picture, ax in zip(drawn, grid, strict=False):
            picture.draw(ax)
            if not ax.get_title():
                ax.set_title(picture.title, size=10, parse_math=False)
        for unused in grid[len(drawn) :]:
            unused.remove()
        figure.suptitle(report.title, parse_math=False)
        figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
