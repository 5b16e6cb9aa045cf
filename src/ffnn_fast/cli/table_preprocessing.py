"""The preprocessing of tables that a model file holds, so that raw rows are enough to predict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ffnn_fast._model.model_files import ModelFileError, load
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._text import quoted
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import NumberMarks, NumberStyle, Table, abbreviated, read_table
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder

KEY = "preprocessing"
ENTRIES = {"version", "header", "columns", "missing", "inputs", "target", "summary"}
NUMBERS = "numbers"  # an entry of files whose tables have numbers that are not written plainly


@dataclass(frozen=True)
class TablePreprocessing:
    """How the rows of a table become inputs, and outputs become predictions.

    Attributes
    ----------
    header : bool
        Whether the training table named its columns; if not, they are found by position.
    columns : tuple of str
        All columns of the training table, in order.
    missing : tuple of str
        Words that mark a missing value, besides the empty field.
    inputs : TableEncoder
    target : TargetEncoder
    summary : dict of str to str
        Options and scores of the training.
    numbers : dict of str to NumberStyle
        Column → how its numbers were written, for those that were not written plainly.
    """

    header: bool
    columns: tuple[str, ...]
    missing: tuple[str, ...]
    inputs: TableEncoder
    target: TargetEncoder
    summary: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, NumberStyle] = field(default_factory=dict)

    def read(
        self, path: str, header: str = "auto", delimiter: str = "auto", *, encoding: str = "auto",
        marks: NumberMarks | None = None,
    ) -> Table:  # fmt: skip
        """The table in a file, by `read_table`; "auto": a header if the training table had one."""
        return read_table(
            path, header, delimiter, assumed="yes" if self.header else "no", encoding=encoding,
            marks=marks, fewest=1,
        )  # fmt: skip

    def matrix(self, table: Table) -> np.ndarray:
        """The input matrix, (n, d) float64, of a table; other columns than the inputs are ignored.

        Raises
        ------
        CommandError
            If a column is missing or a cell is not a number where one is needed.
        """
        place = self._places(table)
        encoded: dict[str, np.ndarray] = {}
        for column in self.inputs.columns:
            name = place[column.name]
            if isinstance(column, NumericColumn):
                encoded[column.name] = self._numbers(table, column.name, name)
            else:
                encoded[column.name] = table.texts(name, self.missing, column.levels)
        X = self.inputs.transform(encoded)
        _check_range(table, X, self.inputs.feature_names)
        return X

    def targets(self, table: Table, *, drop_missing: bool) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a table that have a target, (m,), and what they have, encoded, (m,).

        Raises
        ------
        CommandError
            If the table has no such column, a target is missing and such rows are not dropped, or
            it is no number in regression, or an unknown class.
        """
        name, target = self.target_place(table), self.target
        rows = table.known(table.missing(name, self.missing), drop_missing=drop_missing)
        if target.task == "regression":
            return rows, target.encode(self._numbers(table, target.name, name)[rows])
        texts = table.texts(name, self.missing, target.classes)
        strange = np.array([text not in target.classes for text in texts[rows]])
        if strange.any():
            row = int(rows[np.argmax(strange)])
            raise CommandError(
                f"{table.where(row)}: the model has no class {texts[row]!r} of {name!r}; "
                f"its classes: {abbreviated(target.classes)}"
            )
        return rows, target.encode(texts[rows])

    def _numbers(self, table: Table, column: str, name: str) -> np.ndarray:
        """The column `name` of a table, (n,) float64, which is `column` of the training table."""
        style = self.numbers.get(column, NumberStyle())
        values, bad = table.numbers(name, self.missing, style, truths=True)
        table.check_cells(name, bad, self.missing, "")
        return values

    def target_place(self, table: Table) -> str:
        """The name in `table` of the target; by its position where there are no names."""
        name = self.target.name
        if self.header and table.has_header:
            found = table.named(name)
            if found is None:
                raise CommandError(f"{table.path} lacks the target, column {name}")
            return found
        if len(table.names) != len(self.columns):
            raise CommandError(
                f"{table.path} has {len(table.names)} columns; without column names, the target "
                f"is found only among the {len(self.columns)} columns of the training table"
            )
        return table.names[self.columns.index(name)]

    def _places(self, table: Table) -> dict[str, str]:
        """The name in `table` of each column of the training table."""
        if self.header and table.has_header:
            places = {c.name: table.named(c.name) for c in self.inputs.columns}
            absent = [name for name, place in places.items() if place is None]
            if absent:
                raise CommandError(
                    f"{table.path} lacks the columns {abbreviated(absent)}; "
                    f"it has: {abbreviated(table.names)}"
                )
            return {name: place for name, place in places.items() if place is not None}
        inputs = [name for name in self.columns if name != self.target.name]
        for expected in (list(self.columns), inputs):
            if len(table.names) == len(expected):
                return dict(zip(expected, table.names, strict=True))
        raise CommandError(
            f"{table.path} has {len(table.names)} columns; without column names, the model "
            f"expects the {len(self.columns)} columns of its training table, or the {len(inputs)} "
            f"without the target (column {self.target.name})"
        )

    def to_json(self) -> str:
        """The preprocessing as JSON text."""
        plain = {
            "version": 1,
            "header": self.header,
            "columns": list(self.columns),
            "missing": list(self.missing),
            "inputs": self.inputs.to_dict(),
            "target": self.target.to_dict(),
            "summary": self.summary,
        }
        if self.numbers:
            plain[NUMBERS] = {name: style.to_dict() for name, style in self.numbers.items()}
        return json.dumps(plain, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> TablePreprocessing:
        """The inverse of `to_json`; raises ValueError for anything else."""
        try:
            plain = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(plain, dict) or set(plain) - {NUMBERS} != ENTRIES:
            raise ValueError(f"it must be an object with exactly the keys {sorted(ENTRIES)}")
        if plain["version"] != 1:
            raise ValueError(f"its version is {quoted(plain['version'])}, known is 1")
        summary = plain["summary"]
        if not isinstance(plain["header"], bool) or not isinstance(summary, dict):
            raise ValueError("'header' must be true or false and 'summary' an object")
        preprocessing = cls(
            plain["header"],
            _texts(plain, "columns"),
            _texts(plain, "missing"),
            TableEncoder.from_dict(plain["inputs"]),
            TargetEncoder.from_dict(plain["target"]),
            {str(key): str(value) for key, value in summary.items()},
            _styles(plain.get(NUMBERS, {})),
        )
        used = {column.name for column in preprocessing.inputs.columns} | {
            preprocessing.target.name
        }
        if not used <= set(preprocessing.columns):
            raise ValueError("its inputs and target are not among its columns")
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
    width, classes = len(preprocessing.inputs.feature_names), len(preprocessing.target.classes)
    n_outputs, task = spec.n_outputs, spec.task
    if preprocessing.target.task == "regression":
        outputs = spec.n_targets == 1 and task == "regression"
    else:
        one_of = spec.takes_labels and n_outputs == classes
        outputs = task == "classification" and (one_of or (n_outputs, classes) == (1, 2))
    if width != spec.n_inputs or not outputs:
        raise ValueError(
            f"it makes {width} inputs and {classes} classes ({preprocessing.target.task}), but the "
            f"network has {spec.n_inputs} inputs and {n_outputs} outputs ({task}) "
            f"in {len(spec.head_widths)} heads"
        )


def _check_range(table: Table, X: np.ndarray, features: list[str]) -> None:
    """Refuse inputs that float32 cannot hold."""
    bad = ~(np.abs(X) <= np.finfo(np.float32).max)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise CommandError(
            f"{table.where(row)}: the value of {features[column]!r} is too far from those of the "
            "training rows to be held as float32"
        )


def _styles(plain: Any) -> dict[str, NumberStyle]:
    if not isinstance(plain, dict):
        raise ValueError(f"{NUMBERS!r} must be an object")
    return {str(name): NumberStyle.from_dict(style) for name, style in plain.items()}


def _texts(plain: dict[str, Any], key: str) -> tuple[str, ...]:
    values = plain[key]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key!r} must be a list of texts")
    return tuple(values)
