"""Distributions of activations and gradients in each layer of one pass, from `Network.trace`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ffnn_fast.plotting._canvas import BLUE, FAINT, INK, ORANGE, several_axes

Array = npt.NDArray[np.floating]
AxesArray = npt.NDArray[np.object_]
MAX_COLUMNS = 4  # of axes in a figure


def activation_histograms(
    trace: Mapping[str, Array], axes: Any = None, *, bins: int = 40
) -> AxesArray:
    """Draw the distributions of a_k (outline) and h_k (filled) over rows and units, per layer.

    Units whose h_k is the same for all rows are dead; values of h_k concentrated at the ends of
    the range of g, where g is flat, are a sign of a saturated layer.

    Parameters
    ----------
    trace : mapping from str to ndarray
        What `ffnn_fast.Network.trace` returns; ``a_k`` and ``h_k``, k = 1..L, are used.
    axes : array-like of matplotlib.axes.Axes, optional
        One for each layer k = 1..L. Default: those of a new figure.
    bins : int, default 40
        Approximate number of bins of equal width.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (L,)

    Raises
    ------
    ValueError
        If `trace` has no ``a_1`` or there are fewer than L `axes`.
    ImportError
        If matplotlib is not installed.
    """
    L = _n_layers(trace)
    grid = several_axes(axes, L, MAX_COLUMNS, 3.0, 2.6)
    for k, ax in enumerate(grid, start=1):
        a, h = trace[f"a_{k}"].ravel(), trace[f"h_{k}"].ravel()
        name = f"h_{{{k}}}" + (" = \\hat{y}" if k == L else "")
        edges = _edges_with_zero(np.concatenate([a, h]), bins)
        ax.hist(h, edges, weights=_shares(h), color=BLUE, alpha=0.75, label=f"${name}$")
        ax.hist(
            a, edges, weights=_shares(a), histtype="step", color=ORANGE, lw=1.4,
            label=f"$a_{{{k}}}$",
        )  # fmt: skip
        constant = np.ptp(trace[f"h_{k}"], axis=0) == 0
        dead = f"{int(constant.sum())} of {len(constant)} units constant" if constant.any() else ""
        _finish(ax, f"layer {k}", dead)
        ax.legend(frameon=False)
    grid[0].set_ylabel("share of values")
    return grid


def gradient_histograms(
    trace: Mapping[str, Array], axes: Any = None, *, bins: int = 40
) -> AxesArray:
    """Draw the distribution of the elements of |∇W_k|, on one logarithmic scale for all layers.

    Vanishing gradients shrink by orders of magnitude from the last layer to the first.

    Parameters
    ----------
    trace : mapping from str to ndarray
        What `ffnn_fast.Network.trace` returns; ``grad_W_k``, k = 1..L, are used.
    axes, bins
        As in `activation_histograms`.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (L,)

    Raises
    ------
    ValueError
        If `trace` has no ``a_1`` or no ``grad_W_1``, or there are fewer than L `axes`.
    ImportError
        If matplotlib is not installed.
    """
    L = _n_layers(trace)
    if "grad_W_1" not in trace:
        raise ValueError("trace has no gradients; make it with targets: net.trace(X, y)")
    grid = several_axes(axes, L, MAX_COLUMNS, 3.0, 2.6)
    sizes = [np.abs(trace[f"grad_W_{k}"]).ravel() for k in range(1, L + 1)]
    edges = _logarithmic_edges(np.concatenate(sizes), bins)
    for k, (ax, size) in enumerate(zip(grid, sizes, strict=True), start=1):
        ax.hist(size, edges, weights=_shares(size), color=BLUE, alpha=0.75)
        ax.set_xscale("log")
        zero, middle = float((size == 0).mean()), float(np.median(size))
        if middle > 0:
            ax.axvline(middle, color=ORANGE, lw=1.4, label=f"median {middle:.1e}")
            ax.legend(frameon=False, loc="upper left", fontsize=8)
        _finish(ax, f"$|\\nabla W_{{{k}}}|$", f"{zero:.0%} zero" if zero else "")
    grid[0].set_ylabel("share of elements")
    return grid


def _n_layers(trace: Mapping[str, Array]) -> int:
    """L."""
    L = sum(name.startswith("a_") for name in trace)
    if L == 0:
        raise ValueError("trace has no a_1; pass the return value of Network.trace")
    return L


def _shares(values: Array) -> Array:
    """Weights with which the bars sum to one."""
    return np.full(len(values), 1 / len(values))


def _edges_with_zero(values: Array, bins: int) -> Array:
    """Edges of about `bins` bins of equal width over all values; 0 is an edge if it is in range."""
    low, high = float(values.min()), float(values.max())
    step = (high - low) / bins or 1.0
    return step * np.arange(np.floor(low / step), np.ceil(high / step) + 1.5)


def _logarithmic_edges(sizes: Array, bins: int) -> Array:
    """Edges of bins for all sizes above 1e-12 times the largest."""
    high = float(sizes.max()) or 1.0
    low = float(sizes[sizes > high * 1e-12].min()) if (sizes > 0).any() else high / 10
    if low == high:
        low, high = low / 2, high * 2
    edges = np.geomspace(low, high, bins + 1)
    edges[-1] = np.nextafter(max(edges[-1], high), np.inf)
    return edges


def _finish(ax: Any, title: str, note: str) -> None:
    ax.set_title(title, size=10, color=INK, loc="left")
    ax.set_title(note, size=8, color=FAINT, loc="right")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
