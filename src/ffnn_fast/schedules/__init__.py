"""Schedules of the learning rate: η as a function of the number of completed steps or epochs.

`ffnn_fast.Network.fit` takes them for other hyperparameters too, whose value is η in the formulas.

u is the number of completed steps, or with ``per="epoch"`` of completed epochs; u = 0 at first.
With ``per="fit"`` u is the completed share of the fit, in [0, 1), and lengths are shares in (0, 1].
When a fit begins, lengths become numbers of steps: that share of epochs times batches per epoch,
rounded, at least 1. A fit that stops early does not complete the schedule. `partial_fit`, whose
number of steps is not known, refuses such schedules.

A schedule is a frozen dataclass. The state of `ReduceOnPlateau` is a dictionary of plain JSON
values that training stores, so that a fit can be resumed.
"""

from ffnn_fast.schedules._formulas import (
    Cosine,
    CosLog,
    Exponential,
    FlatCosine,
    InverseScaling,
    OneCycle,
    StepDecay,
)
from ffnn_fast.schedules._plateau import ReduceOnPlateau
from ffnn_fast.schedules._schedule import (
    Constant,
    Custom,
    Schedule,
    WarmUp,
    as_schedule,
)
from ffnn_fast.schedules._schedule import Memory as Memory  # of training
from ffnn_fast.schedules._schedule import check_counts as check_counts

__all__ = [
    "Constant",
    "CosLog",
    "Cosine",
    "Custom",
    "Exponential",
    "FlatCosine",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "as_schedule",
]
