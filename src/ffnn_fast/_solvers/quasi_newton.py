"""Quasi-Newton steps between two Gauss-Newton steps, for objectives with large residuals.

The Gauss-Newton matrix H lacks Σ r ∇²r. Where the residuals stay large, its steps therefore
converge slowly, while H takes most of the time. L-BFGS steps with (H + μI)⁻¹ as the initial inverse
Hessian take the missing part from differences of gradients, each at a small part of the cost of H.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._solvers.least_squares import Model

Array = np.ndarray
MOST = 20  # steps
PARAMETERS = 14  # P n_L for each step, so that all take about the time of H
MEMORY = 20  # pairs of differences
DECREASE = 1e-4  # share of the first-order decrease that a step must reach
SHORTER = 0.3  # factor of a step that did not
TRIALS = 3
CURVED = 1e-10  # least yᵀs / sᵀs of a pair


def usual_steps(n_params: int, n_outputs: int) -> int:
    """The number of steps that take about as long as H."""
    return min(MOST, n_params * n_outputs // PARAMETERS)


class _Pairs:
    """The last differences s of θ and y of ∇θ, and the product of L-BFGS with them.

    J. Nocedal & S. J. Wright, Numerical Optimization, 2nd edition, algorithm 7.4.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._pairs: list[tuple[Array, Array, float]] = []

    def add(self, s: Array, y: Array) -> None:
        """Keep the pair unless the curvature along s is not positive."""
        product = float(y @ s)
        if product > CURVED * float(s @ s):
            self._pairs = [*self._pairs[1 - MEMORY :], (s, y, 1 / product)]

    def direction(self, g: Array) -> Array:
        """−B⁻¹ g."""
        q, factors = g.copy(), []
        for s, y, inverse in reversed(self._pairs):
            factors.append(inverse * float(s @ q))
            q -= factors[-1] * y
        q = self._model.solve(q)
        for (s, y, inverse), factor in zip(self._pairs, reversed(factors), strict=True):
            q += (factor - inverse * float(y @ q)) * s
        return -q


def descend(model: Model, theta: Array, value: float, step: Array, n: int) -> tuple[Array, float]:
    """θ and the objective after at most `n` steps from θ, where the objective is `value`.

    `step` is the Gauss-Newton step that led to θ, from where the model's H and g are. Each step
    lowers the objective.
    """
    pairs = _Pairs(model)
    _, g = model.gradient(theta)
    pairs.add(step, g - model.g)
    for _ in range(n):
        direction = pairs.direction(g)
        found = _line_search(model, theta, value, direction, float(g @ direction))
        if found is None:
            break
        s, theta, value, ahead = found
        pairs.add(s, ahead - g)
        g = ahead
    return theta, value


def _line_search(
    model: Model, theta: Array, value: float, direction: Array, slope: float
) -> tuple[Array, Array, float, Array] | None:
    """The step, θ, objective and gradient where it is lower by enough; None if nowhere tried."""
    if not slope < 0:
        return None
    length = 1.0
    for _ in range(TRIALS):
        s = length * direction
        ahead = model.moved(theta, s)
        lower, g = model.gradient(ahead)
        if lower < value + DECREASE * length * slope and lower < value:
            return s, ahead, lower, g
        length *= SHORTER
    return None
