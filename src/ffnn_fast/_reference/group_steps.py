"""A step of the optimizer: on all entries, or on each group with its own rate and decay."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.optimizers import StepRule, first_step

Array = np.ndarray


def move(rule: StepRule, hyper: Array, theta: Array, g: Array, slots: Array, t: int) -> None:
    """One step of the optimizer."""
    if t == 1 and not rule.optimizer.compiled:
        first_step(rule.optimizer, hyper, theta, g, slots)
    else:
        rule.optimizer.rule(hyper, theta, g, slots, t)


def move_groups(
    spec: NetworkSpec,
    rule: StepRule,
    hyper: Array,
    params: Array,
    g: Array,
    state: Array,
    t: int,
    moving: slice | Array,
) -> None:
    """One step of the optimizer on each group by itself, with η, λ and ε of its own; g is ∇θ of the
    entries that move.
    """
    grad, moves = np.zeros_like(params), np.zeros(len(params), bool)
    grad[moving], moves[moving] = g, True
    rates, decays, epsilons = rule.factors(spec.n_layers)
    names = [part.name for part in fields(rule.optimizer)]
    for group, part in spec.groups:
        if part.stop > part.start and moves[part.start]:
            own = hyper.copy()
            own[0] *= rates[group]
            if rule.optimizer.name == "adamw":  # its decay is η λ: λ takes the factor of η back out
                own[4] *= decays[group] / rates[group]
            if "epsilon" in names:
                own[names.index("epsilon")] *= epsilons[group]
            move(rule, own, params[part], grad[part], state[: rule.optimizer.slots, part], t)
