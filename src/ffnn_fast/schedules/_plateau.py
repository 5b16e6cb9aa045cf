"""The schedule that depends on the records of the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ffnn_fast._public import public
from ffnn_fast._scalars import as_choice, as_float, as_int, as_real, convert_fields
from ffnn_fast.metrics import mode_of
from ffnn_fast.schedules._schedule import Memory, Schedule

Array = np.ndarray


@public("ffnn_fast.schedules")
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
