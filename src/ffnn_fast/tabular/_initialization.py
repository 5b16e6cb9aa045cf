"""Initial parameters from the training rows, as RealMLP has them.

D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default", NeurIPS 2024, appendix A.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast.network import Network

Array = np.ndarray
MOST_ROWS = 1000  # from which the parameters are computed, unless stated otherwise
DRAWN = 5  # rows of a unit's bias
SMALLEST = 1e-6  # standard deviation by which weights are divided


def initialize_from_rows(
    net: Network, X: Array, rng: np.random.Generator, most_rows: int = MOST_ROWS
) -> None:
    """Set W_k and b_k so that each unit has pre-activations of deviation 1 on the rows ("he+5").

    The weights into a unit are normal, scaled so. Its bias is minus a convex combination of its
    pre-activations without bias at 5 random rows, whose weights are exponential variates divided by
    their sum: the unit's zero lies among the rows.

    Parameters
    ----------
    net : Network
    X : ndarray of shape (n, n_0)
        Rows as the network takes them.
    rng : Generator
    most_rows : int, default 1000
        At most so many of the rows are drawn.
    """
    rows = X[rng.permutation(len(X))[:most_rows]]
    for k, (W, b) in enumerate(zip(net.weights, net.biases, strict=True), 1):
        h = net.trace(rows)[f"h_{k - 1}"].astype(np.float64)
        weights = rng.normal(size=W.shape) / np.sqrt(W.shape[1])
        deviation = (h @ weights.T).std(axis=0)
        weights /= np.where(deviation > SMALLEST, deviation, 1.0)[:, None]
        a = h @ weights.T
        drawn = rng.integers(len(a), size=(DRAWN, len(b)))
        share = rng.exponential(size=drawn.shape)
        share /= share.sum(axis=0)
        W[:] = weights
        b[:] = -(share * np.take_along_axis(a, drawn, axis=0)).sum(axis=0)


def initialize_normally(net: Network, rng: np.random.Generator) -> None:
    """Set W_k ~ N(0, 1/n_{k−1}) and b_k ~ N(0, 1), and those of the last layer to 0 (TD-S)."""
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        W[:] = rng.normal(size=W.shape) / np.sqrt(W.shape[1])
        b[:] = rng.normal(size=b.shape)
    net.weights[-1][:] = 0
    net.biases[-1][:] = 0
