"""A table of texts and numbers, read as numbers or as categories; every error names the row."""

from __future__ import annotations

import difflib
import functools
import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ffnn_fast.cli.arguments.name_lists import join_names, split_names
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.coded_texts import MISSING, CodedTexts, spelled
from ffnn_fast.cli.table.number_styles import (
    NO_MARKS,
    PLAIN,
    NumberMarks,
    NumberStyle,
    infer_style,
    is_number,
    looks_numeric,
    shown_decimal,
)
from ffnn_fast.cli.table.spellings import one_spelling, respelled, truth

DEFAULT_MISSING = MISSING  # besides the empty field
SAMPLE = 1000  # numbers of a column in which a fraction shows that the point is the decimal mark
Cells = CodedTexts | np.ndarray


@dataclass(frozen=True)
class Table:
    """The columns of a file.

    Attributes
    ----------
    path : str
    names : tuple of str
        The columns in their order, as the file names them.
    cells : mapping of str to CodedTexts or array of shape (n,)
        Stripped texts, "" where missing; or float64, NaN where missing.
    lines : array of int, shape (n,)
        Where each row begins, counted in `unit`.
    has_header : bool
        Whether the file names its columns.
    unit : {"line", "row"}
    unusable : mapping of str to str
        Column → type, for columns of neither texts nor numbers; they are not in `cells`.
    row_names : tuple of str
        The columns that the file's format, or the lack of a name, shows to number or name the rows.
    marks : NumberMarks
        The marks of its numbers that the user has given.
    usual_decimal : {"", ".", ","}
        The decimal mark where neither the marks nor the cells show one.
    remarks : tuple of str
        What the reading took for granted; `notes` has them and more.
    elsewhere : str
        Where a column may be that the table lacks, for messages; may be empty.

    Raises
    ------
    CommandError
        If two columns have one name, or there are no rows.
    """

    path: str
    names: tuple[str, ...]
    cells: Mapping[str, Cells]
    lines: np.ndarray
    has_header: bool
    unit: str = "line"
    unusable: Mapping[str, str] = field(default_factory=dict)
    row_names: tuple[str, ...] = ()
    marks: NumberMarks = NO_MARKS
    usual_decimal: str = ""
    remarks: tuple[str, ...] = ()
    elsewhere: str = ""
    _styles: dict[str, NumberStyle] = field(default_factory=dict, repr=False, compare=False)
    _spelling_notes: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise CommandError(f"{self.path} has more than one column named {twice!r}; rename one")
        if not len(self):
            what = "a header but no rows" if self.unit == "line" else "no rows"
            if self.unit == "line" and any(map(is_number, self.names)):
                what += "; use --header no if its first line is data"
            raise CommandError(f"{self.path} has {what}")

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines to print about how the file, and the columns used so far, were read."""
        kinds: dict[NumberStyle, list[str]] = {}
        for name, style in self._styles.items():
            if style.described() and _is_seen(self.cells[name], style):
                kinds.setdefault(style, []).append(name)
        styled = [
            f"{abbreviated(names)}: {self._style_note(names[0], style)}"
            for style, names in kinds.items()
        ]
        spelling = [f"{name}: {note}" for name, note in self._spelling_notes.items()]
        return tuple(f"note: {note}" for note in (*self.remarks, *styled, *spelling))

    @property
    def styles(self) -> dict[str, NumberStyle]:
        """How the numbers of columns that `numbers` was called for are written, if not plainly."""
        return {name: style for name, style in self._styles.items() if not style.is_plain}

    def where(self, row: int) -> str:
        """The file and the row's position in it, such as "houses.csv, line 5"."""
        return f"{self.path}, {self.unit} {self.lines[row]}"

    def find(self, column: str) -> str:
        """The name of `column`, which is a name, with or without the blanks around it, or else a
        number: 1 is the first, -1 the last.

        Raises
        ------
        CommandError
            If there is no such column.
        """
        found = self.named(column)
        if found is not None:
            return found
        try:
            position = int(column)
        except ValueError:
            position = 0
        if 1 <= abs(position) <= len(self.names):
            return self.names[position - 1 if position > 0 else position]
        what = f"; its first {self.unit} was taken for data: --header yes takes it for their names"
        unnamed = "" if self.has_header else what
        raise CommandError(
            f"{self.path} has no column {column!r}{self._meant(column)}; its columns: "
            f"{abbreviated(self.names)}{unnamed}{self.elsewhere}"
        )

    def named(self, column: str) -> str | None:
        """The name that is equal to `column`, or else but for blanks around it, or for the kinds of
        blanks and breaks within it; None: none is.
        """
        if column in self.names:
            return column
        for plain in (str.strip, _one_line):
            found = next((name for name in self.names if plain(name) == plain(column)), None)
            if found is not None:
                return found
        return None

    @property
    def names_look_like_cells(self) -> bool:
        """Whether the line of the names may be a row: there are columns of numbers, and the name of
        each is a number.
        """
        if not self.has_header or self.unit != "line":
            return False
        numeric = [name for name in self.names if _is_numeric(self.cells[name])]
        return bool(numeric) and all(map(looks_numeric, numeric))

    def whole_names(self, columns: Sequence[str]) -> list[str]:
        """Columns as `find` takes them, from a list that was split at commas: neighbours that are
        no columns, but together the name of one, are joined again.
        """
        with_commas = {tuple(split_names(name)): name for name in self.names if _splits(name)}
        found, place = [], 0
        while place < len(columns):
            rest = tuple(columns[place:])
            whole = next((parts for parts in with_commas if rest[: len(parts)] == parts), None)
            joins = whole is not None and any(self.named(part) is None for part in whole)
            found.append(with_commas[whole] if joins and whole else columns[place])
            place += len(whole) if joins and whole else 1
        return found

    def missing(self, name: str, words: Sequence[str]) -> np.ndarray:
        """Where column `name` is empty or one of `words`: (n,) bool."""
        cells = self._column(name)
        if isinstance(cells, CodedTexts):
            nothing = {"", *words}
            found = cells.take_flags(np.fromiter(map(nothing.__contains__, cells.levels), bool))
            held = cells.values
            values = None if held is None else np.where(cells.codes < 0, held, np.nan)
        else:
            found, values = np.isnan(cells), cells
        for word in words if values is not None else ():
            if is_number(word):
                found |= values == float(word)
        return found

    def numbers(
        self, name: str, words: Sequence[str], style: NumberStyle | None = None, *,
        truths: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Column `name` as (n,) float64, NaN where missing, and (n,) bool, True where a cell is
        not a finite number.

        Parameters
        ----------
        name : str
        words : sequence of str
            The words that mark a missing value.
        style : NumberStyle, optional
            How the numbers were written in another file with this column; it holds here too, if
            all cells agree with it. Else the style is inferred from the cells.
        truths : bool, default False
            Whether a column of words for true and false alone is read as 1 and 0.
        """
        cells, missing = self._column(name), self.missing(name, words)
        if not isinstance(cells, CodedTexts):
            if not missing.all():
                self._note_affix(name, style, PLAIN)
            found = np.where(missing, np.nan, cells) if missing.any() else cells.view()
            found.flags.writeable = False  # the table's own
            return found, ~missing & ~np.isfinite(found)
        levels, used = _known_levels(cells, words)
        meant = [truth(text) for text in levels] if truths and cells.values is None else [None]
        by_text = dict(zip(levels, meant, strict=False))
        if not levels or None in meant:
            given, style = style, self._style_of(cells, levels, used, style)
            if not missing.all():
                self._note_affix(name, given, style)
            self._styles[name] = style
            by_text = dict(zip(levels, style.values(levels).tolist(), strict=True))
        else:
            self._spelling_notes[name] = f"{abbreviated(levels)} are 1 and 0, as in training"
        values = np.array([by_text.get(text, np.nan) for text in cells.levels], np.float64)
        found = cells.take_numbers(values)
        found[missing] = np.nan
        return found, ~missing & ~np.isfinite(found)

    def texts(
        self, name: str, words: Sequence[str], known: Sequence[str | None] = ()
    ) -> np.ndarray:
        """Column `name` as (n,) object: str, or None where missing.

        "3.0" becomes "3", or "3" becomes "3.0", if only the other spelling is among `known`: two
        files with the same numbers may spell them differently. So do TRUE, True, yes and 1, if the
        column and `known` consist of such words.
        """
        cells, missing = self._column(name), self.missing(name, words)
        if not isinstance(cells, CodedTexts):
            cells = CodedTexts.of(spelled(cells).tolist())
        levels, counts = _known_levels(cells, words)
        spelling = respelled(levels, known) if known else one_spelling(levels, counts)
        by_text = dict(zip(levels, spelling, strict=True))
        changed = {a: b for a, b in by_text.items() if a != b and truth(a, digits=True) is not None}
        if any(truth(a) is not None for a in changed):
            listed = abbreviated([f"{a} as {b}" for a, b in changed.items()])
            self._spelling_notes[name] = f"read {listed}"
        out = cells.take([by_text.get(text) for text in cells.levels])
        out[missing] = None
        return out

    def check_cells(self, name: str, bad: np.ndarray, words: Sequence[str], advice: str) -> None:
        """Raise CommandError for the first row where `bad`, (n,) bool, is True."""
        if not bad.any():
            return
        row = int(np.argmax(bad))
        cell = self.cells[name][row]
        cell = cell if isinstance(cell, str) else repr(float(cell))
        what = "not finite" if is_number(cell) and np.isinf(float(cell)) else "not a number"
        style = self._styles.get(name, PLAIN)
        if what == "not a number" and style.described():
            what += f", as the others of its column are ({style.described()})"
        raise CommandError(
            f"{self.where(row)}, column {name!r}: {cell!r} is {what}; if it marks a "
            f"missing value, use --missing {shlex.quote(join_names([*words, cell]))}{advice}"
        )

    def _column(self, name: str) -> Cells:
        if name in self.unusable:
            raise CommandError(
                f"{self.path}: column {name!r} is of type {self.unusable[name]}, neither numbers "
                f"nor text; drop it with --drop {shlex.quote(join_names([name]))}"
            )
        return self.cells[name]

    def _meant(self, column: str) -> str:
        """``; did you mean 'x'?`` for a column with a similar name, or an empty string."""
        by_plain = {name.strip().casefold(): name for name in reversed(self.names)}
        plain = column.strip().casefold()
        similar = difflib.get_close_matches(plain, list(by_plain), 1, cutoff=0.7)
        return f"; did you mean {by_plain[similar[0]]!r}?" if similar else ""

    def _style_of(
        self, cells: CodedTexts, levels: list[str], counts: np.ndarray, given: NumberStyle | None
    ) -> NumberStyle:
        """The style of the numbers of a column, given its texts that are not missing."""
        usual = self._decimal or self.usual_decimal
        if cells.values is not None:
            whole = cells.style.is_plain and not (cells.values[cells.codes < 0] % 1).any()
            style = infer_style(levels, counts, self.marks, usual) if whole else PLAIN
            return cells.style if style.affix or not whole else style  # 1 and 1,5 in one column
        if given is not None and self.marks == NO_MARKS:
            agrees = self._decimal in ("", given.decimal) and not given.is_plain
            if agrees and np.isfinite(given.values(levels)).all():
                return given
            if not self._decimal and given.thousands:
                usual = given.decimal
        return infer_style(levels, counts, self.marks, usual)

    @functools.cached_property
    def _decimal(self) -> str:
        """The decimal mark of the file, if its columns leave no doubt, else an empty string."""
        shown = set()
        for cells in self.cells.values():
            if isinstance(cells, CodedTexts):
                shown.add(shown_decimal([t for t in cells.levels if t not in MISSING]))
            elif self.unit == "line" and (cells[:SAMPLE] % 1 != 0).any():
                shown.add(".")
        shown.discard("")
        return shown.pop() if len(shown) == 1 else ""

    def note(self, name: str, text: str) -> None:
        """Add a note about how column `name` was read."""
        self._spelling_notes[name] = text

    def _note_affix(self, name: str, given: NumberStyle | None, found: NumberStyle) -> None:
        """Note numbers without the percent sign, currency or unit of the training, or another."""
        if given is not None and given.affix and given.affix != found.affix:
            have = f"{found.affix!r}, not" if found.affix else "no"
            self.note(
                name,
                f"the numbers have {have} {given.affix!r}, as those of the training have; they are "
                "taken as if they had",
            )

    def _style_note(self, name: str, style: NumberStyle) -> str:
        """What was read in which style, with an example."""
        cells = self.cells[name]
        levels = cells.levels if isinstance(cells, CodedTexts) else []
        read = ((text, style.value(text)) for text in levels)
        example = next(((t, v) for t, v in read if _is_styled(t, v)), None)
        as_read = f" ({example[0]} is {example[1]:.15g})" if example else ""
        choices = {
            (".", ","): "the comma is the decimal mark, use --decimal ,",
            (",", ""): "the comma separates thousands, use --decimal .",
            (",", "."): "the point is the decimal mark, use --decimal .",
        }
        other = choices.get((style.decimal, style.thousands), "") if style.ambiguous else ""
        return f"numbers with {style.described()}{as_read}{f'; if {other}' if other else ''}"


def abbreviated(names: Sequence[str], most: int = 20) -> str:
    """Up to `most` names, separated by commas; if there are more, their count."""
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(" ".join(name.splitlines()) for name in names[:most]) + more


def _one_line(name: str) -> str:
    """A name with single blanks."""
    return " ".join(name.split())


def _known_levels(cells: CodedTexts, words: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The texts of a column that mark no missing value, and how many cells have each."""
    nothing = {"", *words}
    known = [text not in nothing for text in cells.levels]
    return list(itertools.compress(cells.levels, known)), cells.counts[known]


def _is_numeric(cells: Cells) -> bool:
    """Whether all cells of a column, but for the missing ones, are numbers."""
    if not isinstance(cells, CodedTexts):
        return True
    known = [text for text in cells.levels[:SAMPLE] if text and text not in MISSING]
    return cells.values is not None or (bool(known) and all(map(looks_numeric, known)))


def _splits(name: str) -> bool:
    """Whether an option would split a name at its commas."""
    try:
        return len(split_names(name)) > 1
    except ValueError:
        return False


def _is_seen(cells: Cells, style: NumberStyle) -> bool:
    """Whether some cell of a column is written as its style, and not plainly."""
    if not isinstance(cells, CodedTexts):
        return False
    return cells.values is not None or any(_is_styled(t, style.value(t)) for t in cells.levels)


def _is_styled(text: str, value: float) -> bool:
    """Whether a text is a number, but not the one that `float` reads."""
    return bool(np.isfinite(value)) and (not is_number(text) or float(text) != value)
