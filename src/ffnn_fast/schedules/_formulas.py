"""Schedules with a formula for every step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ffnn_fast._public import public
from ffnn_fast._scalars import as_float, as_int, convert_fields
from ffnn_fast.schedules._schedule import Custom, Schedule

Array = np.ndarray


@public("ffnn_fast.schedules")
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


@public("ffnn_fast.schedules")
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


@public("ffnn_fast.schedules")
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


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class Cosine(Schedule):
    """``η = minimum + (rate − minimum) (1 + cos(π v / T)) / 2`` with warm restarts.

    v is u counted from the last restart. The first cycle has T = period, each next one is `growth`
    times as long, as in Loshchilov and Hutter, *SGDR* (2017). u counts epochs unless `per` is
    given. Without `period`, there is one cycle over the whole fit, whose η changes from step to
    step: ``Cosine(0.1)`` is ``Cosine(0.1, 1.0, per="fit")``.

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


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``peak / start`` to `peak`, then down to ``peak / (start · end)``, by half cosines.

    The rise takes ``rise · total − 1`` of the ``total − 1`` changes between steps; after `total`
    steps the rate is constant. PyTorch's form of Smith and Topin, *Super-Convergence* (2018). u
    counts steps unless `per` is given. Without `total`, the cycle takes the whole fit:
    ``OneCycle(0.1)`` is ``OneCycle(0.1, 1.0, per="fit")``. In a fit with too few steps for the rise
    the second step has η = `peak`, and the only step of a cycle of one.

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
        total = max(1, round(cast(float, self.total) * n_steps))
        if total > 2 or self.rise * total > 1:
            rise = self.rise if self.rise * total > 1 else 2 / total
            return self._with_steps(n_steps, "total", rise=rise)
        low = self.peak / self.start
        rates = (low, self.peak, low / self.end)[2 - total :]
        return Custom(lambda step: rates[min(step, total)])


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class CosLog(Schedule):
    """``η = rate (1 − cos(2π log₂(1 + (2^cycles − 1) t))) / 2`` with ``t = min(u / total, 1)``.

    `cycles` rises and falls between 0 and `rate`, each nearly twice as long as the one before;
    the first step has η = 0. With 4 cycles it is the "coslog4" of RealMLP (D. Holzmüller,
    L. Grinsztajn, I. Steinwart, *Better by Default*, NeurIPS 2024). u counts steps unless `per` is
    given. Without `total`, t is the share of the fit: ``CosLog(0.1)`` is
    ``CosLog(0.1, total=1.0, per="fit")``.

    Parameters
    ----------
    rate : float
        The highest η, > 0.
    cycles : int, default 4
        From 1 to 50.
    total : int or float, optional
        Steps or epochs of the whole schedule; with ``per="fit"`` a share in (0, 1]. Default: the
        whole fit.
    per : {"step", "epoch", "fit"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    cycles: int = 4
    total: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate")
        convert_fields(self, as_int, "cycles", high=50)
        self._complete_length("total")
        self._convert_lengths("total")

    def at(self, u: Array) -> Array:
        """η for each u."""
        t = np.minimum(u / cast(float, self.total), 1)
        cycle = np.log2(1 + (2**self.cycles - 1) * t)
        return self.rate * (1 - np.cos(2 * np.pi * cycle)) / 2

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, "total")


@public("ffnn_fast.schedules")
@dataclass(frozen=True)
class FlatCosine(Schedule):
    """``η = rate`` while ``t = min(u / total, 1)`` is below `flat`, then a half cosine down to 0.

    ``η = rate (1 + cos(π (t − flat) / (1 − flat))) / 2`` from ``t = flat`` on: the "flat_cos" of
    RealMLP, as cited in `CosLog`. u counts steps unless `per` is given. Without `total`, t is the
    share of the fit: ``FlatCosine(0.1)`` is ``FlatCosine(0.1, total=1.0, per="fit")``.

    Parameters
    ----------
    rate : float
        η at the start, > 0.
    flat : float, default 0.5
        Where the fall begins, in [0, 1).
    total : int or float, optional
        Steps or epochs of the whole schedule; with ``per="fit"`` a share in (0, 1]. Default: the
        whole fit.
    per : {"step", "epoch", "fit"}, default "step"
        What u counts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    rate: float
    flat: float = 0.5
    total: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        convert_fields(self, as_float, "rate")
        convert_fields(self, as_float, "flat", high=1.0, closed="left")
        self._complete_length("total")
        self._convert_lengths("total")

    def at(self, u: Array) -> Array:
        """η for each u."""
        t = np.minimum(u / cast(float, self.total), 1)
        return _half_cosine(self.rate, 0.0, np.maximum(t - self.flat, 0) / (1 - self.flat))

    def _in_steps(self, n_steps: int) -> Schedule:
        return self._with_steps(n_steps, "total")


def _half_cosine(start: float, end: float, share: Array) -> Array:
    """From start to end while the share goes from 0 to 1."""
    return end + (start - end) * (1 + np.cos(np.pi * share)) / 2
