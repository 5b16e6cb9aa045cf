"""The columns of a training table, found again in other tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast.cli.column_reading import NUMBER, ColumnReading
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import NO_MARKS, NumberMarks, NumberStyle, Table, abbreviated, read_table
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.unseen import Range, ranges_from_dict
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray
BASELINES = "baselines"  # an entry of files with simple models
RANGES = "ranges"  # an entry of files since the notes on numbers far outside
OPTIONAL = {RANGES, BASELINES}  # entries of both kinds that a file may lack


class KnownTargets(NamedTuple):
    """Rows of a table that have every target.

    Attributes
    ----------
    rows : array of shape (m,)
    y : array of shape (m, T)
        Their targets, encoded. A class that the model has not is a label above those of its own.
    unknown : tuple of tuple of str
        Such classes of each target, in the order of their labels.
    notes : tuple of str
        Which classes of a target are written in another way than in the training table.
    missing : tuple of int
        In how many rows of the table each target is missing.
    """

    rows: Array
    y: Array
    unknown: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()


class TableLayout:
    """What the preprocessings of both kinds of models have in common.

    Attributes
    ----------
    header : bool
        Whether the training table named its columns; if not, they are found by position.
    columns : tuple of str
        All columns of the training table, in order.
    missing : tuple of str
        Words that mark a missing value, besides the empty field.
    targets : TargetEncoders
    numbers : mapping of str to NumberStyle
        Column → how its numbers were written, for those that were not written plainly.
    ranges : mapping of str to (float, float)
        Column of numbers → the least and the greatest of the training rows.
    baselines : str
        Simple models of the same rows, by `stored_baselines`; may be empty.
    """

    header: bool
    columns: tuple[str, ...]
    missing: tuple[str, ...]
    targets: TargetEncoders
    numbers: Mapping[str, NumberStyle]
    ranges: Mapping[str, Range]
    baselines: str

    def json_text(self, entries: Mapping[str, Any]) -> str:
        """A JSON object of these entries, after those of both kinds, and of the ranges."""
        plain: dict[str, Any] = {
            "version": 1,
            "header": self.header,
            "columns": list(self.columns),
            "missing": list(self.missing),
            **entries,
        }
        if self.ranges:
            plain[RANGES] = {name: list(pair) for name, pair in self.ranges.items()}
        if self.baselines:
            plain[BASELINES] = self.baselines
        return json.dumps(plain, ensure_ascii=False)

    @staticmethod
    def optional_entries(plain: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of the entries in `OPTIONAL`; raises ValueError for wrong ranges."""
        return {
            RANGES: ranges_from_dict(plain.get(RANGES, {})),
            BASELINES: str(plain.get(BASELINES, "")),
        }

    def check_columns(self, sources: Iterable[str]) -> None:
        """Raise ValueError if the sources of the inputs, or a target, are not in the table."""
        if not {*sources, *self.targets.names} <= set(self.columns):
            raise ValueError("its inputs and target are not among its columns")

    def read(
        self, path: str, header: str = "auto", delimiter: str = "auto", *, encoding: str = "auto",
        sheet: str = "", marks: NumberMarks = NO_MARKS,
    ) -> Table:  # fmt: skip
        """The table in a file, by `read_table`; "auto": a header if the training table had one."""
        return read_table(
            path, header, delimiter, assumed="yes" if self.header else "no", encoding=encoding,
            sheet=sheet, marks=marks, fewest=1,
        )  # fmt: skip

    def known_targets(self, table: Table, *, drop_missing: bool) -> KnownTargets:
        """The rows of a table that have every target.

        Raises
        ------
        CommandError
            If the table has no such column, a target is missing and such rows are not dropped, or
            it is no number in regression, or no row has a class of the model.
        """
        places = {name: self.target_place(table, name) for name in self.targets.names}
        missing = {name: table.missing(place, self.missing) for name, place in places.items()}
        rows = known_rows(table, missing, drop_missing=drop_missing)
        read = _classes_of if self.targets.classifies else _values_of
        columns = [read(self, table, places[target.name], target, rows) for target in self.targets]
        return KnownTargets(
            rows,
            np.stack([y for y, _, _ in columns], axis=1),
            tuple(unknown for _, unknown, _ in columns),
            tuple(note for _, _, note in columns if note),
            tuple(int(one.sum()) for one in missing.values()),
        )

    def target_place(self, table: Table, name: str) -> str:
        """The name in `table` of a target; by its position where there are no names."""
        if self.header and table.has_header:
            place = table.named(name)
            if place is None:
                hint = self._header_hint(table, [self.columns]) or table.elsewhere
                raise CommandError(
                    f"{table.path} lacks the target, column {name}; it has: "
                    f"{abbreviated(table.names)}{hint}"
                )
            return place
        if len(table.names) != len(self.columns):
            raise CommandError(
                f"{table.path} has {len(table.names)} columns; without column names, the target "
                f"is found only among the {len(self.columns)} columns of the training table"
            )
        return table.names[self.columns.index(name)]

    def places(self, table: Table, needed: list[str]) -> dict[str, str]:
        """The name in `table` of each of the needed columns of the training table."""
        if self.header and table.has_header:
            found = {name: table.named(name) for name in needed}
            absent = [name for name, place in found.items() if place is None]
            if absent:
                hint = self._header_hint(table, [self.columns, self._inputs]) or table.elsewhere
                plural = "s" if len(absent) > 1 else ""
                raise CommandError(
                    f"{table.path} lacks the column{plural} {abbreviated(absent)}; "
                    f"it has: {abbreviated(table.names)}{hint}"
                )
            return {name: place for name, place in found.items() if place is not None}
        targets, inputs = self.targets.names, self._inputs
        for expected in (self.columns, inputs):
            if len(table.names) == len(expected):
                return dict(zip(expected, table.names, strict=True))
        plural = "s" if len(targets) > 1 else ""
        raise CommandError(
            f"{table.path} has {len(table.names)} columns; without column names, the model "
            f"expects the {len(self.columns)} columns of its training table, or the {len(inputs)} "
            f"without the target{plural} (column{plural} {self.targets.shown})"
        )

    @property
    def _inputs(self) -> tuple[str, ...]:
        """The columns of the training table without the targets."""
        return tuple(name for name in self.columns if name not in self.targets.names)

    def _header_hint(self, table: Table, expected: Sequence[Sequence[str]]) -> str:
        """What to use for a table whose first row was taken for names, or an empty string."""
        fits = len(table.names) in map(len, expected) and table.names_look_like_cells
        if not fits or any(table.named(name) is not None for name in self.columns):
            return ""
        return "; use --header no if its first line is data"


def known_rows(table: Table, missing: Mapping[str, Array], *, drop_missing: bool) -> Array:
    """The rows that have every target, (m,) int; `missing`, (n,) bool of each, marks the others.

    Raises
    ------
    CommandError
        If a target is missing and `drop_missing` is False, or no row has every target.
    """
    lacking = np.any([*missing.values()], axis=0)
    if lacking.any() and not drop_missing:
        row = int(np.argmax(lacking))
        which = [repr(name) for name, marks in missing.items() if marks[row]]
        named = f"target {which[0]}" if len(missing) > 1 else "target"
        raise CommandError(
            f"{table.where(row)}: the {named} is missing ({lacking.sum()} such rows); use "
            "--drop-missing-target to leave them out"
        )
    rows = np.flatnonzero(~lacking)
    if not len(rows):
        every = "every" if len(missing) > 1 else "a"
        raise CommandError(f"{table.path} has no row with {every} target")
    return rows


def _values_of(
    layout: TableLayout, table: Table, place: str, target: TargetEncoder, rows: Array
) -> tuple[Array, tuple[str, ...], str]:
    """The encoded values of some rows, (m,)."""
    reading, style = ColumnReading(place, NUMBER), layout.numbers.get(target.name)
    values = reading.read(table, place, layout.missing, style=style)
    return target.encode(values[rows]), (), ""


def _classes_of(
    layout: TableLayout, table: Table, place: str, target: TargetEncoder, rows: Array
) -> tuple[Array, tuple[str, ...], str]:
    """The labels of some rows, (m,), the classes that the target has not, and a note."""
    texts = table.texts(place, layout.missing, target.classes)[rows]
    texts, note = _with_known_classes(texts, target.classes)
    unknown = tuple(sorted(set(texts) - set(target.classes)))
    if len(unknown) == len(set(texts)):
        raise CommandError(
            f"{table.path}: no row of column {place!r} has a class of the model, but "
            f"{abbreviated(unknown)}; its classes: {abbreviated(target.classes)}"
        )
    label = {text: i for i, text in enumerate((*target.classes, *unknown))}
    y = np.array([label[text] for text in texts], dtype=np.int64)
    return y, unknown, f"{target.name}: {note}" if note else ""


def _with_known_classes(texts: Array, classes: tuple[str, ...]) -> tuple[Array, str]:
    """Texts that differ from a class by upper case or a final point only, as that class; a note."""
    by_plain = {_plain(name): name for name in classes}
    if len(by_plain) < len(classes):
        return texts, ""
    others = {
        text: by_plain[_plain(text)]
        for text in dict.fromkeys(texts)
        if text not in classes and _plain(text) in by_plain
    }
    if not others:
        return texts, ""
    listed = abbreviated([f"{text} as {name}" for text, name in others.items()])
    return np.array([others.get(text, text) for text in texts], dtype=object), f"read {listed}"


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").casefold()


def parsed(text: str) -> Any:
    """The value of JSON text; raises ValueError if it is none."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def styles_to_dict(styles: Mapping[str, NumberStyle]) -> dict[str, Any]:
    """The styles of numbers by column as plain JSON values."""
    return {name: style.to_dict() for name, style in styles.items()}


def styles_from_dict(plain: Any) -> dict[str, NumberStyle]:
    """The styles of numbers by column; raises ValueError for anything else."""
    if not isinstance(plain, dict):
        raise ValueError("'numbers' must be an object")
    return {str(name): NumberStyle.from_dict(style) for name, style in plain.items()}
