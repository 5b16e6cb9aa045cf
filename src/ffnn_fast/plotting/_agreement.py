"""How predictions agree with the true values: regression targets, and probabilities of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ffnn_fast._scalars import as_int
from ffnn_fast.metrics import calibration_curve, expected_calibration_error, r2, rmse
from ffnn_fast.plotting._canvas import BLUE, FAINT, INK, ORANGE, one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
MAX_POINTS = 1000  # more would only cover one another


def predicted_against_actual(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, ax: Axes | None = None
) -> Axes:
    """Draw predictions over true values, the diagonal where both are equal, and R² and RMSE.

    At most 1000 rows are drawn, evenly spaced through the arrays; R² and RMSE are those of all
    rows.

    Parameters
    ----------
    truth, predicted : array-like of shape (n,), n >= 1
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the shapes differ or are not (n,), or a value is not finite.
    ImportError
        If matplotlib is not installed.
    """
    y, y_hat = _checked_values(truth, predicted)
    ax = one_axes(ax, 5.0, 4.8)
    ends = [min(y.min(), y_hat.min()), max(y.max(), y_hat.max())]
    ax.plot(ends, ends, color=FAINT, lw=1, zorder=1)
    _draw_points(ax, y, y_hat)
    ax.set_title(f"R² {r2(y, y_hat):.4f}, RMSE {rmse(y, y_hat):.4g}", size=10, color=INK)
    ax.set_xlabel("true value")
    ax.locator_params(axis="x", nbins=6)  # large numbers have long labels
    ax.set_ylabel("predicted value")
    ax.grid(alpha=0.3)
    return ax


def binned_residuals(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, ax: Axes | None = None, *, bins: int = 10
) -> Axes:
    """Draw residuals y − ŷ over the predictions ŷ, with their mean and spread in bins.

    The rows are sorted by prediction and divided into `bins` bins of equal counts. A dot is the
    mean residual of a bin, 0 where the predictions are unbiased; the bar through it runs from the
    10th to the 90th percentile of the residuals.

    Parameters
    ----------
    truth, predicted : array-like of shape (n,), n >= 1
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    bins : int, default 10
        With fewer rows than bins there is one bin per row.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `bins` is not an integer.
    ValueError
        As `predicted_against_actual`; also if `bins` is less than 1.
    ImportError
        If matplotlib is not installed.
    """
    y, y_hat = _checked_values(truth, predicted)
    bins = as_int(bins, "bins")
    ax = one_axes(ax, 5.0, 4.8)
    residual = y - y_hat
    _draw_points(ax, y_hat, residual)
    ax.axhline(0, color=FAINT, lw=1, zorder=1)
    parts = np.array_split(np.argsort(y_hat, kind="stable"), min(bins, len(y)))
    middle = [y_hat[rows].mean() for rows in parts]
    mean = [residual[rows].mean() for rows in parts]
    low, high = np.array([np.quantile(residual[rows], (0.1, 0.9)) for rows in parts]).T
    ax.vlines(middle, low, high, color=ORANGE, lw=1.5, label="10th to 90th percentile")
    ax.plot(middle, mean, "o", color=ORANGE, markersize=5, label="mean")
    ax.set_xlabel("predicted value")
    ax.locator_params(axis="x", nbins=6)  # large numbers have long labels
    ax.set_ylabel("residual (true − predicted)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax


def reliability_diagram(
    happened: npt.ArrayLike, probability: npt.ArrayLike, ax: Axes | None = None, *, bins: int = 10
) -> Axes:
    """Draw observed frequencies over predicted probabilities: a reliability diagram.

    Points on the diagonal are calibrated; points below it are overconfident. The bars are the
    share of all samples in each bin. For two classes, pass whether the second class is true and
    its probability; for more, whether the predicted class is true and its probability.

    Parameters
    ----------
    happened : array-like of bool, or of 0 and 1, shape (n,), n >= 1
        Whether the event occurred.
    probability : array-like of shape (n,), in [0, 1]
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    bins : int, default 10
        Of equal width; see `ffnn_fast.metrics.calibration_curve`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the shapes differ, values are out of range, or `bins` is less than 1.
    ImportError
        If matplotlib is not installed.
    """
    predicted, observed, count = calibration_curve(happened, probability, bins)
    error = expected_calibration_error(happened, probability, bins)
    ax = one_axes(ax, 5.0, 4.8)
    left = np.clip(np.ceil(predicted * bins - 1e-9) - 1, 0, bins - 1) / bins  # (left, right]
    ax.bar(
        left, count / count.sum(), 1 / bins, align="edge", color=FAINT, alpha=0.35,
        edgecolor="white", label="share of all samples",
    )  # fmt: skip
    ax.plot([0, 1], [0, 1], color=FAINT, lw=1)
    ax.plot(predicted, observed, "o-", color=BLUE, markersize=5, label="observed frequency")
    ax.set_title(f"expected calibration error {error:.4f}", size=10, color=INK)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="predicted probability", ylabel="share")
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", fontsize=8)
    return ax


def _draw_points(ax: Axes, x: Array, y: Array) -> None:
    """At most MAX_POINTS of the points (n,), evenly spaced; more points are more transparent."""
    n = len(x)
    rows = np.arange(n) if n <= MAX_POINTS else np.linspace(0, n - 1, MAX_POINTS).astype(int)
    alpha = float(np.clip(15 / np.sqrt(len(rows)), 0.35, 0.9))
    ax.plot(
        x[rows], y[rows], "o", color=BLUE, alpha=alpha, markersize=4, markeredgewidth=0, zorder=2
    )


def _checked_values(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Array, Array]:
    """Both as (n,) float64."""
    y, y_hat = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if y.ndim != 1 or y.shape != y_hat.shape or not len(y):
        raise ValueError(f"expected two arrays of shape (n,), got {y.shape} and {y_hat.shape}")
    if not (np.isfinite(y).all() and np.isfinite(y_hat).all()):
        raise ValueError("expected finite values")
    return y, y_hat
