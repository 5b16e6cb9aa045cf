"""The layers of a network in an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.network import Network
from ffnn_fast.onnx._graph import Graph
from ffnn_fast.onnx._operators import activate, activate_heads, checked_activations

MAX_BYTES = 2**31 - 2**20  # a protobuf message has at most 2 GiB


def new_graph(dtype: str | None, specs: Sequence[NetworkSpec]) -> Graph:
    """An empty graph for networks of one dtype; ValueError if they are too large, or for another
    dtype.
    """
    if dtype not in (None, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    graph = Graph(_onnx(), dtype or specs[0].dtype)
    size = sum(spec.n_params for spec in specs) * np.dtype(graph.dtype).itemsize
    if size > MAX_BYTES:
        raise ValueError(f"an ONNX file holds at most 2 GiB, the parameters take {size:,} bytes")
    return graph


def checked_names(spec: NetworkSpec) -> list[str]:
    """The activations of the hidden layers, then the outputs of the heads, as ONNX has them."""
    names = checked_activations(spec.layer_activations[:-1])
    return names + [checked_activations([h.output], spec.n_layers)[0] for h in spec.head_specs]


def layers(graph: Graph, net: Network, names: list[str], h: str, out: str = "y_hat") -> str:
    """a_k = b_k + W_k h_{k-1}, h_k = g_k(a_k) for k = 1..L; the value h_L, named `out`."""
    L = net.spec.n_layers
    for k, g in enumerate(names[:L], start=1):
        W = graph.constant(net.weights[k - 1], name=f"W_{k}")
        b = graph.constant(net.biases[k - 1], name=f"b_{k}")
        a = graph.add("Gemm", h, W, b, name=f"a_{k}", transB=1)
        if net.spec.heads and k == L:
            return activate_heads(graph, net.spec, a, out)
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
