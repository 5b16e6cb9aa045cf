"""Schedules of other hyperparameters than the learning rate: of the optimizer, and of dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._names import unknown
from ffnn_fast._scalars import as_float
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Schedule, WarmUp, as_schedule

Array = np.ndarray
DROPOUT = "dropout"
CHECKED = 1 << 16  # steps at either end of a fit whose values are checked before it


class Steps(NamedTuple):
    """The steps numbered first, ..., first + n - 1, counted from 0."""

    first: int
    n: int
    per_epoch: int


@dataclass(frozen=True)
class HyperSchedules:
    """Schedules by the name of the hyperparameter.

    They have no memory: a value depends on the number of the step alone.

    Attributes
    ----------
    optimizer : Optimizer
        Its hyperparameters, with the bounds of each.
    schedules : mapping of str to Schedule
        As from `as_hyper_schedules`.
    in_bounds : dict of str to (float, float)
        By name, the least and the largest value that was checked.
    """

    optimizer: Optimizer
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    in_bounds: dict[str, tuple[float, float]] = field(default_factory=dict, compare=False)

    def over(self, n_steps: int) -> HyperSchedules:
        """The schedules of a fit of so many steps, with its shares as numbers of steps."""
        if not self.schedules:
            return self
        counted = {name: schedule.over(n_steps) for name, schedule in self.schedules.items()}
        return replace(self, schedules=counted)

    def table(self, hyper: tuple[float, ...], rates: Array, steps: Steps) -> Array:
        """`hyper` with these learning rates and the values of the schedules, for every step.

        Returns
        -------
        ndarray of shape (n, k), or (1, k) where all steps are equal
            One column more than `hyper` has, the last, is the rate of dropout if it is scheduled.

        Raises
        ------
        ValueError
            If a value is out of the bounds of its hyperparameter.
        """
        if not self.schedules:
            table = np.empty((len(rates), len(hyper)))
            table[:] = hyper
            table[:, 0] = rates
            return table
        values = {name: self._values(name, steps) for name in self.schedules}
        rows = max(len(rates), *map(len, values.values()))
        table = np.empty((rows, len(hyper) + (DROPOUT in values)))
        table[:, : len(hyper)] = hyper
        table[:, 0] = rates
        names = [part.name for part in fields(self.optimizer)]
        for name, column in values.items():
            table[:, -1 if name == DROPOUT else names.index(name)] = column
        return table

    def values_at(self, steps: Steps) -> dict[str, float]:
        """The values in the first of these steps, by name."""
        return {name: float(self._values(name, steps)[0]) for name in self.schedules}

    def check(self, steps: Steps) -> None:
        """Check the values of the first and of the last `CHECKED` of these steps.

        Raises
        ------
        ValueError
            If one is out of the bounds of its hyperparameter.
        """
        n = min(steps.n, CHECKED)
        for name in self.schedules:
            for first in {steps.first, steps.first + steps.n - n}:
                self._values(name, steps._replace(first=first, n=n))

    def _values(self, name: str, steps: Steps) -> Array:
        """The values of a schedule, checked: (n,), or (1,) where all are equal."""
        values = self.schedules[name].rates(*steps, {})
        least, largest = float(values.min()), float(values.max())
        low, high = self.in_bounds.get(name, (np.inf, -np.inf))
        if low <= least and largest <= high:
            return values
        for i in {int(np.argmin(values)), int(np.argmax(values))}:
            try:
                self._check_value(name, float(values[i]))
            except ValueError as error:
                place = f"in step {steps.first + i + 1}"
                raise ValueError(
                    f"schedules[{name!r}] gives {values[i]:g} {place}: {error}"
                ) from None
        self.in_bounds[name] = min(low, least), max(high, largest)
        return values

    def _check_value(self, name: str, value: float) -> None:
        if name == DROPOUT:
            as_float(value, "a dropout rate", 0.0, 1.0, "left")
            return
        other, kind = replace(self.optimizer, **{name: value}), type(self.optimizer).__name__
        if other.slots > self.optimizer.slots:  # RMSprop with a momentum of 0 stores no v
            own = getattr(self.optimizer, name)
            raise ValueError(
                f"{kind}({name}={own:g}) keeps no state for it; give the optimizer the first value"
            )


def as_hyper_schedules(given: Any, optimizer: Optimizer, spec: NetworkSpec) -> dict[str, Schedule]:
    """The argument `schedules` of a fit, checked but for the values of the schedules.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping of hyperparameters of this optimizer, or "dropout", to schedules.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            "schedules must be a mapping of hyperparameters to schedules, such as "
            f"{{'weight_decay': FlatCosine(0.02)}}, got {given!r}"
        )
    names = [part.name for part in fields(optimizer)]
    found = {}
    for name, value in given.items():
        if name == "learning_rate":
            raise ValueError("give the schedule of the learning rate as learning_rate=")
        if name not in (*names, DROPOUT):
            kind = type(optimizer).__name__
            known = [*names[1:], DROPOUT]
            raise ValueError(unknown(f"a hyperparameter of {kind} in schedules", name, known))
        if name == DROPOUT:
            _check_dropout(spec)
        found[name] = _as_schedule_without_memory(value, f"schedules[{name!r}]")
    return found


def _check_dropout(spec: NetworkSpec) -> None:
    """ValueError unless the layers that drop units have one rate."""
    rates = sorted({rate for rate in spec.dropout_rates if rate})
    if not rates:
        raise ValueError(
            "a schedule of dropout needs a network with dropout, as Network(dropout=0.15): it "
            "changes the rate of the layers that drop units"
        )
    if len(rates) > 1:
        raise ValueError(
            "a schedule of dropout gives one rate to all layers that drop units; those of this "
            f"network have the rates {', '.join(f'{rate:g}' for rate in rates)}"
        )


def _as_schedule_without_memory(value: Any, name: str) -> Schedule:
    schedule = as_schedule(value, name)
    inner = schedule
    while isinstance(inner, WarmUp):
        inner = as_schedule(inner.schedule)
    if type(inner).observe is not Schedule.observe or inner.new_memory():
        raise ValueError(
            f"{name} must depend on the number of the step alone; {type(inner).__name__} depends "
            "on the records of the epochs"
        )
    return schedule
