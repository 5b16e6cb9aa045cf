"""What exported functions take and give, and the encoders of a table as such."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ffnn_fast._c_code.c_inputs import Input, Inputs, Step
from ffnn_fast._c_code.c_outputs import Outputs
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.target_outputs import check_targets
from ffnn_fast.preprocessing import (
    CategoricalColumn,
    Encoders,
    NumericColumn,
    TableEncoder,
    Targets,
    encoders_of,
)

Array = np.ndarray
UNITS = ("scale", "mean")


@dataclass(frozen=True)
class Columns:
    """What the exported functions take and give.

    Attributes
    ----------
    n_inputs : int
        Of the C functions: n_0, or the number of raw columns.
    outputs : Outputs
    inputs : Inputs or None
        How raw columns are encoded.
    description : list of str
        What the inputs and outputs are, a line each.
    codes : tuple of (int, int)
        Without `inputs`: the columns that hold codes of an input block, and the largest.
    """

    n_inputs: int
    outputs: Outputs
    inputs: Inputs | None = None
    description: tuple[str, ...] = ()
    codes: tuple[tuple[int, int], ...] = ()

    def tangent(self, width: int, n_0: int) -> list[str]:
        """Statements that set t_1 := ∂a_1 / ∂x_c, of `width` values."""
        loop = f"for (i = 0; i < {width}; ++i) t_1[i]"
        if self.inputs is None:
            return [f"{loop} = W_1[c][i];"]
        return [
            f"{loop} = 0;",
            f"for (j = 0; j < {n_0}; ++j) {{",
            "    if (source[j] != c) continue;",
            f"    {loop} += d_0[j] * W_1[j][i];",
            "}",
        ]

    def samples(self, n: int, dtype: str, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Random inputs of the C functions, (n, n_inputs), and what the network takes, in float64,
        (n, n_0), with its derivatives.
        """
        if self.inputs is None:
            x = rng.normal(size=(n, self.n_inputs)).astype(dtype)
            for column, count in self.codes:
                x[:, column] = rng.integers(0, count + 2, n)  # one of them unknown
            return x, x.astype(np.float64), np.ones(x.shape)
        x = self.inputs.samples(n, dtype, rng)
        return x, *self.inputs.encode(x)

    def by_column(self, J: Array, d: Array) -> Array:
        """∂ŷ/∂x, (n, n_L, n_inputs), from ∂ŷ/∂h_0, (n, n_L, n_0)."""
        return J if self.inputs is None else self.inputs.by_column(J, d)


def columns_of(preprocessing: Encoders | None, spec: NetworkSpec) -> Columns:
    """The argument `preprocessing` of `export_c`; TypeError or ValueError if it does not fit."""
    if preprocessing is None:
        codes = () if spec.inputs is None else spec.inputs.counts
        notes = _described_codes(codes)
        return Columns(spec.n_inputs, Outputs(spec.n_outputs), None, notes, codes)
    table, targets = encoders_of(preprocessing)
    width = len(table.feature_names)
    if width != spec.n_inputs:
        raise ValueError(f"preprocessing gives {width} inputs, the network has {spec.n_inputs}")
    outputs = Outputs(spec.n_outputs)
    if targets:
        check_targets(targets, spec)
        if targets[0].task == "regression":
            scales, means = (np.array([getattr(t, name) for t in targets]) for name in UNITS)
            outputs = Outputs(len(targets), scales, means)
    each = [one for c, column in enumerate(table.columns) for one in _inputs(column, c)]
    description = (*_described(table), *_described_targets(targets))
    inputs = Inputs(len(table.columns), tuple(each))
    return Columns(inputs.n_columns, outputs, inputs, description)


def _inputs(column: NumericColumn | CategoricalColumn, c: int) -> list[Input]:
    """The inputs that the raw column c gives."""
    if isinstance(column, CategoricalColumn):
        return [Input(c, (Step("Equal", (float(j),)),)) for j in range(len(column.levels))]
    steps = Step("Sub", (column.mean,)), Step("Div", (column.scale,)), Step("Fill", (0.0,))
    standard = [Input(c, steps)] if column.scale else []
    return standard + ([Input(c, (Step("IsNaN"),))] if column.marks_missing else [])


def level_notes(c: int, name: str, levels: list[str]) -> list[str]:
    """What a categorical raw column is."""
    known = ", ".join(f"{j} = {level}" for j, level in enumerate(levels))
    return [
        f"  x[{c}]: {name}, the number of its level: {known or '(none)'};",
        "    any other number is an unknown level",
    ]


def _described_codes(codes: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    """What the columns of codes are."""
    each = [f"  x[{c}]: a code from 1 to {k}; any other number is an unknown one" for c, k in codes]
    return ("Inputs: numbers, but", *each) if each else ()


def _described(table: TableEncoder) -> list[str]:
    texts = ["Inputs, raw columns:"]
    for c, column in enumerate(table.columns):
        if isinstance(column, NumericColumn):
            texts.append(f"  x[{c}]: {column.name}, a number, NaN where it is missing")
            continue
        levels = ["(missing)" if level is None else level for level in column.levels]
        texts += level_notes(c, column.name, levels)
    return texts


def _described_targets(targets: Targets) -> list[str]:
    if not targets:
        return []
    if len(targets) == 1:
        (target,) = targets
        if not target.classes:
            return ["Output: the target, in its own units"]
        single = ["  (of one output: the probability of class 1)"] * (len(target.classes) == 2)
        return [f"Outputs: probabilities of the classes {_listed(target.classes)}", *single]
    if not targets[0].classes:
        each = [f"  y[{t}]: {target.name}" for t, target in enumerate(targets)]
        return ["Outputs, the targets, in their own units:", *each]
    starts = accumulate((len(target.classes) for target in targets), initial=0)
    each = [
        f"  y[{start}], ...: {target.name}, {_listed(target.classes)}"
        for start, target in zip(starts, targets, strict=False)
    ]
    return ["Outputs, the probabilities of the classes of each target:", *each]


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(f"{j} = {one}" for j, one in enumerate(classes))
