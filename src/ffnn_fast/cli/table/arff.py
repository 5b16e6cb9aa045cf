"""ARFF files of Weka and OpenML, dense and sparse ones."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.coded_texts import ColumnBuilder
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Table
from ffnn_fast.cli.table.encodings import survey
from ffnn_fast.cli.table.headings import heading_of
from ffnn_fast.cli.table.sources import Source

QUOTED = r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\""
ATTRIBUTE = re.compile(rf"@attribute\s+(?:{QUOTED}|(\S+))\s+(.+)", re.I)
FIELD = re.compile(rf"\s*(?:{QUOTED}|([^,'\"][^,]*?|))\s*(?:,|$)")
SPARSE = re.compile(rf"\s*(\d+)\s+(?:{QUOTED}|([^,'\"\s][^,'\"]*?))\s*(?:,|$)")
ESCAPE = re.compile(r"\\(.)")
BLOCK = 1024  # rows between two transfers to the columns


def read_arff(source: Source, conventions: Conventions) -> Table:
    """The table in an ARFF file; an unquoted ? is a missing value.

    Raises
    ------
    CommandError
        If the file is damaged or ragged, or holds relational data, or sparse texts.
    """
    found = survey(source, conventions.encoding)
    names: list[str] = []
    defaults: list[str | None] = []
    with io.TextIOWrapper(source.open(), found.encoding) as text:
        numbered = _numbered(text)
        for line, content in numbered:
            keyword = content.split(None, 1)[0].lower()
            if keyword == "@data":
                break
            if keyword == "@attribute":
                name, default = _attribute(source.name, line, content)
                names.append(name)
                defaults.append(default)
            elif keyword != "@relation":
                raise CommandError(f"{source.name}, line {line}: {keyword!r} is not ARFF")
        builders = [ColumnBuilder(conventions.marks) for _ in names]
        lines: list[int] = []
        rows = _rows(source.name, numbered, defaults)
        while block := list(islice(rows, BLOCK)):
            lines += [line for line, _ in block]
            columns = zip(*(fields for _, fields in block), strict=True)
            for builder, cells in zip(builders, columns, strict=True):
                builder.add(cells)
    heading = heading_of(names)
    remarks = (*filter(None, [found.remark]), *(f"{source.name}: {r}" for r in heading.remarks))
    finished = {name: b.finish() for name, b in zip(heading.names, builders, strict=True)}
    return Table(
        source.name, heading.names, finished, np.array(lines, np.int64), has_header=True,
        marks=conventions.marks, remarks=remarks,
    )  # fmt: skip


def _numbered(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Lines that are neither blank nor comments."""
    for line, content in enumerate(text, start=1):
        stripped = content.strip()
        if stripped and not stripped.startswith("%"):
            yield line, stripped


def _rows(
    path: str, numbered: Iterator[tuple[int, str]], defaults: Sequence[str | None]
) -> Iterator[tuple[int, list[str]]]:
    """The line and the cells of each row; `defaults` are the cells that sparse rows leave out."""
    width = len(defaults)
    for line, content in numbered:
        if content.startswith("{"):
            fields = _sparse_fields(path, line, content, defaults)
        else:
            fields = _fields(path, line, content)
        if len(fields) != width:
            raise CommandError(
                f"{path}, line {line}: {len(fields)} fields, but there are {width} attributes"
            )
        yield line, fields


def _attribute(path: str, line: int, content: str) -> tuple[str, str | None]:
    """The name of an attribute, and the cell that a sparse row leaves out: 0, or the first of the
    categories; None for texts and dates.
    """
    found = ATTRIBUTE.match(content)
    if not found:
        raise CommandError(f"{path}, line {line}: an attribute needs a name and a type")
    if found[4].lower().startswith("relational"):
        raise CommandError(f"{path}, line {line}: relational attributes are not read")
    name = found[3] if found[3] is not None else _plain(found[1] or found[2] or "")
    kind = found[4].strip()
    if kind.startswith("{"):
        first = FIELD.match(kind.strip("{}").strip())
        return name, _cell(first[1], first[2], first[3]) if first else None
    return name, "0" if kind.lower().startswith(("num", "real", "int")) else None


def _fields(path: str, line: int, content: str) -> list[str]:
    """The cells of a row, "" where missing."""
    if "'" not in content and '"' not in content:
        separator = "," if "," in content else None
        return ["" if cell.strip() == "?" else cell.strip() for cell in content.split(separator)]
    fields, place = [], 0
    while place <= len(content):
        found = FIELD.match(content, place)
        if not found:
            raise CommandError(f"{path}, line {line}: a quote is not closed")
        fields.append(_cell(found[1], found[2], found[3]))
        place = found.end() if found.end() > place else place + 1
        if not found[0].endswith(","):
            break
    return fields


def _sparse_fields(path: str, line: int, content: str, defaults: Sequence[str | None]) -> list[str]:
    """The cells of a row of pairs, as ``{0 1.5, 3 'a b'}``: the number of a column, from 0, and its
    cell.
    """
    cells, place, end = list(defaults), 1, len(content) - 1
    while place < end and content[place:end].strip():
        found = SPARSE.match(content, place, end)
        if not found or content[end] != "}" or int(found[1]) >= len(cells):
            raise CommandError(
                f"{path}, line {line}: {content[:40]!r} is no sparse row of {len(cells)} columns"
            )
        cells[int(found[1])] = _cell(found[2], found[3], found[4])
        place = found.end()
    if None in cells:
        raise CommandError(
            f"{path}, line {line}: column {cells.index(None)}, from 0, holds texts or dates, and a "
            "sparse row leaves it out; convert the file, for example with Weka's filter "
            "SparseToNonSparse"
        )
    return [cell or "" for cell in cells]


def _cell(single: str | None, double: str | None, bare: str) -> str:
    """The cell of a match with single, double or no quotes; an unquoted ? is empty."""
    quoted = single if single is not None else double
    return ("" if bare == "?" else bare) if quoted is None else _plain(quoted)


def _plain(quoted: str) -> str:
    return ESCAPE.sub(r"\1", quoted).strip()
