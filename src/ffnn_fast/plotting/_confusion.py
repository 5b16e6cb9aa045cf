"""A confusion matrix as shades with counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ffnn_fast._text import shortened
from ffnn_fast.plotting._canvas import one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_COUNTS = 30  # classes; with more, a count does not fit its cell
MAX_NAMES = 60  # classes; with more, only some are named
MAX_LENGTH = 14  # characters of a name


def confusion_matrix(
    confusion: npt.ArrayLike, ax: Axes | None = None, *, classes: Sequence[str] | None = None
) -> Axes:
    """Draw a confusion matrix: a row for each actual class, a column for each predicted class.

    The shade of a cell is its share of its row; its text is the count, shown for up to 30
    classes.

    Parameters
    ----------
    confusion : array-like of shape (c, c)
        What `ffnn_fast.metrics.confusion_matrix` returns.
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure, whose size grows with c.
    classes : sequence of str, optional
        c names; those of more than 14 characters are shortened. Default: 0, 1, ...

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `confusion` is not square, or `classes` has not c names.
    ImportError
        If matplotlib is not installed.
    """
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"confusion must have shape (c, c), got {counts.shape}")
    c = len(counts)
    if classes is not None and len(classes) != c:
        raise ValueError(f"expected {c} class names, got {len(classes)}")
    side = min(max(4.0, 2.2 + 0.42 * c), 9.0)
    ax = one_axes(ax, side, side)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if c <= MAX_COUNTS:
        _write_counts(ax, counts, shares)
    _name_classes(ax, [str(name) for name in (range(c) if classes is None else classes)])
    ax.set_xlabel("predicted")
    ax.set_ylabel("actual")
    return ax


def _write_counts(ax: Axes, counts: npt.NDArray[Any], shares: npt.NDArray[Any]) -> None:
    """Every count but zeros off the diagonal, in a size at which the widest fits its cell."""
    c = len(counts)
    digits = max(3, len(str(counts.max())))
    size = min(10.0, 1.4 * _points(ax) / c / digits)  # a digit is 0.64 · size wide
    for actual, predicted in np.argwhere((counts > 0) | np.eye(c, dtype=bool)):
        colour = "white" if shares[actual, predicted] > 0.5 else "black"
        text = str(counts[actual, predicted])
        ax.text(predicted, actual, text, ha="center", va="center", color=colour, fontsize=size)


def _name_classes(ax: Axes, names: list[str]) -> None:
    """Names on both axes, vertical on the x axis where they would overlap."""
    c = len(names)
    step = -(-c // MAX_NAMES)
    places, shown = range(0, c, step), [shortened(name, MAX_LENGTH) for name in names[::step]]
    size = min(9.0, 0.9 * _points(ax) / len(shown))
    wide = max(map(len, shown)) * c > 40
    style: dict[str, Any] = {"fontsize": size, "parse_math": False}
    ax.set_xticks(places, shown, rotation=90 if wide else 0, **style)
    ax.set_yticks(places, shown, **style)


def _points(ax: Axes) -> float:
    """Side of the largest square within the axes, in points."""
    box = ax.get_position()
    width, height = ax.figure.get_size_inches()  # type: ignore[union-attr]
    return float(72 * min(box.width * width, box.height * height))
