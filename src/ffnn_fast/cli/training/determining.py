"""Columns that alone determine the target: often they are known only after it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.examining import ColumnUse, quoted_names, used

Array = np.ndarray
LEAST_ROWS = 50
ROWS_PER_LEVEL = 5  # more distinct values are ordered, not grouped
LEFT = 0.01  # the share of the target that such a column leaves open at most


def determining_notes(
    uses: Sequence[ColumnUse], rows: Array, y: Array, targets: TargetEncoders
) -> list[str]:
    """A sentence for each column that alone determines a target y, (m, T), of these rows, (m,)."""
    if len(rows) < LEAST_ROWS:
        return []
    left_open = _open_labels if targets.classifies else _open_variance
    found = []
    for feature, _, values in used(uses):
        x = _as_numbers(values[rows])
        names = [
            name for name, own in zip(targets.names, y.T, strict=True) if left_open(x, own) <= LEFT
        ]
        if names:
            what = "targets" if len(names) > 1 else "target"
            which = f" {' and '.join(map(repr, names))}" if len(targets) > 1 else ""
            found.append(_sentence(feature.name, what + which))
    return found


def _sentence(column: str, what: str) -> str:
    return (
        f"note: column {column!r} alone determines the {what} almost perfectly; if it is not known "
        f"when you predict, leave it out: --drop {quoted_names([column])}"
    )


def _as_numbers(values: Array) -> Array:
    """Values, (n,), as numbers in the same order; texts by their place, -1 where missing."""
    if values.dtype.kind == "O":
        place = {text: i for i, text in enumerate(dict.fromkeys(values))}
        return np.array([-1 if v is None else place[v] for v in values], dtype=np.float64)
    if values.dtype.kind == "M":
        return values.astype(np.int64).astype(np.float64)
    return values


def _grouped(x: Array) -> Array | None:
    """The group of each value if there are few different ones, else None."""
    distinct, group = np.unique(x, return_inverse=True)
    return group if len(distinct) * ROWS_PER_LEVEL <= len(x) else None


def _open_labels(x: Array, y: Array) -> float:
    """The share of the labels, of those that are not all alike, that x leaves open."""
    share = np.bincount(y) / len(y)
    group = _grouped(x)
    if group is not None:
        counts = np.zeros((group.max() + 1, len(share)))
        np.add.at(counts, (group, y), 1)
        wrong = 1 - counts.max(axis=1).sum() / len(y)
        return float(wrong / max(1 - share.max(), 1e-9))
    changes = np.count_nonzero(np.diff(y[np.argsort(x, kind="stable")]))
    at_random = len(y) * (1 - (share**2).sum())
    return float((changes - (share > 0).sum() + 1) / max(at_random, 1e-9))


def _open_variance(x: Array, y: Array) -> float:
    """The share of the variance of y that groups of x, or a monotonic function of it, leave."""
    group = _grouped(x)
    if group is not None:
        sizes = np.bincount(group)
        means = np.bincount(group, y) / sizes
        return float(np.var(y - means[group]) / max(np.var(y), 1e-300))
    known = ~np.isnan(x)
    if known.mean() < 1 - LEFT:
        return 1.0
    ranks = [np.argsort(np.argsort(v[known], kind="stable")) for v in (x, y)]
    return float(1 - np.corrcoef(ranks[0], ranks[1])[0, 1] ** 2)
