"""The estimators for tables in C: encoded columns, the mean of a bag of networks.

Objects are recognised by their attributes: this package imports none of those above it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from ffnn_fast import reference
from ffnn_fast._c_code.c_check import LIMITS, ROWS, Vectors
from ffnn_fast._c_code.c_columns import Columns, level_notes
from ffnn_fast._c_code.c_functions import functions
from ffnn_fast._c_code.c_inputs import GAPS
from ffnn_fast._c_code.c_layers import Network, parameters
from ffnn_fast._c_code.c_maths import SUFFIXES
from ffnn_fast._c_code.c_outputs import Classes, Outputs
from ffnn_fast._c_code.c_text import array, lines, literal
from ffnn_fast._model.predictions import LEAST_PROBABILITY

Array = np.ndarray
CLIP, FARTHEST = 3.0, 1e15  # inputs lie in (−3, 3), where x beyond ±1e15 has the limit
TOLERANCE = 10.0  # times the limit of a single network
STATIC = re.compile(r"^static (?:inline )?(?:const )?\w+ \*?(\w+)", re.MULTILINE)
ENCODE = """
/* v := the networks' inputs of the columns x: numbers, 1 where some of them are missing, codes */
static void encode(const @real *x, @real *v)
{
@body}
"""
NUMBERS = """\
for (i = 0; i < @numbers; ++i) {
    const double raw = x[number_source[i]];
    double t = raw == raw ? number_factor[i] * (raw - number_median[i]) : 0;
    t = t < -@far ? -@far : t > @far ? @far : t;
    v[i] = (@real)t * vm_exp_@s((@real)-0.5 * vm_log_@s((@real)(1 + t / @clip * (t / @clip))));
}"""
SOFTMAX = """
/* p := exp(log(p) / T) / sum of these */
static void cool(@real *p, int n, @real T)
{
    @real total = 0, top = 0;
    int i;
    for (i = 0; i < n; ++i) p[i] = vm_log_@s(p[i] > @least ? p[i] : @least);
    for (top = p[0], i = 1; i < n; ++i) top = p[i] > top ? p[i] : top;
    for (i = 0; i < n; ++i) p[i] = vm_exp_@s((p[i] - top) / T);
    for (i = 0; i < n; ++i) total += p[i];
    for (i = 0; i < n; ++i) p[i] /= total;
}
"""
VALUE = """
/* output i of a network in the units of the target, in the range of the training rows */
static double predicted(@real h, int i)
{
    const double y = (double)h * y_scale[i] + y_mean[i];
    return y < y_low[i] ? y_low[i] : y > y_high[i] ? y_high[i] : y;
}
"""


class Bag:
    """A fitted `TabularClassifier` or `TabularRegressor` and what the C code takes and gives.

    Parameters
    ----------
    model : object
    dtype : {"float32", "float64"}
        Of the C code.
    """

    def __init__(self, model: Any, dtype: str) -> None:
        self.model, self.dtype = model, dtype
        real = {"float32": "float", "float64": "double"}[dtype]
        self.nets = [Network(n.spec, n.params.astype(dtype), real) for n in model.networks_]
        self.inputs = model._inputs
        self.numbers: list[int] = []  # their raw columns; those of categories
        self.codes: list[int] = []
        notes = ["The mean of the networks. Inputs, raw columns:"]
        for feature in self.inputs.features:
            for name in feature.number_names:
                notes.append(f"  x[{self.width}]: {name}, a number, NaN where it is missing")
                self.numbers.append(self.width)
            if feature.use == "category":
                notes += level_notes(self.width, feature.name, list(feature.levels))
                self.codes.append(self.width)
        self.columns = Columns(self.width, self._outputs(), None, tuple(notes))

    @property
    def width(self) -> int:
        """Raw columns."""
        return len(self.numbers) + len(self.codes)

    @property
    def classes(self) -> list[Any]:
        """Those of each column of labels; [] of a regressor."""
        found = getattr(self.model, "classes_", [])
        return found if isinstance(found, list) else [found]

    def _outputs(self) -> Outputs:
        n = self.nets[0].spec.n_outputs
        starts = np.cumsum([0, *map(len, self.classes)]).tolist()
        several = len(self.classes) > 1
        classes = [
            Classes(tuple(np.asarray(known).tolist()), start, f"_{j}" if several else "")
            for j, (known, start) in enumerate(zip(self.classes, starts, strict=False))
        ]
        return Outputs(n, classes=tuple(classes))

    def source(self, name: str) -> str:
        """Parameters and functions of all networks, then those of the bag."""
        inner = Columns(self.nets[0].spec.n_inputs, Outputs(self.nets[0].spec.n_outputs))
        parts = []
        for i, net in enumerate(self.nets):
            text = functions(net, inner, f"network_{i}", False, batch=False)
            text = text.replace(f"void network_{i}_", f"static void network_{i}_")
            text = parameters(net) + "\n" + text
            for own in set(STATIC.findall(text)) - {f"network_{i}_forward"}:
                text = re.sub(rf"\b{own}\b", f"{own}_of_{i}", text)
            parts += [f"/* network {i} */", text]
        parts += [self._encode(), self._predict(), self._forward(name)]
        parts += [known.source(name, self.nets[0].real) for known in self.columns.outputs.classes]
        return "\n".join(parts)

    def maths(self) -> set[str]:
        """Functions of the engine's headers that are used, after `source`."""
        return set().union(*(net.maths for net in self.nets)) | {"exp", "log"}

    def _filled(self, text: str) -> str:
        real = self.nets[0].real
        marks = {
            "@real": real, "@s": SUFFIXES[real], "@numbers": str(len(self.numbers)),
            "@far": literal(FARTHEST, "double"), "@clip": literal(CLIP, "double"),
            "@least": literal(float(np.float32(LEAST_PROBABILITY)), real),
        }  # fmt: skip
        for mark, given in marks.items():
            text = text.replace(mark, given)
        return text

    def _encode(self) -> str:
        scales, arrays, body = self.inputs.scales, [], []
        at = len(self.numbers)
        if self.numbers:
            arrays = [
                array("int", "number_source", np.array(self.numbers), "int"),
                array("double", "number_median", np.array([s.median for s in scales]), "double"),
                array("double", "number_factor", np.array([s.scale for s in scales]), "double"),
            ]
            body = ["int i;", *NUMBERS.splitlines()]
        for source, scale in zip(self.numbers, scales, strict=True):
            if scale.marks_missing:
                body.append(f"v[{at}] = x[{source}] != x[{source}];")
                at += 1
        for source, size in zip(self.codes, self.inputs.code_sizes, strict=True):
            body.append(
                f"v[{at}] = x[{source}] >= 0 && x[{source}] < {size} ? x[{source}] + 1 : 0;"
            )
            at += 1
        return "\n".join([*arrays, self._filled(ENCODE.replace("@body", lines(body)))])

    def _predict(self) -> str:
        """What the outputs of a network predict, in their place."""
        if self.classes:
            return self._filled(SOFTMAX)
        model = self.model
        ends = zip(("low", "high"), model.target_range_, strict=True)
        parts = [("scale", model.target_scale_), ("mean", model.target_mean_), *ends]
        arrays = [array("double", f"y_{n}", np.asarray(v), "double") for n, v in parts]
        return "\n".join([*arrays, self._filled(VALUE)])

    def _forward(self, name: str) -> str:
        n, real = self.nets[0].spec.n_outputs, self.nets[0].real
        n_0 = self.nets[0].spec.n_inputs
        if self.classes:
            T = self.model.temperature_
            temperatures = T if isinstance(T, list) else [T]
            pairs = zip(self.columns.outputs.classes, temperatures, strict=True)
            own = [
                f"cool(h + {c.start}, {len(c.labels)}, {literal(self._rounded(T), real)});"
                for c, T in pairs
            ]
            add = "total[i] += h[i];"
        else:
            own, add = [], "total[i] += predicted(h[i], i);"
        body = [f"{real} v[{n_0}], h[{n}];", f"double total[{n}] = {{0}};", "int i;"]
        body.append("encode(x, v);")
        for i in range(len(self.nets)):
            body += [f"network_{i}_forward(v, h);", *own, f"for (i = 0; i < {n}; ++i) {add}"]
        body.append(f"for (i = 0; i < {n}; ++i) y[i] = ({real})(total[i] / {len(self.nets)});")
        return (
            f"void {name}_forward(const {real} *x, {real} *y)\n{{\n{lines(body)}}}\n\n"
            f"void {name}_batch(size_t n, const {real} *x, {real} *y)\n{{\n    size_t r;\n"
            f"    for (r = 0; r < n; ++r) {name}_forward(x + r * {self.width}, y + r * {n});\n}}\n"
        )

    def _rounded(self, value: float) -> float:
        return float(np.dtype(self.dtype).type(value))

    def vectors(self) -> Vectors:
        """Random raw rows, and what the estimator predicts for them, in float64."""
        rng = np.random.default_rng(0)
        x = np.empty((ROWS, self.width), self.dtype)
        n_codes = len(self.codes)
        X = np.zeros((ROWS, self.inputs.n_inputs))
        mark, first = len(self.numbers), self.inputs.n_inputs - n_codes
        for j, (source, scale) in enumerate(zip(self.numbers, self.inputs.scales, strict=True)):
            spread = 1 / scale.scale if scale.scale else 1.0
            x[:, source] = scale.median + spread * rng.normal(size=ROWS)
            if scale.marks_missing:
                x[rng.random(ROWS) < GAPS, source] = np.nan
            given = scale.transform(x[:, source].astype(np.float64))
            X[:, j] = given[:, 0]
            if scale.marks_missing:
                X[:, mark] = given[:, 1]
                mark += 1
        for j, (source, size) in enumerate(zip(self.codes, self.inputs.code_sizes, strict=True)):
            level = rng.integers(0, size + 1, ROWS)
            x[:, source], X[:, first + j] = level, np.where(level < size, level + 1, 0)
        y_hat = [self._exact(net, X) for net in self.nets]
        y = np.mean([self.model._predicted(one) for one in y_hat], axis=0)
        limit = TOLERANCE * LIMITS[self.nets[0].real]
        return Vectors(x, y, np.empty(0), limit, 0.0)

    def _exact(self, net: Network, X: Array) -> Array:
        """ŷ in float64."""
        spec = replace(net.spec, dtype="float64")
        theta = net.params.astype(np.float64)
        return reference.forward_propagation(reference.Plan(spec), theta, X)[1][-1]
