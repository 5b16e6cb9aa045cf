"""How what was said agrees with what is true: values, and probabilities of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast.metrics import calibration_curve, expected_calibration_error, r2, rmse
from ffnn_fast.plotting.canvas import BLUE, FAINT, INK, ORANGE, one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 1000  # more would only cover one another


def predicted_against_actual(truth: Any, predicted: Any, ax: Axes | None = None) -> Axes:
    """Draw predictions over true values, the diagonal where both are equal, and R² and RMSE.

    Of more than 1000 rows every so-manieth is drawn; the figures are those of all.

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
    y, said = _checked_values(truth, predicted)
    ax = one_axes(ax, 5.0, 4.8)
    ends = [min(y.min(), said.min()), max(y.max(), said.max())]
    ax.plot(ends, ends, color=FAINT, lw=1, zorder=1)
    _points(ax, y, said)
    ax.set_title(f"R² {r2(y, said):.4f}, RMSE {rmse(y, said):.4g}", size=10, color=INK)
    ax.set_xlabel("true value")
    ax.locator_params(axis="x", nbins=6)  # large numbers have long names
    ax.set_ylabel("predicted value")
    ax.grid(alpha=0.3)
    return ax


def binned_residuals(truth: Any, predicted: Any, ax: Axes | None = None, *, bins: int = 10) -> Axes:
    """Draw residuals, true less predicted, over the predictions, and what they are like in parts.

    The rows are parted into `bins` equally full parts by their prediction. A dot is the mean
    residual of a part, 0 where the predictions are right on average; the bar on it reaches from the
    10th to the 90th percentile.

    Parameters
    ----------
    truth, predicted : array-like of shape (n,), n >= 1
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    bins : int, default 10
        Fewer are drawn of fewer rows.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        As `predicted_against_actual`; also if `bins` is less than 1.
    ImportError
        If matplotlib is not installed.
    """
    y, said = _checked_values(truth, predicted)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    ax = one_axes(ax, 5.0, 4.8)
    residual = y - said
    _points(ax, said, residual)
    ax.axhline(0, color=FAINT, lw=1, zorder=1)
    parts = np.array_split(np.argsort(said, kind="stable"), min(bins, len(y)))
    middle = [said[rows].mean() for rows in parts]
    mean = [residual[rows].mean() for rows in parts]
    low, high = np.array([np.quantile(residual[rows], (0.1, 0.9)) for rows in parts]).T
    ax.vlines(middle, low, high, color=ORANGE, lw=1.5, label="10th to 90th percentile")
    ax.plot(middle, mean, "o", color=ORANGE, markersize=5, label="mean")
    ax.set_xlabel("predicted value")
    ax.locator_params(axis="x", nbins=6)  # large numbers have long names
    ax.set_ylabel("true less predicted")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax


def reliability_diagram(
    happened: Any, probability: Any, ax: Axes | None = None, *, bins: int = 10
) -> Axes:
    """Draw how often what was said to have a probability happened, over that probability.

    On the diagonal probabilities are what they claim to be; below it they are too high. The bars
    are the share of all samples in each bin. For two classes give whether the second is true and
    its probability; for more, whether the class said is true and the probability it was said with.

    Parameters
    ----------
    happened : array-like of bool, or of 0 and 1, shape (n,), n >= 1
    probability : array-like of shape (n,), in [0, 1]
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    bins : int, default 10
        Equally wide; see `ffnn_fast.metrics.calibration_curve`.

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
    said, share, count = calibration_curve(happened, probability, bins)
    error = expected_calibration_error(happened, probability, bins)
    ax = one_axes(ax, 5.0, 4.8)
    left = np.clip(np.ceil(said * bins - 1e-9) - 1, 0, bins - 1) / bins  # (left, right]
    ax.bar(
        left, count / count.sum(), 1 / bins, align="edge", color=FAINT, alpha=0.35,
        edgecolor="white", label="share of all samples",
    )  # fmt: skip
    ax.plot([0, 1], [0, 1], color=FAINT, lw=1)
    ax.plot(said, share, "o-", color=BLUE, markersize=5, label="share that happened")
    ax.set_title(f"expected calibration error {error:.4f}", size=10, color=INK)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability said", ylabel="share")
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", fontsize=8)
    return ax


def _points(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """At most MOST_POINTS of the points (n,), evenly through the rows, the paler the more."""
    n = len(x)
    rows = np.arange(n) if n <= MOST_POINTS else np.linspace(0, n - 1, MOST_POINTS).astype(int)
    alpha = float(np.clip(15 / np.sqrt(len(rows)), 0.35, 0.9))
    ax.plot(
        x[rows], y[rows], "o", color=BLUE, alpha=alpha, markersize=4, markeredgewidth=0, zorder=2
    )


def _checked_values(truth: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as (n,) float64."""
    y, said = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if y.ndim != 1 or y.shape != said.shape or not len(y):
        raise ValueError(f"expected two arrays of shape (n,), got {y.shape} and {said.shape}")
    if not (np.isfinite(y).all() and np.isfinite(said).all()):
        raise ValueError("expected finite values")
    return y, said
