"""How activations and gradients are spread in each layer of one pass, from `Network.trace`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ffnn_fast.plotting.canvas import BLUE, FAINT, INK, ORANGE, several_axes

Array = np.ndarray
MOST_COLUMNS = 4


def activation_histograms(trace: Mapping[str, Array], axes: Any = None, *, bins: int = 40) -> Array:
    """Draw the spread of a_k (outline) and h_k (filled) over rows and units, layer by layer.

    Units that say the same for all rows, and h_k heaped at the ends of its range, where g is flat,
    are the signs of dead and of saturated layers.

    Parameters
    ----------
    trace : Trace
        What `Network.trace` returns.
    axes : array-like of matplotlib.axes.Axes, optional
        One for each layer k = 1..L. Default: those of a new figure.
    bins : int, default 40

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (L,)

    Raises
    ------
    ValueError
        If `trace` holds no layers or there are too few `axes`.
    ImportError
        If matplotlib is not installed.
    """
    L = _n_layers(trace)
    grid = several_axes(axes, L, MOST_COLUMNS, 3.0, 2.6)
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


def gradient_histograms(trace: Mapping[str, Array], axes: Any = None, *, bins: int = 40) -> Array:
    """Draw the spread of |∇W_k|, element by element, on one logarithmic scale for all layers.

    Gradients that shrink by orders of magnitude from the last layer to the first vanish.

    Parameters
    ----------
    trace, axes, bins
        As in `activation_histograms`.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (L,)

    Raises
    ------
    ValueError
        If `trace` holds no layers or there are too few `axes`.
    ImportError
        If matplotlib is not installed.
    """
    L = _n_layers(trace)
    grid = several_axes(axes, L, MOST_COLUMNS, 3.0, 2.6)
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
        raise ValueError("the trace holds no a_1: give what Network.trace returns")
    return L


def _shares(values: Array) -> Array:
    """Weights that make the bars add up to one."""
    return np.full(len(values), 1 / len(values))


def _edges_with_zero(values: Array, bins: int) -> Array:
    """Edges of about `bins` equal bins that hold all values; 0 is an edge where it is in range."""
    low, high = float(values.min()), float(values.max())
    step = (high - low) / bins or 1.0
    return step * np.arange(np.floor(low / step), np.ceil(high / step) + 1.5)


def _logarithmic_edges(sizes: Array, bins: int) -> Array:
    """Edges of bins that hold all sizes but zeros and what is 12 orders below the largest."""
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
