"""Loss functions by name: value per sample and gradient with respect to ŷ (modules 4.3, 4.5).

Shapes: ŷ and y are (n, k); a value per sample is (n,). `CANONICAL` lists the pairs of output and
loss whose ∇a_L is ŷ − y; there the value comes from a_L, which is finite where log ŷ is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Loss:
    """A loss ℓ(ŷ, y) summed over the outputs of a sample.

    ``targets`` names the domain of y: "real", "unit" ([0, 1] each) or "simplex" (a distribution).
    ``classifies`` says whether outputs are probabilities of classes.
    """

    name: str
    value: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], Array]
    targets: str = "real"
    classifies: bool = False


def _y_log(y: Array, p: Array) -> Array:
    """y log p with 0 log 0 = 0."""
    return np.where(y == 0, 0, y * np.log(np.where(y == 0, 1, p)))


def _ratio(y: Array, p: Array) -> Array:
    """y / p with 0 / 0 = 0."""
    return np.where(y == 0, 0, y / np.where(y == 0, 1, p))


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            lambda p, y: -_y_log(y, p).sum(axis=1),
            lambda p, y: -_ratio(y, p),
            targets="simplex",
            classifies=True,
        ),
        Loss(
            "squared_error",
            lambda p, y: ((p - y) ** 2).sum(axis=1),
            lambda p, y: 2 * (p - y),
        ),
        Loss(
            "half_squared_error",
            lambda p, y: 0.5 * ((p - y) ** 2).sum(axis=1),
            lambda p, y: p - y,
        ),
        Loss(
            "binary_cross_entropy",
            lambda p, y: -(_y_log(y, p) + _y_log(1 - y, 1 - p)).sum(axis=1),
            lambda p, y: _ratio(1 - y, 1 - p) - _ratio(y, p),
            targets="unit",
            classifies=True,
        ),
    )
}


def softmax_cross_entropy(a: Array, y: Array) -> Array:
    """Σ_c y_c (log Σ_j e^{a_j} − a_c), the cross-entropy of softmax(a), per sample (n,)."""
    top = a.max(axis=1, keepdims=True)
    log_norm = top + np.log(np.exp(a - top).sum(axis=1, keepdims=True))
    return (y * (log_norm - a)).sum(axis=1)


def logistic_binary_cross_entropy(a: Array, y: Array) -> Array:
    """Σ_j max(a_j, 0) − a_j y_j + log(1 + e^−|a_j|), per sample (n,)."""
    return (np.maximum(a, 0) - a * y + np.log1p(np.exp(-np.abs(a)))).sum(axis=1)


def identity_half_squared_error(a: Array, y: Array) -> Array:
    """½ Σ_j (a_j − y_j)², per sample (n,)."""
    return 0.5 * ((a - y) ** 2).sum(axis=1)


CANONICAL: dict[tuple[str, str], Callable[[Array, Array], Array]] = {
    ("softmax", "cross_entropy"): softmax_cross_entropy,
    ("logistic", "binary_cross_entropy"): logistic_binary_cross_entropy,
    ("identity", "half_squared_error"): identity_half_squared_error,
}
CANONICAL_LOSS = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy"}
