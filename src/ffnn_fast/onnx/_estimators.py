"""Fitted estimators and pipelines: their network, the transformers before it, and their outputs.

scikit-learn is not imported: objects are recognised by the attributes that fitting gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.target_units import layer_in_units
from ffnn_fast.network import Network
from ffnn_fast.onnx._graph import Graph
from ffnn_fast.onnx._transformers import add_inverse


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator.

    Attributes
    ----------
    estimator : object
        That with the weights.
    net : Network
    steps : list
        The transformers before it.
    target : list
        Transformers of the target, whose inverse gives the predictions.
    """

    estimator: Any
    net: Network
    steps: list[Any]
    target: list[Any]


def as_fitted(model: Any) -> Fitted:
    """An estimator, a pipeline that ends with one, or a search or target transformation around it.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is not fitted.
    """
    steps: list[Any] = []
    target: list[Any] = []
    given = model
    while not hasattr(model, "coefs_"):
        if hasattr(model, "steps"):
            steps += [step for _, step in model.steps[:-1]]
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "regressor_"):
            target.append(model.transformer_)
            model = model.regressor_
        elif any(hasattr(model, name) for name in ("hidden_layer_sizes", "estimator", "regressor")):
            raise ValueError(f"{type(given).__name__} is not fitted; call fit before to_onnx")
        else:
            raise TypeError(
                "to_onnx takes a Network, an estimator of ffnn_fast.sklearn or a pipeline that "
                f"ends with one, got {type(given).__name__}"
            )
    return Fitted(model, _network(model), steps, target[::-1])


def _network(estimator: Any) -> Network:
    """The network with an estimator's weights."""
    coefs, classes = estimator.coefs_, getattr(estimator, "classes_", None)
    sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
    hidden = estimator.activation
    spec = NetworkSpec(
        sizes,
        hidden if isinstance(hidden, str) or not np.iterable(hidden) else tuple(hidden),
        estimator.out_activation_,
        dtype="float32" if coefs[0].dtype == np.float32 else "float64",
        heads=tuple(len(known) for known in classes) if isinstance(classes, list) else (),
    )
    theta = np.empty(spec.n_params, spec.dtype)
    for W, given in zip(spec.weights(theta), coefs, strict=True):
        W[:] = given.T
    for b, given in zip(spec.biases(theta), estimator.intercepts_, strict=True):
        b[:] = given
    if hasattr(estimator, "target_mean_"):
        W, b = spec.weights(theta)[-1], spec.biases(theta)[-1]
        scaling = estimator.target_mean_, estimator.target_scale_
        W[:], b[:] = layer_in_units(W, b, *scaling, estimator.loss == "gaussian_nll")
    return Network.from_params(spec, theta)


def add_predictions(graph: Graph, fitted: Fitted, y_hat: str) -> None:
    """Add the outputs of the graph, as the estimator's predict and predict_proba give them."""
    estimator, spec = fitted.estimator, fitted.net.spec
    if not hasattr(estimator, "classes_"):
        _add_value(graph, fitted, y_hat)
    elif isinstance(estimator.classes_, list):
        parts = graph.split(y_hat, spec.head_widths)
        for j, (part, classes) in enumerate(zip(parts, estimator.classes_, strict=True)):
            _add_label(graph, classes, part, f"_{j}")
    elif spec.output == "softmax":
        _add_label(graph, estimator.classes_, y_hat)
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
    width = fitted.net.spec.n_outputs
    if getattr(fitted.estimator, "loss", None) == "gaussian_nll":
        width //= 2
        means = graph.constant(range(width), "int64", "means")
        y_hat = graph.add("Gather", y_hat, means, axis=1)
    for transformer in fitted.target:
        y_hat = add_inverse(graph, transformer, y_hat)
    graph.output(graph.add("Identity", y_hat, name="value"), graph.dtype, width)


def _add_label(graph: Graph, classes: Any, p: str, suffix: str = "") -> None:
    """The most probable of the classes, (n,), and the probabilities p, (n, number of classes)."""
    _decode(graph, classes, graph.add("ArgMax", p, axis=1, keepdims=0), suffix)
    probabilities = graph.add("Identity", p, name=f"probabilities{suffix}")
    graph.output(probabilities, graph.dtype, len(classes))


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
