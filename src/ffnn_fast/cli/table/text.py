"""Delimited text as columns, block by block; every error names the line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from ffnn_fast.cli.output import CommandError, counted
from ffnn_fast.cli.table.byte_text import add_with_numpy
from ffnn_fast.cli.table.coded_texts import ColumnBuilder, few_of
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Cells, Table
from ffnn_fast.cli.table.encodings import Survey, survey
from ffnn_fast.cli.table.headings import Heading, find_heading, heading_of
from ffnn_fast.cli.table.layout import END, Layout, find_layout, is_blank
from ffnn_fast.cli.table.sources import HEAD, Source, shown_progress

BLOCK = 1024  # rows between two transfers to the columns
LISTED = 20  # lines of other lengths that a message names
BREAK = re.compile(r"\r\n|\n|\r")


def read_text(source: Source, conventions: Conventions) -> Table:
    """The table in a text; the conventions are arguments of `read_table`.

    Raises
    ------
    CommandError
        If the file is not text, is empty or ragged, or has too few columns.
    """
    found = survey(source, conventions.encoding)
    with _lines(source, found) as text:
        head = list(islice(text, 10_000)) if source.size <= HEAD else _whole_lines(text)
    layout = find_layout(source.name, head, conventions.delimiter)
    table = _read(source, found, layout, conventions, head)
    usual = "," if layout.delimiter == ";" else ""
    remarks = (*filter(None, [found.remark]), *layout.remarks, *table.remarks)
    return replace(table, marks=conventions.marks, usual_decimal=usual, remarks=remarks)


def _lines(source: Source, found: Survey) -> io.TextIOWrapper:
    return io.TextIOWrapper(source.open(), found.encoding, newline="")


def _whole_lines(text: io.TextIOWrapper) -> list[str]:
    """The lines of the first characters, the last one left out: it may be incomplete."""
    return io.StringIO(text.read(HEAD), newline="").readlines()[:-1] or [text.readline()]


def _read(
    source: Source, found: Survey, layout: Layout, conventions: Conventions, head: Sequence[str]
) -> Table:
    """The table, without what `read_text` adds; `head` are the first lines."""
    raw = source.open()
    with io.TextIOWrapper(raw, found.encoding, newline="") as text:
        for _ in range(layout.skip):
            next(text)
        blocks = numbered_blocks(source.name, text, layout)
        start = _start(source.name, next(blocks, None), layout, conventions, head)
        _check_width(source.name, start.width, conventions.fewest)
        made = None
        if start.in_order:
            made = add_with_numpy(
                source, found, layout, start.before, start.width, conventions, BLOCK
            )
        if made is None:
            rows = _Rows(source.name, start, conventions, found.n_breaks)
            with shown_progress(source) as progress:
                for block in blocks:
                    rows.add(block)
                    progress.show(raw.tell())
            made = rows.finish()
    columns, lines = made
    names = start.heading.names
    cells = dict(zip(names, columns, strict=False))
    remarks = tuple(f"{source.name}: {remark}" for remark in start.heading.remarks)
    if start.empty_end:
        remarks = (*remarks, f"{source.name}: left out the empty field at the end of each line")
    return Table(
        source.name, names, cells, lines, start.has_header,
        row_names=start.heading.row_names, remarks=remarks,
    )  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Rows that follow each other, and the line in which each begins."""

    rows: list[list[str]]
    lines: Sequence[int]


@dataclass(frozen=True)
class _Start:
    """What the first block of rows shows.

    Attributes
    ----------
    heading : Heading
    has_header : bool
    width : int
        The number of fields in each row of data.
    first : int
        The line of the first row.
    before : int
        Lines before the first row of data.
    in_order : bool
        Whether the rows so far are one line each, in order.
    empty_end : bool
        Whether rows of data end with an empty field that the header does not have.
    rest : Block
        The rows of data of the first block.
    """

    heading: Heading
    has_header: bool
    width: int
    first: int
    before: int
    in_order: bool
    empty_end: bool
    rest: Block


def _start(
    name: str, block: Block | None, layout: Layout, conventions: Conventions, head: Sequence[str]
) -> _Start:
    """Decide about the header from the first rows, and the first lines."""
    if block is not None:
        block = _without_blank_rows(block)
    if block is None or not block.rows:
        raise CommandError(f"{name} is empty")
    rows, lines = block.rows, block.lines
    width, widths = len(rows[0]), {len(row) for row in rows[1:]}
    header, known = 1, conventions.known_header
    empty_end = False
    if layout.names is not None and known != "no":
        heading, header = heading_of(layout.names), 0
    elif widths == {width + 1} and known != "no" and len(rows) > 1:
        width += 1
        empty_end = all(not row[-1].strip() for row in rows[1:])
        heading = heading_of(rows[0] if empty_end else ["", *rows[0]])
        if not empty_end:
            remark = "line 1 has no name for the first column, which was taken for row names"
            heading = replace(heading, remarks=(remark, *heading.remarks))
    else:
        even = [row for row in rows if len(row) == width]
        where = f"line {lines[0]}"
        even[0] = _as_written(even[0], head[lines[0] - 1], layout)
        heading = find_heading(even, known, conventions.named, where)
        header = int(heading.in_table)
    in_order = list(lines) == list(range(lines[0], lines[0] + len(lines)))
    return _Start(
        heading, bool(header) or layout.names is not None, width, lines[0],
        lines[0] - 1 + header, in_order, empty_end, Block(rows[header:], lines[header:]),
    )  # fmt: skip


def _as_written(row: list[str], line: str, layout: Layout) -> list[str]:
    """The fields of a row with the blanks before them, if its line shows them."""
    if layout.delimiter == " ":
        return row
    fields = next(csv.reader([line.rstrip("\r\n")], delimiter=layout.delimiter, **layout.quoting))
    same = [field.strip() for field in fields] == [field.strip() for field in row]
    return fields if same else row


def _check_width(name: str, width: int, fewest: int) -> None:
    if width < fewest:
        raise CommandError(
            f"{name} has only one column, but inputs and a target are needed; use --delimiter if "
            "something other than , ; tab | or blanks separates the fields"
        )


def numbered_blocks(name: str, lines: Iterable[str], layout: Layout) -> Iterator[Block]:
    """Blocks of rows, blank ones included.

    Raises
    ------
    CommandError
        If a double quote is not closed, or a field is too long.
    """
    reader, line, more = layout.rows(lines), layout.skip, True
    while more:
        rows: list[list[str]] = []
        problem = None
        try:
            rows.extend(islice(reader, BLOCK))
        except csv.Error as error:
            problem = error
        more = len(rows) == BLOCK
        after = layout.skip + reader.line_num
        plain = problem is None and after - line == len(rows)
        begins = range(line + 1, after + 1) if plain else _begins(rows, line)
        if problem is not None:
            line = begins[-1] + _height(rows[-1]) if rows else line + 1
            raise CommandError(f"{name}, line {line}: {problem}") from problem
        if rows and rows[-1] and "\0" in rows[-1][-1]:
            if rows[-1] != END:
                raise CommandError(
                    f"{name}, line {begins[-1]}: the row does not end; is a double quote not "
                    "closed?"
                )
            rows.pop()
        line = after
        if rows:
            yield Block(rows, begins[: len(rows)])


def _begins(rows: Sequence[Sequence[str]], line: int) -> list[int]:
    """The line in which each row begins; `line` is the number of lines before."""
    found, begin = [], line + 1
    for row in rows:
        found.append(begin)
        begin += _height(row)
    return found


def _height(row: Sequence[str]) -> int:
    """The number of lines of a row."""
    return 1 + sum(len(BREAK.findall(text)) for text in row)


def _without_blank_rows(block: Block) -> Block:
    kept = [place for place, row in enumerate(block.rows) if not is_blank(row)]
    if len(kept) == len(block.rows):
        return block
    if any(row for row in block.rows) and max(map(len, block.rows)) == 1:
        kept = [place for place, row in enumerate(block.rows) if row]  # "" is a missing value
        kept = [] if all(is_blank(row) for row in block.rows) else kept
    return Block([block.rows[k] for k in kept], [block.lines[k] for k in kept])


@dataclass
class _Rows:
    """Rows of equal length as columns; those of other lengths are counted."""

    name: str
    start: _Start
    conventions: Conventions
    size: int
    ragged: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        marks, width = self.conventions.marks, self.start.width
        self._builders = [ColumnBuilder(marks, self.size, few_of(width)) for _ in range(width)]
        self._lines: list[np.ndarray] = []
        self.add(self.start.rest)

    def add(self, block: Block) -> None:
        """Append the rows of a block."""
        width = self.start.width
        if set(map(len, block.rows)) != {width}:
            block = self._even(block)
        if not block.rows:
            return
        self._lines.append(np.array(block.lines))
        for builder, cells in zip(self._builders, zip(*block.rows, strict=True), strict=True):
            builder.add(cells)

    def finish(self) -> tuple[list[Cells], np.ndarray]:
        """The columns, and the line of each row; raises CommandError for rows of other lengths."""
        if self.ragged:
            self._check_first()
            line, n_fields = self.ragged[0]
            others = [f"{at} ({count})" for at, count in self.ragged[1:LISTED]]
            more = len(self.ragged) - 1 - len(others)
            listed = f"; lines of other lengths: {', '.join(others)}" if others else ""
            fields = counted(n_fields, "field")
            raise CommandError(
                f"{self.name}, line {line}: {fields} where line {self.start.first} has "
                f"{self.start.width}{listed}{f' and {more} more' if more else ''}; correct "
                f"{'these lines' if others else 'that line'} (put a field that contains the "
                "delimiter in double quotes)"
            )
        columns: list[Cells] = [builder.finish() for builder in self._builders]
        lines = np.concatenate(self._lines) if self._lines else np.zeros(0, np.int64)
        return columns, lines

    def _check_first(self) -> None:
        """Raise CommandError if the first row differs from all others, which have one length."""
        lines, widths = np.concatenate([*self._lines, []]), {width for _, width in self.ragged}
        n, first = len(self.ragged), self.start.first
        if n > 1 and len(widths) == 1 and set(lines.tolist()) <= {first}:
            raise CommandError(
                f"{self.name}: line {first} has {counted(self.start.width, 'field')}, but all {n} "
                f"rows below it have {widths.pop()}; correct or remove that line"
            )

    def _even(self, block: Block) -> Block:
        """The rows of the usual length; the others are noted, but for blank ones."""
        width, kept = self.start.width, []
        for place, row in enumerate(block.rows):
            if len(row) == width:
                kept.append(place)
            elif not is_blank(row):
                self.ragged.append((block.lines[place], len(row)))
        return Block([block.rows[k] for k in kept], [block.lines[k] for k in kept])
