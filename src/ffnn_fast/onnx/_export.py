"""`to_onnx`."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._model.fitted import as_fitted
from ffnn_fast._model.model_files import write_atomically
from ffnn_fast.network import Network
from ffnn_fast.onnx._encoders import (
    PreprocessingLike,
    add_inputs,
    add_outputs,
    as_preprocessing,
    check_match,
)
from ffnn_fast.onnx._estimators import add_predictions
from ffnn_fast.onnx._graph import Graph
from ffnn_fast.onnx._input_blocks import add_block, blend
from ffnn_fast.onnx._operators import activate, activate_heads, checked_activations
from ffnn_fast.onnx._transformers import Transformers

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_BYTES = 2**31 - 2**20  # a protobuf message has at most 2 GiB


def to_onnx(
    net: Network | Any,
    path: str | os.PathLike[str] | None = None,
    *,
    preprocessing: PreprocessingLike | None = None,
    dtype: str | None = None,
) -> ModelProto:
    """A network or a fitted estimator as an ONNX model (operator set 13, of 2020), checked.

    Without preprocessing the model has one input, ``X``, (n, n_0), and one output, ``y_hat``,
    (n, n_L), with the outputs of several heads side by side. Intermediate values have the lecture's
    symbols as names: W_1, b_1, a_1, h_1, ... An input block is part of the model: X has its
    columns, numbers and codes.

    With preprocessing it has one input of shape (n, 1) per raw column, with the column's name:
    float64 for a numeric column, NaN where a value is missing; string for a categorical column, ""
    where a value is missing. With a target encoder the outputs are decoded. Regression: ``value``,
    (n, 1) float64, in the units of the target. Classification: ``label``, (n,) string, and
    ``probabilities``, (n, number of classes). Where a column already has such a name, a ``_`` is
    appended.

    An estimator has the input ``X``, (n, number of features), and the outputs of its predictions:
    ``label`` and ``probabilities`` of a classifier (for several columns of labels ``label_0``,
    ``probabilities_0``, ``label_1``, ...), ``value``, (n, T), of a regressor. A pipeline contains
    its transformers: ``StandardScaler``, ``MinMaxScaler``, ``MaxAbsScaler``, ``RobustScaler``,
    ``SimpleImputer`` of numbers, ``OneHotEncoder``, ``ColumnTransformer`` and pipelines of these.
    If it starts with a ``ColumnTransformer`` fitted to a data frame, its inputs are the columns as
    above. An unknown category of a ``OneHotEncoder`` gives zeros.

    Parameters
    ----------
    net : Network, MLPClassifier, MLPRegressor or Pipeline
        Estimators may be scikit-learn's own, and be wrapped by a search with ``best_estimator_`` or
        by a ``TransformedTargetRegressor`` with a scaler.
    path : str or path-like, optional
        File to write, atomically; an existing one is replaced.
    preprocessing : TableEncoder, (TableEncoder, TargetEncoder) or str, optional
        Encoders of the raw columns and of the target. A str is the JSON text that
        ``ffnn-fast train`` stores in the header of a model file under ``preprocessing``.
    dtype : {"float32", "float64"}, optional
        Type of the computation; default: the network's dtype. ONNX Runtime runs every activation
        in either; in float64 those that it has in float32 only are composed of elementary
        operators.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If `net` or `preprocessing` is of another type.
    ValueError
        If an activation or a step of a pipeline has no form in ONNX's operators, an estimator is
        not fitted or is given with `preprocessing`, `preprocessing` does not match the network (see
        `check_preprocessing`), `dtype` is another one, or the parameters need more than 2 GiB.
    OSError
        If the file cannot be written.
    """
    given = None if preprocessing is None else as_preprocessing(preprocessing)
    fitted = None if isinstance(net, Network) else as_fitted(net, "to_onnx")
    if fitted is not None and given is not None:
        raise ValueError(
            f"preprocessing goes with a Network; {type(net).__name__} has its own steps"
        )
    net = net if fitted is None else Network.from_params(fitted.spec, fitted.params)
    spec = net.spec
    names = checked_activations(spec.layer_activations[:-1])
    names += [checked_activations([head.output], spec.n_layers)[0] for head in spec.head_specs]
    if given is not None:
        check_match(given, spec)
    if dtype not in (None, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    graph = Graph(_onnx(), dtype or spec.dtype)
    size = spec.n_params * np.dtype(graph.dtype).itemsize
    if size > MAX_BYTES:
        raise ValueError(f"an ONNX file holds at most 2 GiB, the parameters take {size:,} bytes")
    if fitted is not None:
        x = Transformers(graph, fitted.steps).add(spec.n_inputs)
        add_predictions(graph, fitted, _layers(graph, net, names, x))
    elif given is None:
        _layers(graph, net, names, graph.input("X", graph.dtype, spec.n_inputs))
        graph.output("y_hat", graph.dtype, spec.n_outputs)
    else:
        y_hat = _layers(graph, net, names, add_inputs(graph, given))
        add_outputs(graph, spec, given.target, y_hat)
    model: ModelProto = graph.model(repr(net))
    if path is not None:
        content = model.SerializeToString(deterministic=True)
        write_atomically(os.path.realpath(path), [content])
    return model


def _layers(graph: Graph, net: Network, names: list[str], h: str) -> str:
    """a_k = b_k + W_k h_{k-1}, h_k = g_k(a_k) for k = 1..L, from the columns h; the value h_L."""
    L, alphas = net.spec.n_layers, net.alphas
    h = add_block(graph, net, h)
    for k, g in enumerate(names[:L], start=1):
        W = graph.constant(net.weights[k - 1], name=f"W_{k}")
        b = graph.constant(net.biases[k - 1], name=f"b_{k}")
        a = graph.add("Gemm", h, W, b, name=f"a_{k}", transB=1)
        if net.spec.heads and k == L:
            return activate_heads(graph, net.spec, a, "y_hat")
        if k <= len(alphas):
            h = blend(graph, alphas[k - 1], a, activate(graph, g, a, f"g_{k}"), f"h_{k}")
        else:
            h = activate(graph, g, a, "y_hat" if k == L else f"h_{k}")
    return h


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            'ONNX models need onnx: pip install "ffnn_fast[onnx]"', name="onnx"
        ) from error
    return onnx
