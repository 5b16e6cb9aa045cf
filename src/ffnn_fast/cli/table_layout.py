"""The columns of a training table, found again in other tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast.cli.column_reading import NUMBER, ColumnReading
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import NO_MARKS, NumberMarks, NumberStyle, Table, abbreviated, read_table
from ffnn_fast.cli.unseen import Range, ranges_from_dict
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray
BASELINES = "baselines"  # an entry of files with simple models
RANGES = "ranges"  # an entry of files since the notes on numbers far outside
OPTIONAL = {RANGES, BASELINES}  # entries of both kinds that a file may lack


class Targets(NamedTuple):
    """Rows of a table that have a target.

    Attributes
    ----------
    rows : array of shape (m,)
    y : array of shape (m,)
        Their targets, encoded. A class that the model has not is a label above those of its own.
    unknown : tuple of str
        Such classes, in the order of their labels.
    note : str
        Which classes are written in another way than in the training table; may be empty.
    """

    rows: Array
    y: Array
    unknown: tuple[str, ...] = ()
    note: str = ""


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
    target : TargetEncoder
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
    target: TargetEncoder
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
        """Raise ValueError if the sources of the inputs, or the target, are not in the table."""
        if not {*sources, self.target.name} <= set(self.columns):
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

    def targets(self, table: Table, *, drop_missing: bool) -> Targets:
        """The rows of a table that have a target.

        Raises
        ------
        CommandError
            If the table has no such column, a target is missing and such rows are not dropped, or
            it is no number in regression, or no row has a class of the model.
        """
        name, target = self.target_place(table), self.target
        rows = table.known(table.missing(name, self.missing), drop_missing=drop_missing)
        if target.task == "regression":
            reading, style = ColumnReading(name, NUMBER), self.numbers.get(target.name)
            values = reading.read(table, name, self.missing, style=style)
            return Targets(rows, target.encode(values[rows]))
        texts = table.texts(name, self.missing, target.classes)[rows]
        texts, note = _with_known_classes(texts, target.classes)
        unknown = tuple(sorted(set(texts) - set(target.classes)))
        if len(unknown) == len(set(texts)):
            raise CommandError(
                f"{table.path}: no row of column {name!r} has a class of the model, but "
                f"{abbreviated(unknown)}; its classes: {abbreviated(target.classes)}"
            )
        place = {text: label for label, text in enumerate((*target.classes, *unknown))}
        y = np.array([place[text] for text in texts], dtype=np.int64)
        return Targets(rows, y, unknown, note)

    def target_place(self, table: Table) -> str:
        """The name in `table` of the target; by its position where there are no names."""
        name = self.target.name
        if self.header and table.has_header:
            place = table.named(name)
            if place is None:
                raise CommandError(f"{table.path} lacks the target, column {name}")
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
                raise CommandError(
                    f"{table.path} lacks the columns {abbreviated(absent)}; "
                    f"it has: {abbreviated(table.names)}"
                )
            return {name: place for name, place in found.items() if place is not None}
        inputs = [name for name in self.columns if name != self.target.name]
        for expected in (list(self.columns), inputs):
            if len(table.names) == len(expected):
                return dict(zip(expected, table.names, strict=True))
        raise CommandError(
            f"{table.path} has {len(table.names)} columns; without column names, the model "
            f"expects the {len(self.columns)} columns of its training table, or the {len(inputs)} "
            f"without the target (column {self.target.name})"
        )


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
