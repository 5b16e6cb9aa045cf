"""Folds of the rows: each member of a bag is trained on all but one fold and judged on that one."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def folds_of(
    n: int, n_folds: int, rng: np.random.Generator, strata: Array | None = None
) -> list[Array]:
    """`n_folds` disjoint index vectors of nearly equal length that cover 0 .. n - 1.

    Parameters
    ----------
    n : int
        Rows, at least `n_folds`.
    n_folds : int
        At least 2.
    rng : Generator
    strata : ndarray of shape (n,), optional
        Labels: each occurs in every fold about equally often.
    """
    order = rng.permutation(n)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    return [np.sort(order[fold::n_folds]) for fold in range(n_folds)]


def one_split(n: int, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Indices to train on, and the others, about `share` of all."""
    held = folds_of(n, max(2, round(1 / share)), rng)[0]
    return np.setdiff1d(np.arange(n), held, assume_unique=True), held


def random_split(n: int, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Indices of ⌈(1 − share) n⌉ random rows to train on, one of n at most left out, and of the
    others.
    """
    order = rng.permutation(n)
    n_kept = min(math.ceil((1 - share) * n), n - 1)
    return np.sort(order[:n_kept]), np.sort(order[n_kept:])
