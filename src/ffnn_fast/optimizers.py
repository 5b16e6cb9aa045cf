"""Optimizers by name: one rule over one flat vector, with one step counter t."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Optimizer:
    """A rule θ_t := rule(θ_{t-1}, ∇θ).

    ``hyper`` names the entries of the vector of hyperparameters, ``slots`` counts the state vectors
    of length P that the rule keeps, ``rule(hyper, params, grad, state, t)`` works in place.
    """

    name: str
    hyper: tuple[str, ...]
    slots: int
    rule: Callable[[Array, Array, Array, Array, int], None]


def sgd(hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
    """Gradient descent, on a batch or on all the data (lecture module 4.2).

    * ``params := params - learning_rate * grad``
    """
    (learning_rate,) = hyper
    params -= np.asarray(learning_rate, dtype=params.dtype) * grad


OPTIMIZERS: dict[str, Optimizer] = {
    rule.name: rule for rule in (Optimizer("sgd", ("learning_rate",), 0, sgd),)
}
