"""Learning rate schedules: η as a function of the number of completed steps or epochs.

u is the number of completed steps, or with ``per="epoch"`` of completed epochs; u = 0 at first. A
schedule is a frozen dataclass. The state of `ReduceOnPlateau` is a dictionary of plain JSON values
that training stores, so that a fit can be resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ffnn_fast._scalars import as_choice, as_float, as_int, as_real, convert_fields, described
from ffnn_fast._text import quoted
from ffnn_fast.metrics import mode_of

__all__ = [
    "Constant",
    "Cosine",
    "Custom",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "as_schedule",
]

Array = np.ndarray
Memory = dict[str, Any]


@dataclass(frozen=True)
class Schedule:
    """Base class of all schedules; a subclass implements `at` or `rates`.

    Attributes
    ----------
    per : {"step", "epoch"}
        What u counts, and the unit of every length.
    """

    per: str = field(default="step", kw_only=True)

    def __post_init__(self) -> None:
        convert_fields(self, as_choice, "per", choices=("step", "epoch"))

    def at(self, u: Array) -> Array:
        """η for each u, float64."""
        raise NotImplementedError(f"{type(self).__name__} has no rates")

    def counts(self, first: int, n: int, steps_per_epoch: int) -> Array:
        """u of the steps numbered first, ..., first + n - 1, counted from 0."""
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


@dataclass(frozen=True)
class Constant(Schedule):
    """``η = rate``.

    Parameters
    ----------
    rate : float
        > 0.
    per : {"step", "epoch"}, default "step"
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


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``η = rate · factor^⌊u / every⌋``; u counts epochs unless ``per="step"``.

    Parameters
    ----------
    rate : float
        > 0.
    every : int, default 10
        Epochs or steps between two changes, at least 1.
    factor : float, default 0.1
        > 0.
    per : {"step", "epoch"}, default "epoch"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    every: int = 10
    factor: float = 0.1
    per: str = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate", "factor")
        convert_fields(self, as_int, "every")

    def at(self, u: Array) -> Array:
        """η for each u."""
        return self.rate * self.factor ** np.floor(u / self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """``η = rate · factor^u``; u counts epochs unless ``per="step"``.

    Parameters
    ----------
    rate : float
        > 0.
    factor : float, default 0.95
        > 0.
    per : {"step", "epoch"}, default "epoch"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    factor: float = 0.95
    per: str = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate", "factor")

    def at(self, u: Array) -> Array:
        """η for each u."""
        return self.rate * self.factor**u


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """``η = rate / (1 + u)^power``; u counts steps unless ``per="epoch"``.

    Parameters
    ----------
    rate : float
        > 0.
    power : float, default 0.5
        > 0.
    per : {"step", "epoch"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    power: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate", "power")

    def at(self, u: Array) -> Array:
        """η for each u."""
        return self.rate / (1 + u) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """``η = minimum + (rate − minimum) (1 + cos(π v / T)) / 2`` with warm restarts.

    v is u counted from the last restart. The first cycle has T = period, each next one is `growth`
    times as long, as in Loshchilov and Hutter, *SGDR* (2017). u counts epochs unless
    ``per="step"``.

    Parameters
    ----------
    rate : float
        η at the start of each cycle, > 0.
    period : int
        Length of the first cycle, at least 1.
    minimum : float, default 0.0
        η towards which a cycle falls, in [0, rate).
    growth : int, default 1
        At least 1.
    per : {"step", "epoch"}, default "epoch"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    period: int
    minimum: float = 0.0
    growth: int = 1
    per: str = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate")
        convert_fields(self, as_int, "period", "growth")
        convert_fields(self, as_float, "minimum", high=self.rate, closed="left")

    def at(self, u: Array) -> Array:
        """η for each u."""
        T, g = self.period, self.growth
        share = (u % T) / T
        if g > 1:
            # cycle i starts at T (g^i − 1) / (g − 1) and is T g^i long
            cycle = np.floor(np.log1p(u * (g - 1) / T) / np.log(g) + 1e-12)
            share = (u - T * (g**cycle - 1) / (g - 1)) / (T * g**cycle)
        return _half_cosine(self.rate, self.minimum, share)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``peak / start`` to `peak`, then down to ``peak / (start · end)``, by half cosines.

    The rise takes ``rise · total − 1`` of the ``total − 1`` changes between steps; after `total`
    steps the rate is constant. PyTorch's form of Smith and Topin, *Super-Convergence* (2018). u
    counts steps unless ``per="epoch"``.

    Parameters
    ----------
    peak : float
        The highest η, > 0.
    total : int
        Steps or epochs of the whole cycle.
    rise : float, default 0.3
        Share of the cycle in which η rises: more than one step, and less than all.
    start, end : float, default 25.0 and 1e4
        Divisors > 0 of the first and of the last η.
    per : {"step", "epoch"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    peak: float
    total: int
    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "peak", "rise", "start", "end")
        convert_fields(self, as_int, "total")
        if not 1 < self.rise * self.total < self.total:
            raise ValueError(
                f"the rise must take more than one and fewer than all of {self.total}, "
                f"got {self.rise * self.total:g}"
            )

    def at(self, u: Array) -> Array:
        """η for each u."""
        low = self.peak / self.start
        top, last = self.rise * self.total - 1, self.total - 1
        up = _half_cosine(low, self.peak, u / top)
        down = _half_cosine(self.peak, low / self.end, np.minimum((u - top) / (last - top), 1))
        return np.where(u <= top, up, down)


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """``η = max(rate · factor^r, minimum)``; r grows when a figure stops improving.

    After each epoch: the figure has improved if it is below the best by more than
    ``threshold · |best|`` (above, with ``mode="max"``). After more than `patience` epochs in a row
    without improvement, r grows by 1, and the next `cooldown` epochs do not count.

    Parameters
    ----------
    rate : float
        η at the start, > 0.
    monitor : str, default "val_loss"
        Any name in the record of an epoch.
    factor : float, default 0.1
        In (0, 1).
    patience : int, default 10
    threshold : float, default 1e-4
        >= 0.
    cooldown : int, default 0
    minimum : float, default 0.0
        The lowest η.
    mode : {"auto", "min", "max"}, default "auto"
        Whether a smaller or a larger figure is better. ``auto`` is that of the figure: it works for
        losses, for the metrics of `ffnn_fast.metrics` and for a metric with
        `Metric.larger_is_better`; for another figure a fit raises ValueError.
    per : {"step", "epoch"}, default "epoch"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    minimum: float = 0.0
    mode: str = "auto"
    per: str = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate")
        convert_fields(self, as_float, "factor", high=1.0)
        convert_fields(self, as_int, "patience", "cooldown", low=0)
        convert_fields(self, as_float, "threshold", "minimum", closed="left")
        convert_fields(self, as_choice, "mode", choices=("auto", "min", "max"))
        if not isinstance(self.monitor, str):
            raise TypeError(f"monitor must be the name of a recorded figure, got {self.monitor!r}")

    def rates(self, first: int, n: int, steps_per_epoch: int, memory: Memory) -> Array:
        """η, (1,)."""
        return np.array([memory["rate"]], np.float64)

    def new_memory(self) -> Memory:
        """The rate, the best figure (None: none yet) and two counters."""
        return {"rate": self.rate, "best": None, "bad": 0, "rest": 0}

    def restored_memory(self, written: Any) -> Memory:
        """The rate, the best figure and the counters, checked."""
        memory = super().restored_memory(written)
        best, most = memory["best"], max(self.rate, self.minimum)
        return {
            "rate": as_float(memory["rate"], "rate", 0.0, most, "both"),
            "best": None if best is None else as_real(best, "best"),
            "bad": as_int(memory["bad"], "bad", 0, self.patience),
            "rest": as_int(memory["rest"], "rest", 0, self.cooldown),
        }

    def with_mode(self, larger_is_better: Mapping[str, bool | None]) -> ReduceOnPlateau:
        """Replace ``mode="auto"``; ValueError if the figure's mode is not known."""
        if self.mode != "auto":
            return self
        mode = mode_of(self.monitor, larger_is_better)
        if not mode:
            raise ValueError(f"ReduceOnPlateau by {self.monitor!r} needs mode='min' or mode='max'")
        return replace(self, mode=mode)

    def observe(self, record: dict[str, float], memory: Memory) -> None:
        """Update the best figure and the counters."""
        sign = -1 if self.with_mode({}).mode == "max" else 1
        value, best = sign * float(record[self.monitor]), memory["best"]
        # NaN is never better; an infinite best leaves everything finite better.
        margin = self.threshold * abs(best) if best is not None and math.isfinite(best) else 0.0
        if not math.isnan(value) and (best is None or value < best - margin):
            memory["best"], memory["bad"] = value, 0
        else:
            memory["bad"] += 1
        if memory["rest"] > 0:
            memory["rest"] -= 1
            memory["bad"] = 0
        if memory["bad"] > self.patience:
            memory["rate"] = max(memory["rate"] * self.factor, self.minimum)
            memory["rest"], memory["bad"] = self.cooldown, 0


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Another schedule, or a rate, times ``start + (1 − start) min(u / length, 1)``.

    The other schedule counts from u = 0 during the rise too, in its own unit. u counts steps
    unless ``per="epoch"``.

    Parameters
    ----------
    schedule : Schedule or float
        A float is a constant rate.
    length : int
        Steps or epochs of the rise, at least 1.
    start : float, default 1/3
        The share of the rate at u = 0, in (0, 1].
    per : {"step", "epoch"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    schedule: Schedule | float
    length: int
    start: float = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "schedule", as_schedule(self.schedule, "schedule"))
        convert_fields(self, as_int, "length")
        convert_fields(self, as_float, "start", high=1.0, closed="right")

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


@dataclass(frozen=True)
class Custom(Schedule):
    """``η = function(u)`` for a user-defined function.

    Parameters
    ----------
    function : callable
        ``function(u)``: an int to a finite number >= 0.
    per : {"step", "epoch"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    function: Callable[[int], float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            raise TypeError(f"function must be callable, got {self.function!r}")

    def at(self, u: Array) -> Array:
        """η for each u; ValueError if the function returns no finite number >= 0."""
        distinct, where = np.unique(u, return_inverse=True)
        return np.array([self._rate(int(v)) for v in distinct])[where]

    def _rate(self, u: int) -> float:
        given = self.function(u)
        try:
            rate = float(given)
        except (TypeError, ValueError):
            rate = math.nan
        if not 0 <= rate < math.inf:
            raise ValueError(
                f"the learning rate must be finite and >= 0, got {described(given)} after {u} "
                f"{self.per}s"
            )
        return rate


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


def _half_cosine(start: float, end: float, share: Array) -> Array:
    """From start to end while the share goes from 0 to 1."""
    return end + (start - end) * (1 + np.cos(np.pi * share)) / 2
