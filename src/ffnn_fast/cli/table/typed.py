"""NumPy arrays as columns of a table: numbers as float64, anything else as texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast.cli.table.coded_texts import EXACT, CodedTexts
from ffnn_fast.cli.table.data_table import Table
from ffnn_fast.cli.table.number_styles import NO_MARKS, NumberMarks


@dataclass(frozen=True)
class Column:
    """A named column with the type it has in the file.

    Attributes
    ----------
    name : str
    type : str
        The type's name, for messages.
    values : array of shape (n,) or None
        None for a type that is neither number, text, bool nor date. A missing value may be
        anything.
    missing : array of bool, shape (n,), or None
        Which values are missing; None: none.
    """

    name: str
    type: str
    values: np.ndarray | None
    missing: np.ndarray | None = None


def make_table(
    path: str, columns: Sequence[Column], n_rows: int, *, row_names: Sequence[str] = (),
    marks: NumberMarks = NO_MARKS,
) -> Table:  # fmt: skip
    """The table of n rows with these columns; `row_names` are columns that name the rows."""
    cells = {column.name: _cells(column) for column in columns}
    return Table(
        path,
        tuple(column.name for column in columns),
        {name: found for name, found in cells.items() if found is not None},
        np.arange(1, n_rows + 1),
        has_header=True,
        unit="row",
        unusable={c.name: c.type for c in columns if cells[c.name] is None},
        row_names=tuple(name for name in row_names if name in cells),
        marks=marks,
    )


def _cells(column: Column) -> CodedTexts | np.ndarray | None:
    """(n,) float64 with NaN, texts with "", or None if the type is neither."""
    values, missing = column.values, column.missing
    if values is None:
        return None
    if missing is None:
        missing = np.zeros(len(values), dtype=bool)
    if values.dtype.kind in "iu" and _beyond(values[~missing]):
        return _filled((str(value) for value in values.tolist()), missing)
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64, copy=False)
        if missing.any():
            numbers = np.where(missing, np.nan, numbers)
        return numbers
    if values.dtype.kind == "M":
        missing = missing | np.isnat(values)
        # For each value the coarsest unit that is exact: a day, or the time with its fraction.
        values = np.datetime_as_string(values, unit="auto")
    if values.dtype.kind == "b":
        values = np.where(values, "True", "False")
    if values.dtype.kind not in "OUT":
        return None
    return _filled((str(value).strip() for value in values.tolist()), missing)


def _beyond(values: np.ndarray) -> bool:
    """Whether float64 would round some of these integers."""
    return bool(len(values)) and bool(values.max() > EXACT or values.min() < -EXACT)


def _filled(texts: Iterable[str], missing: np.ndarray) -> CodedTexts:
    """The texts, "" where one is missing."""
    pairs = zip(texts, missing.tolist(), strict=True)
    return CodedTexts.of(["" if absent else text for text, absent in pairs])
