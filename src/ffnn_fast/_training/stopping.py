"""When a fit has gone on for long enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ffnn_fast.history import Record
from ffnn_fast.metrics import METRICS

Memory = dict[str, Any]
PATIENCE_OF_TOL = 10  # epochs without that much progress


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a figure has not become better for some epochs in a row.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Any name in the record of an epoch, such as ``"loss"``, ``"val_loss"``, ``"val_accuracy"``.
    patience : int, default 10
        Epochs in a row without a better figure after which the fit stops.
    min_delta : float, default 0.0
        Better is better than the best by more than this.
    mode : {"auto", "min", "max"}, default "auto"
        Whether the figure should become small or large; known for losses and metrics by name.
    restore_best : bool, default True
        Whether the network ends with the parameters of the best epoch, however the fit ends, or
        with the last ones.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the mode is not known for the monitor.
    """

    monitor: str = "val_loss"
    patience: int = 10
    min_delta: float = 0.0
    mode: str = "auto"
    restore_best: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.monitor, str):
            raise TypeError(f"monitor must be the name of a figure, got {self.monitor!r}")
        if isinstance(self.patience, bool) or not isinstance(self.patience, int):
            raise TypeError(f"patience must be an integer, got {self.patience!r}")
        if self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}")
        if not 0 <= self.min_delta < float("inf"):
            raise ValueError(f"min_delta must be finite and >= 0, got {self.min_delta}")
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {self.mode!r}")

    def with_mode(self, larger_is_better: dict[str, bool | None]) -> EarlyStopping:
        """The same with the mode settled, given what is known of metrics of one's own."""
        if self.mode != "auto":
            return self
        name = self.monitor.removeprefix("val_")
        larger = larger_is_better.get(name)
        if larger is None and name in METRICS:
            larger = METRICS[name].larger_is_better
        if larger is None and name not in ("loss", "gradient_norm"):
            raise ValueError(f"say mode='min' or mode='max' to stop early by {self.monitor!r}")
        mode = "max" if larger else "min"
        return EarlyStopping(self.monitor, self.patience, self.min_delta, mode, self.restore_best)

    def new_memory(self) -> Memory:
        """The best figure (None: none yet), its epoch, and how many epochs have passed since."""
        return {"best": None, "epoch": None, "bad": 0}

    def observe(self, record: Record, memory: Memory) -> bool:
        """Whether this epoch is the best; `memory` changes in place."""
        sign = -1 if self.mode == "max" else 1
        value, best = sign * float(record[self.monitor]), memory["best"]
        # NaN is never better; an infinite best leaves everything finite better.
        if value == value and (best is None or value < best - self.min_delta):
            memory.update(best=value, epoch=int(record["epoch"]), bad=0)
            return True
        memory["bad"] += 1
        return False

    def verdict(self, memory: Memory) -> str:
        """Why to stop, or an empty string."""
        if memory["bad"] < self.patience:
            return ""
        return (
            f"{self.monitor} has not become better for {memory['bad']} epochs, "
            f"best in epoch {memory['epoch']}"
        )


def stop_below(tol: float) -> EarlyStopping:
    """Stop when the training loss falls by no more than `tol` for some epochs in a row."""
    return EarlyStopping("loss", PATIENCE_OF_TOL, tol, "min", restore_best=False)
