"""Mixtures of the networks' predictions: outputs (M, n, n_L), of which T means μ_m come first and T
logarithms of variances s_m next for ``gaussian_nll``.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
WIDEST = 40.0  # standard deviations: beyond them no float64 quantile lies
HALVINGS = 100  # of the interval around a quantile: then it is as exact as float64


def moments(outputs: Array) -> tuple[Array, Array]:
    """μ = Σ μ_m / M and σ² = Σ σ_m² / M + Σ (μ_m − μ)² / M, both (n, T) float64."""
    means, variances = _parts(outputs)
    mean = means.mean(axis=0)
    return mean, variances.mean(axis=0) + np.square(means - mean).mean(axis=0)


def as_outputs(outputs: Array) -> Array:
    """μ and log σ² of the mixture side by side, (n, n_L), of the dtype of the outputs."""
    mean, variance = moments(outputs)
    return np.concatenate([mean, np.log(variance)], axis=1).astype(outputs.dtype)


def over_some(outputs: Array, which: Array, gaussian: bool) -> Array:
    """For each row the mean over the networks that `which`, (M, n), names, or their mixture; NaN
    where it names none.
    """
    weight = which[:, :, None] / np.maximum(which.sum(axis=0), 1)[None, :, None]
    none = ~which.any(axis=0)
    if gaussian:
        means, variances = _parts(outputs)
        mean = (weight * means).sum(axis=0)
        variance = (weight * (variances + np.square(means - mean))).sum(axis=0)
        variance[none] = np.nan
        found = np.concatenate([mean, np.log(variance)], axis=1)
    else:
        found = (weight * outputs).sum(axis=0)
    found[none] = np.nan
    return found


def quantiles(outputs: Array, q: list[float]) -> Array:
    """Quantiles of the mixtures, (k, n, T), by bisection of their distribution functions."""
    from scipy.special import ndtr

    means, variances = _parts(outputs)
    scale = np.sqrt(variances)
    level = np.array(q)[:, None, None]
    low = np.broadcast_to((means - WIDEST * scale).min(axis=0), (len(q), *means.shape[1:])).copy()
    high = np.broadcast_to((means + WIDEST * scale).max(axis=0), low.shape).copy()
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        below = ndtr((middle[:, None] - means) / scale).mean(axis=1) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low + (high - low) / 2


def _parts(outputs: Array) -> tuple[Array, Array]:
    """μ_m and σ_m², (M, n, T) float64."""
    means, logarithms = np.split(outputs.astype(np.float64), 2, axis=-1)
    return means, np.exp(logarithms)
