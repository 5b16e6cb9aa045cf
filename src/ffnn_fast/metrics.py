"""How good predictions are: accuracy for classes, R² for values."""

from __future__ import annotations

from typing import Any

import numpy as np


def accuracy(labels: Any, predicted: Any, known: Any = None) -> float:
    """Share of the samples whose predicted label is the true one.

    Parameters
    ----------
    labels, predicted : array-like of shape (n,), n >= 1
    known : array-like of bool, shape (n,), optional
        Which entries count; default: all. Without any, the result is NaN.

    Raises
    ------
    ValueError
        If the shapes differ, are not one-dimensional, or hold no sample.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    _check_shapes(labels, predicted, dimensions=(1,))
    right = labels == predicted
    if known is not None:
        right = right[np.asarray(known)]
    return float(np.mean(right)) if right.size else float("nan")


def r2(values: Any, predicted: Any, known: Any = None) -> float:
    """Coefficient of determination R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², averaged over outputs.

    1 is perfect; 0 is as good as the mean of `values`. An output whose true values are all equal
    counts as 1 if it is predicted exactly, else as 0 (as in scikit-learn). Computed in float64.

    Parameters
    ----------
    values, predicted : array-like of shape (n,) or (n, k), n >= 1
    known : array-like of bool, the shape of `values`, optional
        Which entries count; default: all. An output without any is left out of the average.

    Raises
    ------
    ValueError
        If the shapes differ, have another number of dimensions, or hold no sample.
    """
    values, predicted = np.asarray(values, np.float64), np.asarray(predicted, np.float64)
    _check_shapes(values, predicted, dimensions=(1, 2))
    if known is not None:
        return _r2_of_known(values, predicted, np.asarray(known))
    residual = ((values - predicted) ** 2).sum(axis=0)
    total = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    equal = (np.ptp(values, axis=0) == 0) | (total == 0)
    score = 1 - residual / np.where(equal, 1, total)
    return float(np.mean(np.where(equal, residual == 0, score)))


def _r2_of_known(values: np.ndarray, predicted: np.ndarray, known: np.ndarray) -> float:
    """R² of each output over its known entries, averaged over outputs that have any."""
    columns = zip(*(np.atleast_2d(array.T) for array in (values, predicted, known)), strict=True)
    scores = [r2(y[there], p[there]) for y, p, there in columns if there.any()]
    return float(np.mean(scores)) if scores else float("nan")


def _check_shapes(true: np.ndarray, predicted: np.ndarray, dimensions: tuple[int, ...]) -> None:
    if true.shape != predicted.shape:
        raise ValueError(
            f"expected predictions of the shape of the targets, {true.shape}, got {predicted.shape}"
        )
    if true.ndim not in dimensions or true.size == 0:
        allowed = " or ".join(("(n,)", "(n, k)")[: len(dimensions)])
        raise ValueError(f"expected shape {allowed} with at least one sample, got {true.shape}")
