"""A column of texts as codes of its different texts, and its construction block by block."""

from __future__ import annotations

import itertools
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ffnn_fast.cli.table.number_styles import NO_MARKS, PLAIN, NumberMarks, NumberStyle, infer_style

EXACT = 2**53  # float64 holds every whole number up to it
FEW = 10_000  # a column of numbers with more different texts is held as float64;
FEWEST, FEW_IN_ALL = 500, 500_000  # or with fewer, of many columns: so many in all of them
MISSING = ("NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a", "#N/A", "-", "?", ".")
COMMA, AMBIGUOUS_COMMA = (NumberStyle(",", ambiguous=one) for one in (False, True))
SPECIAL = ("_", "n", "N")  # `float` takes 1_000, inf and nan for numbers
SPELLED = re.compile(r"\+|[+-]?0\d")  # a number with a sign or zeros that may be part of a name
Array = np.ndarray


class CodedTexts:
    """The cells of a column: codes of texts, or numbers.

    Parameters
    ----------
    codes : array of int, shape (n,)
        The place of each cell's text in `levels`; -1 where the cell is in `values`.
    levels : list of str
        Different stripped texts.
    values : array of float64, shape (n,), or None
        Numbers of the cells with code -1.
    style : NumberStyle
        How these numbers were written.
    """

    dtype = np.dtype(object)

    def __init__(
        self, codes: Array, levels: list[str], values: Array | None = None,
        style: NumberStyle = PLAIN,
    ) -> None:  # fmt: skip
        kind = np.min_scalar_type(-max(len(levels), 1))
        self.codes, self.levels = codes.astype(kind, copy=False), levels
        self.values, self.style = values, style

    @classmethod
    def of(cls, texts: Sequence[str]) -> CodedTexts:
        """The column of these texts, each kept as it is but for blanks around it."""
        builder = ColumnBuilder(size=len(texts), few=len(texts))
        builder.add(texts)
        return builder.finish_texts()

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        code = int(self.codes[row])
        if code < 0 and self.values is not None:
            return str(spelled(self.values[row : row + 1])[0])
        return self.levels[code]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.take(self.levels)

    def tolist(self) -> list[str]:
        """The texts of the cells."""
        return self.take(self.levels).tolist()

    @property
    def counts(self) -> Array:
        """How many cells have each text, (number of levels,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))

    def take(self, entries: Sequence[str | None]) -> Array:
        """The entry for the text of each cell, (n,) object; numbers as `spelled` writes them."""
        by_code = np.empty(len(entries) + 1, dtype=object)
        by_code[:-1] = list(entries)
        cells = by_code[self.codes]
        if self.values is not None:
            cells[self.codes < 0] = spelled(self.values[self.codes < 0])
        return cells

    def take_flags(self, flags: Array) -> Array:
        """The flag for the text of each cell, (n,) bool; False for numbers."""
        return np.append(flags, False)[self.codes]

    def take_numbers(self, numbers: Array) -> Array:
        """The number for the text of each cell, (n,) float64."""
        found = np.append(numbers, np.nan)[self.codes]
        return found if self.values is None else np.where(self.codes < 0, self.values, found)


class ColumnBuilder:
    """The cells of a column, block by block.

    Texts become codes. Once there are more than `few` different texts and most are numbers, further
    numbers are held as float64. Numbers with leading zeros, or too large to be exact, stay texts.

    Parameters
    ----------
    marks : NumberMarks
        The marks of numbers that the user has given.
    size : int
        The expected number of cells; memory of cells that do not come is never touched.
    few : int, optional
        Default: `FEW`.
    """

    def __init__(
        self, marks: NumberMarks = NO_MARKS, size: int = 1024, few: int | None = None
    ) -> None:
        self._marks, self._few = marks, FEW if few is None else few
        self._places: dict[str, int] = _numbering()
        self._n, self._size = 0, size
        self._codes: Array | None = None  # None: all cells so far are in `_values`
        self._values: Array | None = None
        self._style: NumberStyle | None = None
        self._coded: Sequence[str] = ()  # the texts of `add_coded`, and the codes of the first ones
        self._placed = np.zeros(0, np.int32)

    def add(self, cells: Sequence[str], *, ends_block: bool = True) -> None:
        """Append cells as they stand in the file; only at the end of a block, or of all, the column
        may go over to numbers.
        """
        if self._style is None:
            place = self._places.__getitem__
            self._append_codes(np.fromiter(map(place, cells), np.int32, len(cells)), ends_block)
            return
        values = _floats(cells) if self._style.is_plain else None
        self._append(*(self._mixed(cells) if values is None else (None, values)))

    @property
    def decimal(self) -> str:
        """The decimal mark of the numbers that `add_numbers` takes; empty: it takes none."""
        style = self._style
        return style.decimal if style in (PLAIN, COMMA, AMBIGUOUS_COMMA) and style else ""

    def start_plain(self, values: Array) -> None:
        """Take the cells, of which there are none yet, as plain numbers, unless few are different.

        `values`, (m,), are the first cells, up to the end of a block: plain numbers, without zeros
        before them. `infer_style` would find this in their texts, if the user gives no marks.
        """
        if self._marks == NO_MARKS and len(np.unique(values)) > self._few:
            self._few = sys.maxsize
            self._style, self._values = PLAIN, np.empty(self._size)

    def add_numbers(
        self, values: Array, rows: Array, texts: Sequence[str], codes: Array | None = None
    ) -> None:
        """Append numbers, (m,) float64, for which `exact_numbers` holds, but for some rows, (k,),
        which have these texts, or those at the places `codes`, (k,).
        """
        all_codes = None
        if len(rows):
            all_codes = np.full(len(values), -1, np.int32)
            places, numbers = self._mixed(texts)
            if codes is not None:
                places, numbers = places[codes], numbers[codes]
            all_codes[rows], values[rows] = places, numbers
        self._append(all_codes, values)

    def add_coded(
        self, codes: Array, texts: Sequence[str], ends: Sequence[int] | Array = ()
    ) -> None:
        """Append cells as codes, (m,), of these texts, which are in the order of their first cells.

        Texts of which the first ones were given before are looked at once if they are one object.

        `ends`: so many cells, as they grow, are looked at before the column may go over to numbers.
        """
        if texts is not self._coded:
            self._coded, self._placed = texts, np.zeros(0, np.int32)
        start, others = 0, texts[len(self._placed) :]
        held = sum(map(self._places.__contains__, others))
        if self._style is None and len(self._places) + len(others) - held > self._few:
            for end in ends:
                self._add_places(codes[start:end], texts, ends_block=True)
                start = end
                if self._few == sys.maxsize:
                    break
        if self._style is None:
            self._add_places(codes[start:], texts, ends_block=False)
        else:
            places, values = self._mixed(texts)
            self._append(places[codes[start:]], values[codes[start:]])

    def _add_places(self, codes: Array, texts: Sequence[str], *, ends_block: bool) -> None:
        """Append codes of the first of some texts while the column is one of texts."""
        new = texts[len(self._placed) : codes.max(initial=-1) + 1]
        place = np.fromiter(map(self._places.__getitem__, new), np.int32, len(new))
        self._placed = np.concatenate([self._placed, place])
        self._append_codes(self._placed[codes], ends_block)

    def finish(self) -> CodedTexts | Array:
        """The column: numbers (n,) float64 if all cells are, else texts."""
        self._decide()
        if self._values is not None and self._codes is None and self._style == PLAIN:
            return self._values[: self._n]
        return self.finish_texts()

    def finish_texts(self) -> CodedTexts:
        """The column as texts, equal ones with one code."""
        levels: dict[str, int] = _numbering()
        place = np.array([levels[text.strip()] for text in self._places] + [-1], np.int32)
        codes = np.full(self._n, -1, np.int8) if self._codes is None else self._codes[: self._n]
        values = None if self._values is None else self._values[: self._n]
        return CodedTexts(place[codes], list(levels), values, self._style or PLAIN)

    def _append_codes(self, codes: Array, ends_block: bool) -> None:
        """Append cells while all are texts."""
        self._append(codes, None)
        if ends_block:
            self._decide()

    def _decide(self) -> None:
        """Go over to numbers where there are many of them."""
        if len(self._places) > self._few:
            self._few = sys.maxsize  # decided once
            self._try_numbers()

    def _append(self, codes: Array | None, values: Array | None) -> None:
        """Append cells, of which those with code -1 are numbers; codes None: all are."""
        if codes is not None and values is not None and (codes < 0).all():
            codes = None
        end = self._n + max(0 if part is None else len(part) for part in (codes, values))
        if end > self._size:
            self._size = max(end, 2 * self._size)
            self._codes = None if self._codes is None else _longer(self._codes, self._size)
            self._values = None if self._values is None else _longer(self._values, self._size)
        if codes is not None and self._codes is None:
            self._codes = np.empty(self._size, np.int32)
            self._codes[: self._n] = -1
        if self._codes is not None:
            self._codes[self._n : end] = -1 if codes is None else codes
        if values is not None and self._values is not None:
            self._values[self._n : end] = values
        self._n = end

    def _try_numbers(self) -> None:
        """Go over to numbers if more than nine tenths of the texts are."""
        texts = [text.strip() for text in self._places]
        known = [text for text in texts if text and text not in MISSING]
        if any(map(SPELLED.match, known)) or self._codes is None:
            return
        style = infer_style(known, np.ones(len(known), int), self._marks)
        numbers = _exact(style, texts)
        if np.isfinite(numbers).sum() * 10 < len(texts) * 9:
            return
        names, rest = np.full(len(texts), -1, np.int32), _numbering()
        for place in np.flatnonzero(~np.isfinite(numbers)):
            names[place] = rest[texts[place]]
        self._style, self._places = style, rest
        codes = self._codes[: self._n]
        self._values = np.empty(self._size)
        self._values[: self._n] = numbers[codes]
        if rest:
            self._codes[: self._n] = names[codes]
        else:
            self._codes = None

    def _mixed(self, cells: Sequence[str]) -> tuple[Array, Array]:
        """Codes, -1 for a number, and numbers, (m,) each, of cells of which some are no numbers, or
        numbers that stay texts.
        """
        distinct = list(dict.fromkeys(cells))
        stripped = [text.strip() for text in distinct]
        values = _exact(self._style or PLAIN, stripped).tolist()
        number = dict(zip(distinct, values, strict=True))
        code = {
            text: -1 if math.isfinite(value) else self._places[plain]
            for text, plain, value in zip(distinct, stripped, values, strict=True)
        }
        return (
            np.fromiter(map(code.__getitem__, cells), np.int32, len(cells)),
            np.fromiter(map(number.__getitem__, cells), np.float64, len(cells)),
        )


def few_of(width: int) -> int:
    """Up to so many different texts of a column of numbers are kept, in a table of that width."""
    return min(FEW, max(FEWEST, FEW_IN_ALL // max(1, width)))


def exact_numbers(values: Array) -> bool:
    """Whether numbers, (n,), are finite, and small enough for whole ones to be exact."""
    return bool(np.abs(values).max(initial=0.0) < EXACT)  # false for NaN


def spelled(values: Array) -> Array:
    """Numbers, (n,), as (n,) object: "3" for 3.0, else as many digits as distinguish them."""
    distinct, place = np.unique(values, return_inverse=True)
    names = np.empty(len(distinct), dtype=object)
    names[:] = [
        str(int(value)) if abs(value) <= EXACT and value == int(value) else repr(value)
        for value in distinct.tolist()
    ]
    return names[place]


def _floats(cells: Sequence[str]) -> Array | None:
    """Plain numbers, (m,) float64; None if a cell is none, or too large to be exact."""
    joined = "".join(cells)
    if not joined.isascii() or any(mark in joined for mark in SPECIAL):
        return None
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return values if exact_numbers(values) else None


def _exact(style: NumberStyle, texts: Sequence[str]) -> Array:
    """The numbers in texts, (m,) float64; NaN for a text that is none, or a whole number that
    float64 would round.
    """
    values = style.values(texts)
    values[~(np.abs(values) < EXACT)] = np.nan
    return values


def _numbering() -> Any:
    """A dict that gives each new key the next number."""
    following: Callable[[], int] = itertools.count().__next__
    return defaultdict(following)


def _longer(array: Array, size: int) -> Array:
    """A copy with room for `size` entries."""
    longer = np.empty(size, array.dtype)
    longer[: len(array)] = array
    return longer
