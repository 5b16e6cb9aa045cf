"""The state of a fit: everything that changes from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training.epoch_rows import EpochRows
from ffnn_fast._training.figures import Validation
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.hyper_schedules import HyperSchedules, Steps
from ffnn_fast._training.ranks import ALONE, Alone
from ffnn_fast.history import History
from ffnn_fast.schedules import Memory, Schedule

Array = np.ndarray


@dataclass
class FitsTogether:
    """What fits that run at the same time, in several threads, share.

    Attributes
    ----------
    cancelled : bool
        Whether each is to end at once, as by Ctrl-C.
    warnings : list of (FitState, str)
        Warnings that the calling thread is to give: those of a fit with the fit.
    """

    cancelled: bool = False
    warnings: list[tuple[FitState, str]] = field(default_factory=list)

    def cancel(self) -> None:
        """End every fit after its steps at hand."""
        self.cancelled = True


@dataclass
class FitState:
    """The state of a fit; callbacks see it as a `ffnn_fast.callbacks.FitView`.

    Attributes
    ----------
    history : History
        The records of the completed epochs.
    rows : EpochRows
        The training rows.
    optimizer_state : ndarray of shape (slots, P)
        The state vectors of the step rule.
    schedule : Schedule
        That of the options, with shares of the fit as numbers of steps.
    schedules : HyperSchedules
        Those of other hyperparameters, likewise.
    t : int
        The number of completed steps.
    epoch : int
        The number of the current epoch, from 1.
    position : int
        The number of rows of this epoch that are completed.
    loss_sum : float
        The sum of their losses.
    counted : int
        The number of rows of this epoch before the current part.
    metric_sums : dict of str to float
        The sums of the metrics of these.
    seconds : float
        The time that their steps took.
    best_params : ndarray of shape (P,) or None
        The parameters that early stopping restores.
    swa_mean : ndarray of shape (P,) or None
        The mean of θ over `swa_epochs` epochs, in stochastic weight averaging.
    steps_before : int
        The number of steps that the schedule counts before the first of `t`.
    together : FitsTogether or None
        What the fits that run at the same time share.
    ranks : Alone or Ranks
        The processes of the fit; numbers of rows are those of all ranks.
    rng_at_start, rng_at_epoch : mapping
        States of the generator before the fit, and before the current epoch; {} between epochs.
    scratch : ndarray or None
        Scratch of the network that holds `optimizer_state`, to be kept when the fit ends.
    n_rows : int
        The number of training rows.
    rows_per_epoch : int
        The number of rows that the batches of an epoch hold.
    steps_per_epoch : int
        The number of batches of an epoch.
    """

    bound: BoundNetwork
    rows: EpochRows
    validation: Validation | None
    options: FitOptions
    rng: np.random.Generator
    history: History
    optimizer_state: Array = field(repr=False)
    t: int = 0
    epoch: int = 1
    position: int = 0
    loss_sum: float = 0.0
    counted: int = 0
    metric_sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    schedule_memory: Memory = field(default_factory=dict)
    stopping_memory: list[Memory] = field(default_factory=list)
    best_params: Array | None = field(default=None, repr=False)
    swa_mean: Array | None = field(default=None, repr=False)
    swa_epochs: int = 0
    steps_before: int = 0
    together: FitsTogether | None = field(default=None, repr=False)
    ranks: Alone = field(default=ALONE, repr=False)
    rng_at_start: Mapping[str, Any] = field(default_factory=dict, repr=False)
    rng_at_epoch: Mapping[str, Any] = field(default_factory=dict, repr=False)
    scratch: Array | None = field(default=None, repr=False)
    schedule: Schedule = field(init=False, repr=False)
    schedules: HyperSchedules = field(init=False, repr=False)
    n_rows: int = field(init=False)
    rows_per_epoch: int = field(init=False)
    steps_per_epoch: int = field(init=False)

    def __post_init__(self) -> None:
        options, n = self.options, self.rows.n
        size = options.batch_size  # at most n
        self.n_rows, self.rows_per_epoch = n, n // size * size if options.drop_last else n
        self.steps_per_epoch = -(-self.rows_per_epoch // size)
        n_steps = options.epochs * self.steps_per_epoch
        self.schedule = options.schedule.over(n_steps)
        self.schedules = options.hyper_schedules.over(n_steps)

    @classmethod
    def new(
        cls,
        bound: BoundNetwork,
        rows: EpochRows,
        validation: Validation | None,
        options: FitOptions,
        rng: np.random.Generator,
        history: History,
        ranks: Alone = ALONE,
        optimizer_state: Array | None = None,
    ) -> FitState:
        """A fit at its start, with a new state of the optimizer unless one is given."""
        scratch, slots, n = None, options.rule.slots, len(bound.params)
        if optimizer_state is None and slots:
            scratch = bound.take_scratch(slots * n)
            optimizer_state = scratch[: slots * n].reshape(slots, n)
            optimizer_state[...] = 0
        elif optimizer_state is None:
            optimizer_state = np.empty((0, n), bound.spec.dtype)
        return cls(
            bound, rows, validation, options, rng, history, optimizer_state,
            schedule_memory=options.schedule.new_memory(),
            stopping_memory=[rule.new_memory() for rule in options.stopping], ranks=ranks,
            scratch=scratch,
        )  # fmt: skip

    @property
    def spec(self) -> NetworkSpec:
        """The description of the network."""
        return self.bound.spec

    @property
    def params(self) -> Array:
        """θ, (P,), itself."""
        return self.bound.params

    @property
    def epochs(self) -> int:
        """The number of epochs after which the fit ends."""
        return self.options.epochs

    @property
    def learning_rate(self) -> float:
        """η of the last step, or of the first one if no step is completed."""
        return float(self.rates(max(self.t - 1, 0), 1)[0])

    def rates(self, first: int, n: int) -> Array:
        """η of n steps from `first` on, counted from 0: (n,), or (1,) where all are equal."""
        first += self.steps_before
        return self.schedule.rates(first, n, self.steps_per_epoch, self.schedule_memory)

    def hyper(self, first: int, n: int) -> Array:
        """The hyperparameters of these steps: (n, k), or (1, k) where all are equal. A schedule of
        dropout adds a last column.
        """
        if self.options.constant_hyper is not None:
            return self.options.constant_hyper
        hyper, start = self.options.rule.optimizer.hyper, first + self.steps_before
        steps = Steps(start, n, self.steps_per_epoch)
        return self.schedules.table(hyper, self.rates(first, n), steps)

    def check_schedules(self) -> None:
        """ValueError if the schedule of a hyperparameter gives a value out of its bounds."""
        n_steps = self.epochs * self.steps_per_epoch
        self.schedules.check(Steps(self.steps_before, n_steps, self.steps_per_epoch))

    def scheduled_values(self) -> dict[str, float]:
        """The hyperparameters that have schedules, in the last step, by name."""
        last = self.steps_before + max(self.t - 1, 0)
        return self.schedules.values_at(Steps(last, 1, self.steps_per_epoch))

    def stop(self, reason: str) -> None:
        """End the fit after the current batch or epoch; the first reason counts."""
        self.history.stopped = self.history.stopped or reason

    def check_cancelled(self) -> None:
        """KeyboardInterrupt if the fits that run together are to end."""
        if self.together is not None and self.together.cancelled:
            raise KeyboardInterrupt

    def averaged_params(self) -> Array | None:
        """The average of θ so far, (P,), or None."""
        averaging = self.options.averaging
        if averaging is None or self.t == 0:
            return None
        return self.optimizer_state[-1] if averaging.kind == "ema" else self.swa_mean

    def evaluated_params(self) -> Array:
        """The parameters that metrics are computed with, (P,): the average if it is used, or θ."""
        averaging, average = self.options.averaging, self.averaged_params()
        return average if averaging and averaging.use and average is not None else self.params

    def begin_next_epoch(self) -> None:
        """Count the current epoch as completed and recorded."""
        self.epoch += 1
        self.position, self.loss_sum, self.seconds = 0, 0.0, 0.0
        self.counted, self.metric_sums, self.rng_at_epoch = 0, {}, {}
