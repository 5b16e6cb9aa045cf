"""Whether the first row of a table names its columns, and the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ffnn_fast.cli.table.coded_texts import MISSING
from ffnn_fast.cli.table.number_styles import looks_numeric

UNNAMED = re.compile(r"(Unnamed: 0)?(\.\d+)?")
SAMPLE = 100  # rows below the first one


@dataclass(frozen=True)
class Heading:
    """The names of the columns.

    Attributes
    ----------
    names : tuple of str
    in_table : bool
        Whether the first row holds them.
    remarks : tuple of str
    row_names : tuple of str
        The columns that have no name, as pandas and R write the names of rows.
    """

    names: tuple[str, ...]
    in_table: bool
    remarks: tuple[str, ...] = ()
    row_names: tuple[str, ...] = ()


def find_heading(
    rows: Sequence[Sequence[str]], known: str, named: Sequence[str], where: str
) -> Heading:
    """The names in the first row, or 1, 2, 3, ...

    Parameters
    ----------
    rows : sequence of rows
        The first rows, each of k stripped fields.
    known : {"auto", "yes", "no"}
        Whether the first row has the names.
    named : sequence of str
        The columns that options name.
    where : str
        The first row's place, for remarks.
    """
    first, k = [field.strip() for field in rows[0]], len(rows[0])
    positions = [str(place) for place in range(1, k + 1)]
    if known != "auto":
        return heading_of(rows[0]) if known == "yes" else Heading(tuple(positions), False)
    if _proved(first, named):
        return heading_of(rows[0])
    why, sure = _guess(first, rows[1:])
    if not why:
        remark = f"{where} was taken for the names of the columns; use --header no if it is data"
        heading = heading_of(rows[0])
        more = () if sure else (remark,)
        return Heading(heading.names, True, (*more, *heading.remarks), heading.row_names)
    called = f"the columns are called 1 to {k}" if k > 1 else "the column is called 1"
    remark = f"{where} was taken for data, as {why}; {called}; use --header yes if it has names"
    return Heading(tuple(positions), False, (remark,))


def heading_of(row: Sequence[str]) -> Heading:
    """The names in a row: positions for blank ones, and a number after a name that occurs again."""
    names: list[str] = []
    again: list[str] = []
    unnamed = []
    for place, field in enumerate(row, start=1):
        name = field if field.strip() else str(place)
        if name in names:
            again.append(name.strip())
            name = _other(name, [*names, *row])
        if place == 1 and UNNAMED.fullmatch(field.strip()):
            unnamed.append(name)
        names.append(name)
    remark = f"several columns are called {again[0]!r}; the later ones are " if again else ""
    others = ", ".join(repr(n) for n, f in zip(names, row, strict=True) if f.strip() and n != f)
    return Heading(tuple(names), True, (remark + others,) if again else (), tuple(unnamed))


def _other(name: str, taken: Sequence[str]) -> str:
    """The name with the first number after a point that makes it another one, as in pandas."""
    return next(
        other for number in range(1, len(taken) + 2) if (other := f"{name}.{number}") not in taken
    )


def _proved(first: Sequence[str], named: Sequence[str]) -> bool:
    """Whether an option names a word of the first row, which is not its position."""
    k = len(first)
    if _counts(first) and any(name.strip() in first for name in named):
        return True
    positions = {str(place) for place in (*range(1, k + 1), *range(-k, 0))}
    return any(name.strip() in first and name.strip() not in positions for name in named)


def _counts(first: Sequence[str]) -> bool:
    """Whether a row is 0, 1, 2, ... or 1, 2, 3, ..., but for a blank first field."""
    cells = list(first[1:] if not first[0] else first)
    counted = [[str(place) for place in range(low, low + len(cells))] for low in (0, 1)]
    return len(cells) > 1 and cells in counted


def _guess(first: Sequence[str], below: Sequence[Sequence[str]]) -> tuple[str, bool]:
    """Why the first row is data, or an empty string; and whether there is no doubt about it.

    It has the names if none of its fields is a number, and either a column is numeric below it, or
    none of its fields occurs again in its column. A row that counts its fields names them.
    """
    if _counts(first) and len(first) > 2:
        return "", False
    number = next((cell for cell in first if looks_numeric(cell) and cell not in MISSING), None)
    if number is not None:
        return f"its field {number!r} is a number", True
    if not any(first):
        return "its fields are empty", True
    for place, name in enumerate(first):
        cells = (row[place].strip() for row in below[:SAMPLE])
        known = [cell for cell in cells if cell and cell not in MISSING]
        if name not in ("", *MISSING) and known and all(map(looks_numeric, known)):
            return "", True
    for place, name in enumerate(first):
        if name and any(row[place].strip() == name for row in below):
            return f"{name!r} occurs again below it", False
    return "", False
