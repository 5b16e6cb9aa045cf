"""The rows of W_1 as images: what each unit of the first layer looks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ffnn_fast.network import Network
from ffnn_fast.plotting.canvas import DIVERGING, several_axes


def weight_images(
    net: Network, shape: tuple[int, int], axes: Any = None, *, units: Sequence[int] | None = None
) -> np.ndarray:
    """Draw rows of W_1 as images, one for each unit of the first layer, on one scale of colour.

    Parameters
    ----------
    net : Network
    shape : (height, width)
        Of the images that are its inputs, flattened row by row; height · width = n_0.
    axes : array-like of matplotlib.axes.Axes, optional
        One for each unit. Default: a grid in a new figure, with a colour bar.
    units : sequence of int, optional
        Which units, from 0. Default: the first 16, or all if there are fewer.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (number of units,)

    Raises
    ------
    ValueError
        If `shape` does not fit the inputs, a unit does not exist, or there are too few `axes`.
    ImportError
        If matplotlib is not installed.
    """
    W = net.weights[0]
    height, width = shape
    if height * width != net.spec.n_inputs:
        raise ValueError(f"images of {height} × {width} are not {net.spec.n_inputs} inputs")
    chosen = list(range(min(len(W), 16)) if units is None else units)
    bad = [unit for unit in chosen if not 0 <= unit < len(W)]
    if bad or not chosen:
        raise ValueError(f"units must be in 0..{len(W) - 1}, got {bad or chosen}")
    columns = min(range(8, 3, -1), key=lambda c: -len(chosen) % c)  # the fullest last row
    grid = several_axes(axes, len(chosen), columns, 1.25, 1.3)
    largest = float(np.abs(W[chosen]).max()) or 1.0
    for ax, unit in zip(grid, chosen, strict=True):
        shown = ax.imshow(W[unit].reshape(shape), cmap=DIVERGING, vmin=-largest, vmax=largest)
        ax.set_title(f"unit {unit}", size=8, pad=3)
        ax.set_xticks([])
        ax.set_yticks([])
        for edge in ax.spines.values():
            edge.set_visible(False)
    if axes is None:
        grid[0].figure.colorbar(shown, ax=list(grid), label="weight", shrink=0.9, aspect=25)
    return grid
