"""The inputs of a network, each made of one raw column, in C and in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ffnn_fast._c_code.c_text import array, lines

Array = np.ndarray
GAPS = 0.2  # the share of missing values among the reference vectors
# v := step(v) of operands @0 and @1, and before it f := f dv'/dv where that depends on v
STATEMENTS = {
    "Sub": "v -= @0;",
    "Add": "v += @0;",
    "Mul": "v *= @0;",
    "Div": "v /= @0;",
    "Clip": "v = v < @0 ? @0 : v > @1 ? @1 : v;",
    "Fill": "v = v == v ? v : @0;",
    "Equal": "v = v == @0;",
    "IsNaN": "v = v != v;",
    "Signed": "v = (v == 1) - (v == 0);",
    "Squash": "v /= square_root(1 + v / 3 * (v / 3));",
}
SLOPES = {
    "Clip": "f = v < @0 || v > @1 ? 0 : f;",
    "Fill": "f = v == v ? f : 0;",
    "Squash": "f /= (1 + v / 3 * (v / 3)) * square_root(1 + v / 3 * (v / 3));",
}
OPERANDS = {"Clip": 2, "IsNaN": 0, "Signed": 0, "Squash": 0}  # of the others 1
SQUARE_ROOT = """\
/* of 1 <= q < 1e301: half the exponent, then Newton's method */
static double square_root(double q)
{
    uint64_t bits;
    double r;
    int i;
    memcpy(&bits, &q, sizeof bits);
    bits = (bits >> 1) + ((uint64_t)1023 << 51);
    memcpy(&r, &bits, sizeof r);
    for (i = 0; i < 5; ++i) r = 0.5 * (r + q / r);
    return r;
}
"""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Sub": lambda v, a: v - a,
    "Add": lambda v, a: v + a,
    "Mul": lambda v, a: v * a,
    "Div": lambda v, a: v / a,
    "Clip": lambda v, a, b: np.minimum(np.maximum(v, a), b),
    "Fill": lambda v, a: np.where(np.isnan(v), a, v),
    "Equal": lambda v, a: (v == a).astype(np.float64),
    "IsNaN": lambda v: np.isnan(v).astype(np.float64),
    "Signed": lambda v: (v == 1).astype(np.float64) - (v == 0),
    "Squash": lambda v: v / np.sqrt(1 + v / 3 * (v / 3)),
}
AFFINE = {"Sub", "Add", "Mul", "Div"}
FLAT = {"Equal", "IsNaN", "Signed"}  # of derivative 0


@dataclass(frozen=True)
class Step:
    """One operation on a value; `kind` is a key of `STATEMENTS`."""

    kind: str
    operands: tuple[float, ...] = ()


@dataclass(frozen=True)
class Input:
    """An input of the network: the raw column, and the steps from its value."""

    column: int
    steps: tuple[Step, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the steps."""
        return tuple(step.kind for step in self.steps)

    def affine(self) -> tuple[float, float]:
        """Factor and offset of the steps up to the first that is not affine."""
        factor, offset = 1.0, 0.0
        for step in self.steps:
            if step.kind not in AFFINE:
                break
            (v,) = step.operands
            factor *= v if step.kind == "Mul" else 1 / v if step.kind == "Div" else 1.0
            offset = float(_applied(step, np.array(offset)))
        return factor, offset

    def slope(self) -> float:
        """The derivative where no step is cut off."""
        if FLAT & set(self.kinds):
            return 0.0
        steps = tuple(step for step in self.steps if step.kind in AFFINE)
        return Input(self.column, steps).affine()[0]

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Values and derivatives for raw values in float64."""
        v, f = x, np.full(x.shape, self.slope())
        for step in self.steps:
            if step.kind == "Clip":
                low, high = step.operands
                f = np.where((v < low) | (v > high), 0.0, f)
            elif step.kind == "Fill":
                f = np.where(np.isnan(v), 0.0, f)
            elif step.kind == "Squash":
                f = f / (1 + v / 3 * (v / 3)) ** 1.5
            v = _applied(step, v)
        return v, f


def _applied(step: Step, v: Array) -> Array:
    """A step in NumPy."""
    return np.asarray(FUNCTIONS[step.kind](v, *step.operands))


@dataclass(frozen=True)
class Inputs:
    """All inputs of a network, h_0, of `n_columns` raw columns."""

    n_columns: int
    each: tuple[Input, ...]

    def of_column(self, c: int) -> list[Input]:
        """The inputs that are made of one raw column."""
        return [one for one in self.each if one.column == c]

    def source(self, real: str, jacobian: bool) -> str:
        """The arrays and the function ``encode``: h_0, with `jacobian` also d_0 = dh_0 / dx."""
        columns = np.array([one.column for one in self.each])
        parts = ["/* input j of the network is made of x[source[j]], in double */"]
        parts.append(array("int", "source", columns, real))
        if any("Squash" in one.kinds for one in self.each):
            parts.append(SQUARE_ROOT)
        operands = [[v for step in one.steps for v in step.operands] for one in self.each]
        for p in range(max(map(len, operands))):
            column = np.array([given[p] if p < len(given) else 0.0 for given in operands])
            parts.append(array("double", f"operand_{p}", column, "double"))
        if jacobian and any(not FLAT & set(one.kinds) for one in self.each):
            slopes = np.array([one.slope() for one in self.each])
            parts += ["/* dh_j / dx, but 0 where a value is missing or clipped */"]
            parts += [array("double", "factor", slopes, "double")]
        body = ["int j;"]
        for start, stop, kinds in self._runs():
            body += [f"for (j = {start}; j < {stop}; ++j) {{"]
            body += [f"    {text}" for text in _statements(kinds, real, jacobian)] + ["}"]
        derivatives = f", {real} *d" if jacobian else ""
        head = f"static void encode(const {real} *x, {real} *h{derivatives})"
        return "\n".join([*parts, f"{head}\n{{\n{lines(body)}}}\n"])

    def _runs(self) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Start and stop of consecutive inputs with steps of the same kinds, and the kinds."""
        start = 0
        for kinds, run in groupby(self.each, lambda one: one.kinds):
            stop = start + len(list(run))
            yield start, stop, kinds
            start = stop

    def samples(self, n: int, dtype: str, rng: np.random.Generator) -> Array:
        """Random raw columns, (n, n_columns): some unknown categories, some missing values."""
        x = np.empty((n, self.n_columns), dtype)
        for c in range(self.n_columns):
            used = self.of_column(c)
            steps = [step for one in used for step in one.steps]
            levels = [step.operands[0] for step in steps if step.kind == "Equal"]
            levels += [0.0, 1.0] if any(step.kind == "Signed" for step in steps) else []
            if levels:
                x[:, c] = rng.choice([*levels, max(levels) + 1], n)
                continue
            factor, offset = used[0].affine() if used else (1.0, 0.0)
            x[:, c] = (rng.normal(size=n) - offset) / factor
            if used and all({"Fill", "IsNaN"} & set(one.kinds) for one in used):
                x[rng.random(n) < GAPS, c] = np.nan
        return x

    def encode(self, x: Array) -> tuple[Array, Array]:
        """h_0 and d_0, (n, n_0), of raw columns, in float64."""
        found = [one.evaluate(x[:, one.column].astype(np.float64)) for one in self.each]
        h, d = (np.column_stack(parts) for parts in zip(*found, strict=True))
        return h, d

    def by_column(self, J: Array, d: Array) -> Array:
        """∂y/∂x, (n, n_L, n_columns), from ∂y/∂h_0, (n, n_L, n_0)."""
        place = np.array([one.column for one in self.each])
        return (J * d[:, None]) @ np.eye(self.n_columns)[place]


def _statements(kinds: tuple[str, ...], real: str, jacobian: bool) -> list[str]:
    """The body of a loop over inputs j."""
    flat = bool(FLAT & set(kinds))
    body = ["double v = x[source[j]];"]
    body += ["double f = factor[j];"] if jacobian and not flat else []
    used = 0
    for kind in kinds:
        texts = [STATEMENTS[kind]]
        if jacobian and not flat and kind in SLOPES:
            texts.insert(0, SLOPES[kind])
        for p in (0, 1):
            texts = [text.replace(f"@{p}", f"operand_{used + p}[j]") for text in texts]
        used += OPERANDS.get(kind, 1)
        body += texts
    body.append(f"h[j] = ({real})v;")
    if jacobian:
        body.append("d[j] = 0;" if flat else f"d[j] = ({real})f;")
    return body
