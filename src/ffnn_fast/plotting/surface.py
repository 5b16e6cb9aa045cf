"""What a network of two inputs says of every point of the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._model.arrays import as_targets
from ffnn_fast._model.predictions import predict
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.network import Network
from ffnn_fast.plotting.canvas import INK, class_colours, one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Limits = tuple[tuple[float, float], tuple[float, float]]
MARGIN = 0.12  # of the range of the points, on each side


def decision_surface(
    net: Network,
    X: Any = None,
    y: Any = None,
    ax: Axes | None = None,
    *,
    limits: Limits | None = None,
    resolution: int = 200,
    output: int | None = None,
) -> Axes:
    """Draw what a network of two inputs says of each point, and the samples on top.

    Classes: each point has the mixture of the classes' colours in proportion to their
    probabilities, and lines part the regions of the classes. Values: a colour scale with contours.

    Parameters
    ----------
    net : Network
        With two inputs.
    X : array-like of shape (n, 2), optional
        Samples to draw, which also set the limits.
    y : array-like, optional
        Their labels, (n,), for several heads a column each, one-hot targets, (n, n_L), or values,
        (n,) or (n, n_L).
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    limits : ((x_min, x_max), (y_min, y_max)), optional
        Default: those of `X` with a margin.
    resolution : int, default 200
        Points along each side, at least 2.
    output : int, optional
        Which output to draw, from 0: needed for several values, or several labels that do not
        exclude each other. Of several softmax heads: which head, with all its classes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the network has not two inputs, there are neither samples nor limits, or the output to
        draw is not clear.
    ImportError
        If matplotlib is not installed.
    """
    spec, points = net.spec, None if X is None else np.asarray(X, dtype=np.float64)
    if spec.n_inputs != 2:
        raise ValueError(f"a surface needs a network of 2 inputs, this one has {spec.n_inputs}")
    if points is not None and (points.ndim != 2 or points.shape[1] != 2 or not len(points)):
        raise ValueError(f"X must have shape (n, 2), got {points.shape}")
    if resolution < 2:
        raise ValueError(f"resolution must be at least 2, got {resolution}")
    output = _checked_output(net, output)
    (left, right), (bottom, top) = extent = _limits(points, limits)
    x, z = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    grid = np.stack(np.meshgrid(x, z), axis=-1)  # (row: second input, column: first input, 2)
    y_hat = net.forward(grid.reshape(-1, 2)).reshape(resolution, resolution, -1)
    target = None if y is None else _target(net, np.asarray(y), output)
    ax = one_axes(ax, 5.6, 4.6)
    if spec.task == "classification":
        _draw_classes(ax, x, z, _probabilities(spec, y_hat, output), points, target)
    else:
        _draw_values(ax, x, z, y_hat[..., output], points, target)
    ax.set_xlim(*extent[0])
    ax.set_ylim(*extent[1])
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    return ax


def _probabilities(spec: NetworkSpec, y_hat: np.ndarray, output: int) -> np.ndarray:
    """Of classes that exclude each other: all outputs, a head's, or not this one and this one."""
    if spec.takes_labels:
        return y_hat
    if spec.heads:
        start = sum(spec.heads[:output])
        return y_hat[..., start : start + spec.heads[output]]
    return np.stack([1 - y_hat[..., output], y_hat[..., output]], axis=-1)


def _checked_output(net: Network, output: int | None) -> int:
    """Which output or head is drawn; 0 where labels exclude each other, since then all are."""
    n, what = len(net.spec.heads) or net.spec.n_outputs, "heads" if net.spec.heads else "outputs"
    if net.spec.takes_labels:
        if output is not None:
            raise ValueError("all classes are drawn at once: leave output out")
        return 0
    if output is None and n > 1:
        raise ValueError(f"the network has {n} {what}: say which by output=0..{n - 1}")
    if output is not None and not 0 <= output < n:
        raise ValueError(f"output must be in 0..{n - 1}, got {output}")
    return output or 0


def _limits(points: np.ndarray | None, limits: Limits | None) -> Limits:
    if limits is not None:
        for low, high in limits:
            if not low < high:
                raise ValueError(f"limits must be (smaller, larger), got {(low, high)}")
        return limits
    if points is None:
        raise ValueError("give samples X or limits, to know where to draw")
    low, high = points.min(axis=0), points.max(axis=0)
    room = MARGIN * np.where(high > low, high - low, 1.0)
    (a, b), (c, d) = zip((low - room).tolist(), (high + room).tolist(), strict=True)
    return (a, b), (c, d)


def _target(net: Network, y: np.ndarray, output: int) -> np.ndarray:
    """Labels or values of the samples, (n,)."""
    if net.spec.heads:
        return predict(net.spec, as_targets(y, net.spec, len(y)))[:, output]
    if y.ndim == 2 and net.spec.takes_labels:
        return y.argmax(axis=1)
    return y[:, output] if y.ndim == 2 else y


def _image(ax: Axes, x: np.ndarray, z: np.ndarray, values: np.ndarray, **options: Any) -> Any:
    """Values at the grid points, (len(z), len(x)) or with colours, as an image centred on them."""
    dx, dz = (x[1] - x[0]) / 2, (z[1] - z[0]) / 2
    extent = (x[0] - dx, x[-1] + dx, z[0] - dz, z[-1] + dz)
    return ax.imshow(
        values, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", **options
    )


def _draw_classes(
    ax: Axes,
    x: np.ndarray,
    z: np.ndarray,
    p: np.ndarray,
    points: np.ndarray | None,
    labels: np.ndarray | None,
) -> None:
    colours = class_colours(p.shape[-1])
    pale = 1 - 0.62 * (1 - colours)
    _image(ax, x, z, np.clip(p @ pale, 0, 1))
    for c in range(p.shape[-1] if p.shape[-1] > 2 else 1):
        lead = p[..., c] - np.delete(p, c, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            ax.contour(x, z, lead, levels=[0], colors=INK, linewidths=1.2)
    if points is None:
        return
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], s=16, color=INK, linewidths=0)
        return
    for c in np.unique(labels).astype(int):
        ax.scatter(
            points[labels == c, 0],
            points[labels == c, 1],
            s=20,
            color=colours[c],
            edgecolors="white",
            linewidths=0.6,
            label=f"{c}",
        )
    ax.legend(title="class", loc="best", framealpha=0.9)


def _draw_values(
    ax: Axes,
    x: np.ndarray,
    z: np.ndarray,
    values: np.ndarray,
    points: np.ndarray | None,
    target: np.ndarray | None,
) -> None:
    from matplotlib.colors import Normalize

    known = values if target is None else np.append(values, target)
    scale = Normalize(known.min(), known.max())
    shown = _image(ax, x, z, values, cmap="viridis", norm=scale)
    if values.min() < values.max():
        ax.contour(x, z, values, levels=8, colors="white", linewidths=0.6, alpha=0.8)
    ax.figure.colorbar(shown, ax=ax, label="$\\hat{y}$")
    if points is not None:
        fill = {"c": "white"} if target is None else {"c": target, "cmap": "viridis", "norm": scale}
        ax.scatter(points[:, 0], points[:, 1], s=22, edgecolors=INK, linewidths=0.6, **fill)
