"""Optimizers by name, and all of a step that is not the gradient."""

from ffnn_fast.optimizers._first_step import first_step as first_step  # for the reference
from ffnn_fast.optimizers._rules import (
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    NAdam,
    Nesterov,
    Optimizer,
    RMSprop,
    Rprop,
    as_optimizer,
)
from ffnn_fast.optimizers._step_rule import StepRule

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "StepRule",
    "as_optimizer",
]
