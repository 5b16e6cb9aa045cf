"""Transformers of scikit-learn in ONNX's operators, by the name of their class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ffnn_fast._model.transformers import (
    OPERATIONS,
    categories_of,
    inverse_operations,
    kind_of,
    limits,
    parts_of,
    passes,
    statistics_of,
)
from ffnn_fast.onnx._graph import ML, Graph

EXPORT = "ONNX export"


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
        self.steps = [step for step in steps if not passes(step)]
        first = self.steps[0] if self.steps else None
        named = kind_of(first) == "ColumnTransformer" and hasattr(first, "feature_names_in_")
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
        if passes(step):
            return columns
        if hasattr(step, "steps"):
            for _, part in step.steps:
                columns = self.transform(part, columns)
            return columns
        kind = kind_of(step)
        if kind not in TRANSFORMERS:
            known = ", ".join([*TRANSFORMERS, "Pipeline"])
            raise ValueError(f"{EXPORT} has no form for {kind}; it has forms for {known}")
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
    for op, values in OPERATIONS[kind_of(step)](step):
        x = self.graph.add(op, x, self.constant(values))
    if ends := limits(step):
        x = self.graph.add("Clip", x, *(self.constant(end) for end in ends))
    return self.columns(x, len(columns))


def add_inverse(graph: Graph, step: Any, y: str) -> str:
    """The inverse of a transformer of targets, (n, T)."""
    for op, values in inverse_operations(step, EXPORT):
        y = graph.add(op, y, graph.constant(values))
    return y


def _imputed(self: Transformers, step: Any, columns: Columns) -> Columns:
    """The statistic of the column where a value is NaN."""
    statistics = statistics_of(step, EXPORT)
    x = self.matrix(columns)
    filled = self.graph.add("Where", self.graph.add("IsNaN", x), self.constant(statistics), x)
    return self.columns(filled, len(columns))


def _one_hot(self: Transformers, step: Any, columns: Columns) -> Columns:
    """1 at the category of each column; zeros for an unknown one, whatever handle_unknown is."""
    found: Columns = []
    for column, (categories, kept) in zip(columns, categories_of(step, EXPORT), strict=True):
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
    found: Columns = []
    for part, places in parts_of(step, len(columns), EXPORT):
        found += self.transform(part, [columns[j] for j in places])
    return found


TRANSFORMERS: dict[str, Callable[[Transformers, Any, Columns], Columns]] = {
    **dict.fromkeys(OPERATIONS, _affine),
    "SimpleImputer": _imputed,
    "OneHotEncoder": _one_hot,
    "ColumnTransformer": _by_column,
}
