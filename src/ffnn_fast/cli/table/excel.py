"""Excel files (.xlsx), read by openpyxl."""

from __future__ import annotations

import contextlib
import datetime
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from ffnn_fast._names import hint
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.coded_texts import ColumnBuilder
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Table, abbreviated
from ffnn_fast.cli.table.headings import find_heading
from ffnn_fast.cli.table.sources import Source

ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")
TITLES = 10  # the most rows of one cell above a table


def read_excel(source: Source, conventions: Conventions) -> Table:
    """The table in a sheet of an Excel file, the first that has cells where none is named; error
    values are missing.

    Raises
    ------
    CommandError
        If openpyxl is not installed, or the file is damaged, has no cells, or lacks the sheet that
        is named.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise CommandError(
            'reading Excel files needs openpyxl: pip install "ffnn_fast[excel]"'
        ) from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(source.read()), read_only=True, data_only=True)
        sheets = {sheet.title: _cells(sheet) for sheet in book.worksheets}
    except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile, SyntaxError) as error:
        raise CommandError(
            f"{source.name} is damaged, or an Excel file that openpyxl cannot read: {error}"
        ) from error
    if conventions.sheet:
        title = _named(source.name, list(sheets), conventions.sheet)
        if not sheets[title]:
            raise CommandError(f"the sheet {title} of {source.name} has no cells")
        return _table(source.name, sheets[title], conventions)
    used = [title for title, rows in sheets.items() if rows]
    if not used:
        raise CommandError(f"{source.name} has no cells")
    others = ""
    if len(used) > 1:
        others = (
            f"{source.name} has the sheets {abbreviated(used)}; the first one was read; --sheet "
            "takes another, by its name or number"
        )
    return _table(source.name, sheets[used[0]], conventions, others)


def _named(name: str, titles: list[str], given: str) -> str:
    """The title of the sheet that is called `given`, or has this number."""
    if given in titles:
        return given
    alike = [title for title in titles if title.strip().casefold() == given.strip().casefold()]
    if alike:
        return alike[0]
    with contextlib.suppress(ValueError, IndexError):
        place = int(given)
        return titles[place - 1 if place > 0 else place if place < 0 else len(titles)]
    raise CommandError(
        f"{name} has no sheet {given!r}{hint(given, titles)}; its sheets: {abbreviated(titles)}"
    )


def _cells(sheet: Any) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, with their numbers."""
    if not hasattr(sheet, "iter_rows"):
        return []  # a chart
    sheet.reset_dimensions()  # what a file states may be wrong
    rows = enumerate(sheet.iter_rows(values_only=True), start=1)
    found = [(number, [_text(value) for value in row]) for number, row in rows]
    return [(number, row) for number, row in found if any(row)]


def _text(value: Any) -> str:
    """A cell as text, in the spelling of other formats."""
    if value is None or value in ERRORS:
        return ""
    if isinstance(value, datetime.datetime):
        plain = value.time() == datetime.time()
        return value.date().isoformat() if plain else value.isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value).strip()


def _table(
    name: str, numbered: Sequence[tuple[int, list[str]]], conventions: Conventions,
    others: str = "",
) -> Table:  # fmt: skip
    """The table in rows of texts, some of which may be shorter; `others` tells of other sheets."""
    remarks, elsewhere = [others] if others else [], f"; {others}" if others else ""
    titles = 0
    while titles < min(TITLES, len(numbered) - 2) and _filled(numbered[titles][1]) == 1:
        titles += 1
    if titles and _filled(numbered[titles][1]) > 1 < _filled(numbered[titles + 1][1]):
        remarks.append(f"{name}: skipped the rows above row {numbered[titles][0]}")
        numbered = numbered[titles:]
    width = max(len(row) for _, row in numbered)
    padded = [[*row, *[""] * (width - len(row))] for _, row in numbered]
    used = [k for k in range(width) if any(row[k] for row in padded)]
    rows = [[row[k] for k in used] for row in padded]
    if len(used) < conventions.fewest:
        what = "has only one column, but inputs and a target are needed"
        raise CommandError(f"{name} {what}{elsewhere}")
    where = f"row {numbered[0][0]}"
    heading = find_heading(rows, conventions.known_header, conventions.named, where)
    first = int(heading.in_table)
    cells = {}
    for k, column in enumerate(heading.names):
        builder = ColumnBuilder(conventions.marks)
        builder.add([row[k] for row in rows[first:]])
        cells[column] = builder.finish()
    lines = np.array([number for number, _ in numbered[first:]], np.int64)
    remarks += [f"{name}: {remark}" for remark in heading.remarks]
    return Table(
        name, heading.names, cells, lines, heading.in_table, unit="row",
        row_names=heading.row_names, marks=conventions.marks, remarks=tuple(remarks),
        elsewhere=elsewhere,
    )  # fmt: skip


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))
