"""Input blocks and parametric activations in ONNX's operators; formulas: `ffnn_fast.inputs`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ffnn_fast.inputs import EMBEDDED, Feature, InputBlock
from ffnn_fast.network import Network
from ffnn_fast.onnx._graph import Graph

Array = np.ndarray


def add_block(graph: Graph, net: Network, x: str) -> str:
    """h_0, (n, n_0), of the columns x, (n, c)."""
    block, spec = net.spec.inputs, net.spec
    if block is None:
        return x
    features = block.features(spec.n_inputs)
    by_kind: dict[str, list[Feature]] = {}
    for feature in features:
        by_kind.setdefault(feature.kind, []).append(feature)
    named, parts, order = spec.block_views(net.params), [], []
    for kind, some in by_kind.items():
        if kind in EMBEDDED:
            parts.append(_embedded(graph, block, named["embedding"], some, x))
        elif kind == "plain":
            parts.append(_columns(graph, x, [feature.column for feature in some]))
        else:
            parts += [_category(graph, named, feature, x) for feature in some]
        order += [feature.at + unit for feature in some for unit in range(feature.units)]
    h = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    if order != sorted(order):
        h = _columns(graph, h, np.argsort(order))
    if block.scale:
        h = graph.add("Mul", h, graph.constant(named["scale"], name="scale"))
    return graph.add("Identity", h, name="h_0")


def blend(graph: Graph, alpha: Array, a: str, g: str, name: str) -> str:
    """h = a + (g − a) ⊙ α."""
    moved = graph.add("Mul", graph.add("Sub", g, a), graph.constant(alpha, name="alpha"))
    return graph.add("Add", a, moved, name=name)


def _columns(graph: Graph, x: str, columns: Iterable[int]) -> str:
    """Some columns of x."""
    places = graph.constant(list(columns), "int64", "columns")
    return graph.add("Gather", x, places, axis=1)


def _embedded(
    graph: Graph, block: InputBlock, embedding: Array, features: list[Feature], x: str
) -> str:
    """The units of all m embedded numbers, (n, m (M + 1)); these are in the order of `features`."""
    parts, M = block.split(embedding), block.outputs
    numbers = _columns(graph, x, [feature.column for feature in features])
    x = graph.add("Unsqueeze", numbers, graph.constant([2], "int64"))  # (n, m, 1)
    if block.embedding == "periodic":
        waves = _cosines(graph, parts, x)
    else:
        edges, rises = (graph.constant(part) for part in np.moveaxis(block.bins(), 2, 0))
        shares = graph.add("Mul", graph.add("Sub", x, edges), rises)
        zero, one = graph.constant(0), graph.constant(1)
        waves = graph.add("Min", graph.add("Max", shares, zero), one)
    waves = graph.add("Transpose", waves, perm=[1, 0, 2])  # (m, n, F)
    W_2 = graph.constant(parts["weights"].swapaxes(1, 2), name="W_embedding")
    b_2 = graph.constant(parts["biases"][:, None], name="b_embedding")
    z = graph.add("Add", graph.add("MatMul", waves, W_2), b_2)  # (m, n, M)
    z = graph.add("Concat", graph.add("Transpose", z, perm=[1, 0, 2]), x, axis=2)
    shape = graph.constant([-1, len(features) * (M + 1)], "int64")
    return graph.add("Reshape", z, shape)


def _cosines(graph: Graph, parts: dict[str, Array], x: str) -> str:
    """cos(2π x w + b₁), (n, m, F); in float64, where ONNX Runtime has no Cos, 1 − 2 sin²(·/2)."""
    turns = graph.add("Mul", x, graph.constant(2 * math.pi))
    w, b_1 = (graph.constant(parts[name], name=name) for name in ("frequencies", "phases"))
    angles = graph.add("Add", graph.add("Mul", turns, w), b_1)
    if graph.dtype == "float32":
        return graph.add("Cos", angles)
    sine = graph.add("Sin", graph.add("Mul", angles, graph.constant(0.5)))
    doubled = graph.add("Mul", graph.add("Mul", sine, sine), graph.constant(2))
    return graph.add("Sub", graph.constant(1), doubled)


def _category(graph: Graph, named: dict[str, Array], feature: Feature, x: str) -> str:
    """The units of a category, (n, units)."""
    code = _columns(graph, x, [feature.column])  # (n, 1)
    if feature.kind == "table":
        whole = graph.add("Equal", graph.add("Floor", code), code)
        low = graph.add("GreaterOrEqual", code, graph.constant(1))
        high = graph.add("LessOrEqual", code, graph.constant(feature.known))
        known = graph.add("And", whole, graph.add("And", low, high))
        row = graph.cast(graph.add("Where", known, code, graph.constant(0)), "int64")
        table = graph.constant(named[f"table_{feature.column}"], name=f"table_{feature.column}")
        place = graph.add("Squeeze", row, graph.constant([1], "int64"))
        return graph.add("Gather", table, place)
    levels = graph.constant(np.arange(1, feature.known + 1))
    one_hot = graph.cast(graph.add("Equal", code, levels), graph.dtype)
    if feature.kind == "signed":
        return graph.add("MatMul", one_hot, graph.constant([[-1], [1]]))
    return one_hot
