"""Steps of training: scikit-learn's forms of SGD and Adam, exactly, by this library's rules.

scikit-learn keeps a velocity u := μ u − η ∇θ where this library keeps v = −u/η: the same steps
while η is constant, and when η changes to η' they stay the same if v is scaled by η/η'. Its Adam
adds ε to √v, this library's to √v / √(1 − β₂ᵗ): the same with ε_t = ε / √(1 − β₂ᵗ), one for each
step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.optimizers import OPTIMIZERS, Momentum, Nesterov, Optimizer, StepRule
from ffnn_fast.schedules import Memory, Schedule, as_schedule

Array = np.ndarray
SMALLEST_RATE = 1e-6  # at which an adaptive rate ends the fit instead of falling
FALL = 5.0  # what an adaptive rate is divided by


@dataclass
class Steps:
    """The optimizer of an estimator between its steps.

    ``mode`` is ``constant``, ``invscaling``, ``adaptive`` or a `Schedule`; ``rate`` is η now,
    ``first_rate`` what it was at the start; ``t`` counts steps; ``state`` is (slots, P).
    """

    rule: StepRule
    hyper: tuple[float, ...]
    mode: str | Schedule
    first_rate: float
    power_t: float
    scales_epsilon: bool
    state: Array
    rate: float = field(init=False)
    t: int = 0
    memory: Memory = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rate = self.first_rate
        if isinstance(self.mode, Schedule):
            self.memory = self.mode.new_memory()

    def table(self, n: int, steps_per_epoch: int) -> Array:
        """Hyperparameters of the next n steps: (1, H) where they are all the same, else (n, H)."""
        rates = np.array([self.rate])
        if isinstance(self.mode, Schedule):
            rates = self.mode.rates(self.t, n, steps_per_epoch, self.memory)
        rows = np.empty((n if self.scales_epsilon else len(rates), len(self.hyper)))
        rows[:] = self.hyper
        rows[:, 0] = rates
        if self.scales_epsilon:
            _, _, beta_2, epsilon = self.hyper
            t = np.arange(self.t + 1, self.t + n + 1)
            rows[:, 3] = epsilon / np.sqrt(1 - beta_2**t)
        return rows

    def end_epoch(self, n_seen: int, record: dict[str, float]) -> None:
        """After an epoch: rates that depend on the rows seen so far, or on the epoch's figures."""
        if self.mode == "invscaling":
            self._change_rate(self.first_rate / (n_seen + 1) ** self.power_t)
        elif isinstance(self.mode, Schedule):
            self.mode.observe(record, self.memory)

    def falls(self) -> bool:
        """What to do without progress: let an adaptive rate fall, or say that the fit is over."""
        if self.mode != "adaptive" or self.rate <= SMALLEST_RATE:
            return False
        self._change_rate(self.rate / FALL)
        return True

    def _change_rate(self, rate: float) -> None:
        if isinstance(self.rule.optimizer, (Momentum, Nesterov)):
            self.state *= self.rate / rate
        self.rate = rate


def new_steps(estimator: Any, spec: NetworkSpec, seed: int) -> Steps:
    """The optimizer that an estimator's parameters ask for, at its start."""
    optimizer, hyper = _optimizer(estimator)
    mode, named = estimator.learning_rate, isinstance(estimator.solver, str)
    if not isinstance(mode, str):
        mode = as_schedule(mode)
    elif estimator.solver != "sgd":
        mode = "constant"
    rule = StepRule(optimizer, seed=seed)
    return Steps(
        rule,
        hyper,
        mode,
        first_rate=float(estimator.learning_rate_init) if named else hyper[0],
        power_t=float(estimator.power_t),
        scales_epsilon=estimator.solver == "adam",
        state=np.zeros((rule.slots, spec.n_params), spec.dtype),
    )


def _optimizer(estimator: Any) -> tuple[Optimizer, tuple[float, ...]]:
    """The rule, and its hyperparameters."""
    solver = estimator.solver
    if isinstance(solver, Optimizer):
        return solver, solver.hyper
    if solver == "sgd":
        momentum, rate = float(estimator.momentum), float(estimator.learning_rate_init)
        if momentum == 0:
            return OPTIMIZERS["sgd"](), (rate,)
        # A momentum of 1, which scikit-learn allows, is only in the table of the steps.
        return (Nesterov if estimator.nesterovs_momentum else Momentum)(), (rate, momentum)
    kind = OPTIMIZERS[solver]
    shared = {part.name for part in fields(kind)} & {"beta_1", "beta_2", "epsilon", "weight_decay"}
    given = {name: getattr(estimator, name) for name in shared}
    optimizer = kind(learning_rate=estimator.learning_rate_init, **given)
    return optimizer, optimizer.hyper
