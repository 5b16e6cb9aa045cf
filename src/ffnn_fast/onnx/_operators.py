"""Activations in ONNX's operators.

In float64 runtimes have the elementary operators only: ONNX Runtime has no Erf, Elu, Selu,
LeakyRelu, Softplus, Softsign or HardSigmoid, its Sigmoid cancels for negative arguments, and an
attribute is a float32. There activations are composed of elementary operators and constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ffnn_fast._activation_derivatives import SELU_ALPHA, SELU_SCALE
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import SLOPE, Activation
from ffnn_fast.onnx._graph import Graph

# h = g(a) by one operator, in float32: its name and attributes.
OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "identity": ("Identity", {}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": SLOPE}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "exp": ("Exp", {}),
    "sin": ("Sin", {}),
    "softmax": ("Softmax", {"axis": -1}),
}


def _gelu(graph: Graph, a: str, h: str) -> str:
    """a (1 + erf(a / √2)) / 2."""
    erf = graph.add("Erf", graph.add("Mul", a, graph.constant(math.sqrt(0.5))))
    return _half_times_one_plus(graph, a, erf, h)


def _half_times_one_plus(graph: Graph, a: str, t: str, h: str) -> str:
    """a (1 + t) / 2."""
    half = graph.add("Mul", a, graph.constant(0.5))
    return graph.add("Mul", half, graph.add("Add", t, graph.constant(1)), name=h)


def _gelu_tanh(graph: Graph, a: str, h: str) -> str:
    """a σ(a (2 √(2/π) + 2 · 0.044715 √(2/π) a²))."""
    root = 2 * math.sqrt(2 / math.pi)
    square = graph.add("Mul", graph.add("Mul", a, a), graph.constant(0.044715 * root))
    inner = graph.add("Mul", a, graph.add("Add", square, graph.constant(root)))
    return _times_logistic(graph, a, inner, h)


def _silu(graph: Graph, a: str, h: str) -> str:
    """a σ(a)."""
    return _times_logistic(graph, a, a, h)


def _times_logistic(graph: Graph, x: str, a: str, h: str) -> str:
    """x σ(a); in float64 x / (1 + e^−a)."""
    if graph.dtype == "float32":
        return graph.add("Mul", x, graph.add("Sigmoid", a), name=h)
    e = graph.add("Exp", graph.add("Neg", a))
    return graph.add("Div", x, graph.add("Add", e, graph.constant(1)), name=h)


def _double_logistic(graph: Graph, a: str, h: str) -> str:
    """1 / (1 + e^−a)."""
    return _times_logistic(graph, graph.constant(1), a, h)


def _mish(graph: Graph, a: str, h: str) -> str:
    """a n / (n + 2), n = e^a (e^a + 2); n / (n + 2) = 1 from a = 20 on."""
    e = graph.add("Exp", graph.add("Min", a, graph.constant(20)))
    n = graph.add("Mul", e, graph.add("Add", e, graph.constant(2)))
    share = graph.add("Div", n, graph.add("Add", n, graph.constant(2)))
    return graph.add("Mul", a, share, name=h)


# Φ(−t) e^(t²/2) for 0 <= t <= 39, Φ the normal distribution function: numerator and denominator,
# from the constant on; relative error below 2^-54.
TAIL = (
    "0x1.0000000000000p-1 0x1.a7e75ac78e9a4p-1 0x1.5bf85447f967fp-1 0x1.6df0063ba26d8p-2 "
    "0x1.0e728388165b8p-3 0x1.2436d351837bp-5 0x1.d2da0630eb942p-8 0x1.1096946d66557p-10 "
    "0x1.bf0fedd63873ep-14 0x1.d43a3033228fbp-18 0x1.e185ebb8f1ef8p-23",
    "0x1.0000000000000p+0 0x1.3a14c23318266p+1 0x1.6895e14eb769dp+1 0x1.003148336402p+1 "
    "0x1.f5d5b845bfaccp-1 0x1.64b2e2219c0adp-2 0x1.78c4e25897d59p-4 0x1.28ea3644cc95ap-6 "
    "0x1.57ee5466c9e92p-9 0x1.18be7a89f4b67p-12 0x1.256afe82840a7p-16 0x1.2dbff79b7ea2dp-21",
)


def _double_gelu(graph: Graph, a: str, h: str) -> str:
    """a Φ(a) = max(a, 0) − |a| Φ(−|a|)."""
    t = graph.add("Min", graph.add("Abs", a), graph.constant(39))
    over, under = (_polynomial(graph, t, [*map(float.fromhex, c.split())]) for c in TAIL)
    half = graph.add("Mul", t, graph.constant(-0.5))
    bell = graph.add("Exp", graph.add("Mul", half, t))
    share = graph.add("Mul", graph.add("Div", graph.add("Mul", t, over), under), bell)
    return graph.add("Sub", graph.add("Max", a, graph.constant(0)), share, name=h)


def _polynomial(graph: Graph, x: str, coefficients: list[float]) -> str:
    """Σ_j c_j x^j, by Horner's rule."""
    *rest, value = (graph.constant(c) for c in coefficients)
    for c in reversed(rest):
        value = graph.add("Add", graph.add("Mul", value, x), c)
    return value


def _double_leaky_relu(graph: Graph, a: str, h: str) -> str:
    """max(a, 0.01 a)."""
    return graph.add("Max", a, graph.add("Mul", a, graph.constant(SLOPE)), name=h)


def _double_elu(graph: Graph, a: str, h: str) -> str:
    """max(a, 0) + (e^min(a, 0) − 1)."""
    return graph.add("Add", graph.add("Max", a, graph.constant(0)), _left(graph, a), name=h)


def _double_selu(graph: Graph, a: str, h: str) -> str:
    """λ max(a, 0) + λ α (e^min(a, 0) − 1)."""
    right = graph.add("Mul", graph.add("Max", a, graph.constant(0)), graph.constant(SELU_SCALE))
    left = graph.add("Mul", _left(graph, a), graph.constant(SELU_SCALE * SELU_ALPHA))
    return graph.add("Add", right, left, name=h)


def _left(graph: Graph, a: str) -> str:
    """e^b − 1 = tanh(b/2) (e^b + 1), b = min(a, 0): without cancellation."""
    b = graph.add("Min", a, graph.constant(0))
    half = graph.add("Tanh", graph.add("Mul", b, graph.constant(0.5)))
    return graph.add("Mul", half, graph.add("Add", graph.add("Exp", b), graph.constant(1)))


def _double_softplus(graph: Graph, a: str, h: str) -> str:
    """max(a, 0) + log(1 + e), e = e^−|a|: log(v) e / (v − 1), v = fl(1 + e), and e where v = 1."""
    e = graph.add("Exp", graph.add("Neg", graph.add("Abs", a)))
    one, tiny = graph.constant(1), graph.constant(2.0**-60)
    v = graph.add("Add", e, one)
    # v − 1 and log(v) are 0 together: then the quotient below is tiny / tiny
    log, rest = graph.add("Log", v), graph.add("Sub", v, one)
    quotient = graph.add("Div", graph.add("Max", log, tiny), graph.add("Max", rest, tiny))
    log1p = graph.add("Mul", e, quotient)
    return graph.add("Add", graph.add("Max", a, graph.constant(0)), log1p, name=h)


def _double_softsign(graph: Graph, a: str, h: str) -> str:
    """a / (1 + |a|)."""
    return graph.add("Div", a, graph.add("Add", graph.add("Abs", a), graph.constant(1)), name=h)


def _double_hard_sigmoid(graph: Graph, a: str, h: str) -> str:
    """(a + 3) / 6, at least 0, at most 1."""
    sixth = graph.add("Div", graph.add("Add", a, graph.constant(3)), graph.constant(6))
    return graph.add("Min", graph.add("Max", sixth, graph.constant(0)), graph.constant(1), name=h)


COMPOSED: dict[str, Callable[[Graph, str, str], str]] = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "mish": _mish,
}
DOUBLE: dict[str, Callable[[Graph, str, str], str]] = {
    "logistic": _double_logistic,
    "gelu": _double_gelu,
    "leaky_relu": _double_leaky_relu,
    "elu": _double_elu,
    "selu": _double_selu,
    "softplus": _double_softplus,
    "softsign": _double_softsign,
    "hard_sigmoid": _double_hard_sigmoid,
}


def checked_activations(activations: Iterable[str | Activation], first: int = 1) -> list[str]:
    """The names of g_first, ...; ValueError for one without a form in ONNX's operators."""
    known, names = [*OPERATORS, *COMPOSED], []
    for k, g in enumerate(activations, start=first):
        if not isinstance(g, str) or g not in known:
            name = g if isinstance(g, str) else g.name
            raise ValueError(
                f"ONNX cannot express the activation {name!r} of layer {k}; "
                f"expected one of {', '.join(known)}"
            )
        names.append(g)
    return names


def activate(graph: Graph, g: str, a: str, h: str) -> str:
    """h = g(a), a value of the name `h`."""
    if g in DOUBLE and graph.dtype == "float64":
        return DOUBLE[g](graph, a, h)
    if g in COMPOSED:
        return COMPOSED[g](graph, a, h)
    op, attributes = OPERATORS[g]
    return graph.add(op, a, name=h, **attributes)


def activate_heads(graph: Graph, spec: NetworkSpec, a: str, y_hat: str) -> str:
    """ŷ, the output function of each head of a, a value of the name `y_hat`."""
    heads = zip(spec.head_specs, graph.split(a, spec.head_widths), strict=True)
    parts = [activate(graph, str(head.output), part, "y_hat_of_head") for head, part in heads]
    return graph.add("Concat", *parts, name=y_hat, axis=1)
