"""The estimators for tables in ONNX's operators: encoded columns, the mean of a bag of networks.

Objects are recognised by their attributes: the packages do not import one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ffnn_fast._model.predictions import LEAST_PROBABILITY
from ffnn_fast.network import Network
from ffnn_fast.onnx._estimators import add_label
from ffnn_fast.onnx._graph import ML, Graph

DOUBLE = "float64"  # of encoding and calibration
CLIP = 3.0  # inputs lie in (−3, 3)
FARTHEST = 1e15  # beyond it clipped inputs have the limit, and a square would overflow
Layers = Callable[[Network, str], str]  # ŷ of a network from its inputs


def add_tabular(graph: Graph, model: Any, layers: Layers) -> None:
    """Add inputs for the columns, and the outputs that the estimator predicts."""
    x = _encoded(graph, model._inputs)
    classifies = hasattr(model, "classes_")
    predicted = _probabilities if classifies else _values
    parts = [predicted(graph, model, layers(net, x)) for net in model.networks_]
    total = graph.add("Sum", *parts) if len(parts) > 1 else parts[0]
    mean = graph.add("Div", total, graph.constant(len(parts), DOUBLE), name="value")
    if not classifies:
        graph.output(mean, DOUBLE, model.networks_[0].spec.n_outputs)
    elif isinstance(model.classes_, list):
        columns = graph.split(mean, tuple(map(len, model.classes_)))
        for j, (part, classes) in enumerate(zip(columns, model.classes_, strict=True)):
            add_label(graph, classes, part, f"_{j}", DOUBLE)
    else:
        add_label(graph, model.classes_, mean, "", DOUBLE)


def _encoded(graph: Graph, inputs: Any) -> str:
    """The columns of the networks' X: numbers, marks of missing ones, codes."""
    numbers, codes = [], []
    for feature in inputs.features:
        numbers += [graph.input(name, DOUBLE, 1) for name in feature.number_names]
        if feature.use == "category":
            codes.append(_codes(graph, feature.levels, graph.input(feature.name, "object", 1)))
    parts = _scaled(graph, inputs.scales, numbers) if numbers else []
    parts += [graph.cast(code, graph.dtype) for code in codes]
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _scaled(graph: Graph, scales: Any, numbers: list[str]) -> list[str]:
    """x / √(1 + (x/3)²) of x = scale (v − median), 0 where missing; marks of missing v."""
    v = graph.add("Concat", *numbers, axis=1) if len(numbers) > 1 else numbers[0]
    missing = graph.add("IsNaN", v)
    median = graph.constant([one.median for one in scales], DOUBLE, "median")
    known = graph.add("Where", missing, median, v)
    scale = graph.constant([one.scale for one in scales], DOUBLE, "scale")
    x = graph.add("Mul", graph.add("Sub", known, median), scale)
    x = graph.add("Max", x, graph.constant(-FARTHEST, DOUBLE))
    x = graph.add("Min", x, graph.constant(FARTHEST, DOUBLE))
    third = graph.add("Div", x, graph.constant(CLIP, DOUBLE))
    square = graph.add("Mul", third, third)
    root = graph.add("Sqrt", graph.add("Add", square, graph.constant(1, DOUBLE)))
    found = [graph.cast(graph.add("Div", x, root), graph.dtype)]
    if marked := [j for j, one in enumerate(scales) if one.marks_missing]:
        marks = graph.cast(missing, graph.dtype)
        places = graph.constant(marked, "int64", "marked")
        found.append(graph.add("Gather", marks, places, axis=1))
    return found


def _codes(graph: Graph, levels: tuple[str, ...], value: str) -> str:
    """1 + the place of a level, 0 for any other text, (n, 1)."""
    return graph.add(
        "LabelEncoder",
        value,
        domain=ML,
        keys_strings=list(levels),
        values_int64s=list(range(1, len(levels) + 1)),
        default_int64=0,
    )


def _probabilities(graph: Graph, model: Any, y_hat: str) -> str:
    """softmax(log ŷ / T) of each column of labels, side by side."""
    least = graph.constant(np.float32(LEAST_PROBABILITY), DOUBLE)
    logits = graph.add("Log", graph.add("Max", graph.cast(y_hat, DOUBLE), least))
    if not isinstance(model.classes_, list):
        return _softmax(graph, logits, model.temperature_)
    columns = graph.split(logits, tuple(map(len, model.classes_)))
    pairs = zip(columns, model.temperature_, strict=True)
    return graph.add("Concat", *(_softmax(graph, *pair) for pair in pairs), axis=1)


def _softmax(graph: Graph, logits: str, temperature: float) -> str:
    """softmax(logits / T)."""
    cooled = graph.add("Div", logits, graph.constant(temperature, DOUBLE))
    return graph.add("Softmax", cooled, axis=-1)


def _values(graph: Graph, model: Any, y_hat: str) -> str:
    """ŷ in the units of the targets, in the range of the training targets."""
    scale = graph.constant(model.target_scale_, DOUBLE, "target_scale")
    mean = graph.constant(model.target_mean_, DOUBLE, "target_mean")
    low, high = (graph.constant(end, DOUBLE) for end in model.target_range_)
    values = graph.add("Add", graph.add("Mul", graph.cast(y_hat, DOUBLE), scale), mean)
    return graph.add("Min", graph.add("Max", values, low), high)
