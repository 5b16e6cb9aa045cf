"""Linear models in the form of the networks of a bag.

A parametric activation x + (f(x) − x) α with α = 0 is the identity, so that a network of any depth
can hold a linear model of its inputs: files, exports and explanations need no second form.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from ffnn_fast.network import Network
from ffnn_fast.tabular._explanation import block_features, input_units
from ffnn_fast.tabular._members import Rows

Array = np.ndarray
MOST_ROWS = 10_000  # that a linear model is fitted to
ITERATIONS = 300
ABSENT = 20.0  # minus the logit of a class of which there is no row


def linear_network(net: Network, rows: Rows, widths: tuple[int, ...]) -> Network | None:
    """A copy of an untrained network that is linear in its inputs, fitted to rows.

    Classes have a logistic regression for each head, values a ridge regression, with the penalty 1
    of scikit-learn.

    Parameters
    ----------
    net : Network
        With an input block and parametric activations.
    rows : Rows
        At most 10 000 of them are used.
    widths : tuple of int
        Outputs of each head, or of the only one.

    Returns
    -------
    Network or None
        None if a hidden layer is narrower than the outputs, or a head has rows of one class only.
    """
    if min(net.spec.layer_sizes[1:-1]) < sum(widths):
        return None
    rows = rows.first(MOST_ROWS)
    net = Network.from_params(net.spec, net.params, n_threads=1)
    units = _plain_units(net)
    h = input_units(net, rows.X)[:, units].astype(np.float64)
    found = _fitted(h, rows, widths, net.spec.output == "softmax")
    if found is None:
        return None
    coefficients, intercepts = found
    n = len(intercepts)
    for part in (*net.weights, *net.biases, *net.alphas):
        part[:] = 0.0
    for W in net.weights[1:]:
        W[:n, :n] = np.eye(n)
    net.weights[0][:n, units] = coefficients
    net.biases[0][:n] = intercepts
    return net


def _plain_units(net: Network) -> list[int]:
    """Units of h_0 without those of the embeddings of numbers, whose last unit is the number."""
    return [
        unit
        for one in block_features(net)
        for unit in range(one.at, one.at + one.units)
        if one.kind != "periodic" or unit == one.at + one.units - 1
    ]


def _fitted(
    h: Array, rows: Rows, widths: tuple[int, ...], classes: bool
) -> tuple[Array, Array] | None:
    """Coefficients (n_L, units) and intercepts (n_L,)."""
    if not classes:
        ridge = Ridge().fit(h, rows.y, rows.weight)
        return ridge.coef_.reshape(-1, h.shape[1]), np.ravel(ridge.intercept_)
    coefficients, intercepts = np.zeros((sum(widths), h.shape[1])), np.full(sum(widths), -ABSENT)
    first = 0
    for labels, width in zip(rows.y.reshape(len(h), -1).T, widths, strict=True):
        counted = labels if rows.weight is None else labels[rows.weight > 0]
        if len(np.unique(counted)) < 2:
            return None
        model = LogisticRegression(max_iter=ITERATIONS).fit(h, labels, rows.weight)
        places = first + model.classes_
        if len(places) == 2:  # one function, of the second class
            places = places[1:]
            intercepts[first + model.classes_[0]] = 0.0
        coefficients[places], intercepts[places] = model.coef_, model.intercept_
        first += width
    return coefficients, intercepts
