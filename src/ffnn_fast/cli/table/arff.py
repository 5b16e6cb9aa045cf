"""ARFF files of Weka and OpenML, dense ones."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
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
ESCAPE = re.compile(r"\\(.)")
BLOCK = 1024  # rows between two transfers to the columns


def read_arff(source: Source, conventions: Conventions) -> Table:
    """The table in an ARFF file; an unquoted ? is a missing value.

    Raises
    ------
    CommandError
        If the file is damaged or ragged, or holds sparse or relational data.
    """
    found = survey(source, conventions.encoding)
    names: list[str] = []
    with io.TextIOWrapper(source.open(), found.encoding) as text:
        numbered = _numbered(text)
        for line, content in numbered:
            keyword = content.split(None, 1)[0].lower()
            if keyword == "@data":
                break
            if keyword == "@attribute":
                names.append(_name(source.name, line, content))
            elif keyword != "@relation":
                raise CommandError(f"{source.name}, line {line}: {keyword!r} is not ARFF")
        builders = [ColumnBuilder(conventions.marks) for _ in names]
        lines: list[int] = []
        rows = _rows(source.name, numbered, len(names))
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
    path: str, numbered: Iterator[tuple[int, str]], width: int
) -> Iterator[tuple[int, list[str]]]:
    """The line and the cells of each row."""
    for line, content in numbered:
        fields = _fields(path, line, content)
        if len(fields) != width:
            raise CommandError(
                f"{path}, line {line}: {len(fields)} fields, but there are {width} attributes"
            )
        yield line, fields


def _name(path: str, line: int, content: str) -> str:
    found = ATTRIBUTE.match(content)
    if not found:
        raise CommandError(f"{path}, line {line}: an attribute needs a name and a type")
    if found[4].lower().startswith("relational"):
        raise CommandError(f"{path}, line {line}: relational attributes are not read")
    return found[3] if found[3] is not None else _plain(found[1] or found[2] or "")


def _fields(path: str, line: int, content: str) -> list[str]:
    """The cells of a row, "" where missing."""
    if content.startswith("{"):
        raise CommandError(
            f"{path}, line {line}: the ARFF file is sparse, which is not read; convert it, for "
            "example with Weka's filter SparseToNonSparse"
        )
    if "'" not in content and '"' not in content:
        separator = "," if "," in content else None
        return ["" if cell.strip() == "?" else cell.strip() for cell in content.split(separator)]
    fields, place = [], 0
    while place <= len(content):
        found = FIELD.match(content, place)
        if not found:
            raise CommandError(f"{path}, line {line}: a quote is not closed")
        quoted = found[1] if found[1] is not None else found[2]
        bare = "" if found[3] == "?" else found[3]
        fields.append(bare if quoted is None else _plain(quoted))
        place = found.end() if found.end() > place else place + 1
        if not found[0].endswith(","):
            break
    return fields


def _plain(quoted: str) -> str:
    return ESCAPE.sub(r"\1", quoted).strip()
