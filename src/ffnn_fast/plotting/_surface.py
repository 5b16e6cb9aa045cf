"""The outputs of a network of two inputs over the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ffnn_fast._model.arrays import as_targets
from ffnn_fast._model.predictions import predict_one, split_heads
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._scalars import as_int
from ffnn_fast.activations import by_head
from ffnn_fast.plotting._canvas import INK, class_colours, one_axes
from ffnn_fast.plotting._protocols import HasForward

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]
Limits = tuple[tuple[float, float], tuple[float, float]]
MARGIN = 0.12  # of the range of the points, on each side


def decision_surface(
    net: HasForward,
    X: npt.ArrayLike | None = None,
    y: npt.ArrayLike | None = None,
    ax: Axes | None = None,
    *,
    limits: Limits | None = None,
    resolution: int = 200,
    output: int | None = None,
) -> Axes:
    """Draw the predictions of a network of two inputs over the plane, and samples on top.

    For a classifier each point has the colours of the classes mixed in proportion to their
    probabilities, and lines are the decision boundaries. For a regressor there is a colour scale
    with contours.

    Parameters
    ----------
    net : Network, or an object with its ``spec`` and ``forward``
        A network of two inputs.
    X : array-like of shape (n, 2), optional
        Samples to draw, which also set the limits.
    y : array-like, optional
        Their labels, (n,), for several softmax heads a column each, one-hot targets, (n, n_L), or
        values, (n,) or (n, n_L); for heads of `Head` a tuple of the targets of each.
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    limits : ((x_min, x_max), (y_min, y_max)), optional
        Default: those of `X` with a margin.
    resolution : int, default 200
        Grid points along each side, at least 2.
    output : int, optional
        Index of the output to draw, from 0; needed for several targets of a regressor and for
        several labels that are not mutually exclusive. For several heads: index of the head, which
        is drawn with all its classes, or with its one output.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the network does not have two inputs, there are neither samples nor limits, `resolution`
        is less than 2, or `output` is needed and missing, or out of range.
    ImportError
        If matplotlib is not installed.
    """
    spec, points = net.spec, None if X is None else np.asarray(X, dtype=np.float64)
    if spec.n_inputs != 2:
        raise ValueError(f"decision_surface needs a network of 2 inputs, got {spec.n_inputs}")
    if points is not None and (points.ndim != 2 or points.shape[1] != 2 or not len(points)):
        raise ValueError(f"X must have shape (n, 2), got {points.shape}")
    resolution = as_int(resolution, "resolution", 2)
    output = _checked_output(spec, output)
    part, of_part = (spec.head_specs[output], 0) if spec.mixed else (spec, output)
    if spec.mixed and not part.takes_labels:
        of_part = _only_output(part, output)
    (left, right), (bottom, top) = extent = _limits(points, limits)
    x, z = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    grid = np.stack(np.meshgrid(x, z), axis=-1)  # (row: second input, column: first input, 2)
    y_hat = net.forward(grid.reshape(-1, 2)).reshape(resolution, resolution, -1)
    target = None if y is None else _target(spec, y, output)
    y_hat = split_heads(spec, y_hat)[output] if spec.mixed else y_hat
    ax = one_axes(ax, 5.6, 4.6)
    if part.task == "classification":
        _draw_classes(ax, x, z, _probabilities(part, y_hat, of_part), points, target)
    else:
        _draw_values(ax, x, z, y_hat[..., of_part], points, target)
    ax.set_xlim(*extent[0])
    ax.set_ylim(*extent[1])
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    return ax


def _probabilities(spec: NetworkSpec, y_hat: Array, output: int) -> Array:
    """Of mutually exclusive classes, (..., c): all outputs, those of a head, or (1 − p, p)."""
    if spec.takes_labels:
        return y_hat
    if spec.heads:
        return split_heads(spec, y_hat)[output]
    return np.stack([1 - y_hat[..., output], y_hat[..., output]], axis=-1)


def _checked_output(spec: NetworkSpec, output: int | None) -> int:
    """The output or head to draw; 0 for mutually exclusive classes, which are drawn together."""
    n, what = len(spec.heads) or spec.n_outputs, "heads" if spec.heads else "outputs"
    if spec.takes_labels:
        if output is not None:
            raise ValueError("all classes are drawn together; omit output")
        return 0
    if output is None and n > 1:
        raise ValueError(f"the network has {n} {what}; choose one with output=0..{n - 1}")
    if output is not None and not 0 <= output < n:
        raise ValueError(f"output must be in 0..{n - 1}, got {output}")
    return output or 0


def _only_output(head: NetworkSpec, place: int) -> int:
    """The index of the one output of a head that is no choice between classes."""
    if head.n_outputs > 1:
        raise ValueError(
            f"head {place} has {head.n_outputs} outputs; a head is drawn if it has one output or "
            "chooses between classes"
        )
    return 0


def _limits(points: Array | None, limits: Limits | None) -> Limits:
    if limits is not None:
        for low, high in limits:
            if not low < high:
                raise ValueError(f"limits must be (smaller, larger), got {(low, high)}")
        return limits
    if points is None:
        raise ValueError("pass samples X or limits")
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * np.where(high > low, high - low, 1.0)
    (a, b), (c, d) = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
    return (a, b), (c, d)


def _target(spec: NetworkSpec, y: Any, output: int) -> Array:
    """Labels or values of the samples, (n,)."""
    if spec.mixed:
        n = len(y[0]) if isinstance(y, (tuple, list)) else len(y)
        ((part,),) = by_head(spec.target_widths, as_targets(y, spec, n))[output : output + 1]
        return predict_one(spec.head_specs[output], part)
    y = np.asarray(y)
    if spec.heads:
        return predict_one(spec, as_targets(y, spec, len(y)))[:, output]
    if y.ndim == 2 and spec.takes_labels:
        return y.argmax(axis=1)
    return y[:, output] if y.ndim == 2 else y


def _image(ax: Axes, x: Array, z: Array, values: Array, **options: Any) -> Any:
    """Values, (len(z), len(x)), or colours, (len(z), len(x), 3), as an image of the grid."""
    dx, dz = (x[1] - x[0]) / 2, (z[1] - z[0]) / 2
    extent = (x[0] - dx, x[-1] + dx, z[0] - dz, z[-1] + dz)
    return ax.imshow(
        values, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", **options
    )


def _draw_classes(
    ax: Axes,
    x: Array,
    z: Array,
    p: Array,
    points: Array | None,
    labels: Array | None,
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
    x: Array,
    z: Array,
    values: Array,
    points: Array | None,
    target: Array | None,
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
