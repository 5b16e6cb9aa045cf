"""The layout of a delimited text: lines before the table, the delimiter, and quoting."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.number_styles import is_number

DELIMITERS = (",", ";", "\t", "|")
WORDS = {"tab": "\t", "\\t": "\t", "space": " ", "blank": " "}
ESCAPES = {"escapechar": "\\"}
ESCAPED = re.compile(r'\\"(?=[^",;\t|\r\n])')  # what no field of CSV holds
QUOTING: list[dict[str, Any]] = [ESCAPES, {"quotechar": "'"}]  # besides that of CSV
EVEN, NEARLY = 2, 1  # how evenly a delimiter splits the rows
SAMPLE = 100  # rows from which the delimiter and the header are inferred
TITLES = 10  # the most lines of one field before a table of several columns
END = ["\0"]  # the row of a line after the text, unless a quote is open there
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
QUOTED = re.compile(r'"((?:[^"]|"")+)"')  # a line that is one field
SEP = re.compile(r"sep=(.)\s*", re.I)


@dataclass(frozen=True)
class Layout:
    """How the rows of a text are found.

    Attributes
    ----------
    delimiter : str
        A character; a blank stands for runs of blanks and tabs.
    skip : int
        Lines before the table.
    quoting : dict
        Options of `csv.reader`.
    names : list of str or None
        The names of the columns in a comment above the table.
    remarks : tuple of str
    """

    delimiter: str
    skip: int
    quoting: dict[str, Any]
    names: list[str] | None = None
    remarks: tuple[str, ...] = ()

    def rows(self, lines: Iterable[str]) -> Any:
        """An iterator over the rows of lines, `END` the last."""
        if self.delimiter == " ":
            lines = (f"{line.replace(chr(9), ' ').rstrip()}\n" for line in lines)
        quote = self.quoting.get("quotechar", '"')
        last = f"{quote}\0{quote}"
        return csv.reader(
            chain(lines, [last]), delimiter=self.delimiter, skipinitialspace=True, **self.quoting
        )


def is_blank(row: Sequence[str]) -> bool:
    """Whether a row has no field, or one blank one."""
    return not row or (len(row) == 1 and not row[0].strip())


def find_layout(name: str, lines: Sequence[str], given: str) -> Layout:
    """The layout of the text that begins with these lines; `given` is a delimiter or "auto"."""
    skip, remarks = _preamble(lines), []
    delimiter = _given(given)
    if skip < len(lines) and (declared := SEP.fullmatch(lines[skip])):
        delimiter, skip = delimiter or declared[1], skip + 1
    comments = [line for line in lines[:skip] if line.startswith("#")]
    if len(comments) == skip == len(lines):
        skip, comments = 0, []
    if not delimiter:
        _check_quoting(name, lines[skip:])
    layout = _best(lines[skip:], delimiter)
    rows = _sample(layout, lines[skip:])
    names = _commented_names(layout, comments, rows)
    titles = 0 if names else _titles(rows) or _padded_titles(rows)
    if not (names or titles) and (short := _short_rows(rows)):
        above = lines[skip : _line_of_row(layout, lines, skip, short)]
        titles = 0 if above[-1].strip() else short  # a blank line ends what is no part of the table
    if comments[: len(comments) - (names is not None)]:
        remarks.append(f"{name}: skipped the comment in its first lines ({_short(comments[0])})")
    if titles:
        first = next((text for row in rows[:titles] if (text := " ".join(row).strip())), "blank")
        remarks.append(f"{name}: skipped the lines above the table ({_short(first)})")
        skip = _line_of_row(layout, lines, skip, titles)
    if names:
        remarks.append(f"{name}: line {skip}, which begins with #, names the columns")
    return Layout(layout.delimiter, skip, layout.quoting, names, tuple(remarks))


def _check_quoting(name: str, lines: Sequence[str]) -> None:
    """CommandError if each line, or each but the first, is quoted as a whole, and a delimiter
    divides them evenly without these quotes.
    """
    filled = [line.strip() for line in lines[:SAMPLE] if line.strip()]
    within = [match and match[1].replace('""', '"') for match in map(QUOTED.fullmatch, filled)]
    below = [line for line in within[1:] if line]
    if not below or len(below) < len(within) - 1:
        return
    bare = [within[0] or filled[0], *below]
    if max(_score(Layout(one, 0, {}), bare)[0] for one in DELIMITERS) == EVEN:
        raise CommandError(
            f'{name}: its lines are quoted as a whole, so that each is one field; remove the " at '
            'both ends of each line, and write " for each "" within; if the table has one column, '
            "use --delimiter tab"
        )


def _given(given: str) -> str:
    """The delimiter that an option names; an empty string for "auto"."""
    if given == "auto":
        return ""
    character = WORDS.get(given, given)
    if len(character) != 1 or character in '"\r\n':
        raise CommandError(f"--delimiter must be one character or 'tab' or 'space', got {given!r}")
    return character


def _preamble(lines: Sequence[str]) -> int:
    """The number of comments and blank lines at the start; of blank lines none alone."""
    skip = 0
    for place, line in enumerate(lines):
        if line.startswith("#"):
            skip = place + 1
        elif line.strip():
            break
    return skip


def _best(lines: Sequence[str], delimiter: str) -> Layout:
    """Of the layouts with `delimiter`, or any, that which splits the rows most evenly.

    Blanks count only where no other delimiter splits the rows evenly, or where tabs do that leave
    several numbers in a field of each row; quoting other than that of CSV counts as blanks do.
    """
    usual = ESCAPES if any(map(ESCAPED.search, lines[:SAMPLE])) else {}
    plain = [Layout(one, 0, usual) for one in ([delimiter] if delimiter else DELIMITERS)]
    others = [] if delimiter else [Layout(" ", 0, usual)]
    scores = [_score(layout, lines) for layout in plain]
    sampled = "".join(lines[:SAMPLE])
    other_quoting = [one for one in QUOTING if all(mark in sampled for mark in one.values())]
    for evenness in (EVEN, NEARLY):
        best = max(range(len(plain)), key=lambda k: scores[k])
        if scores[best][0] >= evenness:
            if others and plain[best].delimiter == "\t" and _splits_numbers(others[0], lines):
                return others[0]
            return plain[best]
        quoted = [replace(layout, quoting=quoting) for quoting in other_quoting for layout in plain]
        for layout in (*others, *quoted):
            if _score(layout, lines)[0] >= evenness:
                return layout
    return plain[max(range(len(plain)), key=lambda k: scores[k])]


def _splits_numbers(blanks: Layout, lines: Sequence[str]) -> bool:
    """Whether blanks and tabs split all rows evenly, and blanks separate numbers in each."""
    rows = _sample(blanks, lines)
    sampled = [line for line in lines if line.strip()][: len(rows)]
    return _score(blanks, lines)[0] == EVEN and all(
        any(sum(map(is_number, field.split())) > 1 for field in line.split("\t"))
        for line in sampled
    )


def _score(layout: Layout, lines: Sequence[str]) -> tuple[int, float, int, int]:
    """Whether all rows have equally many fields, more than one; the share that does; how many
    fields are numbers; and the number of fields.

    They are `EVEN`, or `NEARLY` so: below lines of one field, or but for a header that lacks one.
    """
    rows = _sample(layout, lines)
    titles = _titles(rows)
    widths = [len(row) for row in rows[titles:]]
    if not widths:
        return 0, 0.0, 0, 0
    lacking = len(widths) > 2 and widths[0] + 1 == widths[1]  # R does not name the row names
    usual = max(set(widths), key=widths.count)
    share = widths[lacking:].count(usual) / len(widths[lacking:]) if usual > 1 else 0.0
    numbers = sum(is_number(f) or bool(COMMA_NUMBER.fullmatch(f)) for row in rows for f in row)
    even = (NEARLY if titles or lacking else EVEN) if share == 1 else 0
    return even, round(share, 1), numbers, usual


def _sample(layout: Layout, lines: Sequence[str]) -> list[list[str]]:
    """The first rows that are not blank; none if a double quote is open at the end."""
    found: list[list[str]] = []
    try:
        for row in layout.rows(lines):
            if len(found) == SAMPLE:
                break
            if not is_blank(row) and row != END:
                if "\0" in row[-1]:
                    break
                found.append([field.strip() for field in row])
    except csv.Error:
        return []
    return found


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """The number of rows of one field above rows that all have one other number of them."""
    count = next((k for k, row in enumerate(rows) if len(row) > 1), 0)
    below = {len(row) for row in rows[count:]}
    return count if count <= TITLES and len(below) == 1 and len(rows) >= count + 2 else 0


def _padded_titles(rows: Sequence[Sequence[str]]) -> int:
    """The number of rows with nothing but their first field above one of names: the titles of a
    sheet that was saved as CSV.
    """
    count = next((k for k, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
    if count > TITLES or len(rows) < count + 2:
        return 0
    above, names = rows[:count], rows[count]
    padded = all(len(row) == len(names) > 2 and not any(row[1:]) for row in above)
    has_number = any(map(is_number, [*names, *(row[0] for row in above)]))
    return count if padded and not has_number else 0


def _short_rows(rows: Sequence[Sequence[str]]) -> int:
    """The number of rows above rows of one length, which is greater by more than a name of rows."""
    width = len(rows[-1]) if rows else 0
    count = next((k for k, row in enumerate(rows) if len(row) >= width - 1), 0)
    even = all(len(row) == width for row in rows[count:])
    return count if even and count <= TITLES and len(rows) >= count + 2 else 0


def _line_of_row(layout: Layout, lines: Sequence[str], skip: int, place: int) -> int:
    """The number of lines before a row that is not blank."""
    reader, seen = layout.rows(lines[skip:]), 0
    before = 0
    for row in reader:
        if not is_blank(row):
            if seen == place:
                break
            seen += 1
        before = reader.line_num
    return skip + before


def _commented_names(
    layout: Layout, comments: Sequence[str], rows: Sequence[Sequence[str]]
) -> list[str] | None:
    """The names in the last comment, if it has a name for each column and line 1 has data."""
    if not comments or not rows:
        return None
    bare = _sample(layout, [comments[-1].lstrip("#")])
    whole = _sample(layout, [comments[-1]])
    names = bare[0] if bare and all(bare[0]) else whole[0]
    if len(names) != len(rows[0]) or len(names) < 2 or any(map(is_number, names)):
        return None
    if not any(map(is_number, rows[0])) and any(is_number(f) for row in rows[1:] for f in row):
        return None  # the row below the comment names the columns
    return names


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
