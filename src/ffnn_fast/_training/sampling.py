"""Held-out rows, and the weights of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ffnn_fast._scalars import as_float

Array = np.ndarray


def hold_out(
    n: int, fraction: float, rng: np.random.Generator, labels: Array | None = None
) -> tuple[Array, Array]:
    """Random training rows and held-out rows, both sorted; class by class if `labels` are given.

    ``round(fraction · n)`` rows are held out. The classes share them by size (largest remainder),
    and every class keeps at least one training row.
    """
    order = rng.permutation(n)
    if labels is None:
        return _parts(n, order[: min(round(fraction * n), n - 1)])
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    counts = _shares(sizes, round(fraction * n), rng)
    # Class by class, each in random order; the first of each are held out.
    order = order[np.argsort(classes[order], kind="stable")]
    place = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return _parts(n, order[place < np.repeat(counts, sizes)])


def hold_out_by_rounding(
    n: int, fraction: float, rng: np.random.Generator, labels: Array | None = None
) -> tuple[Array, Array]:
    """The rows that `hold_out` returned when checkpoints of format version 1 were written.

    It rounded the number of held-out rows of each class by itself.
    """
    if labels is None:
        return hold_out(n, fraction, rng)
    held = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(round(fraction * len(rows)), len(rows) - 1)
        held.append(rng.permutation(rows)[:count])
    return _parts(n, np.concatenate(held))


def _parts(n: int, held: Array) -> tuple[Array, Array]:
    """The other rows and the held-out ones of n, both sorted."""
    is_held = np.zeros(n, dtype=bool)
    is_held[held] = True
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def _shares(sizes: Array, total: int, rng: np.random.Generator) -> Array:
    """Counts with sum `total` in proportion to the sizes, each below its size; ties at random.

    Classes too small for their share give all rows but one, and the others share the rest.
    """
    room = sizes - 1
    total = min(total, int(room.sum()))
    counts, is_open = np.zeros_like(sizes), np.ones(len(sizes), dtype=bool)
    while is_open.any():
        rest = total - counts.sum()
        quota = rest * (sizes / sizes[is_open].sum())
        full = is_open & (quota >= room)
        if not full.any():
            counts[is_open] = np.floor(quota[is_open])
            missing = total - counts.sum()
            remainder = np.where(is_open, quota - counts, -1)
            order = np.lexsort((rng.random(len(sizes)), -remainder))
            counts[order[:missing]] += 1
            break
        counts[full] = room[full]
        is_open &= ~full
    return counts


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
    return weights_of_classes(weight, classes, counts)[where]


def weights_of_classes(weight: Any, classes: Array, counts: Array) -> Array:
    """The weight of each class, (c,) float64, of sorted classes with so many rows each.

    `weight` and errors as `class_weights`.
    """
    if isinstance(weight, str) and weight == "balanced":
        return counts.sum() / (len(classes) * counts)
    if not isinstance(weight, Mapping):
        raise TypeError(f"class_weight must be 'balanced' or a mapping, got {weight!r}")
    known = set(classes.tolist())
    unknown = [label for label in weight if label not in known]
    if unknown:
        raise ValueError(f"class_weight has labels that no row has: {unknown[:4]}")
    given = [
        as_float(weight.get(label, 1.0), f"class_weight[{label!r}]", closed="left")
        for label in classes.tolist()
    ]
    return np.array(given)
