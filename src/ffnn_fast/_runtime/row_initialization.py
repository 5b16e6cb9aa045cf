"""Initial W_k and b_k from rows: each unit's pre-activations have deviation 1, its zero lies among
them.

D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default", NeurIPS 2024, appendix A; the
scale of weights is that of D. Mishkin and J. Matas, "All you need is a good init", ICLR 2016.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.inspection import trace

Array = np.ndarray
BIASES = ("rows", "zeros")
DRAWN = 5  # rows of a unit's bias
SMALLEST = 1e-6  # standard deviation by which weights are divided


def initial_params(
    spec: NetworkSpec, params: Array, X: Array, biases: str, rng: np.random.Generator,
    most_rows: int,
) -> Array:  # fmt: skip
    """θ, (P,), with W_k and b_k as `Network.initialize` sets them, and all else as in `params`."""
    found = params.copy()
    rows = X[rng.permutation(len(X))[:most_rows]]
    layers = zip(spec.weights(found), spec.biases(found), strict=True)
    for k, (W, b) in enumerate(layers, start=1):
        h = trace(spec, found, rows, None)[f"h_{k - 1}"].astype(np.float64)
        weights = rng.normal(size=W.shape) / np.sqrt(W.shape[1])
        deviation = ignoring("over invalid", _deviations, h, weights)
        if not np.isfinite(deviation).all():
            raise ValueError(
                f"the deviation of the pre-activations of layer {k} is not finite on these rows; "
                "scale the columns of X"
            )
        weights /= np.where(deviation > SMALLEST, deviation, 1.0)[:, None]
        W[:] = weights
        b[:] = _biases(h @ weights.T, rng) if biases == "rows" else 0
    return found


def _deviations(h: Array, weights: Array) -> Array:
    """Of each unit's pre-activations without bias, (n_k,)."""
    deviations: Array = (h @ weights.T).std(axis=0)
    return deviations


def _biases(a: Array, rng: np.random.Generator) -> Array:
    """Minus a convex combination of each unit's pre-activations a, (n, n_k), at random rows."""
    drawn = rng.integers(len(a), size=(DRAWN, a.shape[1]))
    share = rng.exponential(size=drawn.shape)
    share /= share.sum(axis=0)
    combined: Array = (share * np.take_along_axis(a, drawn, axis=0)).sum(axis=0)
    return -combined
