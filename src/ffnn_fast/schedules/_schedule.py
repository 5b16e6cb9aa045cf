"""The base class of the schedules, and those that are made of a rate or of a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from ffnn_fast._public import public
from ffnn_fast._scalars import as_choice, as_float, as_int, convert_fields, described
from ffnn_fast._text import quoted

Array = np.ndarray
Memory = dict[str, Any]


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class Schedule:
    """Base class of all schedules; a subclass implements `at` or `rates`.

    With ``per="fit"`` training calls `at` of such a subclass, and not `rates` or `observe`.

    Attributes
    ----------
    per : {"step", "epoch", "fit"}
        What u counts, and the unit of every length.
    """

    per: str = field(default="step", kw_only=True)
    _units: ClassVar[tuple[str, ...]] = ("step", "epoch", "fit")

    def __post_init__(self) -> None:
        convert_fields(self, as_choice, "per", choices=self._units)

    def at(self, u: Array) -> Array:
        """η for each u, float64."""
        which = " for per='fit'" if self.per == "fit" else ""
        raise NotImplementedError(f"{type(self).__name__} has no rates{which}: implement at(u)")

    @property
    def needs_n_steps(self) -> bool:
        """Whether u is a share of the fit, whose number of steps must be known then."""
        return self.per == "fit"

    def over(self, n_steps: int) -> Schedule:
        """The schedule of a fit of `n_steps` steps: this one, or with ``per="fit"`` one that counts
        steps.

        Parameters
        ----------
        n_steps : int
            At least 1.

        Raises
        ------
        TypeError, ValueError
            If `n_steps` is not as described.
        NotImplementedError
            If a subclass does not implement `at`.
        """
        return self._in_steps(as_int(n_steps, "n_steps")) if self.per == "fit" else self

    def _in_steps(self, n_steps: int) -> Schedule:
        """The schedule for ``per="fit"`` as one that counts steps."""
        self.at(np.zeros(1))  # an error of it comes before the fit
        return Custom(lambda step: float(self.at(np.array([step / n_steps]))[0]))

    def _convert_lengths(self, *names: str) -> None:
        """Shares of a fit in (0, 1], or numbers of steps or epochs of at least 1."""
        for name in names:
            value = getattr(self, name)
            if self.per == "fit":
                value = as_float(value, f"{name}, a share of the fit,", high=1.0, closed="right")
            elif isinstance(value, float) and 0 < value <= 1:
                raise TypeError(f"{name} must be an integer; per='fit' takes shares, got {value}")
            else:
                value = as_int(value, name)
            object.__setattr__(self, name, value)

    def _complete_length(self, name: str) -> None:
        """A length that is not given: the whole fit."""
        if getattr(self, name) is not None:
            return
        if self.per not in ("fit", type(self).per):
            raise ValueError(f"{type(self).__name__} with per={self.per!r} needs {name}")
        object.__setattr__(self, "per", "fit")
        object.__setattr__(self, name, 1.0)

    def _with_steps(self, n_steps: int, *names: str, **changes: Any) -> Self:
        """The schedule with these lengths, shares of a fit of `n_steps` steps, in steps."""
        lengths = {name: max(1, round(getattr(self, name) * n_steps)) for name in names}
        return replace(self, **lengths, **changes, per="step")

    def counts(self, first: int, n: int, steps_per_epoch: int) -> Array:
        """u of the steps numbered first, ..., first + n - 1, counted from 0; ValueError for shares
        of a fit.
        """
        if self.per == "fit":
            raise ValueError(f"the number of steps of a fit must be known: call over of {self!r}")
        steps = np.arange(first, first + n)
        return (steps if self.per == "step" else steps // steps_per_epoch).astype(np.float64)

    def rates(self, first: int, n: int, steps_per_epoch: int, memory: Memory) -> Array:
        """η of the steps numbered first, ..., first + n - 1, counted from 0; (n,), or (1,) where
        all are equal.
        """
        return self.at(self.counts(first, n, steps_per_epoch))

    def new_memory(self) -> Memory:
        """The state of the schedule at the start of a fit."""
        return {}

    def restored_memory(self, written: Any) -> Memory:
        """The state of the schedule as a file has it.

        Raises
        ------
        TypeError, ValueError
            If it is not one that `observe` makes.
        """
        if not isinstance(written, dict):
            raise TypeError(f"the state of a schedule must be an object, got {quoted(written)}")
        needed = self.new_memory().keys()
        if not needed <= written.keys():
            raise ValueError(f"the state of a schedule lacks some of {sorted(needed)}")
        return written

    def with_mode(self, larger_is_better: Mapping[str, bool | None]) -> Schedule:
        """The schedule for a fit with these metrics; the argument has `Metric.larger_is_better` by
        name.
        """
        return self

    def observe(self, record: dict[str, float], memory: Memory) -> None:
        """Update `memory` in place with the record of an epoch."""


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class Constant(Schedule):
    """``η = rate``.

    Parameters
    ----------
    rate : float
        > 0.
    per : {"step", "epoch", "fit"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate")

    def rates(self, first: int, n: int, steps_per_epoch: int, memory: Memory) -> Array:
        """η, (1,)."""
        return np.array([self.rate], np.float64)

    def _in_steps(self, n_steps: int) -> Schedule:
        return self


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class WarmUp(Schedule):
    """Another schedule, or a rate, times ``start + (1 − start) min(u / length, 1)``.

    The other schedule counts from u = 0 during the rise too, in its own unit. u counts steps
    unless `per` is given.

    Parameters
    ----------
    schedule : Schedule or float
        A float is a constant rate.
    length : int or float
        Steps or epochs of the rise, at least 1; with ``per="fit"`` a share in (0, 1].
    start : float, default 1/3
        The share of the rate at u = 0, in (0, 1].
    per : {"step", "epoch", "fit"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    schedule: Schedule | float
    length: float
    start: float = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "schedule", as_schedule(self.schedule, "schedule"))
        self._convert_lengths("length")
        convert_fields(self, as_float, "start", high=1.0, closed="right")

    @property
    def needs_n_steps(self) -> bool:
        """Whether it is so here or in the other schedule."""
        return self.per == "fit" or as_schedule(self.schedule).needs_n_steps

    def over(self, n_steps: int) -> Schedule:
        """As `Schedule.over`, here and in the other schedule."""
        if not self.needs_n_steps:
            return self
        other = as_schedule(self.schedule).over(n_steps)
        return replace(super().over(n_steps), schedule=other)  # type: ignore[call-arg]

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, "length")

    def rates(self, first: int, n: int, steps_per_epoch: int, memory: Memory) -> Array:
        """η of these steps."""
        rates = as_schedule(self.schedule).rates(first, n, steps_per_epoch, memory)
        u = self.counts(first, n, steps_per_epoch)
        if u[0] >= self.length:
            return rates
        return rates * (self.start + (1 - self.start) * np.minimum(u / self.length, 1))

    def new_memory(self) -> Memory:
        """As the other schedule."""
        return as_schedule(self.schedule).new_memory()

    def restored_memory(self, written: Any) -> Memory:
        """As the other schedule."""
        return as_schedule(self.schedule).restored_memory(written)

    def with_mode(self, larger_is_better: Mapping[str, bool | None]) -> WarmUp:
        """As the other schedule."""
        return replace(self, schedule=as_schedule(self.schedule).with_mode(larger_is_better))

    def observe(self, record: dict[str, float], memory: Memory) -> None:
        """As the other schedule."""
        as_schedule(self.schedule).observe(record, memory)


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class Custom(Schedule):
    """``η = function(u)`` for a user-defined function.

    Parameters
    ----------
    function : callable
        ``function(u)``: an int, or with ``per="fit"`` a float in [0, 1), to a finite number >= 0.
    per : {"step", "epoch", "fit"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    function: Callable[[Any], float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            raise TypeError(f"function must be callable, got {self.function!r}")

    def at(self, u: Array) -> Array:
        """η for each u; ValueError if the function returns no finite number >= 0."""
        distinct, where = np.unique(u, return_inverse=True)
        counts = distinct if self.per == "fit" else distinct.astype(np.int64)
        return np.array([self._rate(v) for v in counts.tolist()])[where]

    def _in_steps(self, n_steps: int) -> Schedule:
        return Custom(lambda step: self.function(step / n_steps))

    def _rate(self, u: float) -> float:
        given = self.function(u)
        try:
            rate = float(given)
        except (TypeError, ValueError):
            rate = math.nan
        if not 0 <= rate < math.inf:
            place = f"at {u:g} of the fit" if self.per == "fit" else f"after {u} {self.per}s"
            raise ValueError(
                f"a schedule must give finite numbers >= 0, got {described(given)} {place}"
            )
        return rate


def check_counts(schedule: Schedule, caller: str) -> None:
    """ValueError if a schedule needs the number of steps of a fit, which `caller` does not have."""
    if schedule.needs_n_steps:
        raise ValueError(
            f"{caller} has no known number of steps, of which {schedule!r} takes shares; give its "
            "lengths in steps, with per='step'"
        )


def as_schedule(value: Any, name: str = "learning_rate") -> Schedule:
    """Convert a number or a function of the completed steps to a schedule.

    Raises
    ------
    TypeError, ValueError
        If `value` is none of these, or not a finite number > 0.
    """
    if isinstance(value, Schedule):
        return value
    if callable(value) and not isinstance(value, type):
        return Custom(value)
    try:
        return Constant(as_float(value, name))
    except TypeError:
        raise TypeError(f"{name} must be a number or a schedule, got {value!r}") from None
