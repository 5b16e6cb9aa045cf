"""Held-out rows, and the weights of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ffnn_fast._scalars import as_float

Array = np.ndarray


def hold_out(
    n: int, fraction: float, rng: np.random.Generator, labels: Array | None = None
) -> tuple[Array, Array]:
    """Random training rows and held-out rows, both sorted; class by class if `labels` are given.

    Every class keeps at least one training row.
    """
    groups: Sequence[Array] = [np.arange(n)]
    if labels is not None:
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    held = []
    for group in groups:
        count = min(round(fraction * len(group)), len(group) - 1)
        held.append(rng.permutation(group)[:count])
    test = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(n), test), test


def class_weights(weight: Any, labels: Array) -> Array:
    """The weight of each row's class, (n,) float64.

    Parameters
    ----------
    weight : "balanced" or mapping of label to number >= 0
        Balanced: n / (c · n_k) for a class with n_k of the n rows, where c classes occur. Labels
        that a mapping leaves out count 1.
    labels : array of shape (n,)

    Raises
    ------
    TypeError, ValueError
        If `weight` is neither, or has a label that no row has.
    """
    classes, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(weight, str) and weight == "balanced":
        return (len(labels) / (len(classes) * counts))[where]
    if not isinstance(weight, Mapping):
        raise TypeError(f"class_weight must be 'balanced' or a mapping, got {weight!r}")
    unknown = [label for label in weight if label not in classes]
    if unknown:
        raise ValueError(f"class_weight has labels that no row has: {unknown[:4]}")
    given = [
        as_float(weight.get(label, 1.0), f"class_weight[{label!r}]", closed="left")
        for label in classes.tolist()
    ]
    return np.array(given)[where]
