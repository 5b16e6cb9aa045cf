"""Metrics of predictions, by name: for classes and for values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ffnn_fast._conversion import NUMBERS, as_numbers, check_unmasked
from ffnn_fast._names import unknown
from ffnn_fast._scalars import as_bool, as_choice, as_int, convert_fields

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "as_metric",
    "calibration_curve",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "log_loss",
    "mae",
    "precision_recall",
    "r2",
    "rmse",
    "roc_auc",
    "top_k_accuracy",
]


TOP_K = re.compile(r"top_([1-9]\d*)")
TEXT = "UST"  # kinds of NumPy's text
FALLING = re.compile(r"loss|gradient_norm(_\d+)?|dead_units_\d+")  # figures that should fall


def accuracy(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, known: npt.ArrayLike | None = None
) -> float:
    """Share of the samples whose predicted label is the true one.

    Parameters
    ----------
    labels, predicted : array-like of shape (n,), n >= 1
    known : array-like of bool, shape (n,), optional
        Which entries count; default: all. Without any, the result is NaN.

    Raises
    ------
    TypeError
        If the labels are complex numbers, dates or records.
    ValueError
        If the shapes differ, are not one-dimensional, there is no sample, or an entry is missing.
    """
    labels, predicted = _as_labels(labels, "labels"), _as_labels(predicted, "predicted")
    _check_shapes(labels, predicted, dimensions=(1,))
    right = labels == predicted
    if known is not None:
        check_unmasked(known=known)
        right = right[np.asarray(known)]
    return np.count_nonzero(right) / right.size if right.size else float("nan")


def r2(
    values: npt.ArrayLike, predicted: npt.ArrayLike, known: npt.ArrayLike | None = None
) -> float:
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
    TypeError
        If an entry is no real number.
    ValueError
        If the shapes differ, have another number of dimensions, there is no sample, or a value is
        masked or None.
    """
    values, predicted = as_numbers(values, "values"), as_numbers(predicted, "predicted")
    _check_shapes(values, predicted, dimensions=(1, 2))
    if known is not None:
        return _r2_of_known(values, predicted, np.asarray(known))
    # Copies (k, n): sums over samples that lie side by side are ten times as fast for few outputs.
    y, errors = (np.array(a.T, np.float64, order="C", ndmin=2) for a in (values, predicted))
    errors -= y
    errors *= errors
    residual = errors.sum(axis=1)
    equal = y.min(axis=1) == y.max(axis=1)
    y -= y.mean(axis=1, keepdims=True)
    y *= y
    total = y.sum(axis=1)
    equal |= total == 0
    score = 1 - residual / np.where(equal, 1, total)
    return float(np.mean(np.where(equal, residual == 0, score)))


def _r2_of_known(values: np.ndarray, predicted: np.ndarray, known: np.ndarray) -> float:
    """R² of each output over its known entries, averaged over outputs that have any."""
    columns = zip(*(np.atleast_2d(array.T) for array in (values, predicted, known)), strict=True)
    scores = [r2(y[there], p[there]) for y, p, there in columns if there.any()]
    return float(np.mean(scores)) if scores else float("nan")


def f1(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Macro F1: 2 TP / (2 TP + FP + FN) of each class, averaged over the classes that occur.

    Parameters
    ----------
    labels, predicted : array-like of shape (n,), n >= 1, or (n, k) of 0 and 1
        In the second form each column is a class of its own, with F1 of its ones (0 if it has none
        and none are predicted).

    Raises
    ------
    TypeError, ValueError
        As `accuracy`.
    """
    y, z = _as_labels(labels, "labels"), _as_labels(predicted, "predicted")
    _check_shapes(y, z, dimensions=(1, 2))
    if y.ndim == 1:
        classes = np.union1d(y, z)
        y, z = y[:, None] == classes, z[:, None] == classes
    else:
        y, z = y == 1, z == 1
    right = (y & z).sum(axis=0)
    named = y.sum(axis=0) + z.sum(axis=0)
    return float(np.mean(2 * right / np.maximum(named, 1)))


def top_k_accuracy(labels: npt.ArrayLike, scores: npt.ArrayLike, k: int = 5) -> float:
    """Share of the samples whose true label is among the k with the highest scores.

    Parameters
    ----------
    labels : array-like of shape (n,), integers 0..c-1
    scores : array-like of shape (n, c)
        Ties count for the lower label.
    k : int, default 5

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the shapes do not fit, k is not in 1..c, or an entry is missing.
    """
    labels, scores = as_numbers(labels, "labels"), as_numbers(scores, "scores")
    if labels.ndim != 1 or scores.ndim != 2 or len(labels) != len(scores) or not len(labels):
        raise ValueError(f"expected shapes (n,) and (n, c), got {labels.shape} and {scores.shape}")
    k = as_int(k, "k", 1, scores.shape[1])
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.mean((best == labels[:, None]).any(axis=1)))


def log_loss(targets: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean of −Σ_c y_c log p_c, the cross-entropy in nats; p is held above the dtype's epsilon.

    Parameters
    ----------
    targets : array-like of shape (n,), labels, or (n, c), distributions
        With c = 1 the probability of the second of two classes.
    probabilities : array-like of shape (n, c)

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the shapes do not fit, or an entry is missing.
    """
    y, p = as_numbers(targets, "targets"), as_numbers(probabilities, "probabilities")
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


def rmse(values: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """√(mean of (y − ŷ)²) of each output, averaged over outputs; a NaN in `values` does not count.

    Parameters
    ----------
    values, predicted : array-like of shape (n,) or (n, k), n >= 1

    Raises
    ------
    TypeError, ValueError
        As `r2`.
    """
    return float(np.mean(np.sqrt(_mean_error(values, predicted, np.square))))


def mae(values: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Mean of |y − ŷ| of each output, averaged over outputs; a NaN in `values` does not count.

    Parameters
    ----------
    values, predicted : array-like of shape (n,) or (n, k), n >= 1

    Raises
    ------
    TypeError, ValueError
        As `r2`.
    """
    return float(np.mean(_mean_error(values, predicted, np.abs)))


def confusion_matrix(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int | None = None
) -> np.ndarray:
    """The number of samples of each true class that were predicted as each class.

    Parameters
    ----------
    labels, predicted : array-like of int, shape (n,), n >= 1
    n_classes : int, optional
        Default: the largest label plus 1.

    Returns
    -------
    ndarray of int64, shape (n_classes, n_classes)
        A row for each true class, a column for each predicted class.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        As `accuracy`; also for a label outside 0..n_classes-1.
    """
    y, z = as_numbers(labels, "labels"), as_numbers(predicted, "predicted")
    _check_shapes(y, z, dimensions=(1,))
    if not {y.dtype.kind, z.dtype.kind} <= set("iub"):
        raise TypeError(f"expected integer labels, got {y.dtype} and {z.dtype}")
    y, z = y.astype(np.int64), z.astype(np.int64)
    low, high = min(y.min(), z.min()), max(y.max(), z.max())
    k = int(high) + 1 if n_classes is None else as_int(n_classes, "n_classes")
    if low < 0 or high >= k:
        raise ValueError(f"expected labels in 0..{k - 1}, got {low if low < 0 else high}")
    return np.bincount(y * k + z, minlength=k * k).reshape(k, k)


def precision_recall(
    confusion: npt.ArrayLike,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall, F1 and the number of samples of each class, from a confusion matrix.

    Precision is TP / (TP + FP), recall TP / (TP + FN), F1 their harmonic mean; 0 where a
    denominator is 0.

    Parameters
    ----------
    confusion : array-like of shape (c, c)
        As from `confusion_matrix`.

    Returns
    -------
    precision, recall, f1 : ndarray of float64, shape (c,)
    support : ndarray of shape (c,)

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If `confusion` is not square, or an entry is missing.
    """
    counts = as_numbers(confusion, "confusion")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"expected shape (c, c), got {counts.shape}")
    right, named, support = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    f1_scores = 2 * right / np.maximum(named + support, 1)
    return right / np.maximum(named, 1), right / np.maximum(support, 1), f1_scores, support


def calibration_curve(
    happened: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The observed frequency of an event against its predicted probability, in bins.

    The bins are equally wide, so that a bin means the same for every model. Bins with equal counts
    would lie near 0 and 1, where a good classifier puts most of its predictions.

    Parameters
    ----------
    happened : array-like of bool, or of 0 and 1, shape (n,), n >= 1
    probability : array-like of shape (n,), in [0, 1]
    bins : int, default 10
        The bins are [0, 1/bins], (1/bins, 2/bins], ...

    Returns
    -------
    mean_probability, share : ndarray of float64, shape (m,)
        Of the m <= bins bins that are not empty: the mean predicted probability, the observed
        frequency.
    count : ndarray of int64, shape (m,)

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the shapes differ, values are out of range, `bins` is less than 1, or an entry is
        missing.
    """
    bins = as_int(bins, "bins")
    y, p = _as_events(happened, probability, "probability")
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError("expected probabilities in [0, 1]")
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
    count, total, true = (np.bincount(place, weights, bins) for weights in (None, p, y))
    full = count > 0
    return total[full] / count[full], true[full] / count[full], count[full]


def expected_calibration_error(
    happened: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10
) -> float:
    """Mean over all samples of |share − mean probability| of their bin in `calibration_curve`.

    Parameters
    ----------
    happened, probability, bins
        As in `calibration_curve`.

    Raises
    ------
    TypeError, ValueError
        As `calibration_curve`.
    """
    mean, share, count = calibration_curve(happened, probability, bins)
    return float((count * np.abs(share - mean)).sum() / count.sum())


def roc_auc(happened: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """The area under the ROC curve.

    That is the probability that a positive sample has a higher score than a negative one; a tie
    counts half.

    Parameters
    ----------
    happened : array-like of bool, or of 0 and 1, shape (n,)
    score : array-like of shape (n,)

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the shapes differ, a score is NaN, all samples are of one class, or an entry is missing.
    """
    y, s = _as_events(happened, score, "score")
    positive = int(y.sum())
    negative = len(y) - positive
    if np.isnan(s).any() or not positive or not negative:
        raise ValueError(
            f"expected scores of both classes and no NaN, got {positive} and {negative} samples"
        )
    _, place, count = np.unique(s, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[y == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


@dataclass(frozen=True)
class Metric:
    """A figure that a fit records after each epoch.

    Parameters
    ----------
    name : str
        Its key in the record; with ``val_`` before it on the validation rows.
    function : callable
        ``function(truth, predicted) -> float``.
    takes : {"predictions", "outputs"}, default "predictions"
        Whether `predicted` is what `Network.predict` returns, or ŷ, (n, n_L). `truth` are the
        targets in the same form.
    larger_is_better : bool, optional
        Needed only where it is monitored: to stop early or to reduce the learning rate by it.
    """

    name: str
    function: Callable[[Any, Any], float]
    takes: str = "predictions"
    larger_is_better: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"the name of a metric must be a string, got {self.name!r}")
        if not callable(self.function):
            raise TypeError(f"metric {self.name!r}: function must be callable")
        convert_fields(self, as_choice, "takes", choices=("predictions", "outputs"))
        if self.larger_is_better is not None:
            convert_fields(self, as_bool, "larger_is_better")


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
    """Convert a name, ``top_<k>`` or a callable to a `Metric`.

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
    top = TOP_K.fullmatch(value)
    if top:
        ranked = partial(top_k_accuracy, k=int(top[1]))
        return Metric(value, ranked, "outputs", larger_is_better=True)
    if value not in METRICS:
        raise ValueError(unknown("a metric", value, METRICS, ", top_<k>"))
    return METRICS[value]


def mode_of(monitor: str, larger_is_better: Mapping[str, bool | None] | None = None) -> str:
    """Whether a recorded figure improves as it falls, ``"min"``, or as it grows, ``"max"``.

    Parameters
    ----------
    monitor : str
        A name in the record of an epoch; ``val_`` before it does not count.
    larger_is_better : mapping of str to bool or None, optional
        `Metric.larger_is_better` of the fit's metrics by name.

    Returns
    -------
    str
        Empty if the figure is neither in the mapping nor a metric of this library.
    """
    name = monitor.removeprefix("val_")
    larger = (larger_is_better or {}).get(name)
    if larger is None and name in METRICS:
        larger = METRICS[name].larger_is_better
    if larger is None and (name == "score" or TOP_K.fullmatch(name)):
        larger = True
    if larger is None and FALLING.fullmatch(name):
        larger = False
    return "" if larger is None else "max" if larger else "min"


def _mean_error(
    values: npt.ArrayLike, predicted: npt.ArrayLike, size: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    values, predicted = _as_float64(values, "values"), _as_float64(predicted, "predicted")
    _check_shapes(values, predicted, dimensions=(1, 2))
    known = ~np.isnan(values)
    errors = size(np.where(known, values - predicted, 0)).sum(axis=0)
    return errors / np.maximum(known.sum(axis=0), 1)


def _as_events(
    happened: npt.ArrayLike, number: npt.ArrayLike, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """The events as 0 and 1, (n,), and the numbers, (n,), in float64."""
    y, numbers = _as_float64(happened, "happened"), _as_float64(number, name)
    _check_shapes(y, numbers, dimensions=(1,))
    if not np.all((y == 0) | (y == 1)):
        raise ValueError("expected 0 and 1 (or True and False) in happened")
    return y, numbers


def _as_float64(values: npt.ArrayLike, name: str) -> np.ndarray:
    return np.asarray(as_numbers(values, name), np.float64)


def _as_labels(values: npt.ArrayLike, name: str) -> np.ndarray:
    """Numbers, or text or other objects, of which none is masked or None."""
    if type(values) is np.ndarray and values.dtype.kind in NUMBERS:
        return values
    check_unmasked(**{name: values})
    array = np.asarray(values)
    if array.dtype.kind in TEXT:
        return array
    if array.dtype == object and array.ndim and None not in array.ravel().tolist():
        return array
    return as_numbers(array, name)


def _check_shapes(true: np.ndarray, predicted: np.ndarray, dimensions: tuple[int, ...]) -> None:
    if true.shape != predicted.shape:
        raise ValueError(
            f"expected predictions of the shape of the targets, {true.shape}, got {predicted.shape}"
        )
    if true.ndim not in dimensions or true.size == 0:
        allowed = " or ".join(("(n,)", "(n, k)")[: len(dimensions)])
        raise ValueError(f"expected shape {allowed} with at least one sample, got {true.shape}")
