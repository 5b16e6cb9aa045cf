"""A fit under way: all that changes while it goes on, and what callbacks may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast.history import History
from ffnn_fast.schedules import Memory

Array = np.ndarray


@dataclass
class FitState:
    """Where a fit is.

    Attributes
    ----------
    history : History
        Of the epochs that are done.
    epoch : int
        The epoch under way, from 1.
    t : int
        Steps done.
    position : int
        Rows of this epoch that are done.
    total : float
        The sum of their losses.
    seconds : float
        The time that they took.
    """

    machine: BoundNetwork
    train: Samples
    validation: Samples | None
    options: FitOptions
    rng: np.random.Generator
    history: History
    state: Array = field(repr=False)
    t: int = 0
    epoch: int = 1
    position: int = 0
    total: float = 0.0
    seconds: float = 0.0
    schedule_memory: Memory = field(default_factory=dict)
    stopping_memory: list[Memory] = field(default_factory=list)
    best: Array | None = field(default=None, repr=False)
    mean: Array | None = field(default=None, repr=False)
    mean_of: int = 0
    rng_at_start: Mapping[str, Any] = field(default_factory=dict, repr=False)
    rng_at_epoch: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def new(
        cls,
        machine: BoundNetwork,
        train: Samples,
        validation: Samples | None,
        options: FitOptions,
        rng: np.random.Generator,
        history: History,
    ) -> FitState:
        """A fit at its start."""
        state = np.zeros((options.rule.slots, len(machine.params)), machine.spec.dtype)
        return cls(
            machine, train, validation, options, rng, history, state,
            schedule_memory=options.schedule.new_memory(),
            stopping_memory=[rule.new_memory() for rule in options.stopping],
        )  # fmt: skip

    @property
    def spec(self) -> NetworkSpec:
        """The description of the network."""
        return self.machine.spec

    @property
    def params(self) -> Array:
        """θ, (P,), itself."""
        return self.machine.params

    @property
    def n_rows(self) -> int:
        """Training rows."""
        return len(self.train.X)

    @property
    def steps_per_epoch(self) -> int:
        """Batches that the rows make."""
        return -(-self.n_rows // self.options.batch_size)

    @property
    def learning_rate(self) -> float:
        """η of the last step, or of the first if none is done."""
        return float(self.rates(max(self.t - 1, 0), 1)[0])

    def rates(self, first: int, n: int) -> Array:
        """η of n steps from `first` on, counted from 0: (n,), or (1,) where all are equal."""
        schedule = self.options.schedule
        return schedule.rates(first, n, self.steps_per_epoch, self.schedule_memory)

    def hyper(self, first: int, n: int) -> Array:
        """Hyperparameters of these steps, as the engine takes them."""
        rates = self.rates(first, n)
        table = np.empty((len(rates), len(self.options.rule.optimizer.hyper)))
        table[:] = self.options.rule.optimizer.hyper
        table[:, 0] = rates
        return table

    def stop(self, reason: str) -> None:
        """End the fit when the epoch is done, or the batch; the first reason counts."""
        self.history.stopped = self.history.stopped or reason

    def average(self) -> Array | None:
        """The averaged parameters so far, (P,), or None."""
        averaging = self.options.averaging
        if averaging is None or self.t == 0:
            return None
        return self.state[-1] if averaging.kind == "ema" else self.mean

    def judged(self) -> Array:
        """The parameters that an epoch's figures are about: θ, or the average if it is kept."""
        averaging, average = self.options.averaging, self.average()
        return average if averaging and averaging.use and average is not None else self.params

    def close_epoch(self) -> None:
        """The epoch is done and taken note of: on to the next."""
        self.epoch += 1
        self.position, self.total, self.seconds = 0, 0.0, 0.0
