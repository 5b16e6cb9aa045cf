"""A table of texts and numbers, read as numbers or as categories; every error names the row."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ffnn_fast.cli.arguments.name_lists import join_names
from ffnn_fast.cli.output import CommandError

# Besides the empty field:
DEFAULT_MISSING = ("NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a", "#N/A", "-", "?", ".")
EXACT = 2**53  # float64 holds every whole number up to it
WHOLE = re.compile(r"-?\d+(\.0)?")


@dataclass(frozen=True)
class Table:
    """The columns of a file.

    Attributes
    ----------
    path : str
    names : tuple of str
        The columns in their order.
    cells : mapping of str to array of shape (n,)
        Object, stripped texts, "" where missing; or float64, NaN where missing.
    lines : array of int, shape (n,)
        Where each row begins, counted in `unit`.
    has_header : bool
        Whether the file names its columns.
    unit : {"line", "row"}
    unusable : mapping of str to str
        Column → type, for columns of neither texts nor numbers; they are not in `cells`.

    Raises
    ------
    CommandError
        If two columns have one name, or there are no rows.
    """

    path: str
    names: tuple[str, ...]
    cells: Mapping[str, np.ndarray]
    lines: np.ndarray
    has_header: bool
    unit: str = "line"
    unusable: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            advice = ", or use --header no if the first line is data" if self.unit == "line" else ""
            raise CommandError(
                f"{self.path} has more than one column named {twice!r}; rename one{advice}"
            )
        if not len(self):
            what = "a header but no rows" if self.unit == "line" else "no rows"
            raise CommandError(f"{self.path} has {what}")

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        """The file and the row's position in it, such as "houses.csv, line 5"."""
        return f"{self.path}, {self.unit} {self.lines[row]}"

    def find(self, column: str) -> str:
        """The name of `column`, which is a name or else a number: 1 is the first, -1 the last.

        Raises
        ------
        CommandError
            If there is no such column.
        """
        if column in self.names:
            return column
        try:
            position = int(column)
        except ValueError:
            position = 0
        if 1 <= abs(position) <= len(self.names):
            return self.names[position - 1 if position > 0 else position]
        raise CommandError(
            f"{self.path} has no column {column!r}; its columns: {abbreviated(self.names)}"
        )

    def missing(self, name: str, words: Sequence[str]) -> np.ndarray:
        """Where column `name` is empty or one of `words`: (n,) bool."""
        cells = self._column(name)
        if cells.dtype == object:
            nothing = {"", *words}
            return np.fromiter(map(nothing.__contains__, cells), bool, len(cells))
        found = np.isnan(cells)
        for word in words:
            if is_number(word):
                found |= cells == float(word)
        return found

    def numbers(self, name: str, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Column `name` as (n,) float64, NaN where missing, and (n,) bool, True where a cell is
        not a finite number.
        """
        cells, missing = self._column(name), self.missing(name, words)
        found = np.full(len(cells), np.nan)
        found[~missing] = _parsed(cells[~missing])
        return found, ~missing & ~np.isfinite(found)

    def texts(
        self, name: str, words: Sequence[str], known: Sequence[str | None] = ()
    ) -> np.ndarray:
        """Column `name` as (n,) object: str, or None where missing.

        "3.0" becomes "3", or "3" becomes "3.0", if only the other spelling is among `known`: two
        files with the same numbers may spell them differently.
        """
        cells = self._column(name)
        cells = cells.copy() if cells.dtype == object else _spelled(cells)
        twins = {_twin(text): text for text in known if text and WHOLE.fullmatch(text)}
        other = {twin: twins[twin] for twin in twins.keys() - set(known)}
        if other:
            cells[:] = [other.get(cell, cell) for cell in cells]
        cells[self.missing(name, words)] = None
        return cells

    def known(self, missing: np.ndarray, *, drop_missing: bool) -> np.ndarray:
        """The rows whose target is known, (m,) int; `missing`, (n,) bool, marks the others.

        Raises
        ------
        CommandError
            If a target is missing and `drop_missing` is False, or no row has a target.
        """
        if missing.any() and not drop_missing:
            raise CommandError(
                f"{self.where(int(np.argmax(missing)))}: the target is missing ({missing.sum()} "
                "such rows); use --drop-missing-target to leave them out"
            )
        rows = np.flatnonzero(~missing)
        if not len(rows):
            raise CommandError(f"{self.path} has no row with a target")
        return rows

    def check_cells(self, name: str, bad: np.ndarray, words: Sequence[str], advice: str) -> None:
        """Raise CommandError for the first row where `bad`, (n,) bool, is True."""
        if not bad.any():
            return
        row = int(np.argmax(bad))
        cell = self.cells[name][row]
        cell = cell if isinstance(cell, str) else repr(float(cell))
        what = "not finite" if is_number(cell) and np.isinf(float(cell)) else "not a number"
        raise CommandError(
            f"{self.where(row)}, column {name!r}: {cell!r} is {what}; if it marks a "
            f"missing value, use --missing {shlex.quote(join_names([*words, cell]))}{advice}"
        )

    def _column(self, name: str) -> np.ndarray:
        if name in self.unusable:
            raise CommandError(
                f"{self.path}: column {name!r} is of type {self.unusable[name]}, neither numbers "
                f"nor text; drop it with --drop {shlex.quote(join_names([name]))}"
            )
        return self.cells[name]


def abbreviated(names: Sequence[str], most: int = 20) -> str:
    """Up to `most` names, separated by commas; if there are more, their count."""
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_number(text: str) -> bool:
    """Whether a text is a decimal number, "inf" and "nan" included."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def _parsed(cells: np.ndarray) -> np.ndarray:
    """Texts or numbers, (n,), as float64, NaN for a text that is no number."""
    plain = "" if cells.dtype != object else "".join(cells)
    if plain.isascii() and "_" not in plain:  # else float accepts more than `is_number`
        try:
            return cells.astype(np.float64)
        except ValueError:
            pass
    value = {text: float(text) if is_number(text) else np.nan for text in set(cells)}
    return np.fromiter(map(value.__getitem__, cells), np.float64, len(cells))


def _spelled(values: np.ndarray) -> np.ndarray:
    """Numbers, (n,), as (n,) object: "3" for 3.0, else as many digits as distinguish them."""
    distinct, place = np.unique(values, return_inverse=True)
    names = np.empty(len(distinct), dtype=object)
    names[:] = [
        str(int(value)) if abs(value) <= EXACT and value == int(value) else repr(value)
        for value in distinct.tolist()
    ]
    return names[place]


def _twin(text: str) -> str:
    """The other spelling of a whole number: "3.0" for "3", "3" for "3.0"."""
    return text.removesuffix(".0") if text.endswith(".0") else f"{text}.0"
