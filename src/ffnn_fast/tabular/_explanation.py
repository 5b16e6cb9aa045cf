"""What a prediction is made of: permutation importance and integrated gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._reference.input_blocks import input_units as _input_units
from ffnn_fast.network import Network
from ffnn_fast.tabular._members import Member, Rows

Array = np.ndarray
NODES = 32  # of the Gauss-Legendre rule along the path
Outputs = Callable[[Array], tuple[Array, Array]]
OfOutputs = Callable[[Array], tuple[Array, Array]]  # f and ∂f/∂ŷ of ŷ


@public("ffnn_fast.tabular")
@dataclass(frozen=True)
class Explanation:
    """Contributions of the columns to predictions.

    Attributes
    ----------
    columns : tuple of str
        Names of the d columns.
    contributions : ndarray of shape (n, d)
        Integrated gradients (M. Sundararajan, A. Taly, Q. Yan, 2017) of each network along
        straight paths of h_0, the units of its input block, from their mean over the training rows
        to a row; summed over the units of each column, and their mean over the networks.
    base : float
        The mean prediction at the starts of the paths.
    predictions : ndarray of shape (n,)
        ``base + contributions.sum(axis=1)`` but for rounding.
    """

    columns: tuple[str, ...]
    contributions: Array
    base: float
    predictions: Array


def permutation_importances(
    members: Sequence[Member], rows: Rows, sources: Sequence[str], rng: np.random.Generator,
    most_rows: int,
) -> dict[str, float]:  # fmt: skip
    """By how much the loss out of fold rises when a column is permuted (L. Breiman, 2001).

    Parameters
    ----------
    members : sequence of Member
        Each is judged on its fold.
    rows : Rows
        All encoded rows.
    sources : sequence of str
        The column of each encoded input; the inputs of one are permuted together.
    rng : Generator
    most_rows : int
        That are drawn from all folds.
    """
    inputs = {name: [j for j, s in enumerate(sources) if s == name] for name in sources}
    total = dict.fromkeys(inputs, 0.0)
    count = 0
    most = max(1, most_rows // len(members))
    for member in members:
        fold = member.fold
        if len(fold) > most:
            fold = rng.choice(fold, most, replace=False)
        part = rows.part(fold)
        if len(fold) < 2 or (part.weight is not None and not part.weight.any()):
            continue
        part = Rows(*part.given)
        before = member.net.loss(*part.given)
        for name, own in inputs.items():
            X = part.X.copy()
            X[:, own] = X[rng.permutation(len(X))][:, own]
            total[name] += len(fold) * (member.net.loss(X, part.y, part.weight) - before)
        count += len(fold)
    return {name: value / max(1, count) for name, value in total.items()}


def integrated_gradients(
    outputs: Outputs, X: Array, base: Array, values: Array
) -> tuple[Array, float]:
    """∫ ∂f/∂x ds along straight paths from `base` to each row, times their difference.

    Parameters
    ----------
    outputs : callable
        ``outputs(X)`` returns f, (n,), and its gradient, (n, d).
    X : ndarray of shape (n, d)
    base : ndarray of shape (d,)
    values : ndarray of shape (n,)
        f of the rows.

    Returns
    -------
    contributions : ndarray of shape (n, d)
        What the quadrature leaves is spread in proportion to their sizes, so that each row sums to
        f(x) − f(base).
    base_value : float
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    step = X.astype(np.float64) - base
    mean = np.zeros_like(step)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        mean += weight * outputs((base + node * step).astype(X.dtype))[1]
    contributions = step * mean
    start = float(outputs(base[None].astype(X.dtype))[0][0])
    size = np.abs(contributions)
    share = size / np.maximum(size.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    for _ in range(2):  # the second time what rounding leaves
        left = values - start - contributions.sum(axis=1)
        contributions += share * left[:, None]
    return contributions, start


def explain_network(
    net: Network, X: Array, y_hat: Array, base: Array, function: OfOutputs
) -> tuple[Array, float]:
    """Contributions of the columns of X, (n, d), to f(ŷ), and f at the base.

    Parameters
    ----------
    net : Network
        With an input block.
    X : ndarray of shape (n, d)
        Encoded rows.
    y_hat : ndarray of shape (n, n_L)
        The network's outputs for them, so that contributions sum to what it predicts.
    base : ndarray of shape (n_0,)
        Units of the block where the paths begin.
    function : callable
        ``function(y_hat)`` returns f, (n,), and ∂f/∂ŷ, (n, n_L).
    """
    inner = without_inputs(net)

    def outputs(units: Array) -> tuple[Array, Array]:
        value, grad_y_hat = function(inner.forward(units))
        grad_y_hat = np.ascontiguousarray(grad_y_hat, inner.spec.dtype)
        return value, inner.vjp(units, grad_y_hat).grad_X

    values = np.asarray(function(y_hat)[0], np.float64)
    by_unit, start = integrated_gradients(outputs, input_units(net, X), base, values)
    first = [feature.at for feature in block_features(net)]
    return np.add.reduceat(by_unit, first, axis=1), start


def input_units(net: Network, X: Array) -> Array:
    """h_0 of encoded rows, (n, n_0)."""
    return _input_units(net.spec, net.params, X)


def without_inputs(net: Network) -> Network:
    """The network behind the input block, with copies of its parameters; it takes h_0."""
    sizes = (net.weights[0].shape[1], *net.spec.layer_sizes[1:])
    plain = {**net.spec.to_dict(), "layer_sizes": list(sizes), "inputs": None}
    return Network.from_params(NetworkSpec.from_dict(plain), _inner_params(net), n_threads=1)


def _inner_params(net: Network) -> Array:
    layers = [part.ravel() for pair in zip(net.weights, net.biases, strict=True) for part in pair]
    return np.concatenate([*layers, *net.alphas])


def block_features(net: Network) -> list[Any]:
    """The columns of X with their units of h_0, in order."""
    if net.spec.inputs is None:
        raise ValueError("the network has no input block")
    return net.spec.inputs.features(net.spec.n_inputs)
