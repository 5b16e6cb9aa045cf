"""The networks of an ensemble as one ONNX model."""

from __future__ import annotations

from collections.abc import Sequence

from ffnn_fast.network import Network
from ffnn_fast.onnx._graph import Graph
from ffnn_fast.onnx._network_nodes import checked_names, layers, new_graph


def add_ensemble(networks: Sequence[Network], dtype: str | None) -> Graph:
    """The graph of what the networks of an ensemble predict together; errors as `to_onnx`."""
    specs = [net.spec for net in networks]
    for spec in specs:
        spec.require_plain("to_onnx")
    names = [checked_names(spec) for spec in specs]
    graph = new_graph(dtype, specs)
    x = graph.input("X", graph.dtype, specs[0].n_inputs)
    found = [
        layers(graph, net, given, x, f"y_hat_{m}")
        for m, (net, given) in enumerate(zip(networks, names, strict=True))
    ]
    if specs[0].loss == "gaussian_nll":
        _mixture(graph, found, specs[0].n_targets)
    else:
        _mean(graph, found, "y_hat")
    graph.output("y_hat", graph.dtype, specs[0].n_outputs)
    return graph


def _mean(graph: Graph, values: list[str], name: str | None = None) -> str:
    """The mean; ONNX Runtime has the operator Mean in float32 only."""
    return graph.add("Mul", graph.add("Sum", *values), graph.constant(1 / len(values)), name=name)


def _mixture(graph: Graph, found: list[str], T: int) -> None:
    """y_hat := μ = Σ μ_m / M and log σ², σ² = Σ (exp s_m + (μ_m − μ)²) / M."""
    parts = [graph.split(y_hat, (T, T)) for y_hat in found]
    mean = _mean(graph, [means for means, _ in parts])
    terms = []
    for means, logarithms in parts:
        off = graph.add("Sub", means, mean)
        terms.append(graph.add("Add", graph.add("Exp", logarithms), graph.add("Mul", off, off)))
    variance = graph.add("Log", _mean(graph, terms))
    graph.add("Concat", mean, variance, name="y_hat", axis=1)
