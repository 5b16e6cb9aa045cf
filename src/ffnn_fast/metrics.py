"""How good predictions are, by name: for classes and for values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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


def f1(labels: Any, predicted: Any) -> float:
    """Macro F1: 2 TP / (2 TP + FP + FN) of each class, averaged over the classes that occur.

    Parameters
    ----------
    labels, predicted : array-like of shape (n,), n >= 1, or (n, k) of 0 and 1
        In the second form each column is a class of its own, with F1 of its ones (0 if it has none
        and none are predicted).

    Raises
    ------
    ValueError
        As `accuracy`.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    _check_shapes(labels, predicted, dimensions=(1, 2))
    if labels.ndim == 1:
        classes = np.union1d(labels, predicted)
        labels, predicted = labels[:, None] == classes, predicted[:, None] == classes
    else:
        labels, predicted = labels == 1, predicted == 1
    right = (labels & predicted).sum(axis=0)
    named = labels.sum(axis=0) + predicted.sum(axis=0)
    return float(np.mean(2 * right / np.maximum(named, 1)))


def top_k_accuracy(labels: Any, scores: Any, k: int = 5) -> float:
    """Share of the samples whose true label is among the k with the highest scores.

    Parameters
    ----------
    labels : array-like of shape (n,), integers 0..c-1
    scores : array-like of shape (n, c)
        Ties count for the lower label.
    k : int, default 5

    Raises
    ------
    ValueError
        If the shapes do not fit, or k is not in 1..c.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 1 or scores.ndim != 2 or len(labels) != len(scores) or not len(labels):
        raise ValueError(f"expected shapes (n,) and (n, c), got {labels.shape} and {scores.shape}")
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be in 1..{scores.shape[1]}, got {k}")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.mean((best == labels[:, None]).any(axis=1)))


def log_loss(targets: Any, probabilities: Any) -> float:
    """Mean of −Σ_c y_c log p_c, the cross-entropy in nats; p is held above the dtype's epsilon.

    Parameters
    ----------
    targets : array-like of shape (n,), labels, or (n, c), distributions
        With c = 1 the probability of the second of two classes.
    probabilities : array-like of shape (n, c)

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    y, p = np.asarray(targets), np.asarray(probabilities)
    if y.ndim not in (1, 2) or p.ndim != 2 or len(y) != len(p) or not len(p):
        raise ValueError(f"expected shapes (n,) or (n, c) and (n, c), got {y.shape} and {p.shape}")
    least = np.finfo(p.dtype if p.dtype.kind == "f" else np.float64).eps
    log_p = np.log(np.clip(p, least, 1).astype(np.float64))
    if p.shape[1] == 1:
        y = y.reshape(len(p), 1)
        return float(-np.mean(y * log_p + (1 - y) * np.log(np.clip(1 - p, least, 1))))
    if y.ndim == 1:
        return float(-np.mean(log_p[np.arange(len(p)), y]))
    return float(-np.mean((y * log_p).sum(axis=1)))


def rmse(values: Any, predicted: Any) -> float:
    """√(mean of (y − ŷ)²) of each output, averaged over outputs; a NaN in `values` does not count.

    Parameters
    ----------
    values, predicted : array-like of shape (n,) or (n, k), n >= 1

    Raises
    ------
    ValueError
        As `r2`.
    """
    return float(np.mean(np.sqrt(_mean_error(values, predicted, np.square))))


def mae(values: Any, predicted: Any) -> float:
    """Mean of |y − ŷ| of each output, averaged over outputs; parameters as `rmse`."""
    return float(np.mean(_mean_error(values, predicted, np.abs)))


@dataclass(frozen=True)
class Metric:
    """A figure to record of an epoch.

    Parameters
    ----------
    name : str
        Its key in the record; with ``val_`` before it on the validation rows.
    function : callable
        ``function(truth, said) -> float``.
    takes : {"predictions", "outputs"}, default "predictions"
        Whether `said` is what `Network.predict` returns, or ŷ, (n, n_L). `truth` are the targets in
        the same form.
    larger_is_better : bool, optional
        Needed only where early stopping looks at it.
    """

    name: str
    function: Callable[[Any, Any], float]
    takes: str = "predictions"
    larger_is_better: bool | None = None

    def __post_init__(self) -> None:
        if self.takes not in ("predictions", "outputs"):
            raise ValueError(f"takes must be 'predictions' or 'outputs', got {self.takes!r}")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, larger_is_better=True),
        Metric("f1", f1, larger_is_better=True),
        Metric("log_loss", log_loss, "outputs", larger_is_better=False),
        Metric("r2", r2, larger_is_better=True),
        Metric("rmse", rmse, larger_is_better=False),
        Metric("mae", mae, larger_is_better=False),
    )
}


def as_metric(value: Any) -> Metric:
    """A metric from a name, ``top_<k>``, a callable or a `Metric`.

    Raises
    ------
    TypeError, ValueError
        If it is none of these.
    """
    if isinstance(value, Metric):
        return value
    if callable(value):
        return Metric(getattr(value, "__name__", type(value).__name__), value)
    if not isinstance(value, str):
        raise TypeError(f"a metric must be a name or a callable, got {value!r}")
    top = re.fullmatch(r"top_([1-9]\d*)", value)
    if top:
        ranked = partial(top_k_accuracy, k=int(top[1]))
        return Metric(value, ranked, "outputs", larger_is_better=True)
    if value not in METRICS:
        raise ValueError(f"a metric must be one of {', '.join(METRICS)}, top_<k>; got {value!r}")
    return METRICS[value]


def _mean_error(
    values: Any, predicted: Any, size: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    values, predicted = np.asarray(values, np.float64), np.asarray(predicted, np.float64)
    _check_shapes(values, predicted, dimensions=(1, 2))
    known = ~np.isnan(values)
    errors = size(np.where(known, values - predicted, 0)).sum(axis=0)
    return errors / np.maximum(known.sum(axis=0), 1)


def _check_shapes(true: np.ndarray, predicted: np.ndarray, dimensions: tuple[int, ...]) -> None:
    if true.shape != predicted.shape:
        raise ValueError(
            f"expected predictions of the shape of the targets, {true.shape}, got {predicted.shape}"
        )
    if true.ndim not in dimensions or true.size == 0:
        allowed = " or ".join(("(n,)", "(n, k)")[: len(dimensions)])
        raise ValueError(f"expected shape {allowed} with at least one sample, got {true.shape}")
