"""Columns of a table as the inputs of a network: RealMLP's encoding.

D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
Trees on Tabular Data", NeurIPS 2024: numbers are centred at the median, scaled by the quartiles and
clipped smoothly; categories are ±1, one-hot or codes, which an input block makes into either of
them or into a trained embedding. In the published recipes ±1 and one-hot inputs are scaled and
clipped as numbers are. Missing numbers, which the paper leaves out, count as the median and are
marked by a further input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ffnn_fast._columns.features import (
    CATEGORY,
    DATE,
    LEFT_OUT,
    NUMBER,
    Feature,
    aligned,
    fit_features,
)
from ffnn_fast._columns.frames import Table
from ffnn_fast._errstate import ignoring
from ffnn_fast.tabular._cells import Cells, Column
from ffnn_fast.tabular._robust_scale import RobustScale, scaled_and_finite

Array = np.ndarray
BLOCK = 8192  # rows that are scaled at a time


@dataclass(frozen=True)
class TableInputs:
    """The fitted encoding of a table.

    Attributes
    ----------
    features : tuple of Feature
        How each column is used, in the order of the table.
    scales : tuple of RobustScale
        Of each number, in the order of `number_names`.
    coded : bool
        Whether categories are codes, for an `ffnn_fast.inputs.InputBlock`; otherwise they are ±1 or
        one-hot inputs.
    named : bool
        Whether columns are found by name; else by place.
    most_one_hot : int
        Of coded categories: those with up to so many levels are ±1 or one-hot inputs all the same,
        scaled and clipped.
    binary_scales : tuple of RobustScale
        Of these inputs.
    """

    features: tuple[Feature, ...]
    scales: tuple[RobustScale, ...]
    coded: bool
    named: bool
    most_one_hot: int = 0
    binary_scales: tuple[RobustScale, ...] = ()

    @classmethod
    def fit(
        cls,
        table: Table,
        categorical: tuple[str, ...] = (),
        coded: bool = True,
        most_one_hot: int = 0,
        rows: Array | slice = slice(None),
        numeric: tuple[str, ...] = (),
    ) -> TableInputs:
        """Fit to the training rows; raises ValueError if no column can be used.

        Levels of categories are those of all rows; medians and scales are those of `rows`.
        """
        features = fit_features(table, categorical, numeric)
        scales = tuple(
            RobustScale.fit(_known_some(values[rows], values))
            for feature in features
            for values in feature.numbers(table.columns[feature.name]).values()
        )
        fitted = cls(features, scales, coded, table.named, most_one_hot)
        if not most_one_hot:
            return fitted
        inputs = [
            _binary_inputs(feature, feature.codes(aligned(feature, table.columns[feature.name])))
            for feature in fitted._binary
        ]
        binary = tuple(RobustScale.fit(column) for part in inputs for column in part[rows].T)
        return replace(fitted, binary_scales=binary)

    @property
    def number_names(self) -> list[str]:
        """Names of the scaled numbers, which come first among the inputs; they may occur twice."""
        return [name for feature in self.features for name in feature.number_names]

    @property
    def binary_names(self) -> list[str]:
        """Names of the inputs after the numbers: marks of missing numbers, ±1 and one-hot."""
        marks = [f"{name} missing" for name in self._marked(self.number_names)]
        return marks + [name for f in self._binary for name in _binary_names(f)]

    @property
    def code_sizes(self) -> list[int]:
        """Known levels of each category with codes, which are the last inputs."""
        return [len(feature.levels) for feature in self._coded]

    @property
    def sources(self) -> list[str]:
        """The column of the table that each input comes from."""
        numbers = [feature.name for feature in self.features for _ in feature.number_names]
        binary = [f.name for f in self._binary for _ in _binary_names(f)]
        return numbers + self._marked(numbers) + binary + [f.name for f in self._coded]

    @property
    def n_inputs(self) -> int:
        """Columns of the encoded matrix."""
        return len(self.scales) + len(self.binary_names) + len(self.code_sizes)

    def transform(self, table: Table, dtype: str = "float32") -> Array:
        """The rows as inputs, (n, n_inputs): numbers, binary inputs, codes.

        Raises
        ------
        ValueError
            If a column is absent, or holds something of another kind than in the training rows.
        """
        out = np.empty((table.n_rows, self.n_inputs), dtype)
        numbers: list[Array] = []
        binary = len(self.scales) + self._count_marks()
        code = self.n_inputs - len(self.code_sizes)
        columns = self._columns(table)
        for feature, values in zip(self.features, columns, strict=True):
            numbers += feature.numbers(values).values()
            if feature.use != CATEGORY:
                continue
            if self._has_codes(feature):
                out[:, code] = feature.codes(values)
                code += 1
            else:
                part = self._scaled(_binary_inputs(feature, feature.codes(values)), binary)
                out[:, binary : binary + part.shape[1]] = part
                binary += part.shape[1]
        for start in range(0, table.n_rows if numbers else 0, BLOCK):
            part = np.stack([column[start : start + BLOCK] for column in numbers], axis=1)
            self._put_numbers(part, out[start : start + BLOCK])
        return out

    @cached_property
    def names(self) -> list[str]:
        """Of the columns of the table."""
        return [feature.name for feature in self.features]

    @cached_property
    def only_numbers(self) -> bool:
        """Whether each column that is used is a number."""
        return all(feature.use in (NUMBER, LEFT_OUT) for feature in self.features)

    def transform_numbers(self, X: Array, first: int = 0) -> Array:
        """The rows of a matrix of numbers as inputs, (n, n_inputs) float32, with `only_numbers`.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Real numbers, NaN where missing; the columns are in the order of the features.
        first : int, default 0
            The number of the first row in messages.

        Raises
        ------
        ValueError
            If a number is infinite.
        """
        _, _, _, places = self._vectors
        out = np.empty((len(X), self.n_inputs), np.float32)
        self._put_numbers(X if places is None else X[:, places], out, first)
        return out

    def _put_numbers(self, values: Array, out: Array, first: int = 0) -> None:
        """Write the inputs of numbers (n, d), and the marks of missing ones, to rows of `out`."""
        median, scale, marked, places = self._vectors
        x, finite = ignoring("over invalid", scaled_and_finite, values, median, scale)
        if not finite:
            infinite = np.isinf(values)
            if infinite.any():
                row, column = np.argwhere(infinite)[0]
                at = column if places is None else places[column]
                raise ValueError(
                    f"column {at} of X must hold finite numbers or NaN, got infinity in row "
                    f"{first + row}"
                )
        out[:, : len(median)] = x
        if len(marked):
            out[:, len(median) : len(median) + len(marked)] = np.isnan(values[:, marked])

    @cached_property
    def _vectors(self) -> tuple[Array, Array, Array, Array | None]:
        """Medians and scales of the numbers, those that are marked, and the columns of numbers
        where not all columns are.
        """
        marked = [j for j, scale in enumerate(self.scales) if scale.marks_missing]
        used = [j for j, feature in enumerate(self.features) if feature.use == NUMBER]
        return (
            np.array([scale.median for scale in self.scales]),
            np.array([scale.scale for scale in self.scales]),
            np.array(marked, np.intp),
            None if len(used) == len(self.features) else np.array(used, np.intp),
        )

    @cached_property
    def cells(self) -> Cells:
        """The same encoding for a few rows."""
        scales = iter(self.scales)
        found, binary = [], len(self.scales) + self._count_marks()
        for feature in self.features:
            own = tuple(next(scales) for _ in feature.number_names)
            column = Column(feature.use, own, feature.code_of_level, parts=feature.parts)
            if feature.use == DATE:
                origin = np.datetime64(feature.origin, "us").astype(np.int64)
                column = replace(column, origin=int(origin))
            if feature.use == CATEGORY and not self._has_codes(feature):
                codes = np.arange(len(feature.levels) + 1)
                part = self._scaled(_binary_inputs(feature, codes), binary)
                column = replace(column, binary=tuple(map(tuple, part.tolist())))
                binary += part.shape[1]
            found.append(column)
        return Cells(found)

    def to_dict(self) -> dict[str, Any]:
        """The encoding as plain JSON values."""
        return {
            "features": [feature.to_dict() for feature in self.features],
            "scales": [vars(scale) for scale in self.scales],
            "coded": self.coded,
            "named": self.named,
            "most_one_hot": self.most_one_hot,
            "binary_scales": [vars(scale) for scale in self.binary_scales],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TableInputs:
        """The inverse of `to_dict`."""
        return cls(
            tuple(Feature.from_dict(feature) for feature in plain["features"]),
            tuple(RobustScale(**scale) for scale in plain["scales"]),
            bool(plain["coded"]),
            bool(plain["named"]),
            int(plain["most_one_hot"]),
            tuple(RobustScale(**scale) for scale in plain["binary_scales"]),
        )

    def _columns(self, table: Table) -> list[Array]:
        """The columns of the features, in their order; NaN stands for those left out."""
        used = [feature for feature in self.features if feature.use != LEFT_OUT]
        if self.named and table.named:
            absent = [f.name for f in used if f.name not in table.columns]
            if absent:
                raise ValueError(f"X lacks the columns {', '.join(map(repr, absent[:20]))}")
        elif len(table.columns) != len(self.features):
            raise ValueError(
                f"X has {len(table.columns)} features, but the model is expecting "
                f"{len(self.features)} features as input"
            )
        by_place = list(table.columns.values())
        gap = np.full(table.n_rows, np.nan)
        return [
            gap
            if feature.use == LEFT_OUT
            else aligned(
                feature,
                table.columns[feature.name] if self.named and table.named else by_place[j],
            )
            for j, feature in enumerate(self.features)
        ]

    def _has_codes(self, category: Feature) -> bool:
        return self.coded and len(category.levels) > self.most_one_hot

    @property
    def _coded(self) -> list[Feature]:
        return [f for f in self.features if f.use == CATEGORY and self._has_codes(f)]

    @property
    def _binary(self) -> list[Feature]:
        return [f for f in self.features if f.use == CATEGORY and not self._has_codes(f)]

    def _scaled(self, part: Array, first: int) -> Array:
        """±1 or one-hot inputs, of which the first is input `first`, scaled where they are to be.

        The package of the paper has +1 for the first of two levels.
        """
        if not self.binary_scales:
            return part
        at = first - len(self.scales) - self._count_marks()
        scales = self.binary_scales[at : at + part.shape[1]]
        columns = [scale.transform(column) for scale, column in zip(scales, part.T, strict=True)]
        return np.hstack(columns) * (-1 if part.shape[1] == 1 else 1)

    def _count_marks(self) -> int:
        return sum(scale.marks_missing for scale in self.scales)

    def _marked(self, names: list[str]) -> list[str]:
        """Those of the numbers' names whose missing values are marked."""
        return [n for n, scale in zip(names, self.scales, strict=True) if scale.marks_missing]


def _known_some(values: Array, instead: Array) -> Array:
    """The values, or others if none of these is known."""
    return instead if np.isnan(values).all() else values


def _binary_names(feature: Feature) -> list[str]:
    """The inputs of a category without codes."""
    if len(feature.levels) <= 2:
        return [feature.name]
    return [f"{feature.name}={level}" for level in feature.levels]


def _binary_inputs(feature: Feature, codes: Array) -> Array:
    """±1 for two levels, else one-hot; 0 where missing or unknown; (n, inputs)."""
    if len(feature.levels) <= 2:
        return np.array([0.0, -1.0, 1.0])[codes][:, None]
    return (codes[:, None] == np.arange(1, len(feature.levels) + 1)).astype(np.float64)
