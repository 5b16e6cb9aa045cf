"""The columns of an input block from the user: checked, sorted, with quantiles as edges of bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ffnn_fast._conversion import as_numbers
from ffnn_fast._scalars import as_int
from ffnn_fast._text import quoted

MOST_BINS = 64
MOST_CATEGORIES = 2**24 - 1  # whole numbers up to here are exact in float32
LARGEST_EDGE, LEAST_WIDTH = 1e38, 1e-38  # of bins: float32 holds an edge and 1 / width


def as_columns(columns: Any, name: str) -> tuple[int, ...]:
    """Columns, sorted, each once."""
    if isinstance(columns, (str, bytes)) or not isinstance(columns, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of columns, got {quoted(columns)}")
    return tuple(sorted({as_int(column, f"a column in {name}", 0) for column in columns}))


def as_categories(given: Any) -> tuple[tuple[int, int], ...]:
    """(column, count) by column."""
    pairs = _pairs(given, "categories", "counts")
    return tuple((c, as_int(k, "a count in categories", 1, MOST_CATEGORIES)) for c, k in pairs)


def as_edges(given: Any) -> tuple[tuple[int, tuple[float, ...]], ...]:
    """(column, edges) by column."""
    pairs = _pairs(given, "edges", "sequences of numbers")
    return tuple((column, _as_edges_of(edges, column)) for column, edges in pairs)


def _pairs(given: Any, name: str, values: str) -> list[tuple[int, Any]]:
    """(column, value), sorted by column, from a mapping or from pairs."""
    pairs = list(given.items()) if isinstance(given, Mapping) else given
    if isinstance(pairs, (str, bytes)) or not isinstance(pairs, Sequence):
        raise TypeError(f"{name} must map columns to {values}, got {quoted(given)}")
    found: dict[int, Any] = {}
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name} must map columns to {values}, got {quoted(pair)}")
        found[as_int(pair[0], f"a column in {name}", 0)] = pair[1]
    if len(found) < len(pairs):
        raise ValueError(f"{name} must have a column once, got {quoted(given)}")
    return [(column, found[column]) for column in sorted(found)]


def _as_edges_of(given: Any, column: int) -> tuple[float, ...]:
    """q_0 < ... < q_T of a column."""
    edges = as_numbers(given, f"edges of column {column}").astype(np.float64)
    if edges.ndim != 1 or not 2 <= len(edges) <= MOST_BINS + 1:
        raise ValueError(
            f"column {column} must have 2 to {MOST_BINS + 1} edges, got {quoted(given)}"
        )
    if not (np.abs(edges) <= LARGEST_EDGE).all() or not (np.diff(edges) >= LEAST_WIDTH).all():
        raise ValueError(
            f"edges of column {column} must rise, by {LEAST_WIDTH} at least, and lie within "
            f"±{LARGEST_EDGE}, got {quoted(edges.tolist())}"
        )
    return tuple(edges.tolist())


def quantiles_of(x: np.ndarray, column: int, bins: int) -> list[float]:
    """The quantiles 0, 1/bins, ..., 1 of x, (n,), each once."""
    if not np.isfinite(x).all():
        raise ValueError(f"column {column} of X holds NaN or infinity")
    found = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
    return list(found[np.append(True, np.diff(found) >= LEAST_WIDTH)])
