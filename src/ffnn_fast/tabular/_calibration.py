"""Probabilities and intervals from out-of-fold predictions."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Array = np.ndarray
SMALLEST_SHRINKAGE = 0.5
BINS = 15  # of the calibration error
COLDEST, HOTTEST = 0.05, 20.0  # bounds of the temperature


def temperature_of(logits: Array, labels: Array, weight: Array | None = None) -> float:
    """The T that minimises the cross-entropy of softmax(logits / T) (C. Guo et al., 2017).

    Parameters
    ----------
    logits : ndarray of shape (n, K)
    labels : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional

    Returns
    -------
    float
        Between 0.05 and 20; 1 for no rows.
    """
    if not len(labels):
        return 1.0
    rows = np.arange(len(labels))

    def loss(log_T: float) -> float:
        scores = log_softmax(logits * np.exp(-log_T), axis=1)[rows, labels]
        return -float(np.average(scores, weights=weight))

    found = minimize_scalar(loss, bounds=np.log((COLDEST, HOTTEST)), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def calibration_error(proba: Array, labels: Array, weight: Array | None = None) -> float:
    """The expected calibration error, of the most probable class (C. Guo et al., 2017).

    Rows are sorted by their largest probability into 15 bins of equal counts; the error is the mean
    over rows of |share of correct rows − mean probability| of their bin.

    Parameters
    ----------
    proba : ndarray of shape (n, K)
    labels : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional

    Returns
    -------
    float
        Between 0 and 1; NaN for no rows.
    """
    if not len(labels):
        return float("nan")
    weight = np.ones(len(labels)) if weight is None else weight
    sure, right = proba.max(axis=1), proba.argmax(axis=1) == labels
    order = np.argsort(sure, kind="stable")
    gaps = [
        abs(np.sum(weight[rows] * (right[rows] - sure[rows])))
        for rows in np.array_split(order, BINS)
    ]
    return float(np.sum(gaps) / np.sum(weight))


def conformal_width(residuals: Array, coverage: float) -> float:
    """The q with |residual| <= q for the share `coverage` of new rows (J. Lei et al., 2018).

    It is the ⌈(n + 1) coverage⌉-th smallest of n absolute residuals, or infinite if n is too small.
    """
    size = np.sort(np.abs(residuals))
    place = int(np.ceil((len(size) + 1) * coverage))
    return float(size[place - 1]) if place <= len(size) else np.inf


def shrinkage(residuals: Array, values: Array) -> Array:
    """√(E(y − mean)² / E(y − ŷ_k)²) of a bag, by E(y − mean)² = E(y − ŷ_k)² − V (K − 1)/K; (T,).

    Parameters
    ----------
    residuals : ndarray of shape (n, T)
        y − ŷ_k, each of a network that has not seen the row.
    values : ndarray of shape (K, m, T)
        What each of K networks predicts for some rows; V is the variance among the networks.

    Returns
    -------
    ndarray of shape (T,)
        Between 1/2 and 1.
    """
    K, error = len(values), np.mean(residuals**2, axis=0)
    V = values.var(axis=0, ddof=1).mean(axis=0) if K > 1 else np.zeros(len(error))
    left = 1 - V * (K - 1) / K / np.where(error > 0, error, np.inf)
    return np.asarray(np.sqrt(np.maximum(left, SMALLEST_SHRINKAGE**2)))
