"""The functions of the exported file: value, batch, Jacobian."""

from __future__ import annotations

from itertools import accumulate

from ffnn_fast._c_code.c_blocks import block_source, tangent_of_units
from ffnn_fast._c_code.c_columns import Columns
from ffnn_fast._c_code.c_layers import Network, layer, slope, value
from ffnn_fast._c_code.c_maths import SUFFIXES
from ffnn_fast._c_code.c_text import lines
from ffnn_fast.activations import HEADS

SOFTMAX = """
/* z_j := exp(z_j - max) / sum of all exp(z_i - max), the sum in order */
static void softmax(@real *z, int n)
{
    @real top = z[0], total = 0;
    int i;
    for (i = 1; i < n; ++i) top = z[i] > top ? z[i] : top;
    for (i = 0; i < n; ++i) z[i] = vm_exp_@s(z[i] - top);
    for (i = 0; i < n; ++i) total += z[i];
    for (i = 0; i < n; ++i) z[i] *= 1 / total;
}
"""
SOFTMAX_TANGENT = """
/* t_j := y_j (t_j - sum of all y_i t_i), the sum in order */
static void softmax_tangent(const @real *y, @real *t, int n)
{
    @real total = 0;
    int i;
    for (i = 0; i < n; ++i) total += y[i] * t[i];
    for (i = 0; i < n; ++i) t[i] = y[i] * (t[i] - total);
}
"""
BATCH = """
void @name_batch(size_t n, const @real *x, @real *y)
{
    size_t r;
    for (r = 0; r < n; ++r) @name_forward(x + r * @inputs, y + r * @outputs);
}
"""


def functions(net: Network, columns: Columns, name: str, jacobian: bool, batch: bool = True) -> str:
    """All functions, those that are used first."""
    elementwise = [g for g in net.used if g != "softmax"]
    net.maths.add("fma")
    parts = [value(net, g) for g in elementwise if jacobian or g != "identity"]
    if jacobian:
        parts += [slope(net, g) for g in elementwise]
    if "softmax" in net.used:
        net.maths.add("exp")
        parts += [SOFTMAX.lstrip(), *([SOFTMAX_TANGENT.lstrip()] if jacobian else [])]
    parts += [layer(net, k) for k in range(1, len(net.names) + 1)]
    if columns.inputs is not None:
        parts.append(columns.inputs.source(net.real, jacobian))
    parts.append(block_source(net, jacobian))
    parts += [columns.outputs.arrays(), _forward(net, columns, jacobian)]
    if batch:
        parts.append(BATCH.lstrip())
    if jacobian:
        parts.append(_jacobian(net, columns))
    parts += [known.source(name, net.real) for known in columns.outputs.classes]
    text = "\n".join(part for part in parts if part)
    filled = {
        "@real": net.real, "@s": SUFFIXES[net.real], "@name": name,
        "@inputs": str(columns.n_inputs), "@outputs": str(columns.outputs.n),
    }  # fmt: skip
    for mark, given in filled.items():
        text = text.replace(mark, given)
    return text


def _heads(net: Network) -> list[tuple[str, int, int]]:
    """Output function, start and width of each head."""
    widths = net.spec.head_widths
    names = [str(head.output) for head in net.spec.head_specs]
    return list(zip(names, accumulate(widths, initial=0), widths, strict=False))


def _by_head(net: Network) -> bool:
    """Whether O is applied head by head: a softmax, or functions that differ."""
    return net.names[-1] in ("softmax", HEADS)


def _loop(n: int, statement: str, start: int = 0) -> str:
    return f"for (i = {start}; i < {n}; ++i) {statement}"


def _start(net: Network, columns: Columns, jacobian: bool) -> tuple[list[str], list[str], str]:
    """Declarations of h_0 and its derivatives d_0, the statements that set them, the name of h_0.

    With an input block those of the encoded columns are v_0 and e_0.
    """
    block, declared, calls, h = net.spec.inputs is not None, [], [], "x"
    steps = [("encode", *(("v_0", "e_0") if block else ("h_0", "d_0")), net.spec.n_inputs)]
    steps = steps if columns.inputs is not None else []
    steps += [("units", "h_0", "d_0", net.spec.n_units)] if block else []
    for function, name, slopes, n in steps:
        declared.append(f"{net.real} {name}[{n}]{f', {slopes}[{n}]' if jacobian else ''};")
        calls.append(f"{function}({h}, {name}{f', {slopes}' if jacobian else ''});")
        h = name
    return declared, calls, h


def _forward(net: Network, columns: Columns, jacobian: bool) -> str:
    L, widths = len(net.names), net.widths()
    declared, calls, h = _start(net, columns, jacobian)
    arrays = ", ".join(f"h_{k}[{widths[k]}]" for k in range(1, L + 1))
    body = [*declared, f"{net.real} {arrays};", "int i;"]
    body += calls
    for k, g in enumerate(net.names, start=1):
        body.append(f"layer_{k}({h}, b_{k}, h_{k});")
        h = f"h_{k}"
        if g not in ("softmax", HEADS, "identity"):
            value = f"value_{g}({h}[i])"
            if net.spec.parametric and k < L:
                value = f"{h}[i] + ({value} - {h}[i]) * alpha_{k}[i]"
            body.append(_loop(widths[k], f"{h}[i] = {value};"))
    for g, start, width in _heads(net) if _by_head(net) else []:
        if g == "softmax":
            body.append(f"softmax({h} + {start}, {width});")
        elif g != "identity":
            body.append(_loop(start + width, f"{h}[i] = value_{g}({h}[i]);", start))
    body += columns.outputs.value(h, net.real)
    return f"void @name_forward(const @real *x, @real *y)\n{{\n{lines(body)}}}\n"


def _jacobian(net: Network, columns: Columns) -> str:
    """Forward mode: the tangent of each input in turn goes through the layers, like a sample."""
    L, widths = len(net.names), net.widths()
    declared, calls, h = _start(net, columns, True)
    slopes = L - 1 if _by_head(net) else L
    plain = columns.inputs is None and net.spec.inputs is None
    counters = "i, c" if plain else "i, j, c"
    of = [f"{name}_{k}[{widths[k]}]" for k in range(1, L + 1) for name in ("h", "t")]
    different = net.names[-1] == HEADS
    of += [f"d_{k}[{widths[k]}]" for k in range(1, slopes + different + 1)]
    body = [
        *declared,
        f"{net.real} a[{max(widths[1:])}], {', '.join(of)};",
        f"int {counters};",
    ]
    body += calls
    for k, g in enumerate(net.names, start=1):
        softmax = g == "softmax"
        body.append(f"layer_{k}({h}, b_{k}, {f'h_{k}' if softmax else 'a'});")
        h = f"h_{k}"
        if softmax or g == HEADS:
            body += [one for head in _heads(net) for one in _outputs_and_slopes(net, *head)]
            continue
        body += [
            _loop(widths[k], f"{h}[i] = value_{g}(a[i]);"),
            _loop(widths[k], f"d_{k}[i] = slope_{g}(a[i], {h}[i]);"),
        ]
        if net.spec.parametric and k < L:
            body += [
                _loop(widths[k], f"{h}[i] = a[i] + ({h}[i] - a[i]) * alpha_{k}[i];"),
                _loop(widths[k], f"d_{k}[i] = 1 + (d_{k}[i] - 1) * alpha_{k}[i];"),
            ]
    body += columns.outputs.value(h, net.real)
    body += [
        f"for (c = 0; c < {columns.n_inputs}; ++c) {{",
        *(f"    {text}" for text in _column(net, columns, slopes)),
        "}",
    ]
    head = "/* J, row-major, of the outputs by the inputs: J[i * inputs + c] = dy_i / dx_c */\n"
    name = f"void @name_jacobian(const {net.real} *x, {net.real} *y, {net.real} *J)"
    return f"{head}{name}\n{{\n{lines(body)}}}\n"


def _outputs_and_slopes(net: Network, g: str, start: int, width: int) -> list[str]:
    """Statements for the outputs of a head, and d_L unless it is a softmax."""
    h, end = f"h_{len(net.names)}", start + width
    if g == "softmax":
        moved = [_loop(end, f"{h}[i] = a[i];", start)] if net.names[-1] == HEADS else []
        return [*moved, f"softmax({h} + {start}, {width});"]
    return [
        _loop(end, f"{h}[i] = value_{g}(a[i]);", start),
        _loop(end, f"d_{len(net.names)}[i] = slope_{g}(a[i], {h}[i]);", start),
    ]


def _column(net: Network, columns: Columns, slopes: int) -> list[str]:
    """Statements for column c of J."""
    L, widths = len(net.names), net.widths()
    body = columns.tangent(widths[1], net.spec.n_inputs)
    if net.spec.inputs is not None:
        body = tangent_of_units(widths[1], net.spec.n_units, columns.inputs is not None)
    for k in range(1, L + 1):
        if k > 1:
            body.append(f"layer_{k}(t_{k - 1}, zeros, t_{k});")
        if k <= slopes:
            body.append(_loop(widths[k], f"t_{k}[i] *= d_{k}[i];"))
    if slopes < L:
        for g, s, n in _heads(net):
            if g == "softmax":
                body.append(f"softmax_tangent(h_{L} + {s}, t_{L} + {s}, {n});")
            else:
                body.append(_loop(s + n, f"t_{L}[i] *= d_{L}[i];", s))
    return body + columns.outputs.tangent(f"t_{L}", columns.n_inputs, net.real)
