"""Axes to draw on, and the colours that all figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#22303c", "#8a97a3"
BLUE, ORANGE = "#2f6fb0", "#d9772b"
# Classes, in order: hues of even lightness that differ for colour-blind readers too.
CLASSES = (
    *("#2f6fb0", "#d9772b", "#3a9a6b", "#b8508f", "#8a6fc0"),
    *("#c2a02d", "#4fb0c6", "#a65a46", "#6f7d8a", "#d1606a"),
)
DIVERGING = "RdBu_r"


def one_axes(ax: Axes | None, width: float = 6.4, height: float = 4.2) -> Axes:
    """`ax`, or the axes of a new figure of this size in inches."""
    return _new_figure(width, height).subplots() if ax is None else ax


def several_axes(
    axes: Any, n: int, columns: int, width: float, height: float
) -> npt.NDArray[np.object_]:
    """The first n of `axes`, or those of a new figure, each of this size in inches, as (n,).

    Raises
    ------
    ValueError
        If `axes` has fewer than n elements.
    """
    if axes is None:
        columns = min(n, columns)
        rows = -(-n // columns)
        figure = _new_figure(columns * width, rows * height)
        grid: npt.NDArray[np.object_] = figure.subplots(rows, columns, squeeze=False).ravel()
        for unused in grid[n:]:
            unused.remove()
        return grid[:n]
    given = np.ravel(np.asarray(axes, dtype=object))
    if len(given) < n:
        raise ValueError(f"expected {n} axes or more, got {len(given)}")
    return given[:n]


def class_colours(n: int) -> npt.NDArray[np.float64]:
    """(n, 3) colours in [0, 1]."""
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(CLASSES[c % len(CLASSES)]) for c in range(n)])


def _new_figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'figures need matplotlib: pip install "ffnn_fast[plot]"', name="matplotlib"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")
