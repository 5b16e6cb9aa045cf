"""Encoders of tables: columns of numbers and texts become inputs; targets become labels, and back.

A numeric column is a float array with NaN where a value is missing; a categorical one is an object
array of str with None where a value is missing. Encoders are fitted to the training rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._scalars import as_bool, as_choice, as_float, convert_fields
from ffnn_fast._text import quoted

__all__ = [
    "CategoricalColumn",
    "NumericColumn",
    "TableEncoder",
    "TargetEncoder",
    "sorted_names",
]

Array = np.ndarray
T = TypeVar("T")
TASKS = ("classification", "regression")
ROUNDINGS = 8  # of the largest value: the most by which values differ that count as equal


@dataclass(frozen=True)
class NumericColumn:
    """x := (v − mean) / scale; a missing v counts as the mean.

    Parameters
    ----------
    name : str
    mean : float
        Mean of the training values.
    scale : float
        Their standard deviation; 0, if all are equal but for rounding, gives no input.
    marks_missing : bool, default False
        Whether there is an additional input that is 1 where v is missing, else 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    name: str
    mean: float
    scale: float
    marks_missing: bool = False

    def __post_init__(self) -> None:
        _check(isinstance(self.name, str), "name of a column", self.name)
        convert_fields(self, as_float, "mean", low=-math.inf)
        convert_fields(self, as_float, "scale", closed="left")
        convert_fields(self, as_bool, "marks_missing")

    @classmethod
    def fit(cls, name: str, values: Array) -> NumericColumn:
        """Mean and standard deviation of the values that are not missing, (n,).

        The deviation is 0 if the values differ by no more than 8 roundings of the largest, in
        their own dtype. Masked values are missing.
        """
        values = _with_nan(values)
        if np.isinf(values).any():
            raise ValueError(f"column {name!r} holds infinity")
        missing = np.isnan(values)
        known = values[~missing]
        mean, scale = _mean_and_deviation(known) if len(known) else (0.0, 0.0)
        return cls(name, mean, scale, bool(missing.any() and len(known)))

    @property
    def feature_names(self) -> list[str]:
        """Names of the inputs."""
        marked = [f"{self.name} missing"] if self.marks_missing else []
        return ([self.name] if self.scale else []) + marked

    def transform(self, values: Array) -> Array:
        """Inputs, (n, number of features) float64, of values, (n,)."""
        values = _with_nan(values).astype(np.float64)
        missing = np.isnan(values)
        out = np.empty((len(values), len(self.feature_names)))
        if self.scale:
            scaled = ignoring("over", lambda: (values - self.mean) / self.scale)
            out[:, 0] = np.where(missing, 0.0, scaled)
        if self.marks_missing:
            out[:, -1] = missing
        return out


@dataclass(frozen=True)
class CategoricalColumn:
    """One input per level of the training rows: 1 at the value's level, else 0.

    Parameters
    ----------
    name : str
    levels : tuple of str or None
        Distinct; None stands for "missing". A value that is no level gives zeros.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

    name: str
    levels: tuple[str | None, ...]

    def __post_init__(self) -> None:
        _check(isinstance(self.name, str), "name of a column", self.name)
        _check(
            _are_distinct(self.levels, (str, type(None))),
            f"levels of {quoted(self.name)}",
            self.levels,
        )

    @classmethod
    def fit(cls, name: str, values: Array) -> CategoricalColumn:
        """The levels in sorted order, None last; a column with one level gives no input."""
        levels = sorted({value for value in values if value is not None})
        found = (*levels, None) if any(value is None for value in values) else tuple(levels)
        return cls(name, found if len(found) > 1 else ())

    @property
    def feature_names(self) -> list[str]:
        """Names of the inputs."""
        return [f"{self.name} missing" if v is None else f"{self.name}={v}" for v in self.levels]

    def transform(self, values: Array) -> Array:
        """Inputs, (n, number of levels) float64, of values, (n,)."""
        place = {level: j for j, level in enumerate(self.levels)}
        at = np.array([place.get(value, -1) for value in values], dtype=np.int64)
        out = np.zeros((len(at), len(self.levels)))
        seen = np.flatnonzero(at >= 0)
        out[seen, at[seen]] = 1.0
        return out


Column = NumericColumn | CategoricalColumn


@dataclass(frozen=True)
class TableEncoder:
    """Encodes the columns of a table as the input matrix of a network.

    Attributes
    ----------
    columns : tuple of NumericColumn or CategoricalColumn
        In the order of their inputs.
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        _check(len(set(names)) == len(names), "columns (names occur twice)", names)
        if not self.feature_names:
            raise ValueError("no column varies over the training rows: there is nothing to learn")

    @classmethod
    def fit(cls, columns: Mapping[str, Array]) -> TableEncoder:
        """Fit to the training rows; columns that do not vary there are left out.

        Parameters
        ----------
        columns : mapping of str to array of shape (n,)
            Float arrays are numeric (NaN: missing), others categorical (None: missing).

        Raises
        ------
        ValueError
            If a column holds infinity or no column varies.
        """
        fitted: list[Column] = [
            NumericColumn.fit(name, values)
            if np.asarray(values).dtype.kind in "fiub"
            else CategoricalColumn.fit(name, values)
            for name, values in columns.items()
        ]
        return cls(tuple(column for column in fitted if column.feature_names))

    @property
    def feature_names(self) -> list[str]:
        """One name per input, d of them."""
        return [name for column in self.columns for name in column.feature_names]

    def transform(self, columns: Mapping[str, Array]) -> Array:
        """The input matrix, (n, d) float64; other columns are ignored.

        Raises
        ------
        ValueError
            If a column is absent.
        """
        absent = [column.name for column in self.columns if column.name not in columns]
        if absent:
            raise ValueError(f"missing columns: {', '.join(absent)}")
        return np.hstack([column.transform(columns[column.name]) for column in self.columns])

    def to_dict(self) -> dict[str, Any]:
        """The encoder as plain JSON values."""
        kinds = {NumericColumn: "numeric", CategoricalColumn: "categorical"}
        return {"columns": [{"kind": kinds[type(c)], **asdict(c)} for c in self.columns]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TableEncoder:
        """The inverse of `to_dict`; raises ValueError for anything else."""
        columns = _entries(plain, {"columns"}, "an encoder")["columns"]
        _check(isinstance(columns, list), "columns", columns)
        return cls(tuple(_with_value_errors(_column_from_dict, column) for column in columns))


@dataclass(frozen=True)
class TargetEncoder:
    """Encodes the target column for training, and decodes predictions.

    Attributes
    ----------
    name : str
    task : {"classification", "regression"}
    classes : tuple of str
        Class names by label; empty for regression.
    mean, scale : float
        Regression learns (v − mean) / scale.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check(isinstance(self.name, str), "name of the target", self.name)
        convert_fields(self, as_choice, "task", choices=TASKS)
        _check(_are_distinct(self.classes, (str,)), "classes", self.classes)
        if self.task == "classification" and len(self.classes) < 2:
            only = f" ({self.classes[0]})" if self.classes else ""
            raise ValueError(f"target {self.name!r} has one class only{only}")
        convert_fields(self, as_float, "mean", low=-math.inf)
        convert_fields(self, as_float, "scale")

    @classmethod
    def fit(cls, name: str, values: Array, task: str) -> TargetEncoder:
        """Find class names (str values) or mean and scale (float values) of (n,) values.

        Classes are sorted, as numbers if all are numbers. Raises ValueError if only one class or,
        but for rounding, one value occurs.
        """
        if task == "classification":
            return cls(name, task, tuple(sorted_names({str(value) for value in values})))
        as_choice(task, "task", TASKS)
        values = _with_nan(values)
        if not np.isfinite(values).all():
            raise ValueError(f"target {name!r} must be finite")
        mean, scale = _mean_and_deviation(values)
        if scale == 0:
            raise ValueError(f"target {name!r} has one value only ({mean:g})")
        return cls(name, task, (), mean, scale)

    def encode(self, values: Array) -> Array:
        """Labels, (n,) int64, or standardised values, (n,) float64.

        Raises
        ------
        ValueError
            For a class that is not among `classes`.
        """
        if self.task == "regression":
            return (np.asarray(values, np.float64) - self.mean) / self.scale
        place = {name: label for label, name in enumerate(self.classes)}
        unknown = sorted({str(value) for value in values} - set(place))
        if unknown:
            raise ValueError(
                f"target {self.name!r} has the unknown class {unknown[0]!r}; "
                f"known: {', '.join(self.classes)}"
            )
        return np.array([place[str(value)] for value in values], dtype=np.int64)

    def decode(self, predicted: Array) -> Array:
        """Class names of labels, (n,) object, or values in the target's units, (n,) float64."""
        if self.task == "regression":
            return np.asarray(predicted, np.float64) * self.scale + self.mean
        return np.array(self.classes, dtype=object)[np.asarray(predicted, dtype=np.int64)]

    def to_dict(self) -> dict[str, Any]:
        """The encoder as plain JSON values."""
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TargetEncoder:
        """The inverse of `to_dict`; raises ValueError for anything else."""
        given = _entries(plain, {"name", "task", "classes", "mean", "scale"}, "a target encoder")
        _check(isinstance(given["classes"], list), "classes", given["classes"])
        return _with_value_errors(cls, **{**given, "classes": tuple(given["classes"])})


Targets = tuple[TargetEncoder, ...]
Encoders = TableEncoder | tuple[TableEncoder, TargetEncoder | Targets]


def encoders_of(given: Encoders, further: str = "") -> tuple[TableEncoder, Targets]:
    """The encoder of the inputs and those of the targets, none, one or several; TypeError if they
    are something else, with the `further` types that the caller takes.
    """
    table, target = given if isinstance(given, tuple) and len(given) == 2 else (given, ())
    targets = target if isinstance(target, tuple) else (target,)
    are_encoders = all(isinstance(one, TargetEncoder) for one in targets)
    if not isinstance(table, TableEncoder) or not are_encoders:
        raise TypeError(
            "preprocessing must be a TableEncoder or a tuple (TableEncoder, TargetEncoder), of "
            f"several targets with a tuple of encoders{further}; got {given!r}"
        )
    return table, targets


def sorted_names(names: set[str]) -> list[str]:
    """Sorted as numbers if all are numbers, else as texts."""
    try:
        return sorted(names, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(names)


def is_constant(values: Array) -> Array:
    """Whether finite values, (n, ...), are equal along the first axis but for rounding.

    They are if they differ by at most 8 ε of the largest, ε that of their dtype (of float32 for
    float16). Integers that the dtype holds exactly, also as floats, have no rounding.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    if values.dtype.kind != "f":
        return np.asarray(low == high)
    eps = float(np.finfo(np.float64 if values.dtype.itemsize > 4 else np.float32).eps)
    size = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    fraction, exponent = np.frexp(size)  # in this unit nothing overflows or underflows
    spread = np.ldexp(high.astype(np.float64), -exponent) - np.ldexp(low.astype(float), -exponent)
    exact = (values == np.trunc(values)).all(axis=0) & (size <= 2 / eps)
    return np.where(exact, low == high, spread <= ROUNDINGS * eps * fraction)


def _with_nan(values: Any) -> Array:
    """Floats as they are and other numbers in float64, (n,); masked ones as NaN."""
    if isinstance(values, np.ma.MaskedArray):
        known = values.data.astype(values.dtype if values.dtype.kind == "f" else np.float64)
        known[np.ma.getmaskarray(values)] = np.nan
        return known
    array = np.asarray(values)
    return array if array.dtype.kind in "fiu" else array.astype(np.float64)


def _mean_and_deviation(values: Array) -> tuple[float, float]:
    """Mean and standard deviation of (n,) finite values, scaled so that squares stay finite."""
    constant = bool(is_constant(values))
    values = values.astype(np.float64)
    if constant:
        return float(values[0]), 0.0
    exponent = int(np.frexp(np.abs(values).max())[1])
    unit = np.ldexp(values, -exponent)
    return float(np.ldexp(unit.mean(), exponent)), float(np.ldexp(unit.std(), exponent))


def _are_distinct(values: Any, types: tuple[type, ...]) -> bool:
    """Whether `values` is a tuple of distinct values of these types."""
    typed = isinstance(values, tuple) and all(isinstance(value, types) for value in values)
    return typed and len(set(values)) == len(values)


def _check(holds: bool, what: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"bad {what}: {quoted(value)}")


def _entries(plain: Any, names: set[str], what: str) -> dict[str, Any]:
    """The mapping itself if it has exactly these keys."""
    if not isinstance(plain, Mapping) or set(plain) != names:
        raise ValueError(f"{what} is a mapping with exactly the keys {sorted(names)}")
    return dict(plain)


def _with_value_errors(make: Callable[..., T], *args: Any, **given: Any) -> T:
    """What `make` returns, or ValueError for an entry of a wrong type too."""
    try:
        return make(*args, **given)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _column_from_dict(plain: Any) -> Column:
    kind = plain.get("kind") if isinstance(plain, Mapping) else None
    if kind == "numeric":
        given = _entries(plain, {"kind", "name", "mean", "scale", "marks_missing"}, "a column")
        del given["kind"]
        return NumericColumn(**given)
    given = _entries(plain, {"kind", "name", "levels"}, "a column")
    _check(kind == "categorical", "kind of a column", kind)
    _check(isinstance(given["levels"], list), "levels", given["levels"])
    return CategoricalColumn(given["name"], tuple(given["levels"]))
