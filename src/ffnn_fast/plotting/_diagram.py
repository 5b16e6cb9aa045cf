"""A network as the lecture draws it: columns of units, each split into a_k and h_k, between W_k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._scalars import as_int
from ffnn_fast.activations import activation_of
from ffnn_fast.plotting._canvas import DIVERGING, FAINT, INK, one_axes
from ffnn_fast.plotting._protocols import HasSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RADIUS = 0.36  # of a unit; units of a column are 1 apart
GAP = 3.2  # between columns
INPUT, BEFORE, AFTER, OUTPUT = "#dfe5ea", "#fbe3cb", "#cfe2f5", "#cdebd9"
Places = list[tuple[int, float]]  # index of a unit, from 0, and its height


def network_diagram(
    net: NetworkSpec | HasSpec, ax: Axes | None = None, *, max_units: int = 7
) -> Axes:
    """Draw the layers from left to right, with the symbols of the lecture.

    A unit of layer k is split into its pre-activation a_k (left) and its activation h_k (right).
    Connections are coloured by weight, red above zero and blue below, relative to the largest
    absolute weight drawn in their layer. Without weights they are grey.

    Parameters
    ----------
    net : NetworkSpec, or an object with one as its attribute ``spec``
        Weights are drawn if it also has an attribute ``weights``, (W_1, ..., W_L), as a `Network`
        has.
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure, whose size grows with the network.
    max_units : int, default 7
        The maximum number of units drawn per layer, at least 3. A wider layer shows its first
        units, dots and its last unit.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `max_units` is not an integer.
    ValueError
        If `max_units` is less than 3.
    ImportError
        If matplotlib is not installed.
    """
    max_units = as_int(max_units, "max_units", 3)
    # A spec has a method `weights`; a network has the matrices under that name.
    if isinstance(net, NetworkSpec):
        spec, weights = net, None
    else:
        spec, weights = net.spec, getattr(net, "weights", None)
    columns = [_places(n, max_units) for n in spec.unit_sizes]
    top = max(column[0][1] for column in columns) + RADIUS
    width = GAP * spec.n_layers + 3.2
    ax = one_axes(ax, 0.62 * width, 0.62 * (2 * top + 3.4))
    for k in range(1, spec.n_layers + 1):
        W = None if weights is None else weights[k - 1]
        _connections(ax, k, columns[k - 1], columns[k], W)
        _write(ax, GAP * (k - 0.5), top + 0.4, f"$W_{{{k}}},\\ b_{{{k}}}$", size=12, up="baseline")
        o, i = spec.shapes[k - 1]
        _write(ax, GAP * (k - 0.5), -top - 0.55, f"{o} × {i}", size=8, color=FAINT)
    for k, column in enumerate(columns):
        _column(ax, spec, k, column)
        _write(ax, GAP * k, top + 0.4, _heading(k, spec.n_layers), size=12, up="baseline")
        _write(ax, GAP * k, -top - 0.55, _caption(spec, k), size=9)
    ax.set_xlim(-1.4, GAP * spec.n_layers + 1.4)
    ax.set_ylim(-top - 1.2, top + 1.0)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _places(n: int, most: int) -> Places:
    """The units that are drawn, from the top; dots take the second to last place if n > most."""
    slots = min(n, most)
    shown = range(n) if n <= most else [*range(most - 2), n - 1]
    heights = [(slots - 1) / 2 - j for j in range(slots)]
    if n > most:
        del heights[-2]
    return list(zip(shown, heights, strict=True))


def _connections(
    ax: Axes, k: int, below: Places, above: Places, W: npt.NDArray[np.floating] | None
) -> None:
    """Lines from every drawn unit of layer k − 1 to every drawn unit of layer k."""
    import matplotlib as mpl
    from matplotlib.collections import LineCollection

    left, right = GAP * (k - 1) + RADIUS, GAP * k - RADIUS
    lines = [[(left, y), (right, z)] for _, z in above for _, y in below]
    if W is None:
        ax.add_collection(LineCollection(lines, colors=FAINT, linewidths=0.6, alpha=0.5, zorder=1))
        return
    shown = W[np.ix_([unit for unit, _ in above], [unit for unit, _ in below])].ravel()
    strength = shown / max(np.abs(shown).max(), np.finfo(W.dtype).tiny)
    colours = mpl.colormaps[DIVERGING](0.5 + 0.4 * strength)  # its ends are nearly black
    colours[:, 3] = 0.25 + 0.7 * np.abs(strength)
    order = np.argsort(np.abs(strength))  # the strongest on top
    ax.add_collection(
        LineCollection(
            [lines[i] for i in order],
            colors=colours[order],
            linewidths=0.4 + 1.8 * np.abs(strength)[order],
            zorder=1,
        )
    )


def _column(ax: Axes, spec: NetworkSpec, k: int, places: Places) -> None:
    """The units of layer k, with the symbols of inputs and outputs."""
    from matplotlib.patches import Circle, Wedge

    x, last = GAP * k, k == spec.n_layers
    for unit, y in places:
        if k == 0:
            ax.add_patch(Circle((x, y), RADIUS, facecolor=INPUT, edgecolor=INK, zorder=2))
            _write(ax, x, y, f"$x_{{{unit + 1}}}$", size=9 if unit < 99 else 7)
            continue
        after = OUTPUT if last else AFTER
        for start, colour in ((90, BEFORE), (-90, after)):
            half = Wedge((x, y), RADIUS, start, start + 180, facecolor=colour, edgecolor=INK)
            half.set(linewidth=0.8, zorder=2)
            ax.add_patch(half)
        if last:
            _write(ax, x + RADIUS + 0.15, y, f"$\\hat{{y}}_{{{unit + 1}}}$", size=10, across="left")
    if places[-1][0] != len(places) - 1:
        middle = (places[-2][1] + places[-1][1]) / 2
        for step in (-0.22, 0, 0.22):
            ax.plot(x, middle + step, ".", color=INK, markersize=3.5, zorder=2)


def _heading(k: int, L: int) -> str:
    if k == 0:
        return "$h_0 = x$"
    if k == L:
        return f"$a_{{{k}}}\\,|\\,h_{{{k}}} = \\hat{{y}}$"
    return f"$a_{{{k}}}\\,|\\,h_{{{k}}}$"


def _caption(spec: NetworkSpec, k: int) -> str:
    n = spec.unit_sizes[k]
    if k == 0:
        return f"{n} input" + ("s" if n > 1 else "")
    if k == spec.n_layers and spec.mixed:
        return ", ".join(f"{h.n_outputs} {activation_of(h.output).name}" for h in spec.head_specs)
    g = spec.layer_activations[k - 1]
    return f"{n} {g if isinstance(g, str) else g.name}"


def _write(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    color: str = INK,
    across: Literal["left", "center"] = "center",
    up: Literal["center", "baseline"] = "center",
) -> None:
    ax.text(x, y, text, size=size, color=color, ha=across, va=up, zorder=3)
