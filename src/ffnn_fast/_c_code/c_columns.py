"""Preprocessing in C: raw columns of a table to h_0, and ŷ to the units of the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffnn_fast._c_code.c_text import array, lines, literal
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

Array = np.ndarray
GAPS = 0.2  # the share of missing values among the reference vectors


@dataclass(frozen=True)
class Columns:
    """What the exported functions take and give.

    Attributes
    ----------
    n_inputs : int
        Of the C functions: n_0, or the number of raw columns.
    inputs : TableEncoder or None
    target : TargetEncoder or None
    """

    n_inputs: int
    inputs: TableEncoder | None = None
    target: TargetEncoder | None = None

    @property
    def encodes(self) -> bool:
        """Whether raw columns are encoded."""
        return self.inputs is not None

    @property
    def _regression(self) -> TargetEncoder | None:
        """The encoder of a target that is a number."""
        return self.target if self.target and self.target.task == "regression" else None

    def decoded(self, y: str, real: str) -> str:
        """An output in the units of the target, computed in double."""
        if (target := self._regression) is None:
            return y
        mean, scale = literal(target.mean, "double"), literal(target.scale, "double")
        return f"({real})((double){y} * {scale} + {mean})"

    def scaled(self, t: str, real: str) -> str:
        """The derivative of such an output."""
        if (target := self._regression) is None:
            return t
        return f"({real})((double){t} * {literal(target.scale, 'double')})"

    def encoding(self, real: str) -> str:
        """The function ``encode``, and which input of the network a numeric column is."""
        if self.inputs is None:
            return ""
        body, place = [], 0
        for c, column in enumerate(self.inputs.columns):
            added = _inputs(column, f"x[{c}]", real)
            body += [f"h[{place + j}] = {text};" for j, text in enumerate(added)]
            place += len(added)
        places, factors = self._numeric_inputs()
        return "\n".join(
            [
                "/* h_0 of the raw columns; standardised in double */",
                f"static void encode(const {real} *x, {real} *h)\n{{\n{lines(body)}}}\n",
                "/* the input of the network that is (x_c - mean) * factor_c, or -1 */",
                array("int", "input_of", places, real),
                array("double", "factor", factors, "double"),
            ]
        )

    def _numeric_inputs(self) -> tuple[Array, Array]:
        """For each raw column the input that is (v − mean) factor, or -1, and the factor."""
        places, factors, place = [], [], 0
        for column in self.inputs.columns if self.inputs else ():
            scale = column.scale if isinstance(column, NumericColumn) else 0.0
            places.append(place if scale else -1)
            factors.append(1 / scale if scale else 0.0)
            place += len(column.feature_names)
        return np.array(places), np.array(factors)

    def tangent(self, real: str) -> tuple[list[str], str]:
        """Statements at the start of column c of the Jacobian, and ∂a_1 / ∂x_c as an expression."""
        if self.inputs is None:
            return [], "W_1[c][i]"
        known = "input_of[c] >= 0 && x[c] == x[c]"
        return [
            f"const {real} f = {known} ? ({real})factor[c] : 0;",
            "const int j = input_of[c] >= 0 ? input_of[c] : 0;",
        ], "f * W_1[j][i]"

    def samples(self, n: int, dtype: str, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random inputs of the C functions, (n, n_inputs), and h_0 in float64, (n, n_0)."""
        if self.inputs is None:
            x = rng.normal(size=(n, self.n_inputs)).astype(dtype)
            return x, x.astype(np.float64)
        raw, given = np.empty((n, self.n_inputs), dtype), {}
        for c, column in enumerate(self.inputs.columns):
            if isinstance(column, NumericColumn):
                raw[:, c] = rng.normal(column.mean, column.scale, n)
                if column.marks_missing:
                    raw[rng.random(n) < GAPS, c] = np.nan
                given[column.name] = raw[:, c].astype(np.float64)
            else:
                raw[:, c] = rng.integers(-1, len(column.levels), n)
                levels = [*column.levels, "(unknown)"]  # -1 is the last
                given[column.name] = np.array([levels[int(j)] for j in raw[:, c]], object)
        return raw, self.inputs.transform(given)

    def in_units(self, y: Array) -> Array:
        """ŷ as the C functions give it."""
        target = self._regression
        return y if target is None else y * target.scale + target.mean

    def by_column(self, x: Array, J: Array) -> Array:
        """∂y/∂x, (n, n_L, n_inputs), from ∂ŷ/∂h_0, (n, n_L, n_0)."""
        if self._regression is not None:
            J = J * self._regression.scale
        if self.inputs is None:
            return J
        places, factors = self._numeric_inputs()
        found = J[:, :, places] * factors
        return np.where(np.isnan(x)[:, None, :] | (places < 0), 0.0, found)

    def description(self) -> list[str]:
        """What the inputs and outputs are, a line each."""
        if self.inputs is None:
            return []
        texts = ["Inputs, raw columns:"]
        for c, column in enumerate(self.inputs.columns):
            if isinstance(column, NumericColumn):
                texts.append(f"  x[{c}]: {column.name}, a number, NaN where it is missing")
                continue
            levels = ", ".join(
                f"{j} = {'(missing)' if level is None else level}"
                for j, level in enumerate(column.levels)
            )
            texts.append(f"  x[{c}]: {column.name}, the number of its level: {levels or '(none)'};")
            texts.append("    any other number is an unknown level")
        if self.target and self.target.classes:
            classes = ", ".join(f"{j} = {one}" for j, one in enumerate(self.target.classes))
            texts.append(f"Outputs: probabilities of the classes {classes}")
            if len(self.target.classes) == 2:
                texts.append("  (of one output: the probability of class 1)")
        elif self.target:
            texts.append("Output: the target, in its own units")
        return texts


def _inputs(column: NumericColumn | CategoricalColumn, x: str, real: str) -> list[str]:
    """Expressions for the inputs that a raw column x gives."""
    if isinstance(column, CategoricalColumn):
        return [f"{x} == {literal(j, real)}" for j in range(len(column.levels))]
    mean, scale = literal(column.mean, "double"), literal(column.scale, "double")
    standard = f"{x} == {x} ? ({real})(((double){x} - {mean}) / {scale}) : 0"
    return ([standard] if column.scale else []) + ([f"{x} != {x}"] if column.marks_missing else [])


def columns_of(
    preprocessing: TableEncoder | tuple[TableEncoder, TargetEncoder] | None, spec: NetworkSpec
) -> Columns:
    """The argument `preprocessing` of `export_c`; TypeError or ValueError if it does not fit."""
    if preprocessing is None:
        return Columns(spec.n_inputs)
    parts = preprocessing if isinstance(preprocessing, tuple) else (preprocessing, None)
    kinds = [type(part) for part in parts]
    if kinds not in ([TableEncoder, type(None)], [TableEncoder, TargetEncoder]):
        raise TypeError(
            "preprocessing must be a TableEncoder or a tuple (TableEncoder, TargetEncoder), "
            f"got {preprocessing!r}"
        )
    inputs, target = parts
    width = len(inputs.feature_names)
    if width != spec.n_inputs:
        raise ValueError(f"preprocessing gives {width} inputs, the network has {spec.n_inputs}")
    if target is not None:
        _check_target(target, spec)
    return Columns(len(inputs.columns), inputs, target)


def _check_target(target: TargetEncoder, spec: NetworkSpec) -> None:
    """ValueError unless the outputs are those of this target."""
    classes = len(target.classes)
    fits = spec.n_outputs == 1 if target.task == "regression" else max(spec.n_outputs, 2) == classes
    if spec.heads or target.task != spec.task or not fits:
        raise ValueError(
            f"the target has {classes} classes ({target.task}), the network has "
            f"{spec.n_outputs} outputs ({spec.task}) in {len(spec.head_widths)} heads"
        )
