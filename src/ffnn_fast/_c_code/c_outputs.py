"""What exported functions give for the outputs of a network: units of targets, classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._c_code.c_text import array, lines, literal, string

Array = np.ndarray
CLASS = """
int @function(const @real *y)
{
    int i, best = @start;
    for (i = @next; i < @stop; ++i) best = y[i] > y[best] ? i : best;
    return @place;
}
"""


@dataclass(frozen=True)
class Classes:
    """The classes whose probabilities are y[start], y[start + 1], ...; str, int or float.

    `suffix` ends the names: empty, or ``_0``, ``_1``, ... of several columns of labels.
    """

    labels: tuple[Any, ...]
    start: int = 0
    suffix: str = ""

    def kind(self) -> str:
        """The type of an element of the array; ValueError if the labels are of several types."""
        types = {type(label) for label in self.labels}
        for kind, of in (("char *const", {str}), ("long long", {bool, int}), ("double", {float})):
            if types <= of:
                return kind
        raise ValueError(f"C export takes classes of one type, got {list(self.labels)}")

    def declarations(self, name: str, real: str) -> list[str]:
        """Of array and function, for the header."""
        size = f"{name.upper()}_N_CLASSES{self.suffix}"
        labels, place = f"{name}_classes{self.suffix}", f"{name}_class{self.suffix}"
        first = f"{self.start} + j" if self.start else "j"
        return [
            f"/* the classes; y[{first}] is the probability of {labels}[j] */",
            f"#define {size} {len(self.labels)}",
            f"extern const {self.kind()} {labels}[{size}];",
            f"/* the place in {labels} of the most probable class, of y */",
            f"int {place}(const {real} *y);",
        ]

    def source(self, name: str, real: str) -> str:
        """The definitions."""
        kind = self.kind()
        rows = lines(f"{_written(label)}," for label in self.labels)
        text = f"const {kind} {name}_classes{self.suffix}[] = {{\n{rows}}};\n{CLASS}"
        filled = {
            "@function": f"{name}_class{self.suffix}", "@real": real,
            "@start": str(self.start), "@next": str(self.start + 1),
            "@stop": str(self.start + len(self.labels)),
            "@place": f"best - {self.start}" if self.start else "best",
        }  # fmt: skip
        for mark, given in filled.items():
            text = text.replace(mark, given)
        return text


def _written(label: str | float) -> str:
    """A literal; there is none for the least of 64 bits."""
    if isinstance(label, str):
        return string(label)
    if isinstance(label, float):
        return literal(label, "double")
    if not -(2**63) <= label < 2**63:
        raise ValueError(f"C export takes classes of 64 bits, got {label}")
    return "-9223372036854775807LL - 1" if label == -(2**63) else f"{int(label)}LL"


@dataclass(frozen=True)
class Outputs:
    """What the functions give.

    Attributes
    ----------
    n : int
        The number of values y of a sample.
    factor, offset : ndarray of shape (n,) or None
        y is factor · h_L + offset, computed in double.
    pair : bool
        Whether y is 1 − h_L and h_L, of one output.
    members : int
        y is the mean of so many consecutive parts of h_L, summed in order.
    classes : tuple of Classes
    """

    n: int
    factor: Array | None = None
    offset: Array | None = None
    pair: bool = False
    members: int = 1
    classes: tuple[Classes, ...] = ()

    def arrays(self) -> str:
        """Static arrays."""
        if self.factor is None or self.offset is None:
            return ""
        return "\n".join(
            [
                "/* from the outputs of the last layer to the units of the target */",
                array("double", "y_factor", self.factor, "double"),
                array("double", "y_offset", self.offset, "double"),
            ]
        )

    def value(self, h: str, real: str) -> list[str]:
        """Statements that set y."""
        if self.pair:
            return [f"y[0] = 1 - {h}[0];", f"y[1] = {h}[0];"]
        if self.members > 1:
            return self._mean("y[i]", h, real)
        text = f"{h}[i]"
        if self.factor is not None:
            text = f"({real})((double){text} * y_factor[i] + y_offset[i])"
        return [f"for (i = 0; i < {self.n}; ++i) y[i] = {text};"]

    def tangent(self, t: str, n_inputs: int, real: str) -> list[str]:
        """Statements that set column c of J."""
        if self.pair:
            return [f"J[c] = -{t}[0];", f"J[{n_inputs} + c] = {t}[0];"]
        if self.members > 1:
            return self._mean(f"J[i * {n_inputs} + c]", t, real)
        text = f"{t}[i]"
        if self.factor is not None:
            text = f"({real})((double){text} * y_factor[i])"
        return [f"for (i = 0; i < {self.n}; ++i) J[i * {n_inputs} + c] = {text};"]

    def _mean(self, target: str, h: str, real: str) -> list[str]:
        """Statements that set `target` of every output to the mean over the members."""
        terms = [f"{h}[{m * self.n} + i]" for m in range(self.members)]
        body = [f"    {target} = {terms[0]};", *(f"    {target} += {term};" for term in terms[1:])]
        body.append(f"    {target} *= {literal(1 / self.members, real)};")
        return [f"for (i = 0; i < {self.n}; ++i) {{", *body, "}"]

    def decode(self, y: Array, J: Array) -> tuple[Array, Array]:
        """The same in NumPy, of (n, n_L) and (n, n_L, inputs)."""
        if self.pair:
            return np.hstack([1 - y, y]), np.hstack([-J, J])
        if self.members > 1:
            parts = y.reshape(len(y), self.members, self.n).mean(axis=1)
            return parts, J.reshape(len(J), self.members, self.n, -1).mean(axis=1)
        if self.factor is None or self.offset is None:
            return y, J
        return y * self.factor + self.offset, J * self.factor[:, None]
