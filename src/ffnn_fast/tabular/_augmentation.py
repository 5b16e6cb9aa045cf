"""Augmented rows: values exchanged between neighbouring rows (MUNGE, C. Bucilă et al., 2006)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

Array = np.ndarray
EXCHANGED = 0.5  # share of the values of an augmented row that come from the neighbour
NEIGHBOURS = 5  # of which one is drawn


def augmented(X: Any, encoded: Array, copies: int, rng: np.random.Generator) -> Any:
    """`copies` augmented rows for each row: row r, r + n, r + 2 n, ... have row r as their parent.

    Parameters
    ----------
    X : pandas.DataFrame or ndarray of shape (n, d)
        Raw rows.
    encoded : ndarray of shape (n, n_0)
        The same rows, as numbers among which distances have a meaning.
    copies : int
        At least 1.
    rng : Generator

    Returns
    -------
    DataFrame or ndarray of shape (copies n, d)
        Half of the values of a row, drawn at random, come from one of its 5 nearest neighbours.

    Raises
    ------
    TypeError
        If X is neither of these.
    """
    n = len(encoded)
    k = max(1, min(NEIGHBOURS, n - 1))
    near = np.zeros((1, 1), np.intp)  # one row has no neighbour but itself
    if n > 1:
        near = cKDTree(encoded).query(encoded, k + 1)[1][:, 1:]
    parents = np.tile(np.arange(n), copies)
    others = near[parents, rng.integers(k, size=len(parents))]
    if isinstance(X, np.ndarray):
        exchange = rng.random((len(parents), X.shape[1])) < EXCHANGED
        return np.where(exchange, X[others], X[parents])
    if not hasattr(X, "iloc"):
        raise TypeError(
            f"X must be a pandas DataFrame or a NumPy array, got {type(X).__name__}; "
            "convert it, or pass copies=0"
        )
    rows, neighbours = X.iloc[parents], X.iloc[others]
    columns = {}
    for name in X.columns:
        exchange = rng.random(len(parents)) < EXCHANGED
        kept = rows[name].reset_index(drop=True)
        columns[name] = kept.where(~exchange, neighbours[name].reset_index(drop=True))
    return type(X)(columns)
