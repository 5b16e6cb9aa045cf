"""Optimizers by name, and all of a step that is not the gradient."""

from ffnn_fast.optimizers._factors import Factors, as_factors, epsilons_of_ntk, rates_of_ntk
from ffnn_fast.optimizers._first_step import first_step as first_step  # for the reference
from ffnn_fast.optimizers._rules import (
    OPTIMIZERS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    AMSGrad,
    Momentum,
    NAdam,
    Nesterov,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    as_optimizer,
)
from ffnn_fast.optimizers._step_rule import FACTORS as FACTORS  # for training
from ffnn_fast.optimizers._step_rule import StepRule

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "AdamW",
    "Factors",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "StepRule",
    "as_factors",
    "as_optimizer",
    "epsilons_of_ntk",
    "rates_of_ntk",
]
