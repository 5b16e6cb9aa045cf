"""Delimited text as columns of stripped texts, in one pass over its rows; every error names the
line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.data_table import DEFAULT_MISSING, Table, is_number

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 100  # rows from which the delimiter and the header are inferred
BLOCK = 256  # rows between two transfers to the columns
FEW = 1024  # up to so many different texts in a column, equal ones share memory
LAST, END = '"\0"', ["\0"]  # a line after the text; its row, unless a double quote is open


def read_text(path: str, raw: bytes, header: str, delimiter: str) -> Table:
    """The table in a file's bytes; the options are those of `read_table`.

    Raises
    ------
    CommandError
        If the file is not text, is empty or ragged, or has two columns of one name.
    """
    _check_text(path, raw)
    columns, lines = _columns(path, raw, _delimiter(raw, delimiter))
    has_header = _looks_like_header(columns) if header == "auto" else header == "yes"
    names = [str(position) for position in range(1, len(columns) + 1)]
    if has_header:
        names = [column[0] or name for column, name in zip(columns, names, strict=True)]
        columns, lines = [column[1:] for column in columns], lines[1:]
    return Table(path, tuple(names), dict(zip(names, columns, strict=True)), lines, has_header)


def _check_text(path: str, raw: bytes) -> None:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CommandError(
            f"{path}, line {line}: byte {raw[error.start]:#04x} is not UTF-8; convert the "
            "file, for example with: iconv -f latin1 -t utf-8"
        ) from error
    if "\0" in text:
        raise CommandError(f"{path} contains NUL bytes: it is not a text file")
    if not text or text.isspace():
        raise CommandError(f"{path} is empty")


def _rows(raw: bytes, delimiter: str) -> Any:
    """An iterator over the rows, `END` the last."""
    text = io.TextIOWrapper(io.BytesIO(raw), "utf-8-sig", newline="")
    return csv.reader(chain(text, [LAST]), delimiter=delimiter, skipinitialspace=True)


def _is_blank(row: Sequence[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())


def _delimiter(raw: bytes, given: str) -> str:
    """The delimiter: `given`, or of those that split each of the first rows into equally many
    fields the one that gives the most.
    """
    if given != "auto":
        character = {"tab": "\t", "\\t": "\t"}.get(given, given)
        if len(character) != 1 or character in '"\r\n ':
            raise CommandError(f"--delimiter must be one character or 'tab', got {given!r}")
        return character
    widths = {}
    for candidate in DELIMITERS:
        found = []
        try:
            for row in _rows(raw, candidate):
                if not _is_blank(row) and row != END:
                    found.append(len(row))
                if len(found) == SAMPLE:
                    break
        except csv.Error:
            continue
        steady = bool(found) and min(found) == max(found) > 1
        widths[candidate] = (steady, found[0] if found else 0)
    return max(widths, key=lambda candidate: widths[candidate], default=",")


def _numbered(path: str, raw: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line where it begins.

    Raises
    ------
    CommandError
        If rows have different numbers of fields, there is only one column or no row, or a double
        quote is not closed.
    """
    width, first, before = 0, 0, 0
    reader = _rows(raw, delimiter)
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            if row == END or _is_blank(row):
                continue
            if "\0" in row[-1]:
                raise CommandError(
                    f"{path}, line {line}: the row does not end; is a double quote not closed?"
                )
            if not width:
                width, first = len(row), line
            if len(row) != width:
                raise CommandError(
                    f"{path}, line {line}: {len(row)} fields where line {first} has {width}; "
                    "correct that line (put a field that contains the delimiter in double quotes)"
                )
            yield line, row
    except csv.Error as error:
        raise CommandError(f"{path}, line {before + 1}: {error}") from error
    if width == 1:
        raise CommandError(
            f"{path} has only one column, but inputs and a target are needed; use --delimiter if "
            "something other than , ; tab or | separates the fields"
        )
    if not width:
        raise CommandError(f"{path} is empty")


def _columns(path: str, raw: bytes, delimiter: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Each column, (n,) object, and the line in which each row begins, (n,)."""
    cells: list[list[str]] = []
    same: list[dict[str, str]] = []
    lines: list[int] = []
    block: list[list[str]] = []

    def settle() -> None:
        for column, known, found in zip(cells, same, zip(*block, strict=True), strict=True):
            stripped = map(str.strip, found)
            if len(known) <= FEW:
                column.extend([known.setdefault(text, text) for text in stripped])
            else:
                column.extend(stripped)
        block.clear()

    for line, row in _numbered(path, raw, delimiter):
        if not lines:
            cells, same = [[] for _ in row], [{} for _ in row]
        lines.append(line)
        block.append(row)
        if len(block) == BLOCK:
            settle()
    if block:
        settle()
    return [_as_array(column) for column in cells], np.array(lines)


def _as_array(column: list[str]) -> np.ndarray:
    out = np.empty(len(column), dtype=object)
    out[:] = column
    return out


def _looks_like_header(columns: Sequence[np.ndarray]) -> bool:
    """Whether the first row names the columns: no cell of it is a number, and either a column is
    numeric below it, or none of its cells occurs again in its column.
    """
    first = [column[0] for column in columns]
    if any(is_number(cell) for cell in first) or not any(first):
        return False
    below = [column[1 : SAMPLE + 1] for column in columns]
    for name, cells in zip(first, below, strict=True):
        known = [cell for cell in cells if cell and cell not in DEFAULT_MISSING]
        if name not in ("", *DEFAULT_MISSING) and known and all(is_number(cell) for cell in known):
            return True
    return all(name not in column[1:] for name, column in zip(first, columns, strict=True) if name)
