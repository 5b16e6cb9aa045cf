"""The rows that each network of an ensemble is trained on."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
KINDS = ("none", "bootstrap", "folds")


def splits(
    kind: str, n: int, M: int, rng: np.random.Generator, strata: Array | None = None
) -> list[tuple[Array, Array]]:
    """For each of M networks the rows to train on, and the others.

    Parameters
    ----------
    kind : {"bootstrap", "folds"}
    n, M : int
        Rows and networks.
    rng : Generator
    strata : ndarray of shape (n,), optional
        Labels: each occurs in every fold about equally often.

    Raises
    ------
    ValueError
        For folds of one network, or of more networks than rows.
    """
    if kind == "bootstrap":
        drawn = [rng.integers(n, size=n) for _ in range(M)]
        return [(rows, np.setdiff1d(np.arange(n), rows)) for rows in drawn]
    if not 2 <= M <= n:
        raise ValueError(f"folds need 2 to {n} networks, as many as rows, got {M}")
    order = rng.permutation(n)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    folds = [np.sort(order[m::M]) for m in range(M)]
    everything = np.arange(n)
    return [(np.setdiff1d(everything, fold, assume_unique=True), fold) for fold in folds]
