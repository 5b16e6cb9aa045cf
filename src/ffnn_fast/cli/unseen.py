"""Values of a table that differ from those of the training rows: unknown levels, far numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ffnn_fast.cli.table import abbreviated

Array = np.ndarray
Range = tuple[float, float]
MARGIN = 0.5  # of the range's width: numbers further outside are far
TRUTHS: Range = (0.0, 1.0)  # of a column that may be one of true and false
SHOWN = 5  # unknown levels in a note


def ranges_of(columns: Mapping[str, Array]) -> dict[str, Range]:
    """The least and the greatest number of each column of numbers that has any."""
    found = {}
    for name, values in columns.items():
        known = values[np.isfinite(values)] if values.dtype.kind == "f" else values[:0]
        if len(known):
            found[name] = float(known.min()), float(known.max())
    return found


def unseen_notes(
    columns: Mapping[str, Array],
    levels: Mapping[str, Iterable[str | None]],
    ranges: Mapping[str, Range],
) -> list[str]:
    """A sentence for each column with unknown levels, or with numbers far outside its range.

    Parameters
    ----------
    columns : mapping of str to array of shape (n,)
        float64 with NaN, object of str with None, or datetime64.
    levels : mapping of str to iterable of str or None
        The levels of categories that the model has inputs for.
    ranges : mapping of str to (float, float)
        The least and the greatest number of the training rows.
    """
    notes = []
    for name, values in columns.items():
        if values.dtype.kind == "O" and name in levels:
            note = _unknown(values, set(levels[name]))
        elif values.dtype.kind == "f" and name in ranges:
            note = _far(values, *ranges[name])
        else:
            continue
        if note:
            notes.append(f"note: column {name}: {note}")
    return notes


def _unknown(values: Array, levels: set[str | None]) -> str:
    distinct = dict.fromkeys(values.tolist())
    unknown = [value for value in distinct if value is not None and value not in levels]
    if not unknown:
        return ""
    are = set(unknown)
    count = sum(value in are for value in values.tolist())
    listed = abbreviated(unknown, SHOWN)
    return f"{_share(count, len(values))} have a category unknown to the model ({listed})"


def _far(values: Array, low: float, high: float) -> str:
    margin = MARGIN * (high - low)
    count = int(np.count_nonzero((values < low - margin) | (values > high + margin)))
    if not count:
        return ""
    return f"{_share(count, len(values))} are far outside the training range {low:g} to {high:g}"


def _share(count: int, n: int) -> str:
    return f"{count} of {n} rows ({100 * count / n:.3g} %)"


def ranges_from_dict(plain: Any) -> dict[str, Range]:
    """Ranges by column from JSON; raises ValueError for anything else."""
    if not isinstance(plain, dict):
        raise ValueError("'ranges' must be an object")
    found = {}
    for name, pair in plain.items():
        numbers = isinstance(pair, list) and all(type(one) in (int, float) for one in pair)
        if not numbers or len(pair) != 2:
            raise ValueError("'ranges' must hold pairs of numbers")
        found[str(name)] = float(pair[0]), float(pair[1])
    return found
