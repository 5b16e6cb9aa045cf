"""An ONNX graph under construction, and the activations in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np

OPSET, ML_OPSET, IR_VERSION = 13, 2, 7  # those of ONNX 1.8 (2020)
ML = "ai.onnx.ml"


class Graph:
    """Nodes, constants, inputs and outputs of an ONNX graph, in the order they are added.

    Values are called by their names; `dtype` is that of the network.
    """

    def __init__(self, onnx: ModuleType, dtype: str) -> None:
        self.onnx, self.dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.taken: set[str] = set()

    def fresh(self, name: str) -> str:
        """`name`, with underscores behind it if it is taken."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def add(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """A node; its value is called `name`, or else after `op`."""
        name = self.fresh(name or op.lower())
        make = self.onnx.helper.make_node
        self.nodes.append(make(op, inputs, [name], name=f"{op}:{name}", **attributes))
        return name

    def split(self, value: str, widths: tuple[int, ...]) -> list[str]:
        """`value`, (n, Σ widths), cut into parts of these widths."""
        names = [self.fresh("part") for _ in widths]
        cuts = self.constant(widths, "int64", "widths")
        self.nodes.append(
            self.onnx.helper.make_node(
                "Split", [value, cuts], names, name=f"Split:{names[0]}", axis=1
            )
        )
        return names

    def cast(self, value: str, dtype: str, name: str | None = None) -> str:
        """`value` as another type of element."""
        return self.add("Cast", value, name=name, to=self._type(dtype))

    def constant(self, value: Any, dtype: str | None = None, name: str = "constant") -> str:
        """A constant, by default of the network's dtype."""
        name = self.fresh(name)
        array = np.asarray(value, dtype or self.dtype)
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def input(self, name: str, dtype: str, width: int) -> str:
        """An input of shape (n, width)."""
        name = self.fresh(name)
        self.inputs.append(self._info(name, dtype, "n", width))
        return name

    def output(self, name: str, dtype: str, *width: int) -> None:
        """Make the value `name`, of shape (n, *width), an output."""
        self.outputs.append(self._info(name, dtype, "n", *width))

    def model(self, doc: str) -> Any:
        """The graph as a model that has passed ONNX's checker."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, "ffnn_fast", self.inputs, self.outputs, initializer=self.constants
        )
        opsets = {"": OPSET}
        if any(node.domain == ML for node in self.nodes):
            opsets[ML] = ML_OPSET
        model = helper.make_model(
            graph,
            producer_name="ffnn_fast",
            producer_version=version("ffnn_fast"),
            doc_string=doc,
            opset_imports=[helper.make_opsetid(*opset) for opset in opsets.items()],
            ir_version=IR_VERSION,
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _type(self, dtype: str) -> int:
        """ONNX's number of a type of element; that of ``object`` is text."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _info(self, name: str, dtype: str, *shape: int | str) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self._type(dtype), shape)


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


def checked_activations(activations: Iterable[Any]) -> list[str]:
    """The names of g_1, ..., O; ValueError for one that ONNX's operators cannot express."""
    known, names = [*OPERATORS, *COMPOSED], list(activations)
    for k, g in enumerate(names, start=1):
        if g not in known:
            called = g if isinstance(g, str) else getattr(g, "name", g)
            raise ValueError(
                f"ONNX cannot express the activation {called!r} of layer {k}; "
                f"it can: {', '.join(known)}"
            )
    return names


def activate(graph: Graph, g: str, a: str, h: str) -> str:
    """h = g(a), a value called `h`."""
    if g in COMPOSED:
        return COMPOSED[g](graph, a, h)
    op, attributes = OPERATORS[g]
    return graph.add(op, a, name=h, **attributes)


def softmax_of_heads(graph: Graph, widths: tuple[int, ...], a: str, y_hat: str) -> str:
    """ŷ, a softmax over each of several heads, a value called `y_hat`."""
    heads = graph.split(a, widths)
    shares = [activate(graph, "softmax", head, "shares") for head in heads]
    return graph.add("Concat", *shares, name=y_hat, axis=1)
