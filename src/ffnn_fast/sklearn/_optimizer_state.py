"""The optimizer of an estimator: scikit-learn's SGD and Adam, exactly, by this library's rules.

scikit-learn keeps a velocity u := μ u − η ∇θ where this library keeps v = −u/η: the same steps
while η is constant, and when η changes to η' they stay the same if v is multiplied by η/η'. Its
Adam adds ε to √v, this library's to √v / √(1 − β₂ᵗ): the same with ε_t = ε / √(1 − β₂ᵗ) at step t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.hyper_schedules import HyperSchedules, Steps, as_hyper_schedules
from ffnn_fast.optimizers import OPTIMIZERS, Momentum, Nesterov, Optimizer, StepRule
from ffnn_fast.schedules import Memory, ReduceOnPlateau, Schedule, WarmUp, as_schedule

Array = np.ndarray
MIN_RATE = 1e-6  # an adaptive rate at or below it is not reduced again
RATE_DIVISOR = 5.0  # by which an adaptive rate is reduced


@dataclass
class OptimizerState:
    """The optimizer of an estimator between its steps.

    Attributes
    ----------
    optimizer : Optimizer
    seed : int
        Of the dropout masks.
    hyper : tuple of float
        Hyperparameters, η first.
    schedule : {"constant", "invscaling", "adaptive"} or Schedule
    initial_rate : float
        η at the first step.
    power_t : float
        Exponent of ``invscaling``.
    scales_epsilon : bool
        Whether ε is that of scikit-learn's Adam.
    vectors : ndarray of shape (slots, P)
        State vectors of the optimizer.
    rate : float
        η of the last step, at the start that of the first.
    t : int
        Number of steps done.
    memory : dict
        State of the schedule.
    schedules : dict of str to Schedule
        Those of other hyperparameters.
    rule : StepRule
        All of a step that is not the gradient.
    counted : str or Schedule
        The schedule of this fit, with shares of it as numbers of steps.
    others : HyperSchedules
        `schedules`, likewise.
    """

    optimizer: Optimizer
    seed: int
    hyper: tuple[float, ...]
    schedule: str | Schedule
    initial_rate: float
    power_t: float
    scales_epsilon: bool
    vectors: Array
    rate: float
    t: int = 0
    memory: Memory = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    rule: StepRule = field(init=False)
    counted: str | Schedule = field(init=False)
    others: HyperSchedules = field(init=False)

    def __post_init__(self) -> None:
        self.rule = StepRule(self.optimizer, seed=self.seed)
        self.counted = self.schedule
        self.others = HyperSchedules(self.optimizer, self.schedules)

    @property
    def needs_n_steps(self) -> bool:
        """Whether the rates depend on the number of steps of the fit."""
        used = (self.schedule, *self.schedules.values())
        return any(isinstance(one, Schedule) and one.needs_n_steps for one in used)

    def begin(self, epochs: int, steps_per_epoch: int) -> None:
        """Set the number of steps of the fit; ValueError if a schedule needs more of them, or gives
        values out of bounds.
        """
        n_steps = epochs * steps_per_epoch
        if isinstance(self.schedule, Schedule):
            self.counted = self.schedule.over(n_steps)
        self.others = HyperSchedules(self.optimizer, self.schedules).over(n_steps)
        self.others.check(Steps(self.t, n_steps, steps_per_epoch))

    def table(self, n: int, steps_per_epoch: int) -> Array:
        """Hyperparameters of the next n steps: (1, H) if they are all the same, else (n, H)."""
        rates = np.array([self.rate])
        if isinstance(self.counted, Schedule):
            rates = self.counted.rates(self.t, n, steps_per_epoch, self.memory)
            self.rate = float(rates[-1])
        if self.scales_epsilon:
            rates = np.broadcast_to(rates, n)
        rows = self.others.table(self.hyper, rates, Steps(self.t, n, steps_per_epoch))
        if self.scales_epsilon:
            t = np.arange(self.t + 1, self.t + n + 1)
            beta_2 = rows[:, 2] if "beta_2" in self.schedules else self.hyper[2]
            rows[:, 3] /= np.sqrt(1 - beta_2**t)
        return rows

    def scheduled_values(self, steps_per_epoch: int) -> dict[str, float]:
        """The hyperparameters that have schedules, in the last step, by name."""
        return self.others.values_at(Steps(max(self.t - 1, 0), 1, steps_per_epoch))

    def check_monitor(self, recorded: Sequence[str]) -> None:
        """ValueError if the schedule monitors a figure that is not recorded."""
        schedule = self.schedule
        while isinstance(schedule, WarmUp):
            schedule = as_schedule(schedule.schedule)
        if isinstance(schedule, ReduceOnPlateau) and schedule.monitor not in recorded:
            raise ValueError(
                f"learning_rate monitors {schedule.monitor!r}; recorded: {', '.join(recorded)}; "
                "the figures of validation need X_val and y_val, or early_stopping=True"
            )

    def end_epoch(self, n_seen: int, record: dict[str, float]) -> None:
        """Update rates that depend on the number of rows seen so far, or on the epoch's record."""
        if self.schedule == "invscaling":
            self._set_rate(self.initial_rate / (n_seen + 1) ** self.power_t)
        elif isinstance(self.counted, Schedule):
            self.counted.observe(record, self.memory)

    def reduce_rate(self) -> bool:
        """Reduce an adaptive rate; False if it is not adaptive, or as small as it gets."""
        if self.schedule != "adaptive" or self.rate <= MIN_RATE:
            return False
        self._set_rate(self.rate / RATE_DIVISOR)
        return True

    def as_dict(self) -> dict[str, Any]:
        """The arguments with which ``OptimizerState(**arguments)`` is an equal object."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.init}

    def _set_rate(self, rate: float) -> None:
        if isinstance(self.optimizer, (Momentum, Nesterov)):
            self.vectors *= self.rate / rate
        self.rate = rate


def new_optimizer_state(estimator: Any, spec: NetworkSpec, seed: int) -> OptimizerState:
    """The optimizer of an estimator's parameters before its first step."""
    optimizer, hyper = _optimizer(estimator)
    schedule = estimator.learning_rate
    if not isinstance(schedule, str):
        metric = estimator._monitor().metric
        known = {} if metric is None else {metric.name: metric.larger_is_better}
        schedule = as_schedule(schedule).with_mode(known)
    elif estimator._solver != "sgd":
        schedule = "constant"
    named = isinstance(estimator.solver, str)
    rate = float(estimator.learning_rate_init) if named else hyper[0]
    return OptimizerState(
        optimizer,
        seed,
        hyper,
        schedule,
        initial_rate=rate,
        power_t=float(estimator.power_t),
        scales_epsilon=estimator._solver == "adam",
        vectors=np.zeros((optimizer.slots, spec.n_params), spec.dtype),
        rate=rate,
        memory=schedule.new_memory() if isinstance(schedule, Schedule) else {},
        schedules=as_hyper_schedules(estimator.schedules, optimizer, spec),
    )


def _optimizer(estimator: Any) -> tuple[Optimizer, tuple[float, ...]]:
    """The optimizer and its hyperparameters."""
    solver = estimator._solver
    if isinstance(solver, Optimizer):
        return solver, solver.hyper
    if solver == "sgd":
        momentum, rate = float(estimator.momentum), float(estimator.learning_rate_init)
        if momentum == 0:
            return OPTIMIZERS["sgd"](), (rate,)
        # scikit-learn allows μ = 1, which Momentum refuses: μ is passed with the hyperparameters.
        return (Nesterov if estimator.nesterovs_momentum else Momentum)(), (rate, momentum)
    kind = OPTIMIZERS[solver]
    shared = {part.name for part in fields(kind)} & {"beta_1", "beta_2", "epsilon", "weight_decay"}
    given = {name: getattr(estimator, name) for name in shared}
    optimizer = kind(learning_rate=estimator.learning_rate_init, **given)
    return optimizer, optimizer.hyper
