"""Activations in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ffnn_fast.activations import Activation
from ffnn_fast.onnx._graph import Graph

# h = g(a) by one operator: its name and attributes.
OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "identity": ("Identity", {}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
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


def _gelu_tanh(graph: Graph, a: str, h: str) -> str:
    """a (1 + tanh(a (√(2/π) + 0.044715 √(2/π) a²))) / 2."""
    root = math.sqrt(2 / math.pi)
    square = graph.add("Mul", graph.add("Mul", a, a), graph.constant(0.044715 * root))
    inner = graph.add("Mul", a, graph.add("Add", square, graph.constant(root)))
    return _half_times_one_plus(graph, a, graph.add("Tanh", inner), h)


def _half_times_one_plus(graph: Graph, a: str, t: str, h: str) -> str:
    """a (1 + t) / 2."""
    half = graph.add("Mul", a, graph.constant(0.5))
    return graph.add("Mul", half, graph.add("Add", t, graph.constant(1)), name=h)


def _silu(graph: Graph, a: str, h: str) -> str:
    """a σ(a)."""
    return graph.add("Mul", a, graph.add("Sigmoid", a), name=h)


def _mish(graph: Graph, a: str, h: str) -> str:
    """a tanh(log(1 + e^a))."""
    return graph.add("Mul", a, graph.add("Tanh", graph.add("Softplus", a)), name=h)


COMPOSED: dict[str, Callable[[Graph, str, str], str]] = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "mish": _mish,
}


def checked_activations(activations: Iterable[str | Activation]) -> list[str]:
    """The names of g_1, ..., O; ValueError for one without a form in ONNX's operators."""
    known, names = [*OPERATORS, *COMPOSED], []
    for k, g in enumerate(activations, start=1):
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
    if g in COMPOSED:
        return COMPOSED[g](graph, a, h)
    op, attributes = OPERATORS[g]
    return graph.add(op, a, name=h, **attributes)


def softmax_of_heads(graph: Graph, widths: tuple[int, ...], a: str, y_hat: str) -> str:
    """ŷ, a softmax over each head of a, a value of the name `y_hat`."""
    heads = graph.split(a, widths)
    probabilities = [activate(graph, "softmax", head, "probabilities") for head in heads]
    return graph.add("Concat", *probabilities, name=y_hat, axis=1)
