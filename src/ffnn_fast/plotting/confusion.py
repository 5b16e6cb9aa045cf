"""A confusion matrix as shades with counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast.plotting.canvas import one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NUMBERS = 30  # classes; beyond, a count has no room
MOST_NAMES = 60  # classes; beyond, only some are named
LONGEST = 14  # characters of a name


def confusion_matrix(
    confusion: Any, ax: Axes | None = None, *, classes: Sequence[str] | None = None
) -> Axes:
    """Draw a confusion matrix: a row for each true class, a column for each class said.

    A cell is the darker, the larger its share of its row; the text in it is the count, up to 30
    classes.

    Parameters
    ----------
    confusion : array-like of shape (c, c)
        As `ffnn_fast.metrics.confusion_matrix` gives it.
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure of fitting size.
    classes : sequence of str, optional
        c names, long ones shortened; default: 0, 1, ...

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `confusion` is not square, or there is another number of names.
    ImportError
        If matplotlib is not installed.
    """
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"confusion must have shape (c, c), got {counts.shape}")
    c = len(counts)
    if classes is not None and len(classes) != c:
        raise ValueError(f"expected {c} names of classes, got {len(classes)}")
    side = min(max(4.0, 2.2 + 0.42 * c), 9.0)
    ax = one_axes(ax, side, side)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if c <= MOST_NUMBERS:
        _write_counts(ax, counts, shares)
    _name_classes(ax, [str(name) for name in (range(c) if classes is None else classes)])
    ax.set_xlabel("said")
    ax.set_ylabel("true")
    return ax


def shortened(name: str, most: int = LONGEST) -> str:
    """A name of at most so many characters; its end stays, where names often differ."""
    tail = most // 3
    return name if len(name) <= most else f"{name[: most - tail - 1]}…{name[-tail:]}"


def _write_counts(ax: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    """Every count but zeros off the diagonal, in a size that lets the widest fit its cell."""
    c = len(counts)
    digits = max(3, len(str(counts.max())))
    size = min(10.0, 1.4 * _points(ax) / c / digits)  # a digit is 0.64 of it wide
    for truth, said in np.argwhere((counts > 0) | np.eye(c, dtype=bool)):
        colour = "white" if shares[truth, said] > 0.5 else "black"
        text = str(counts[truth, said])
        ax.text(said, truth, text, ha="center", va="center", color=colour, fontsize=size)


def _name_classes(ax: Axes, names: list[str]) -> None:
    """Names at both sides, upright where they would run into one another."""
    c = len(names)
    step = -(-c // MOST_NAMES)
    places, shown = range(0, c, step), [shortened(name) for name in names[::step]]
    size = min(9.0, 0.9 * _points(ax) / len(shown))
    wide = max(map(len, shown)) * c > 40
    words: dict[str, Any] = {"fontsize": size, "parse_math": False}
    ax.set_xticks(places, shown, rotation=90 if wide else 0, **words)
    ax.set_yticks(places, shown, **words)


def _points(ax: Axes) -> float:
    """Side of the square that fits into the axes, in points."""
    box = ax.get_position()
    width, height = ax.figure.get_size_inches()  # type: ignore[union-attr]
    return float(72 * min(box.width * width, box.height * height))
