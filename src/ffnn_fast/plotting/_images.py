"""The rows of W_1 as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ffnn_fast.plotting._canvas import DIVERGING, several_axes
from ffnn_fast.plotting._protocols import HasWeights


def weight_images(
    net: HasWeights | npt.ArrayLike,
    shape: tuple[int, int],
    axes: Any = None,
    *,
    units: Sequence[int] | None = None,
) -> npt.NDArray[np.object_]:
    """Draw rows of W_1 as images, one for each unit of the first layer, on one colour scale.

    Parameters
    ----------
    net : array-like of shape (n_1, n_0), or an object with ``weights``
        W_1, or for example a `ffnn_fast.Network`, whose ``weights[0]`` is W_1.
    shape : (height, width)
        Of the input images, flattened row by row; height · width = n_0.
    axes : array-like of matplotlib.axes.Axes, optional
        One for each drawn unit. Default: a grid in a new figure, with a colour bar.
    units : sequence of int, optional
        Indices of the units to draw, from 0. Default: the first 16, or all if there are fewer.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (number of drawn units,)

    Raises
    ------
    ValueError
        If W_1 is not a matrix, `shape` does not match n_0, `units` is empty or out of range, or
        there are too few `axes`.
    ImportError
        If matplotlib is not installed.
    """
    W = np.asarray(net.weights[0] if hasattr(net, "weights") else net)
    if W.ndim != 2:
        raise ValueError(f"W_1 must have shape (n_1, n_0), got {W.shape}")
    height, width = shape
    if height * width != W.shape[1]:
        raise ValueError(
            f"shape must satisfy height · width = {W.shape[1]} inputs, got {height} × {width}"
        )
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
