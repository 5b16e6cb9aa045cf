"""The first step of a user-defined rule, which shows whether the rule is one."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ffnn_fast.optimizers._rules import Optimizer

Array = np.ndarray


def first_step(
    optimizer: Optimizer, hyper: Array, params: Array, grad: Array, state: Array
) -> None:
    """``optimizer.rule`` with t = 1, in place, checked.

    Raises
    ------
    ValueError
        If the rule changes neither `params` nor `state` in place, or raises IndexError or
        ValueError, as one does that uses more rows of `state` than it has ``slots``.
    """
    before, memory = params.copy(), state.copy()
    returned = _step(optimizer, hyper, params, grad, state)
    if not (np.array_equal(params, before) and np.array_equal(state, memory)) or hyper[0] == 0:
        return
    # A step may be too small to change θ; from θ = 0 and with ∇θ = 1 none is.
    trial, trial_state = np.zeros_like(params), np.zeros_like(state)
    again = _step(optimizer, hyper, trial, np.ones_like(params), trial_state)
    if trial.any() or trial_state.any():
        return
    gave = "nothing" if returned is None and again is None else "a new array"
    raise ValueError(
        f"{type(optimizer).__name__}.rule must change params in place, as in params -= ..., or "
        f"params[:] = ...; it returned {gave} and left params and state as they were"
    )


def _step(optimizer: Optimizer, hyper: Array, params: Array, grad: Array, state: Array) -> object:
    name = type(optimizer).__name__
    try:
        return optimizer.rule(hyper, params, grad, state, 1)  # type: ignore[func-returns-value]
    except (IndexError, ValueError) as error:
        names = ", ".join(part.name for part in fields(optimizer))
        raise ValueError(
            f"{name}.rule failed in its first step: {error}. It was called with state of shape "
            f"{state.shape}, since {name}.slots is {optimizer.slots} (set slots to the number of "
            f"state vectors that the rule uses), and hyper = ({names})"
        ) from error
