"""Transformers of scikit-learn in ONNX's operators, by the name of their class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ffnn_fast.onnx._graph import ML, Graph

PASSED = ("passthrough", None)


class Source:
    """An input of the graph, (n, width), declared at its first use as numbers or as texts."""

    def __init__(self, graph: Graph, name: str, width: int, dtype: str) -> None:
        self.graph, self.name, self.width, self.dtype = graph, name, width, dtype
        self._value, self._is_text = "", False

    def value(self, is_text: bool) -> str:
        """The name of its value; ValueError if it was used as the other type before."""
        if self._value and is_text != self._is_text:
            raise ValueError(
                f"input {self.name!r} is used as text and as numbers; an input of an ONNX model "
                "has one type. A pipeline for columns of both starts with a ColumnTransformer that "
                "is fitted to a data frame"
            )
        if not self._value:
            dtype = "object" if is_text else self.dtype
            self._value, self._is_text = self.graph.input(self.name, dtype, self.width), is_text
        return self._value


@dataclass(frozen=True)
class Column:
    """A column of a source, or of a value of the graph, (n, width)."""

    origin: Source | str
    index: int
    width: int


Columns = list[Column]


class Transformers:
    """Adds transformers to a graph; `dtype` is that of their arithmetic."""

    def __init__(self, graph: Graph, steps: Sequence[Any]) -> None:
        self.graph = graph
        self.steps = [step for step in steps if not _passes(step)]
        first = self.steps[0] if self.steps else None
        named = _kind(first) == "ColumnTransformer" and hasattr(first, "feature_names_in_")
        self.dtype = "float64" if named else graph.dtype
        self.names = list(first.feature_names_in_) if named and first is not None else []

    def add(self, n_inputs: int) -> str:
        """The transformed inputs, (n, n_0), of `n_inputs` columns where they have no names."""
        columns = [self._source(name, 1) for name in self.names]
        if not columns:
            first = self.steps[0] if self.steps else None
            width = int(getattr(first, "n_features_in_", n_inputs))
            whole = self._source("X", width)
            columns = [Column(whole.origin, j, width) for j in range(width)]
        for step in self.steps:
            columns = self.transform(step, columns)
        x = self.matrix(columns)
        return x if self.dtype == self.graph.dtype else self.graph.cast(x, self.graph.dtype)

    def _source(self, name: str, width: int) -> Column:
        return Column(Source(self.graph, name, width, self.dtype), 0, width)

    def transform(self, step: Any, columns: Columns) -> Columns:
        """The columns that a fitted transformer makes; ValueError if it has no form here."""
        if _passes(step):
            return columns
        if hasattr(step, "steps"):
            for _, part in step.steps:
                columns = self.transform(part, columns)
            return columns
        kind = _kind(step)
        if kind not in TRANSFORMERS:
            known = ", ".join([*TRANSFORMERS, "Pipeline"])
            raise ValueError(f"ONNX export has no form for {kind}; it knows {known}")
        return TRANSFORMERS[kind](self, step, columns)

    def matrix(self, columns: Columns) -> str:
        """Numeric columns side by side, (n, number of columns)."""
        parts = []
        for origin, run in groupby(columns, lambda column: column.origin):
            part = list(run)
            value = origin if isinstance(origin, str) else origin.value(is_text=False)
            parts.append(self._taken(value, [column.index for column in part], part[0].width))
        return parts[0] if len(parts) == 1 else self.graph.add("Concat", *parts, axis=1)

    def text(self, column: Column) -> str:
        """A column of texts, (n, 1)."""
        if isinstance(column.origin, str):
            raise ValueError("ONNX export expects a OneHotEncoder of texts before other steps")
        value = column.origin.value(is_text=True)
        return self._taken(value, [column.index], column.width)

    def _taken(self, value: str, indices: list[int], width: int) -> str:
        if indices == list(range(width)):
            return value
        return self.graph.add("Gather", value, self.graph.constant(indices, "int64"), axis=1)

    def constant(self, values: Any) -> str:
        """A constant in the dtype of the arithmetic."""
        return self.graph.constant(values, self.dtype)

    def columns(self, value: str, width: int) -> Columns:
        """All columns of a value."""
        return [Column(value, j, width) for j in range(width)]


def _affine(self: Transformers, step: Any, columns: Columns) -> Columns:
    """x · factor + shift, or (x − shift) / factor."""
    x = self.matrix(columns)
    for op, values in OPERATIONS[_kind(step)](step):
        x = self.graph.add(op, x, self.constant(values))
    if getattr(step, "clip", False):
        low, high = step.feature_range
        x = self.graph.add("Clip", x, self.constant(low), self.constant(high))
    return self.columns(x, len(columns))


def add_inverse(graph: Graph, step: Any, y: str) -> str:
    """The inverse of a transformer of targets, (n, T)."""
    if _passes(step):
        return y
    if _kind(step) not in OPERATIONS or getattr(step, "clip", False):
        raise ValueError(
            f"ONNX export has no inverse for {_kind(step)} of the target; it knows "
            f"{', '.join(OPERATIONS)}"
        )
    for op, values in reversed(OPERATIONS[_kind(step)](step)):
        y = graph.add(INVERSE[op], y, graph.constant(values))
    return y


def _steps(*pairs: tuple[str, Any]) -> list[tuple[str, Any]]:
    return [(op, values) for op, values in pairs if values is not None]


INVERSE = {"Sub": "Add", "Add": "Sub", "Mul": "Div", "Div": "Mul"}
OPERATIONS: dict[str, Callable[[Any], list[tuple[str, Any]]]] = {
    "StandardScaler": lambda s: _steps(
        ("Sub", s.mean_ if s.with_mean else None), ("Div", s.scale_ if s.with_std else None)
    ),
    "RobustScaler": lambda s: _steps(
        ("Sub", s.center_ if s.with_centering else None),
        ("Div", s.scale_ if s.with_scaling else None),
    ),
    "MinMaxScaler": lambda s: _steps(("Mul", s.scale_), ("Add", s.min_)),
    "MaxAbsScaler": lambda s: _steps(("Div", s.scale_)),
}


def _imputed(self: Transformers, step: Any, columns: Columns) -> Columns:
    """The statistic of the column where a value is NaN."""
    statistics = np.asarray(step.statistics_)
    missing = step.missing_values
    plain = isinstance(missing, float) and np.isnan(missing) and not step.add_indicator
    if not plain or statistics.dtype.kind not in "fiu" or np.isnan(statistics).any():
        raise ValueError(
            "ONNX export expects a SimpleImputer of numbers with missing_values=nan, "
            "add_indicator=False and a value in every column"
        )
    x = self.matrix(columns)
    filled = self.graph.add("Where", self.graph.add("IsNaN", x), self.constant(statistics), x)
    return self.columns(filled, len(columns))


def _one_hot(self: Transformers, step: Any, columns: Columns) -> Columns:
    """1 at the category of each column; zeros for an unknown one, whatever handle_unknown is."""
    infrequent = getattr(step, "infrequent_categories_", None)
    if infrequent is not None and any(part is not None for part in infrequent):
        raise ValueError("ONNX export has no form for a OneHotEncoder with infrequent categories")
    dropped = [None] * len(columns) if step.drop_idx_ is None else step.drop_idx_
    found: Columns = []
    for column, categories, drop in zip(columns, step.categories_, dropped, strict=True):
        kept = [j for j in range(len(categories)) if j != drop]
        if not kept:
            continue
        is_text = categories.dtype.kind in "OUST"
        matches = _text_matches if is_text else _number_matches
        marks = self.graph.cast(matches(self, column, categories, kept), self.dtype)
        found += self.columns(marks, len(kept))
    return found


def _text_matches(self: Transformers, column: Column, categories: Any, kept: list[int]) -> str:
    if not all(isinstance(one, str) for one in categories.tolist()):
        raise ValueError(
            f"a OneHotEncoder has the categories {categories.tolist()[:8]}; ONNX export expects "
            "texts only or numbers only, so fill in what is missing in a step before"
        )
    place = self.graph.add(
        "LabelEncoder", self.text(column), domain=ML, keys_strings=list(categories),
        values_int64s=list(range(len(categories))), default_int64=-1,
    )  # fmt: skip
    return self.graph.add("Equal", place, self.graph.constant(kept, "int64", "levels"))


def _number_matches(self: Transformers, column: Column, categories: Any, kept: list[int]) -> str:
    values = np.asarray(categories, np.float64)[kept]
    if np.isnan(values).any():
        raise ValueError("ONNX export has no form for a OneHotEncoder with the category NaN")
    return self.graph.add("Equal", self.matrix([column]), self.constant(values))


def _by_column(self: Transformers, step: Any, columns: Columns) -> Columns:
    """The outputs of the parts side by side."""
    if step.transformer_weights:
        raise ValueError("ONNX export has no form for a ColumnTransformer with weights")
    names = list(getattr(step, "feature_names_in_", ()))
    found: Columns = []
    for _, part, which in step.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        places = _places(which, names, len(columns))
        if places:
            found += self.transform(part, [columns[j] for j in places])
    return found


def _places(which: Any, names: list[str], n: int) -> list[int]:
    """The numbers of the columns that a ColumnTransformer's entry names, of n."""
    if isinstance(which, slice):
        ends = [which.start, which.stop]
        if any(isinstance(end, str) for end in ends):  # both ends belong to it, as in pandas
            start = 0 if ends[0] is None else names.index(ends[0])
            stop = n if ends[1] is None else names.index(ends[1]) + 1
            return list(range(start, stop, which.step or 1))
        return list(range(n))[which]
    listed = [which] if isinstance(which, (str, int, np.integer)) else list(which)
    if listed and all(isinstance(one, (bool, np.bool_)) for one in listed):
        return [j for j, is_one in enumerate(listed) if is_one]
    return [names.index(one) if isinstance(one, str) else range(n)[int(one)] for one in listed]


TRANSFORMERS: dict[str, Callable[[Transformers, Any, Columns], Columns]] = {
    **dict.fromkeys(OPERATIONS, _affine),
    "SimpleImputer": _imputed,
    "OneHotEncoder": _one_hot,
    "ColumnTransformer": _by_column,
}


def _passes(step: Any) -> bool:
    """Whether a step leaves its columns as they are."""
    if step is None or isinstance(step, str):
        return step in PASSED
    functions = (getattr(step, "func", step), getattr(step, "inverse_func", step))
    return _kind(step) == "FunctionTransformer" and functions == (None, None)


def _kind(step: Any) -> str:
    return type(step).__name__
