"""Activation functions g and output functions O, by name: formula, derivative, Jacobian product.

Lecture modules 4.1 (activations), 4.3 (softmax) and 4.9 (derivatives).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Activation:
    """An elementwise activation h = g(a).

    ``derivative_from_output(h)`` is g'(a) written in terms of h, as module 4.9 does.
    """

    name: str
    function: Callable[[Array], Array]
    derivative_from_output: Callable[[Array], Array]

    def jacobian_product(self, h: Array, dh: Array) -> Array:
        """∇a = ∇h ⊙ g'(a); `h` and `dh` are (n, width)."""
        return dh * self.derivative_from_output(h)


@dataclass(frozen=True)
class Softmax:
    """The softmax output ŷ_j = exp(a_j) / Σ_i exp(a_i), row by row."""

    name: str = "softmax"

    def function(self, a: Array) -> Array:
        """ŷ for pre-activations (n, k); shifted by the row maximum so that exp cannot overflow."""
        e = np.exp(a - a.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def jacobian_product(self, h: Array, dh: Array) -> Array:
        """∇a = ŷ ⊙ (∇ŷ − Σ_j ∇ŷ_j ŷ_j), from J = diag(ŷ) − ŷ ŷᵀ."""
        return h * (dh - (dh * h).sum(axis=1, keepdims=True))


def logistic(a: Array) -> Array:
    """σ(a) = 1 / (1 + e^−a), written with e^−|a| so that nothing overflows."""
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1, e) / (1 + e)


ACTIVATIONS: dict[str, Activation] = {
    g.name: g
    for g in (
        Activation("identity", lambda a: a.copy(), np.ones_like),
        Activation("logistic", logistic, lambda h: h * (1 - h)),
        Activation("tanh", np.tanh, lambda h: 1 - h * h),
        Activation("relu", lambda a: np.maximum(a, 0), lambda h: (h > 0).astype(h.dtype)),
    )
}
OUTPUTS: dict[str, Activation | Softmax] = {**ACTIVATIONS, "softmax": Softmax()}
ALIASES = {"linear": "identity", "sigmoid": "logistic"}


def activation_name(name: str) -> str:
    """The standard name of a hidden layer's activation; raises ValueError for an unknown one."""
    return _resolve(name, ACTIVATIONS, "activation")


def output_name(name: str) -> str:
    """The standard name of an output function; raises ValueError for an unknown one."""
    return _resolve(name, OUTPUTS, "output")


def _resolve(name: str, known: dict, what: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a name, got {name!r}")
    standard = ALIASES.get(name, name)
    if standard not in known:
        raise ValueError(f"{what} must be one of {', '.join([*known, *ALIASES])}; got {name!r}")
    return standard
