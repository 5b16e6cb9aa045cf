"""Rules that end a fit early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ffnn_fast._public import public
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int, convert_fields
from ffnn_fast._text import quoted
from ffnn_fast.history import Record
from ffnn_fast.metrics import mode_of
from ffnn_fast.schedules import Memory

PATIENCE_OF_TOL = 10  # epochs in a row


@public()
@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a figure has not improved for some epochs in a row.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Any name in the record of an epoch, such as ``"loss"``, ``"val_loss"``, ``"val_accuracy"``.
    patience : int, default 10
        The fit stops after this many epochs in a row without improvement.
    min_delta : float, default 0.0
        An improvement differs from the best figure by more than this.
    mode : {"auto", "min", "max"}, default "auto"
        Whether a smaller or a larger figure is better. ``auto`` works for losses and for the
        metrics of `ffnn_fast.metrics`; a metric of your own sets `Metric.larger_is_better`.
    restore_best : bool, default True
        Whether the network ends with the parameters of the best epoch, however the fit ends, or
        with the last ones.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; in `fit`, if ``auto`` does not apply to the monitor.
    """

    monitor: str = "val_loss"
    patience: int = 10
    min_delta: float = 0.0
    mode: str = "auto"
    restore_best: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.monitor, str):
            raise TypeError(f"monitor must be the name of a figure, got {self.monitor!r}")
        convert_fields(self, as_int, "patience")
        convert_fields(self, as_float, "min_delta", closed="left")
        convert_fields(self, as_choice, "mode", choices=("auto", "min", "max"))
        convert_fields(self, as_bool, "restore_best")

    def with_mode(self, larger_is_better: Mapping[str, bool | None]) -> EarlyStopping:
        """Replace ``mode="auto"``; the argument has `Metric.larger_is_better` by name."""
        if self.mode != "auto":
            return self
        mode = mode_of(self.monitor, larger_is_better)
        if not mode:
            raise ValueError(f"early stopping by {self.monitor!r} needs mode='min' or mode='max'")
        return replace(self, mode=mode)

    def new_memory(self) -> Memory:
        """The best figure (None: none yet), its epoch, and the number of epochs since."""
        return {"best": None, "epoch": None, "bad": 0}

    def restored_memory(self, written: Any, epochs: int) -> Memory:
        """The state of the rule after so many epochs as a file has it.

        Raises
        ------
        TypeError, ValueError
            If it is not one that `observe` makes.
        """
        if not isinstance(written, dict) or written.keys() != self.new_memory().keys():
            raise ValueError(f"the state of early stopping has other entries: {quoted(written)}")
        best, epoch = written["best"], written["epoch"]
        if (best is None) != (epoch is None):
            raise ValueError(f"best and epoch of early stopping do not fit: {quoted(written)}")
        return {
            "best": None if best is None else as_float(best, "best", -math.inf, closed="both"),
            "epoch": None if epoch is None else as_int(epoch, "epoch", 1, epochs),
            "bad": as_int(written["bad"], "bad", 0, epochs),
        }

    def observe(self, record: Record, memory: Memory) -> bool:
        """Update `memory`, and return whether this epoch is the best so far."""
        sign = -1 if self.mode == "max" else 1
        value, best = sign * float(record[self.monitor]), memory["best"]
        # NaN is never better; an infinite best leaves everything finite better.
        if value == value and (best is None or value < best - self.min_delta):
            memory.update(best=value, epoch=int(record["epoch"]), bad=0)
            return True
        memory["bad"] += 1
        return False

    def reason_to_stop(self, memory: Memory) -> str:
        """A sentence if the fit is to stop, else an empty string."""
        if memory["bad"] < self.patience:
            return ""
        return (
            f"{self.monitor} has not improved for {memory['bad']} epochs, "
            f"best in epoch {memory['epoch']}"
        )


def stop_below(tol: float) -> EarlyStopping:
    """Stop when the training loss falls by no more than `tol` in each of 10 epochs in a row."""
    return EarlyStopping("loss", PATIENCE_OF_TOL, tol, "min", restore_best=False)
