"""The mean of the outputs of several networks in an ONNX graph, or their mixture."""

from __future__ import annotations

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.onnx._graph import Graph


def add_mean(graph: Graph, spec: NetworkSpec, found: list[str]) -> None:
    """y_hat, (n, n_L), of the outputs of each network of an `ffnn_fast.Ensemble`."""
    if spec.loss == "gaussian_nll":
        _mixture(graph, found, spec.n_targets)
    else:
        _mean(graph, found, "y_hat")
    graph.output("y_hat", graph.dtype, spec.n_outputs)


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
