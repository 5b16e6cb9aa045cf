"""The options of a fit: checked and complete, without the network and the data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.hyper_schedules import HyperSchedules
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.callbacks import Callback
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import FACTORS, StepRule
from ffnn_fast.schedules import Constant, Schedule


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """The options of a fit; `ffnn_fast.Network.fit` documents each."""

    epochs: int
    batch_size: int
    rule: StepRule
    schedule: Schedule
    shuffle: bool = True
    drop_last: bool = False
    metrics: tuple[Metric, ...] = ()
    gradient_norm: bool = False
    diagnostics: bool = False
    callbacks: tuple[Callback, ...] = ()
    stopping: tuple[EarlyStopping, ...] = ()
    averaging: Averaging | None = None
    checkpoint: Checkpoint | None = None
    max_time: float = math.inf
    on_interrupt: str = "raise"
    derivative_weight: float | None = None
    blocks: Mapping[str, int] | None = None
    schedules: Mapping[str, Schedule] = field(default_factory=dict)

    @cached_property
    def constant_hyper(self) -> np.ndarray | None:
        """The hyperparameters of every step, (1, k); None unless all are constant."""
        if self.schedules or type(self.schedule) is not Constant:
            return None
        return np.array([(self.schedule.rate, *self.rule.optimizer.hyper[1:])])

    @cached_property
    def hyper_schedules(self) -> HyperSchedules:
        """The schedules of other hyperparameters."""
        return HyperSchedules(self.rule.optimizer, self.schedules)

    @cached_property
    def observes_epochs(self) -> bool:
        """Whether anything of an epoch is used but its loss."""
        return bool(
            self.callbacks or self.metrics or self.stopping or self.checkpoint
            or self.gradient_norm or self.diagnostics or self.averaging
            or self.max_time < math.inf
        )  # fmt: skip

    def described(self) -> dict[str, Any]:
        """The options that a resumed fit must share with the fit before it, as JSON values."""
        rule = dataclasses.replace(self.rule, seed=0)
        all_schedules = (self.schedule, *self.schedules.values())
        shares = any(schedule.needs_n_steps for schedule in all_schedules)
        given: dict[str, Any] = {"epochs": self.epochs} if shares else {}
        if self.drop_last:
            given["drop_last"] = True
        if self.derivative_weight is not None:
            given["derivatives"] = self.derivative_weight
        if self.blocks is not None:
            given["blocks"] = dict(self.blocks)
        if self.schedules:
            given["schedules"] = {name: described(one) for name, one in self.schedules.items()}
        return given | {
            "batch_size": self.batch_size,
            "rule": {n: v for n, v in described(rule).items() if n not in FACTORS or v != "None"},
            "schedule": described(self.schedule),
            "shuffle": self.shuffle,
            "stopping": [described(rule) for rule in self.stopping],
            "averaging": described(self.averaging),
        }


def described(value: Any) -> Any:
    """A dataclass with its fields, a function by its name, anything else by its repr."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {
            part.name: described(getattr(value, part.name)) for part in dataclasses.fields(value)
        }
        return {"class": type(value).__qualname__, **parts}
    return getattr(value, "__qualname__", None) or repr(value)
