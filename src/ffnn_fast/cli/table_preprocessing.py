"""The preprocessing of tables that a model file holds, so that raw rows are enough to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ffnn_fast._columns.features import DATE, Feature
from ffnn_fast._model.model_files import ModelFileError, load
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._text import quoted
from ffnn_fast.cli.column_reading import NUMBER, TEXT, ColumnReading
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import NumberStyle, Table
from ffnn_fast.cli.table_layout import (
    OPTIONAL,
    TableLayout,
    parsed,
    styles_from_dict,
    styles_to_dict,
)
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.unseen import TRUTHS, Range
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder

KEY = "preprocessing"
ENTRIES = {"version", "header", "columns", "missing", "inputs", "target", "summary"}
PIECE = 1 << 16  # rows that are encoded at a time
FURTHER = {"readings", "dates"}  # entries of version 2
NUMBERS = "numbers"  # an entry of files whose tables have numbers that are not written plainly


@dataclass(frozen=True)
class TablePreprocessing(TableLayout):
    """How the rows of a table become inputs, and outputs become predictions.

    Attributes
    ----------
    header, columns, missing, targets, numbers, ranges, baselines
        As in `TableLayout`.
    inputs : TableEncoder
    summary : dict of str to str
        Options and scores of the training.
    readings : tuple of ColumnReading
        Of the columns with words of their own for missing values, and of those with dates.
    dates : tuple of Feature
        The dates, whose parts are columns of `inputs`.
    """

    header: bool
    columns: tuple[str, ...]
    missing: tuple[str, ...]
    inputs: TableEncoder
    targets: TargetEncoders
    summary: dict[str, str] = field(default_factory=dict)
    numbers: Mapping[str, NumberStyle] = field(default_factory=dict)
    readings: tuple[ColumnReading, ...] = ()
    dates: tuple[Feature, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    baselines: str = ""

    def matrix(self, table: Table, dtype: Any = np.float64) -> np.ndarray:
        """The input matrix, (n, d) of a dtype, of a table; other columns than the inputs are
        ignored. It is computed in float64, some rows at a time.

        Raises
        ------
        CommandError
            If a column is missing or a cell is not a number where one is needed.
        """
        return self.matrix_of(table, self.typed(table), dtype)

    def matrix_of(
        self, table: Table, columns: Mapping[str, np.ndarray], dtype: Any = np.float64
    ) -> np.ndarray:
        """The same from the `typed` columns of the table."""
        names = self.inputs.feature_names
        X = np.empty((len(table), len(names)), dtype)
        for start in range(0, len(table), PIECE):
            rows = slice(start, start + PIECE)
            piece = self.encoded({name: values[rows] for name, values in columns.items()})
            _check_range(table, piece, names, start)
            X[rows] = piece
        return X

    def typed(self, table: Table) -> dict[str, np.ndarray]:
        """The typed columns of a table, (n,) each, by their names in the training table."""
        place = self.places(table, self.sources)
        readings = {reading.name: reading for reading in self.readings}
        found: dict[str, np.ndarray] = {
            date.name: readings[date.name].read(table, place[date.name], self.missing)
            for date in self.dates
        }
        parts = self._date_parts
        for column in self.inputs.columns:
            if column.name in parts:
                continue
            is_number = isinstance(column, NumericColumn)
            plain = ColumnReading(column.name, NUMBER if is_number else TEXT)
            reading = readings.get(column.name, plain)
            known = () if isinstance(column, NumericColumn) else column.levels
            name = place[column.name]
            found[column.name] = reading.read(
                table, name, self.missing, known, self.numbers.get(column.name),
                truths=self.ranges.get(column.name) == TRUTHS,
            )  # fmt: skip
        return found

    def encoded(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The input matrix, (n, d) float64, of typed columns, (n,) each, by name."""
        numbers = [date.numbers(columns[date.name]) for date in self.dates]
        return self.inputs.transform(
            {**columns, **{name: values for one in numbers for name, values in one.items()}}
        )

    @property
    def levels(self) -> dict[str, tuple[str | None, ...]]:
        """The levels of each category."""
        return {
            column.name: column.levels
            for column in self.inputs.columns
            if not isinstance(column, NumericColumn)
        }

    @property
    def _date_parts(self) -> set[str]:
        """Names of the inputs that are parts of dates."""
        return {name for date in self.dates for name in date.number_names}

    @property
    def sources(self) -> list[str]:
        """The columns of the table that the inputs come from."""
        parts = self._date_parts
        own = [column.name for column in self.inputs.columns if column.name not in parts]
        return own + [date.name for date in self.dates]

    def to_json(self) -> str:
        """The preprocessing as JSON text."""
        entries: dict[str, Any] = {
            "inputs": self.inputs.to_dict(),
            "target": self.targets.to_plain(),
            "summary": self.summary,
        }
        if self.readings or self.dates:
            entries |= {
                "version": 2,
                "readings": [reading.to_dict() for reading in self.readings],
                "dates": [date.to_dict() for date in self.dates],
            }
        if self.numbers:
            entries[NUMBERS] = styles_to_dict(self.numbers)
        return self.json_text(entries)

    @classmethod
    def from_json(cls, text: str) -> TablePreprocessing:
        """The inverse of `to_json`; raises ValueError for anything else."""
        plain = parsed(text)
        if not isinstance(plain, dict) or plain.keys() - FURTHER - {NUMBERS} - OPTIONAL != ENTRIES:
            raise ValueError(f"it must be an object with exactly the keys {sorted(ENTRIES)}")
        version = 2 if plain.keys() & FURTHER else 1
        if plain["version"] != version:
            raise ValueError(f"its version is {quoted(plain['version'])}, known are 1 and 2")
        summary = plain["summary"]
        if not isinstance(plain["header"], bool) or not isinstance(summary, dict):
            raise ValueError("'header' must be true or false and 'summary' an object")
        preprocessing = cls(
            plain["header"],
            _texts(plain, "columns"),
            _texts(plain, "missing"),
            TableEncoder.from_dict(plain["inputs"]),
            TargetEncoders.from_plain(plain["target"]),
            {str(key): str(value) for key, value in summary.items()},
            styles_from_dict(plain.get(NUMBERS, {})),
            tuple(ColumnReading.from_dict(one) for one in _list(plain, "readings")),
            tuple(_date_from_dict(one) for one in _list(plain, "dates")),
            **cls.optional_entries(plain),
        )
        preprocessing.check_columns(preprocessing.sources)
        if not {d.name for d in preprocessing.dates} <= {r.name for r in preprocessing.readings}:
            raise ValueError("a date has no reading")
        return preprocessing


def load_model(
    path: str, *, engine: str | None = None
) -> tuple[Network, TablePreprocessing | None]:
    """The network of a model file and, if it has one, the preprocessing.

    Raises
    ------
    ModelFileError
        If the file is no whole, consistent model file.
    OSError
        If it cannot be read.
    """
    spec, params, extra = load(path)
    preprocessing = None
    if KEY in extra:
        try:
            preprocessing = TablePreprocessing.from_json(extra[KEY])
            _check_fit(preprocessing, spec)
        except ValueError as error:
            raise ModelFileError(f"{path!r} has a bad {KEY!r} entry: {error}") from error
    return Network.from_params(spec, params, engine=engine), preprocessing


def _check_fit(preprocessing: TablePreprocessing, spec: NetworkSpec) -> None:
    """Raise ValueError if the preprocessing does not fit the network."""
    width, targets = len(preprocessing.inputs.feature_names), preprocessing.targets
    n_outputs, task = spec.n_outputs, spec.task
    if not targets.classifies:
        outputs = spec.n_targets == len(targets) and task == "regression"
    elif len(targets) > 1:
        outputs = task == "classification" and spec.heads == targets.n_classes
    else:
        (k,) = targets.n_classes
        one_of = spec.takes_labels and n_outputs == k
        outputs = task == "classification" and (one_of or (n_outputs, k) == (1, 2))
    if width != spec.n_inputs or not outputs:
        classes = " and ".join(map(str, targets.n_classes))
        raise ValueError(
            f"it makes {width} inputs and {classes} classes ({targets.task}), but the "
            f"network has {spec.n_inputs} inputs and {n_outputs} outputs ({task}) "
            f"in {len(spec.head_widths)} heads"
        )


def _check_range(table: Table, X: np.ndarray, features: list[str], first: int) -> None:
    """Refuse inputs that float32 cannot hold; `first` is the first row in the table."""
    bad = ~(np.abs(X) <= np.finfo(np.float32).max)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise CommandError(
            f"{table.where(first + row)}: the value of {features[column]!r} is too far from those "
            "of the training rows to be held as float32"
        )


def _list(plain: dict[str, Any], key: str) -> list[Any]:
    values = plain.get(key, [])
    if not isinstance(values, list):
        raise ValueError(f"{key!r} must be a list")
    return values


def _date_from_dict(plain: Any) -> Feature:
    try:
        date = Feature.from_dict(plain)
        date.numbers(np.empty(0, "datetime64[us]"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a date is damaged: {error}") from error
    if date.use != DATE:
        raise ValueError(f"a date must be used as one, got {quoted(date.use)}")
    return date


def _texts(plain: dict[str, Any], key: str) -> tuple[str, ...]:
    values = plain[key]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key!r} must be a list of texts")
    return tuple(values)
