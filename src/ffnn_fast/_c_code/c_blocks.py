"""An input block in C: the function `units`, which makes h_0 of the columns of X.

Formulas: `ffnn_fast.inputs`. A unit is made of one column, so with a Jacobian d_0[j] is the
derivative of unit j in the column unit_column[j].
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from ffnn_fast._c_code.c_layers import Network
from ffnn_fast._c_code.c_maths import SUFFIXES
from ffnn_fast._c_code.c_text import array, lines, literal
from ffnn_fast.inputs import EMBEDDED, Feature, InputBlock

CODE = """
/* x where it is a whole number in 1..count, else 0 */
static int code_of(@real x, int count)
{
    int code;
    if (!(x >= 1 && x <= count)) return 0;
    code = (int)x;
    return code == x ? code : 0;
}
"""
# Statements for number i: wave[f] and, with a Jacobian, slope[f] = d wave[f] / dx.
WAVES = {
    "periodic": [
        "const @real angle = vm_fma_@s(frequencies[i][f], @turn * v, phases[i][f]);",
        "wave[f] = vm_turned_sin_@s(angle, (@real)0.5);",  # cos
        "slope[f] = vm_turned_sin_@s(angle, 1) * @turn * frequencies[i][f];",  # -sin
    ],
    "piecewise": [
        "const @real share = (v - bins[i][2 * f]) * bins[i][2 * f + 1];",
        "wave[f] = share < 0 ? 0 : share > 1 ? 1 : share;",
        "slope[f] = share >= 0 && share < 1 ? bins[i][2 * f + 1] : 0;",
    ],
}


def block_source(net: Network, jacobian: bool) -> str:
    """The arrays of the block and the function ``units``; "" without a block."""
    block, spec, real = net.spec.inputs, net.spec, net.real
    if block is None:
        return ""
    features, named = block.features(spec.n_inputs), spec.block_views(net.params)
    arrays, body = [], []
    numbers = [feature for feature in features if feature.kind in EMBEDDED]
    if numbers:
        arrays += _number_arrays(net, numbers, named["embedding"])
        body += _numbers(net, numbers, jacobian)
    for feature in features:
        if feature.kind == "table":
            name = f"table_{feature.column}"
            arrays.append(array(real, name, named[name], real))
        if feature.kind not in EMBEDDED:
            body += _unit_statements(feature, jacobian)
    if jacobian:
        columns = np.repeat([f.column for f in features], [f.units for f in features])
        arrays += ["/* the column of x of each unit */", array("int", "unit_column", columns, real)]
    if block.scale:
        arrays.append(array(real, "unit_scale", named["scale"], real))
        body.append(f"for (j = 0; j < {spec.n_units}; ++j) h[j] *= unit_scale[j];")
        if jacobian:
            body.append(f"for (j = 0; j < {spec.n_units}; ++j) d[j] *= unit_scale[j];")
    if any(feature.kind in ("table", "one_hot", "signed") for feature in features):
        arrays.append(CODE)
    counters = ["j"] if any("j" in one for one in body) else []
    counters += ["i", "f"] if numbers else []
    declared = [f"int {', '.join(counters)};"] if counters else []
    derivatives = f", {real} *d" if jacobian else ""
    return "\n".join(
        [
            *arrays,
            "/* h := the units of the first layer's inputs, from the columns x */",
            f"static void units(const {real} *x, {real} *h{derivatives})",
            f"{{\n{lines([*declared, *body])}}}\n",
        ]
    )


def tangent_of_units(width: int, n_units: int, encoded: bool) -> list[str]:
    """Statements that set t_1 := ∂a_1 / ∂x_c, of `width` values; x may be encoded raw columns."""
    column, slope = "unit_column[j]", "d_0[j]"
    if encoded:
        column, slope = "source[unit_column[j]]", "d_0[j] * e_0[unit_column[j]]"
    loop = f"for (i = 0; i < {width}; ++i) t_1[i]"
    return [
        f"{loop} = 0;",
        f"for (j = 0; j < {n_units}; ++j) {{",
        f"    if ({column} != c) continue;",
        f"    {loop} += {slope} * W_1[j][i];",
        "}",
    ]


def _number_arrays(net: Network, numbers: list[Feature], embedding: np.ndarray) -> list[str]:
    block, real = cast(InputBlock, net.spec.inputs), net.real
    parts = block.split(embedding)
    places = np.array([[f.column for f in numbers], [f.at for f in numbers]])
    weights = parts["weights"].reshape(len(numbers), -1)
    texts = [
        "/* numbers with an embedding: column of x, first unit; weights of output m: those from",
        f"   m * {block.n_waves} on */",
        array("int", "number_column", places[0], real),
        array("int", "number_unit", places[1], real),
        array(real, "number_weights", weights, real),
        array(real, "number_biases", parts["biases"], real),
    ]
    if block.embedding == "periodic":
        texts += [array(real, name, parts[name], real) for name in ("frequencies", "phases")]
    else:
        bins = block.bins().reshape(len(numbers), -1).astype(net.params.dtype)
        texts += ["/* lower edge and 1 / width of each bin */", array(real, "bins", bins, real)]
    return texts


def _numbers(net: Network, numbers: list[Feature], jacobian: bool) -> list[str]:
    """A loop over all numbers with an embedding."""
    block, real = cast(InputBlock, net.spec.inputs), net.real
    F, M, suffix = block.n_waves, block.outputs, SUFFIXES[real]
    if block.embedding == "periodic":
        net.maths.add("turned_sin")
    turn = literal(float(net.params.dtype.type(2 * math.pi)), real)
    waves = WAVES[block.embedding][: 3 if jacobian else 2]
    filled = [one.replace("@real", real).replace("@s", suffix) for one in waves]
    add = f"vm_fma_{suffix}(number_weights[i][j * {F} + f], wave[f], z[j]);"
    body = [
        f"const {real} v = x[number_column[i]];",
        f"{real} wave[{F}]{f', slope[{F}]' if jacobian else ''};",
        f"{real} *z = h + number_unit[i]{', *dz = d + number_unit[i]' if jacobian else ''};",
        f"for (f = 0; f < {F}; ++f) {{",
        *(f"    {one.replace('@turn', turn)}" for one in filled),
        "}",
        f"for (j = 0; j < {M}; ++j) {{",
        "    z[j] = number_biases[i][j];",
        f"    for (f = 0; f < {F}; ++f) z[j] = {add}",
        "}",
        f"z[{M}] = v;",
    ]
    if jacobian:
        body += [
            f"for (j = 0; j < {M}; ++j) {{",
            "    dz[j] = 0;",
            f"    for (f = 0; f < {F}; ++f) dz[j] += number_weights[i][j * {F} + f] * slope[f];",
            "}",
            f"dz[{M}] = 1;",
        ]
    return [f"for (i = 0; i < {len(numbers)}; ++i) {{", *(f"    {one}" for one in body), "}"]


def _unit_statements(feature: Feature, jacobian: bool) -> list[str]:
    """Statements for the units of a category, or of a number without an embedding."""
    x, at, end = f"x[{feature.column}]", feature.at, feature.at + feature.units
    loop = f"for (j = {at}; j < {end}; ++j)"
    flat = [f"{loop} d[j] = 0;"] if jacobian else []
    if feature.kind == "plain":
        return [f"h[{at}] = {x};", *([f"d[{at}] = 1;"] if jacobian else [])]
    code = f"code_of({x}, {feature.known})"
    if feature.kind == "table":
        return [f"{loop} h[j] = table_{feature.column}[{code}][j - {at}];", *flat]
    if feature.kind == "one_hot":
        return [f"{loop} h[j] = {code} == j - {at - 1};", *flat]
    return [f"h[{at}] = ({code} == 2) - ({code} == 1);", *flat]
