"""CSV files as columns of stripped text, and those as numbers or categories; every refusal names
the line.

The csv module checks the shape of the file, which pandas repairs silently; pandas reads it.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffnn_fast.cli.output import CommandError, require

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 100  # rows that are looked at to find out delimiter and header
DEFAULT_MISSING = ("NA", "?")  # besides the empty field


@dataclass(frozen=True)
class Table:
    """Columns of text: ``cells[name]`` (n,) object; ``lines`` (n,), where each row begins."""

    path: str
    names: tuple[str, ...]
    cells: dict[str, np.ndarray]
    lines: np.ndarray
    has_header: bool

    def __len__(self) -> int:
        return len(self.lines)

    def find(self, wanted: str) -> str:
        """The column of this name, or else of this number: 1 is the first, -1 the last."""
        if wanted in self.names:
            return wanted
        try:
            position = int(wanted)
        except ValueError:
            position = 0
        if 1 <= abs(position) <= len(self.names):
            return self.names[position - 1 if position > 0 else position]
        raise CommandError(
            f"{self.path} has no column {wanted!r}; its columns: {shortened(self.names)}"
        )

    def missing(self, name: str, words: Sequence[str]) -> np.ndarray:
        """Where column `name` is empty or one of `words`: (n,) bool."""
        nothing = {"", *words}
        return np.array([cell in nothing for cell in self.cells[name]], dtype=bool)

    def numbers(self, name: str, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Column `name` as (n,) float64, NaN where missing, and where it is no finite number."""
        pandas = require("pandas", "reading CSV files")
        cells, missing = self.cells[name], self.missing(name, words)
        values = pandas.to_numeric(pandas.Series(cells, dtype=object), errors="coerce")
        found = values.to_numpy(dtype=np.float64, copy=True)
        found[missing] = np.nan
        return found, ~missing & ~np.isfinite(found)

    def texts(self, name: str, words: Sequence[str]) -> np.ndarray:
        """Column `name` as (n,) object: str, or None where missing."""
        cells = self.cells[name].copy()
        cells[self.missing(name, words)] = None
        return cells

    def complain(self, name: str, bad: np.ndarray, words: Sequence[str], advice: str) -> None:
        """Raise CommandError for the first of the rows `bad`, (n,) bool, if there is one."""
        if not bad.any():
            return
        row = int(np.argmax(bad))
        cell = self.cells[name][row]
        what = "not finite" if _is_infinite(cell) else "not a number"
        raise CommandError(
            f"{self.path}, line {self.lines[row]}, column {name!r}: {cell!r} is {what}; if it "
            f"marks a missing value, say --missing {shlex.quote(','.join([*words, cell]))}{advice}"
        )


def shortened(names: Sequence[str], most: int = 20) -> str:
    """Names in a row, the surplus counted."""
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def read_table(path: str, header: str = "auto", delimiter: str = "auto") -> Table:
    """Read a CSV file of UTF-8 text.

    Parameters
    ----------
    path : str
    header : {"auto", "yes", "no"}
        Without a header the columns are called 1, 2, 3, ...
    delimiter : str
        A character, "tab", or "auto".

    Raises
    ------
    CommandError
        If the file is not text, is empty or ragged, or names a column twice.
    OSError
        If it cannot be read.
    """
    text = _read_text(path)
    delimiter = _delimiter(text, delimiter)
    lines = _row_lines(path, text, delimiter)
    columns = _columns(path, text, delimiter, lines)
    has_header = _looks_like_header(columns) if header == "auto" else header == "yes"
    names = [str(position) for position in range(1, len(columns) + 1)]
    if has_header:
        names = [column[0] or name for column, name in zip(columns, names, strict=True)]
        columns, lines = [column[1:] for column in columns], lines[1:]
    twice = (
        [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
    )
    if twice:
        raise CommandError(
            f"{path} names the column {twice[0]!r} more than once; rename one, or say --header no "
            "if the first line is data"
        )
    if not len(lines):
        raise CommandError(f"{path} has a header but no rows")
    cells = dict(zip(names, columns, strict=True))
    return Table(path, tuple(names), cells, lines, has_header)


def _read_text(path: str) -> str:
    raw = Path(path).read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CommandError(
            f"{path}, line {line}: byte {raw[error.start]:#04x} is not UTF-8 text; convert the "
            "file, for example with: iconv -f latin1 -t utf-8"
        ) from error
    if "\0" in text:
        raise CommandError(f"{path} holds NUL bytes: it is not a text file")
    if not text.strip():
        raise CommandError(f"{path} is empty")
    return text


def _rows(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _is_blank(row: Sequence[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())


def _delimiter(text: str, wanted: str) -> str:
    """The one that splits the first rows into equally many fields, as many as possible."""
    if wanted != "auto":
        character = {"tab": "\t", "\\t": "\t"}.get(wanted, wanted)
        if len(character) != 1 or character in '"\r\n ':
            raise CommandError(f"--delimiter must be one character or 'tab', got {wanted!r}")
        return character
    widths = {}
    for candidate in DELIMITERS:
        found = []
        try:
            for row in _rows(text, candidate):
                if not _is_blank(row):
                    found.append(len(row))
                if len(found) == SAMPLE:
                    break
        except csv.Error:
            continue
        steady = bool(found) and min(found) == max(found) > 1
        widths[candidate] = (steady, found[0] if found else 0)
    return max(widths, key=lambda candidate: widths[candidate], default=",")


def _row_lines(path: str, text: str, delimiter: str) -> np.ndarray:
    """The line in which each row begins; refuses rows of different lengths."""
    lines: list[int] = []
    width, before = 0, 0
    reader = _rows(text, delimiter)
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            if _is_blank(row):
                continue
            width = width or len(row)
            if len(row) != width:
                raise CommandError(
                    f"{path}, line {line}: {len(row)} fields where line {lines[0]} has {width}; "
                    "mend the line (a field that holds the delimiter must be in double quotes)"
                )
            lines.append(line)
    except csv.Error as error:
        raise CommandError(f"{path}, line {before + 1}: {error}") from error
    if width == 1:
        raise CommandError(
            f"{path} has one column only; inputs and target are needed, say --delimiter if the "
            "fields are separated by something else than , ; tab or |"
        )
    return np.array(lines)


def _columns(path: str, text: str, delimiter: str, lines: np.ndarray) -> list[np.ndarray]:
    pandas = require("pandas", "reading CSV files")
    try:
        frame = pandas.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter,
            header=None,
            dtype=object,
            na_filter=False,
            skipinitialspace=True,
        )
    except pandas.errors.ParserError as error:
        raise CommandError(
            f"{path}, line {lines[-1]}: the row does not end; is a double quote open? ({error})"
        ) from error
    if len(frame) != len(lines):
        raise CommandError(f"{path} cannot be read: check its quotes and line ends")
    columns = []
    for position in frame.columns:
        column = np.empty(len(lines), dtype=object)
        column[:] = [cell.strip() for cell in frame[position]]
        columns.append(column)
    return columns


def _looks_like_header(columns: Sequence[np.ndarray]) -> bool:
    """Whether the first row names the columns: it holds no number, and either a column is numeric
    below it or no name comes back in its column.
    """
    first = [column[0] for column in columns]
    if any(_is_number(cell) for cell in first) or not any(first):
        return False
    below = [column[1 : SAMPLE + 1] for column in columns]
    for name, cells in zip(first, below, strict=True):
        known = [cell for cell in cells if cell and cell not in DEFAULT_MISSING]
        if name not in ("", *DEFAULT_MISSING) and known and all(_is_number(cell) for cell in known):
            return True
    return all(name not in column[1:] for name, column in zip(first, columns, strict=True) if name)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_infinite(cell: str) -> bool:
    return _is_number(cell) and bool(np.isinf(float(cell)))
