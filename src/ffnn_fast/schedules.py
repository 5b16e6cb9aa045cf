"""Learning rate schedules: η as a function of the number of completed steps or epochs.

u is the number of completed steps, or with ``per="epoch"`` of completed epochs; u = 0 at first.
With ``per="fit"`` u is the completed share of the fit, in [0, 1), and lengths are shares in (0, 1].
When a fit begins, lengths become numbers of steps: that share of epochs times batches per epoch,
rounded, at least 1. A fit that stops early does not complete the schedule. `partial_fit`, whose
number of steps is not known, refuses such schedules.

A schedule is a frozen dataclass. The state of `ReduceOnPlateau` is a dictionary of plain JSON
values that training stores, so that a fit can be resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, cast

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
    per : {"step", "epoch", "fit"}
        What u counts, and the unit of every length.
    """

    per: str = field(default="step", kw_only=True)
    _units: ClassVar[tuple[str, ...]] = ("step", "epoch", "fit")

    def __post_init__(self) -> None:
        convert_fields(self, as_choice, "per", choices=self._units)

    def at(self, u: Array) -> Array:
        """η for each u, float64."""
        raise NotImplementedError(f"{type(self).__name__} has no rates")

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
            If `n_steps` is not as described, or too small for the schedule.
        """
        return self._in_steps(as_int(n_steps, "n_steps")) if self.per == "fit" else self

    def _in_steps(self, n_steps: int) -> Schedule:
        """The schedule for ``per="fit"`` as one that counts steps."""
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
            raise ValueError(f"the number of steps of a fit must be known, see over: {self!r}")
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


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``η = rate · factor^⌊u / every⌋``; u counts epochs unless `per` is given.

    Parameters
    ----------
    rate : float
        > 0.
    every : int or float, default 10
        Epochs or steps between two changes, at least 1; with ``per="fit"`` a share in (0, 1].
    factor : float, default 0.1
        > 0.
    per : {"step", "epoch", "fit"}, default "epoch"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    every: float = 10
    factor: float = 0.1
    per: str = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate", "factor")
        self._convert_lengths("every")

    def at(self, u: Array) -> Array:
        """η for each u."""
        return self.rate * self.factor ** np.floor(u / self.every)

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, "every")


@dataclass(frozen=True)
class Exponential(Schedule):
    """``η = rate · factor^u``; u counts epochs unless `per` is given.

    Parameters
    ----------
    rate : float
        > 0.
    factor : float, default 0.95
        > 0. With ``per="fit"`` η falls to about ``factor · rate`` at the end of the fit.
    per : {"step", "epoch", "fit"}, default "epoch"
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

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, factor=self.factor ** (1 / n_steps))


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """``η = rate / (1 + u)^power``; u counts steps unless `per` is given.

    Parameters
    ----------
    rate : float
        > 0.
    power : float, default 0.5
        > 0.
    per : {"step", "epoch", "fit"}, default "step"
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
    ``per="step"``. Without `period`, there is one cycle over the whole fit, whose η changes from
    step to step: ``Cosine(0.1)`` is ``Cosine(0.1, 1.0, per="fit")``.

    Parameters
    ----------
    rate : float
        η at the start of each cycle, > 0.
    period : int or float, optional
        Length of the first cycle, at least 1; with ``per="fit"`` a share in (0, 1]. Default: the
        whole fit.
    minimum : float, default 0.0
        η towards which a cycle falls, in [0, rate).
    growth : int, default 1
        At least 1.
    per : {"step", "epoch", "fit"}, default "epoch"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    period: float | None = None
    minimum: float = 0.0
    growth: int = 1
    per: str = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate")
        self._complete_length("period")
        self._convert_lengths("period")
        convert_fields(self, as_int, "growth")
        convert_fields(self, as_float, "minimum", high=self.rate, closed="left")

    def at(self, u: Array) -> Array:
        """η for each u."""
        T, g = cast(float, self.period), self.growth
        share = (u % T) / T
        if g > 1:
            # cycle i starts at T (g^i − 1) / (g − 1) and is T g^i long
            cycle = np.floor(np.log1p(u * (g - 1) / T) / np.log(g) + 1e-12)
            share = (u - T * (g**cycle - 1) / (g - 1)) / (T * g**cycle)
        return _half_cosine(self.rate, self.minimum, share)

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, "period")


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``peak / start`` to `peak`, then down to ``peak / (start · end)``, by half cosines.

    The rise takes ``rise · total − 1`` of the ``total − 1`` changes between steps; after `total`
    steps the rate is constant. PyTorch's form of Smith and Topin, *Super-Convergence* (2018). u
    counts steps unless `per` is given. Without `total`, the cycle takes the whole fit:
    ``OneCycle(0.1)`` is ``OneCycle(0.1, 1.0, per="fit")``.

    Parameters
    ----------
    peak : float
        The highest η, > 0.
    total : int or float, optional
        Steps or epochs of the whole cycle; with ``per="fit"`` a share in (0, 1]. Default: the whole
        fit.
    rise : float, default 0.3
        Share of the cycle in which η rises: more than one step, and less than all.
    start, end : float, default 25.0 and 1e4
        Divisors > 0 of the first and of the last η.
    per : {"step", "epoch", "fit"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    peak: float
    total: float | None = None
    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "peak", "rise", "start", "end")
        self._complete_length("total")
        self._convert_lengths("total")
        if self.per == "fit":
            convert_fields(self, as_float, "rise", high=1.0)
            return
        total = cast(float, self.total)
        if not 1 < self.rise * total < total:
            raise ValueError(
                f"the rise must take more than one and fewer than all of {total} {self.per}s, "
                f"got {self.rise * total:g}: change rise, or the length of the cycle"
            )

    def at(self, u: Array) -> Array:
        """η for each u."""
        low, total = self.peak / self.start, cast(float, self.total)
        one = 0 if self.per == "fit" else 1
        top, last = self.rise * total - one, total - one
        up = _half_cosine(low, self.peak, u / top)
        down = _half_cosine(self.peak, low / self.end, np.minimum((u - top) / (last - top), 1))
        return np.where(u <= top, up, down)

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, "total")


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
    _units: ClassVar[tuple[str, ...]] = ("step", "epoch")

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
        """The same with the other schedule of such a fit."""
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
        return np.array([self._rate(int(v)) for v in distinct])[where]

    def _in_steps(self, n_steps: int) -> Schedule:
        return Custom(lambda step: self.function(step / n_steps))

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


def _half_cosine(start: float, end: float, share: Array) -> Array:
    """From start to end while the share goes from 0 to 1."""
    return end + (start - end) * (1 + np.cos(np.pi * share)) / 2
