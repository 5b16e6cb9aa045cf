"""Networks as ONNX models, if wanted with the preprocessing of raw columns in the graph."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ffnn_fast._model.model_files import write_atomically
from ffnn_fast.network import Network
from ffnn_fast.onnx.columns import Given, answers, as_preprocessing, check_fit, features
from ffnn_fast.onnx.graph import Graph, activate, checked_activations, softmax_of_heads

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["to_onnx"]
MAX_BYTES = 2**31 - 2**20  # a protobuf message ends at 2 GiB


def to_onnx(
    net: Network,
    path: str | os.PathLike[str] | None = None,
    *,
    preprocessing: Given | None = None,
    dtype: str | None = None,
) -> ModelProto:
    """The network as an ONNX model (operator set 13, that of 2020), checked by ONNX's own checker.

    Without preprocessing the model has one input, ``X``, (n, n_0), and one output, ``y_hat``,
    (n, n_L). The values inside have the lecture's names: W_1, b_1, a_1, h_1, ...

    With preprocessing it has one input of shape (n, 1) for each raw column, under the column's
    name: float64 for a numeric one, NaN where a value is missing; text for a categorical one, ""
    where a value is missing. Where the target is known, its outputs are the answers: for values
    ``value``, (n, 1) float64, in the target's units; for classes ``label``, (n,) text, and
    ``probabilities``, (n, number of classes). (Names that columns have taken get a ``_``.)

    Parameters
    ----------
    net : Network
    path : str or path-like, optional
        A file to write, whole or not at all; an existing one is replaced.
    preprocessing : TableEncoder, pair of TableEncoder and TargetEncoder, or str, optional
        What turns raw columns into inputs, and ŷ into answers. A str is the text that
        ``ffnn-fast train`` keeps in a model file, ``persistence.load(path)[2]["preprocessing"]``.
    dtype : {"float32", "float64"}, optional
        What the model computes in; default: the network's dtype. ONNX Runtime, for one, knows in
        float64 fewer activations than in float32.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If ONNX cannot express an activation, `preprocessing` does not fit the network, or the
        model is too large for one file (2 GiB).
    OSError
        If the file cannot be written.
    """
    spec, given = net.spec, as_preprocessing(preprocessing)
    names = checked_activations(spec.layer_activations)
    if given is not None:
        check_fit(given, spec)
    if dtype not in (None, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    graph = Graph(_onnx(), dtype or spec.dtype)
    size = spec.n_params * np.dtype(graph.dtype).itemsize
    if size > MAX_BYTES:
        raise ValueError(f"{size:,} bytes of parameters are too many for an ONNX file (2 GiB)")
    if given is None:
        _layers(graph, net, names, graph.input("X", graph.dtype, spec.n_inputs))
        graph.output("y_hat", graph.dtype, spec.n_outputs)
    else:
        y_hat = _layers(graph, net, names, features(graph, given))
        answers(graph, spec, given.target, y_hat)
    model: ModelProto = graph.model(repr(net))
    if path is not None:
        write_atomically(os.path.realpath(path), model.SerializeToString(deterministic=True))
    return model


def _layers(graph: Graph, net: Network, names: list[str], h: str) -> str:
    """a_k = b_k + W_k h_{k-1}, h_k = g_k(a_k) for k = 1..L; the value h_L."""
    for k, g in enumerate(names, start=1):
        W = graph.constant(net.weights[k - 1], name=f"W_{k}")
        b = graph.constant(net.biases[k - 1], name=f"b_{k}")
        a = graph.add("Gemm", h, W, b, name=f"a_{k}", transB=1)
        if net.spec.heads and k == len(names):
            return softmax_of_heads(graph, net.spec.heads, a, "y_hat")
        h = activate(graph, g, a, "y_hat" if k == len(names) else f"h_{k}")
    return h


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            'ONNX models need onnx: pip install "ffnn_fast[onnx]"', name="onnx"
        ) from error
    return onnx
