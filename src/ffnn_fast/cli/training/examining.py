"""How each column of a training table is used; all columns are examined before one is refused."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ffnn_fast._columns.dates import date_format, dates_of, has_open_order
from ffnn_fast._columns.features import LEFT_OUT, Feature, feature_of
from ffnn_fast.cli.arguments.name_lists import join_names
from ffnn_fast.cli.column_reading import DATE, NUMBER, TEXT, ColumnReading
from ffnn_fast.cli.output import counted
from ffnn_fast.cli.table import Table

Array = np.ndarray
MANY_LEVELS = 100  # of a text column; --strict refuses more, unless --categorical names it
FEW_LEVELS = 20  # of a column of numbers and words that is a category as a whole ...
ROWS_PER_LEVEL = 5  # ... if at least so many rows share each of them
FEW_WORDS = 0.05  # of the known cells of numbers or dates: words that count as missing
SHOWN, LISTED = 3, 10  # words in a message, and in the option that it advises
SAMPLE = 100  # texts that show whether a column holds dates and words
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class ColumnUse:
    """A column, and what the model gets of it.

    Attributes
    ----------
    feature : Feature
    reading : ColumnReading or None
        None for a column that is left out.
    values : array of shape (n,) or None
        float64, object of str, or datetime64[us].
    """

    feature: Feature
    reading: ColumnReading | None = None
    values: Array | None = None

    @property
    def name(self) -> str:
        """The column's name in the table."""
        return self.feature.name


@dataclass(frozen=True)
class ColumnOptions:
    """What the options of the command determine about columns, by names that the table has.

    Attributes
    ----------
    reserved : mapping of str to str
        Columns that are no inputs: the name, and why.
    categorical : tuple of str
        Columns that are categories, whatever they hold.
    kept : tuple of str
        Columns that are used although they would be left out.
    missing : tuple of str
        Words that mark a missing value.
    strict : bool
        Whether columns that need a treatment are refused.
    day_first : bool
        Whether the day comes first in dates that leave its place open.
    """

    reserved: dict[str, str] = field(default_factory=dict)
    categorical: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    strict: bool = False
    day_first: bool = False


def examine(table: Table, options: ColumnOptions) -> tuple[list[ColumnUse], list[str]]:
    """The use of every column but the target, and sentences about those that are refused."""
    uses, problems = [], []
    for place, name in enumerate(table.names, 1):
        if name in options.reserved:
            if options.reserved[name]:
                uses.append(ColumnUse(Feature(name, LEFT_OUT, options.reserved[name])))
            continue
        found = _typed(table, name, options)
        if isinstance(found, str):
            problems.append(found)
        elif isinstance(found, Feature):
            uses.append(ColumnUse(found))
        else:
            uses.append(_use(table, place, *found, options))
    return uses, problems


def used(uses: Sequence[ColumnUse]) -> list[tuple[Feature, ColumnReading, Array]]:
    """The columns that are inputs."""
    return [
        (use.feature, use.reading, use.values)
        for use in uses
        if use.reading is not None and use.values is not None
    ]


def _use(
    table: Table, place: int, reading: ColumnReading, values: Array, note: str,
    options: ColumnOptions,
) -> ColumnUse:  # fmt: skip
    """The use of a column of one type."""
    name = reading.name
    unnamed = table.has_header and name == str(place)  # the header has a blank there
    unnamed = unnamed or name in table.row_names
    kept = name in options.kept
    chosen = name in options.categorical or (kept and reading.kind == TEXT)
    chosen = chosen or (options.strict and reading.kind == TEXT)
    label = "" if unnamed else name
    feature = feature_of(label, values, not (kept or options.strict), chosen)
    if reading.kind == DATE and feature.use != LEFT_OUT:
        note = ", ".join(filter(None, [f"as {reading.format}", note]))
    advice = "" if _is_useless(values) else f"; --use {quoted_names([name])} keeps it"
    if feature.use == LEFT_OUT:
        return ColumnUse(replace(feature, name=name, note=feature.note + advice))
    gaps = _count_missing(values)
    notes = [feature.note, note, f"{gaps} missing" if gaps else ""]
    feature = replace(feature, name=name, note=", ".join(filter(None, notes)))
    return ColumnUse(feature, reading.of_training(values), values)


def _typed(
    table: Table, name: str, options: ColumnOptions
) -> tuple[ColumnReading, Array, str] | Feature | str:
    """A column's reading, its values and a note; or that it is left out; or a problem."""
    words = options.missing
    if name in table.unusable:
        kind = table.unusable[name]
        if not options.strict:
            return Feature(name, LEFT_OUT, f"of type {kind}, neither numbers nor text")
        return (
            f"column {name!r} is of type {kind}, neither numbers nor text; drop it with --drop "
            f"{quoted_names([name])}"
        )
    if name in options.categorical:
        return ColumnReading(name, TEXT), table.texts(name, words), ""
    values, bad = table.numbers(name, words)
    n_bad, n_known = int(bad.sum()), int((~table.missing(name, words)).sum())
    if not n_bad:
        return ColumnReading(name, NUMBER), values, ""
    if 2 * n_bad > n_known:
        return _of_texts(table, name, options)
    return _mixed(table, name, values, bad, options)


def _of_texts(
    table: Table, name: str, options: ColumnOptions
) -> tuple[ColumnReading, Array, str] | str:
    """A column of texts: dates, if all are, else categories."""
    texts = table.texts(name, options.missing)
    levels = [text for text in dict.fromkeys(texts) if text is not None]
    if options.strict:
        n = int((~table.missing(name, options.missing)).sum())
        if name not in options.kept and len(levels) > min(MANY_LEVELS, max(10, n / 2)):
            keep = quoted_names([name])
            return (
                f"column {name!r} has {len(levels)} different texts in {n} rows; leave it out with "
                f"--drop {keep}, or keep it with --categorical {keep}"
            )
    elif found := date_format(levels, day_first=options.day_first):
        return ColumnReading(name, DATE, found), dates_of(texts, found)[0], _order(levels, found)
    elif dated := _dates_and_words(name, texts, levels, options.day_first):
        return dated
    return ColumnReading(name, TEXT), texts, ""


def _dates_and_words(
    name: str, texts: Array, levels: Sequence[str], day_first: bool
) -> tuple[ColumnReading, Array, str] | None:
    """A column of dates with a few words among them, which count as missing; None for others."""
    if date_format(filter(DIGIT.search, levels[:SAMPLE])) is None:
        return None
    odd = tuple(level for level in levels if not DIGIT.search(level))
    dates = list(filter(DIGIT.search, levels))
    found = date_format(dates, day_first=day_first)
    n_bad, n_known = int(np.isin(texts, odd).sum()), sum(text is not None for text in texts)
    if not found or 2 * n_bad > n_known or not _are_few(odd, n_bad, n_known):
        return None
    notes = [_order(dates, found), f"{_examples(odd)} in {counted(n_bad, 'row')} taken as missing"]
    note = ", ".join(filter(None, notes))
    return ColumnReading(name, DATE, found, odd), dates_of(texts, found)[0], note


def _order(dates: Sequence[str], found: str) -> str:
    """An option for dates of a format that are others if the day comes first."""
    return "--day-first takes the day first" if has_open_order(dates, found) else ""


def _are_few(words: Sequence[str], n_bad: int, n_known: int) -> bool:
    """Whether words in so many cells of the known ones mark missing values."""
    return len(words) == 1 or n_bad <= max(1, FEW_WORDS * n_known)


def _examples(words: Sequence[str]) -> str:
    """Some of the words."""
    return ", ".join(map(repr, words[:SHOWN])) + (", ..." if len(words) > SHOWN else "")


def _mixed(
    table: Table, name: str, values: Array, bad: Array, options: ColumnOptions
) -> tuple[ColumnReading, Array, str] | str:
    """A column of numbers with some words among them."""
    words = options.missing
    odd = _words_at(table, name, bad)
    n_bad, n_known = int(bad.sum()), int((~table.missing(name, words)).sum())
    quoted = quoted_names([name])
    if options.strict:
        row, cell = int(np.argmax(bad)), odd[0]
        what = "not finite" if np.isinf(_as_float(cell)) else "not a number"
        return (
            f"{table.where(row)}, column {name!r}: {cell!r} is {what}; if it marks a missing value,"
            f" use --missing {quoted_names([*words, cell])}, if it is a category --categorical "
            f"{quoted}, otherwise --drop {quoted}"
        )
    texts = table.texts(name, words)
    n_levels = len({text for text in texts if text is not None})
    finite = all(np.isnan(_as_float(word)) for word in odd)
    if finite and n_levels <= FEW_LEVELS and n_known >= ROWS_PER_LEVEL * n_levels:
        return ColumnReading(name, TEXT), texts, f"numbers and the words {_examples(odd)}"
    if _are_few(odd, n_bad, n_known):
        note = f"{_examples(odd)} in {counted(n_bad, 'row')} taken as missing"
        return ColumnReading(name, NUMBER, words=odd), np.where(bad, np.nan, values), note
    missing = f"--missing {quoted_names([*words, *odd])} takes them as missing, " * (
        len(odd) <= LISTED
    )
    return (
        f"column {name!r} holds numbers in {n_known - n_bad} rows and words such as "
        f"{_examples(odd)} in {n_bad}: {missing}--categorical {quoted} takes all as "
        f"categories, --drop {quoted} leaves it out"
    )


def _words_at(table: Table, name: str, bad: Array) -> tuple[str, ...]:
    """The different cells of a column where `bad`, in their order, as texts."""
    return tuple(dict.fromkeys(table.texts(name, ())[bad]))


def quoted_names(names: Sequence[str]) -> str:
    """Names as the value of an option in a shell."""
    return shlex.quote(join_names(names))


def _as_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _count_missing(values: Array) -> int:
    if values.dtype.kind == "O":
        return sum(value is None for value in values)
    return int((np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)).sum())


def _is_useless(values: Array) -> bool:
    """Whether a column holds at most one value, so that nothing could keep it."""
    return len({value for value in values.tolist() if value is not None and value == value}) <= 1


def use_table(uses: Sequence[ColumnUse]) -> list[tuple[str, ...]]:
    """Rows of a table: each column, how it is used, and a note; those left out come last."""
    order = sorted(uses, key=lambda use: use.feature.use == LEFT_OUT)
    rows = [(use.name, use.feature.use, use.feature.note) for use in order]
    return [("column", "used as", ""), *rows]
