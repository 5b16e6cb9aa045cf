"""Simple models that a network must beat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ffnn_fast.cli.stored_baselines import FARTHEST, LinearModel
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import is_constant

Array = np.ndarray
ITERATIONS = 100
STRENGTHS = tuple(10.0**power for power in range(-3, 4))


def ridge(X: Array, y: Array, strength: float) -> LinearModel:
    """The linear model that minimises ``‖y − Z w − c‖² + strength ‖w‖²``, Z standardised X.

    Parameters
    ----------
    X : array of shape (n, d)
    y : array of shape (n,) or (n, k)
    strength : float

    Returns
    -------
    LinearModel
    """
    centre, spread = X.mean(axis=0), X.std(axis=0)
    spread = np.where(is_constant(X), 1.0, spread)
    Z, mean = (X - centre) / spread, y.mean(axis=0)
    gram = Z.T @ Z + strength * np.eye(Z.shape[1])
    w = np.linalg.solve(gram, Z.T @ (y - mean))
    return LinearModel(centre, spread, w, np.asarray(mean))


def tuned_ridge(X: Array, y: Array, rng: np.random.Generator) -> Callable[[Array], Array]:
    """Ridge of the strength that predicts best in a 5-fold cross-validation of these rows."""
    folds = split_folds(len(X), 5, rng)

    def error(strength: float) -> float:
        total = 0.0
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(X)), fold)
            total += ((ridge(X[rest], y[rest], strength)(X[fold]) - y[fold]) ** 2).sum()
        return total

    return ridge(X, y, min(STRENGTHS, key=error))


def logistic_regression(X: Array, labels: Array, n_classes: int) -> LinearModel:
    """Softmax of a linear map of standardised X; penalty ``‖W‖² / 2`` beside the sum of losses."""
    centre, spread = X.mean(axis=0), np.where(is_constant(X), 1.0, X.std(axis=0))
    Z = np.clip((X - centre) / spread, -FARTHEST, FARTHEST)
    net = Network(
        [X.shape[1], n_classes], output="softmax", loss="cross_entropy", dtype="float64",
        l2=1 / len(X), initializer="zeros", seed=0, n_threads=1,
    )  # fmt: skip
    net.minimize(Z, labels, "L-BFGS-B", max_iterations=ITERATIONS)
    return LinearModel(centre, spread, net.weights[0].T.copy(), net.biases[0].copy(), classes=True)


def nearest_mean(X: Array, labels: Array, n_classes: int) -> Callable[[Array], Array]:
    """The class whose mean is nearest; from rows to labels, (m,)."""
    means = np.array([X[labels == c].mean(axis=0) for c in range(n_classes)])
    norms = (means**2).sum(axis=1)
    return lambda rows: (norms - 2 * rows @ means.T).argmin(axis=1)


def split_folds(n: int, k: int, rng: np.random.Generator) -> list[Array]:
    """The rows 0..n-1 in k random parts of nearly equal size."""
    return np.array_split(rng.permutation(n), k)
