"""Arrays of NumPy's types as columns of a table: numbers as float64, all else as texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast.cli.table.table import EXACT, Table


@dataclass(frozen=True)
class Column:
    """Values (n,) of a named column as a file types them.

    `values` is None where the type is of no use; a value that is missing (a bool for each row, or
    None: none is) may be anything of its type.
    """

    name: str
    type: str
    values: np.ndarray | None
    missing: np.ndarray | None = None


def make_table(path: str, columns: Sequence[Column], n_rows: int) -> Table:
    """The table of n rows that these columns make."""
    cells = {column.name: _cells(column) for column in columns}
    return Table(
        path,
        tuple(column.name for column in columns),
        {name: found for name, found in cells.items() if found is not None},
        np.arange(1, n_rows + 1),
        has_header=True,
        unit="row",
        unusable={c.name: c.type for c in columns if cells[c.name] is None},
    )


def _cells(column: Column) -> np.ndarray | None:
    """(n,) float64 with NaN, (n,) object of str with "", or None if the type is neither."""
    values, missing = column.values, column.missing
    if values is None:
        return None
    if missing is None:
        missing = np.zeros(len(values), dtype=bool)
    if values.dtype.kind in "iu" and _beyond(values[~missing]):
        return _filled((str(value) for value in values.tolist()), missing, "")
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64, copy=False)
        if missing.any():
            numbers = np.where(missing, np.nan, numbers)
        return numbers
    if values.dtype.kind == "M":
        missing = missing | np.isnat(values)
        # The least unit that loses nothing, for each by itself: a day, or the time to its fraction.
        values = np.datetime_as_string(values, unit="auto")
    if values.dtype.kind == "b":
        values = np.where(values, "True", "False")
    if values.dtype.kind not in "OUT":
        return None
    return _filled((str(value).strip() for value in values.tolist()), missing, "")


def _beyond(values: np.ndarray) -> bool:
    """Whether float64 would round some of these integers: their texts are exact."""
    return bool(len(values)) and bool(values.max() > EXACT or values.min() < -EXACT)


def _filled(texts: Iterable[str], missing: np.ndarray, filler: str) -> np.ndarray:
    cells = np.empty(len(missing), dtype=object)
    cells[:] = list(texts)
    cells[missing] = filler
    return cells
