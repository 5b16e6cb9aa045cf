"""`to_onnx`."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._ensembles.ensemble import Ensemble
from ffnn_fast._model.fitted import as_fitted, is_tabular
from ffnn_fast._model.model_files import write_atomically
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.network import Network
from ffnn_fast.onnx._encoders import (
    Preprocessing,
    PreprocessingLike,
    add_inputs,
    add_outputs,
    as_preprocessing,
    check_match,
)
from ffnn_fast.onnx._estimators import add_predictions
from ffnn_fast.onnx._graph import Graph
from ffnn_fast.onnx._input_blocks import add_block, blend
from ffnn_fast.onnx._mean import add_mean
from ffnn_fast.onnx._operators import activate, activate_heads, checked_activations
from ffnn_fast.onnx._tabular import add_tabular
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
    where a value is missing. With target encoders the outputs are decoded. Regression: ``value``,
    (n, T) float64, in the units of the T targets. Classification: ``label``, (n,) string, and
    ``probabilities``, (n, number of classes); of several targets ``label_0``, ``probabilities_0``,
    ``label_1``, and so on. Where a column already has such a name, a ``_`` is
    appended.

    An estimator has the input ``X``, (n, number of features), and the outputs of its predictions:
    ``label`` and ``probabilities`` of a classifier (for several columns of labels ``label_0``,
    ``probabilities_0``, ``label_1``, ...), ``value``, (n, T), of a regressor. A pipeline contains
    its transformers: ``StandardScaler``, ``MinMaxScaler``, ``MaxAbsScaler``, ``RobustScaler``,
    ``SimpleImputer`` of numbers, ``OneHotEncoder``, ``ColumnTransformer`` and pipelines of these.
    If it starts with a ``ColumnTransformer`` fitted to a data frame, its inputs are the columns as
    above. An unknown category of a ``OneHotEncoder`` gives zeros.

    An estimator of `ffnn_fast.tabular` has such inputs too: float64 for a number, NaN where it is
    missing, one for each part of a date (as ``day year``); string for a category, which is unknown
    or missing if it is no level of the training rows. Its outputs are ``value``, (n, T), or
    ``label`` and ``probabilities``, as above, of float64.

    Parameters
    ----------
    net : Network, Ensemble, estimator of `ffnn_fast.sklearn` or `ffnn_fast.tabular`, or Pipeline
        Of an Ensemble ``y_hat`` is what all networks together predict. Estimators may be
        scikit-learn's own, and be wrapped by a search with ``best_estimator_`` or by a
        ``TransformedTargetRegressor`` with a scaler.
    path : str or path-like, optional
        File to write, atomically; an existing one is replaced.
    preprocessing : TableEncoder, (TableEncoder, TargetEncoder) or str, optional
        Encoders of the raw columns and of the target; of several targets, in the order of the
        outputs, (TableEncoder, (TargetEncoder, ...)). A str is the JSON text that
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
    if given is not None and not isinstance(net, Network):
        raise ValueError(
            f"preprocessing goes with a Network; {type(net).__name__} has its own steps"
        )
    if dtype not in (None, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    if isinstance(net, Ensemble):
        graph, text = _ensemble_graph(net, dtype)
    elif is_tabular(net, "to_onnx"):
        graph, text = _tabular_graph(net, dtype)
    else:
        graph, text = _graph(net, given, dtype)
    model: ModelProto = graph.model(text)
    if path is not None:
        content = model.SerializeToString(deterministic=True)
        write_atomically(os.path.realpath(path), [content])
    return model


def _graph(net: Network | Any, given: Preprocessing | None, dtype: str | None) -> tuple[Graph, str]:
    """The graph of a network with its encoders, or of an estimator with its steps; what it is."""
    fitted = None if isinstance(net, Network) else as_fitted(net, "to_onnx")
    net = net if fitted is None else Network.from_params(fitted.spec, fitted.params)
    spec = net.spec
    names = _activations(spec)
    if given is not None:
        check_match(given, spec)
    graph = Graph(_onnx(), dtype or spec.dtype)
    _check_size(graph, spec.n_params)
    if fitted is not None:
        x = Transformers(graph, fitted.steps).add(spec.n_inputs)
        add_predictions(graph, fitted, _layers(graph, net, names, x))
    elif given is None:
        _layers(graph, net, names, graph.input("X", graph.dtype, spec.n_inputs))
        graph.output("y_hat", graph.dtype, spec.n_outputs)
    else:
        y_hat = _layers(graph, net, names, add_inputs(graph, given))
        add_outputs(graph, spec, given.targets, y_hat)
    return graph, repr(net)


def _tabular_graph(model: Any, dtype: str | None) -> tuple[Graph, str]:
    """The graph of an estimator for tables; what it is."""
    spec = model.networks_[0].spec
    graph = Graph(_onnx(), dtype or spec.dtype)
    _check_size(graph, len(model.networks_) * spec.n_params)
    names = _activations(spec)
    add_tabular(graph, model, lambda net, x: _layers(graph, net, names, x))
    return graph, repr(model)


def _ensemble_graph(ensemble: Ensemble, dtype: str | None) -> tuple[Graph, str]:
    """The graph of what all networks predict together; what it is."""
    specs = [net.spec for net in ensemble]
    graph = Graph(_onnx(), dtype or specs[0].dtype)
    _check_size(graph, sum(spec.n_params for spec in specs))
    names = [_activations(spec) for spec in specs]
    x = graph.input("X", graph.dtype, specs[0].n_inputs)
    found = [
        _layers(graph, net, own, x, f"y_hat_{m}")
        for m, (net, own) in enumerate(zip(ensemble, names, strict=True))
    ]
    add_mean(graph, specs[0], found)
    return graph, repr(ensemble)


def _activations(spec: NetworkSpec) -> list[str]:
    """g_1, ..., g_{L-1} and O of each head; ValueError for one without a form in ONNX."""
    names = checked_activations(spec.layer_activations[:-1])
    return names + [checked_activations([h.output], spec.n_layers)[0] for h in spec.head_specs]


def _check_size(graph: Graph, n_params: int) -> None:
    size = n_params * np.dtype(graph.dtype).itemsize
    if size > MAX_BYTES:
        raise ValueError(f"an ONNX file holds at most 2 GiB, the parameters take {size:,} bytes")


def _layers(graph: Graph, net: Network, names: list[str], h: str, out: str = "y_hat") -> str:
    """a_k = b_k + W_k h_{k-1}, h_k = g_k(a_k) for k = 1..L, from the columns h; the value h_L,
    which is named `out`.
    """
    L, alphas = net.spec.n_layers, net.alphas
    h = add_block(graph, net, h)
    for k, g in enumerate(names[:L], start=1):
        W = graph.constant(net.weights[k - 1], name=f"W_{k}")
        b = graph.constant(net.biases[k - 1], name=f"b_{k}")
        a = graph.add("Gemm", h, W, b, name=f"a_{k}", transB=1)
        if net.spec.heads and k == L:
            return activate_heads(graph, net.spec, a, out)
        if k <= len(alphas):
            h = blend(graph, alphas[k - 1], a, activate(graph, g, a, f"g_{k}"), f"h_{k}")
        else:
            h = activate(graph, g, a, out if k == L else f"h_{k}")
    return h


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            'ONNX models need onnx: pip install "ffnn_fast[onnx]"', name="onnx"
        ) from error
    return onnx
