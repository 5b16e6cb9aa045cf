"""The first step of a user-defined rule, which shows whether the rule is one."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ffnn_fast.optimizers._rules import Optimizer

Array = np.ndarray
TRIALS = 1000  # steps in which a rule must move, which may accumulate gradients before it does
IN_PLACE = "rule must change params in place, as in params -= ..., or params[:] = ..."


def first_step(
    optimizer: Optimizer, hyper: Array, params: Array, grad: Array, state: Array
) -> None:
    """``optimizer.rule`` with t = 1, in place, checked.

    Raises
    ------
    ValueError
        If the rule returns a new array, changes no parameter in place in any of `TRIALS` steps, or
        raises IndexError or ValueError, as one does that uses more rows of `state` than it has
        ``slots``.
    """
    before, name = params.copy(), type(optimizer).__name__
    returned = _step(optimizer, hyper, params, grad, state, 1)
    if isinstance(returned, np.ndarray) and not np.shares_memory(returned, params):
        raise ValueError(f"{name}.{IN_PLACE}; it returned a new array, which has no effect")
    if np.array_equal(params, before) and not _moves(optimizer, hyper, params, state):
        gave = "nothing" if returned is None else type(returned).__name__
        raise ValueError(
            f"{name}.{IN_PLACE}; it returned {gave}, and left params as they were in {TRIALS} "
            "trial steps"
        )


def _moves(optimizer: Optimizer, hyper: Array, params: Array, state: Array) -> bool:
    """Whether one of the first steps from θ = 0 with ∇θ = 1, none of which is too small, changes θ.

    True also where there is nothing to move: η = 0, or no parameters.
    """
    if hyper[0] == 0 or params.size == 0:
        return True
    theta, grad, slots = np.zeros_like(params), np.ones_like(params), np.zeros_like(state)
    for t in range(1, TRIALS + 1):
        _step(optimizer, hyper, theta, grad, slots, t)
        if theta.any():
            return True
    return False


def _step(
    optimizer: Optimizer, hyper: Array, params: Array, grad: Array, state: Array, t: int
) -> object:
    name = type(optimizer).__name__
    try:
        return optimizer.rule(hyper, params, grad, state, t)  # type: ignore[func-returns-value]
    except (IndexError, ValueError) as error:
        names = ", ".join(part.name for part in fields(optimizer))
        step = "its first step" if t == 1 else f"trial step {t}"
        raise ValueError(
            f"{name}.rule failed in {step}: {error}. It was called with state of shape "
            f"{state.shape}, since {name}.slots is {optimizer.slots} (set slots to the number of "
            f"state vectors that the rule uses), and hyper = ({names})"
        ) from error
