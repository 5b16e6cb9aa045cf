"""Few rows as inputs of a network, cell by cell.

A pass over a column has a fixed cost, above all in pandas, which exceeds that of a few cells. The
results are those of a pass over the columns, to the bits. Cells whose value depends on the rest of
their column, such as texts with blanks around them, are left to that pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import sqrt
from typing import Any

import numpy as np

from ffnn_fast._columns.features import CATEGORY, DATE, NUMBER
from ffnn_fast._columns.frames import is_missing, level_of
from ffnn_fast.tabular._robust_scale import BEYOND, CLIP, RobustScale

Array = np.ndarray
NAN = float("nan")
EXACT = 2**53  # integers up to it are float64
EPOCH = date(1970, 1, 1).toordinal()
DAY, HOUR = 86_400_000_000, 3.6e9  # microseconds
INFINITE = ("inf", "-inf")  # levels of numbers that are refused, and of texts
NUMBERS = (float, int, np.float64)  # types of cells that are numbers


class _OtherCellError(Exception):
    """A cell that has to be read with its column."""


@dataclass(frozen=True)
class Column:
    """What a cell of one column becomes.

    Attributes
    ----------
    use : {"number", "category", "date", "left out"}
    scales : tuple of RobustScale
        Of the numbers that it gives.
    codes : dict of str to int
        The code of each level of a category; any other has 0.
    binary : tuple of tuple of float, or None
        The ±1 or one-hot inputs of each code; None if the code is the input.
    parts : tuple of str
        Of a date.
    origin : int
        Of a date: microseconds since 1970 of the first one.
    """

    use: str
    scales: tuple[RobustScale, ...] = ()
    codes: dict[str, int] | None = None
    binary: tuple[tuple[float, ...], ...] | None = None
    parts: tuple[str, ...] = ()
    origin: int = 0


class Cells:
    """The encoding of a table for few rows.

    Parameters
    ----------
    columns : sequence of Column
        In the order of the table.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns

    def encoded(self, rows: Iterable[Sequence[Any]]) -> Array | None:
        """The rows as inputs, (n, n_inputs) float32: numbers, marks of missing ones, ±1 and one-hot
        inputs, codes.

        Parameters
        ----------
        rows : iterable of sequences
            The cells of each row, in the order of the columns.

        Returns
        -------
        ndarray or None
            None if a cell has to be read with its column.
        """
        try:
            return np.array([self._row(row) for row in rows], np.float32)
        except (_OtherCellError, OverflowError):
            return None

    def _row(self, row: Sequence[Any]) -> list[float]:
        """The inputs of one row."""
        numbers: list[float] = []
        marks: list[float] = []
        binary: list[float] = []
        codes: list[float] = []
        for cell, column in zip(row, self.columns, strict=True):
            if column.use == NUMBER:
                value = cell if type(cell) in NUMBERS else _missing(cell)
                _put_number(value, column.scales[0], numbers, marks)
            elif column.use == CATEGORY:
                code = _code(cell, column)
                if column.binary is None:
                    codes.append(code)
                else:
                    binary += column.binary[code]
            elif column.use == DATE:
                values = _date_numbers(cell, column)
                for value, scale in zip(values, column.scales, strict=True):
                    _put_number(value, scale, numbers, marks)
        return numbers + marks + binary + codes


def _put_number(value: float, scale: RobustScale, numbers: list[float], marks: list[float]) -> None:
    """Append c(scale (v − median)), as `scaled` has it, and its mark if there is one."""
    missing = value != value
    if missing:
        numbers.append(0.0)
    else:
        x = (value - scale.median) * scale.scale
        if not -BEYOND < x < BEYOND:
            raise _OtherCellError
        third = x / CLIP
        numbers.append(x / sqrt(third * third + 1.0))
    if scale.marks_missing:
        marks.append(float(missing))


def _missing(cell: Any) -> float:
    """NaN for a missing value of any kind."""
    if is_missing(cell):
        return NAN
    raise _OtherCellError


def _code(cell: Any, column: Column) -> int:
    """The code of a level."""
    kind = type(cell)
    if kind is str:
        if not cell or cell != cell.strip():
            raise _OtherCellError
    elif kind is int:
        if abs(cell) > EXACT:
            raise _OtherCellError
    elif kind not in (bool, np.bool_, float, np.float64):
        _missing(cell)
        return 0
    level = level_of(cell)
    if level in INFINITE:
        raise _OtherCellError
    return 0 if level is None or column.codes is None else column.codes.get(level, 0)


def _date_numbers(cell: Any, column: Column) -> list[float]:
    """The parts of a date, as `date_parts` has them; NaN where it is missing."""
    if is_missing(cell):
        return [NAN] * len(column.parts)
    if not isinstance(cell, date) or getattr(cell, "tzinfo", None) is not None:
        raise _OtherCellError
    within = 0  # microseconds since midnight
    if isinstance(cell, datetime):
        minutes = 60 * cell.hour + cell.minute
        within = (60 * minutes + cell.second) * 1_000_000 + cell.microsecond
    elapsed = (cell.toordinal() - EPOCH) * DAY + within - column.origin
    if abs(elapsed) > EXACT:
        raise _OtherCellError
    found = {
        "year": cell.year, "month": cell.month, "weekday": cell.weekday(),
        "hour": within / HOUR, "elapsed": elapsed / DAY,
    }  # fmt: skip
    return [found[part] for part in column.parts]
