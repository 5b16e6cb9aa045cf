"""The outputs of fitted estimators in ONNX's operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast._model.fitted import Fitted
from ffnn_fast.onnx._graph import Graph
from ffnn_fast.onnx._transformers import add_inverse


def add_predictions(graph: Graph, fitted: Fitted, y_hat: str) -> None:
    """Add the outputs of the graph, as the estimator's predict and predict_proba give them."""
    estimator, spec = fitted.estimator, fitted.spec
    if not hasattr(estimator, "classes_"):
        _add_value(graph, fitted, y_hat)
    elif isinstance(estimator.classes_, list):
        parts = graph.split(y_hat, spec.head_widths)
        for j, (part, classes) in enumerate(zip(parts, estimator.classes_, strict=True)):
            add_label(graph, classes, part, f"_{j}")
    elif spec.output == "softmax":
        add_label(graph, estimator.classes_, y_hat)
    elif spec.n_outputs == 1:
        p_0 = graph.add("Sub", graph.constant(1), y_hat)
        chosen = graph.add("Greater", y_hat, graph.constant(0.5))
        place = graph.add("Squeeze", graph.cast(chosen, "int64"), graph.constant([1], "int64"))
        _decode(graph, estimator.classes_, place)
        both = graph.add("Concat", p_0, y_hat, axis=1, name="probabilities")
        graph.output(both, graph.dtype, 2)
    else:
        chosen = graph.add("Greater", y_hat, graph.constant(0.5))
        graph.output(graph.cast(chosen, "int64", "label"), "int64", spec.n_outputs)
        probabilities = graph.add("Identity", y_hat, name="probabilities")
        graph.output(probabilities, graph.dtype, spec.n_outputs)


def _add_value(graph: Graph, fitted: Fitted, y_hat: str) -> None:
    """The predictions of a regressor, (n, T)."""
    width = fitted.spec.n_outputs
    if getattr(fitted.estimator, "loss", None) == "gaussian_nll":
        width //= 2
        means = graph.constant(range(width), "int64", "means")
        y_hat = graph.add("Gather", y_hat, means, axis=1)
    for transformer in fitted.target:
        y_hat = add_inverse(graph, transformer, y_hat)
    graph.output(graph.add("Identity", y_hat, name="value"), graph.dtype, width)


def add_label(
    graph: Graph, classes: Any, p: str, suffix: str = "", dtype: str | None = None
) -> None:
    """The most probable of the classes, (n,), and the probabilities p, (n, number of classes), of
    this dtype, by default the graph's.
    """
    _decode(graph, classes, graph.add("ArgMax", p, axis=1, keepdims=0), suffix)
    probabilities = graph.add("Identity", p, name=f"probabilities{suffix}")
    graph.output(probabilities, dtype or graph.dtype, len(classes))


def _decode(graph: Graph, classes: Any, place: str, suffix: str = "") -> None:
    """Classes by their place, (n,)."""
    known = np.asarray(classes)
    kind = {"U": "object", "O": "object", "f": "float64", "b": "bool"}.get(
        known.dtype.kind, "int64"
    )
    if kind == "object" and not all(isinstance(name, str) for name in known.tolist()):
        raise ValueError(f"an ONNX model takes classes of one type, got {known.tolist()}")
    if len(known) == 1:  # one output, whatever it is
        known = np.repeat(known, 2)
    labels = graph.add(
        "Gather", graph.constant(known, kind, "classes"), place, name=f"label{suffix}"
    )
    graph.output(labels, kind)
