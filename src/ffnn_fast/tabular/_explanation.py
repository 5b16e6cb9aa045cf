"""What a prediction is made of: permutation importance and integrated gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast.tabular._members import Member, Rows

Array = np.ndarray
MOST_ROWS = 10_000  # of all folds that the importances are computed on
NODES = 32  # of the Gauss-Legendre rule along the path
Outputs = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Explanation:
    """Contributions of the columns to predictions.

    Attributes
    ----------
    columns : tuple of str
        Names of the d columns.
    contributions : ndarray of shape (n, d)
        Integrated gradients (M. Sundararajan, A. Taly, Q. Yan, 2017) from the mean of the
        encoded training rows to each row, summed over the inputs of each column.
    base : float
        The prediction at that mean.
    predictions : ndarray of shape (n,)
        ``base + contributions.sum(axis=1)`` but for rounding.
    """

    columns: tuple[str, ...]
    contributions: Array
    base: float
    predictions: Array


def permutation_importances(
    members: Sequence[Member], rows: Rows, sources: Sequence[str], rng: np.random.Generator
) -> dict[str, float]:
    """By how much the loss out of fold rises when a column is permuted (L. Breiman, 2001).

    Parameters
    ----------
    members : sequence of Member
        Each is judged on its fold.
    rows : Rows
        All encoded rows.
    sources : sequence of str
        The column of each encoded input; the inputs of one are permuted together.
    rng : Generator
        At most 10 000 rows are drawn.
    """
    total = dict.fromkeys(sources, 0.0)
    count = 0
    most = max(1, MOST_ROWS // len(members))
    for member in members:
        fold = member.fold
        if len(fold) > most:
            fold = rng.choice(fold, most, replace=False)
        part = rows.part(fold)
        if len(fold) < 2 or (part.weight is not None and not part.weight.any()):
            continue
        before = member.net.loss(*part.given)
        for name in total:
            inputs = [j for j, source in enumerate(sources) if source == name]
            X = part.X.copy()
            X[:, inputs] = X[np.ix_(rng.permutation(len(X)), inputs)]
            total[name] += len(fold) * (member.net.loss(X, part.y, part.weight) - before)
        count += len(fold)
    return {name: value / max(1, count) for name, value in total.items()}


def integrated_gradients(outputs: Outputs, X: Array, base: Array) -> tuple[Array, float, Array]:
    """∫ ∂f/∂x ds along straight paths from `base` to each row, times their difference.

    Parameters
    ----------
    outputs : callable
        ``outputs(X)`` returns f, (n,), and its gradient, (n, d).
    X : ndarray of shape (n, d)
    base : ndarray of shape (d,)

    Returns
    -------
    contributions : ndarray of shape (n, d)
        What the quadrature leaves is spread in proportion to their sizes, so that each row sums to
        f(x) − f(base).
    base_value : float
    values : ndarray of shape (n,)
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    step = X.astype(np.float64) - base
    mean = np.zeros_like(step)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        mean += weight * outputs((base + node * step).astype(X.dtype))[1]
    contributions = step * mean
    values = np.asarray(outputs(X)[0], np.float64)
    start = float(outputs(base[None].astype(X.dtype))[0][0])
    size = np.abs(contributions)
    share = size / np.maximum(size.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    left = values - start - contributions.sum(axis=1)
    return contributions + share * left[:, None], start, values
