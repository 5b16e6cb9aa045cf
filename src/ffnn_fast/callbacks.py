"""Callbacks: hooks that a fit calls, log files, a progress bar.

A callback is a `Callback` with some of the hooks, or any callable, which is called with the record
of each epoch when it ends.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from time import perf_counter
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from ffnn_fast.history import History, Record, RecordCallback

__all__ = [
    "CSVLog",
    "Callback",
    "EpochFunction",
    "FitView",
    "JSONLog",
    "ProgressBar",
    "as_callback",
]

WIDTH = 30  # characters of a full bar
LINES = 10  # about how many the bar writes where there is no terminal
BETWEEN_DRAWINGS = 0.1  # seconds


class FitView(Protocol):
    """The fit in progress as a callback sees it: the argument of every hook of `Callback`.

    The attributes are read-only, except that `params` may be changed in place. Anything else that
    the object has is not part of the contract and may change.
    """

    @property
    def history(self) -> History:
        """The records of the completed epochs."""

    @property
    def params(self) -> np.ndarray:
        """θ itself, not a copy: (P,), laid out as ``Network.params``."""

    @property
    def epochs(self) -> int:
        """The number of epochs after which the fit ends."""

    @property
    def epoch(self) -> int:
        """The number of the current epoch, from 1."""

    @property
    def t(self) -> int:
        """The number of completed steps, over all epochs."""

    @property
    def learning_rate(self) -> float:
        """η of the last step, or of the first one if no step is completed."""

    def stop(self, reason: str) -> None:
        """End the fit after this batch, if called within an epoch, else after this epoch.

        Parameters
        ----------
        reason : str
            Becomes ``history.stopped`` unless an earlier reason is there.
        """


class Callback:
    """Base class of all callbacks: override the hooks you need.

    The first argument of each hook is the fit in progress, a `FitView`. Training calls into Python
    for each batch only if a callback overrides a hook for batches, which makes small steps many
    times slower.

    Examples
    --------
    >>> from ffnn_fast.callbacks import Callback
    >>> class StopAtLoss(Callback):
    ...     def on_epoch_end(self, fit, record):
    ...         if record["loss"] < 0.1:
    ...             fit.stop("the loss is below 0.1")
    """

    @property
    def per_batch(self) -> bool:
        """Whether a hook for batches is overridden."""
        begin, end = type(self).on_batch_begin, type(self).on_batch_end
        return begin is not Callback.on_batch_begin or end is not Callback.on_batch_end

    def on_train_begin(self, fit: FitView, /) -> None:
        """Called before the first epoch; the history of a resumed fit is not empty."""

    def on_epoch_begin(self, fit: FitView, /) -> None:
        """Called before the first batch of an epoch."""

    def on_batch_begin(self, fit: FitView, rows: npt.NDArray[np.int64], /) -> None:
        """Called before a step; `rows` are the indices of the batch's rows."""

    def on_batch_end(self, fit: FitView, loss: float, /) -> None:
        """Called after a step; `loss` is the objective on the batch before the step."""

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Called after an epoch; `record` is the last of the history, and entries may be added."""

    def on_train_end(self, fit: FitView, /) -> None:
        """Called after the last epoch, and when the fit ends in any other way."""


class EpochFunction(Callback):
    """A callback that calls a function with the record of each epoch.

    Parameters
    ----------
    function : callable
        ``function(record)``; the record is a dict of str to float.
    """

    def __init__(self, function: RecordCallback) -> None:
        self.function = function

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Call the function."""
        self.function(record)


def as_callback(value: Any) -> Callback:
    """Convert a plain callable to a callback; TypeError if `value` is neither."""
    if isinstance(value, Callback):
        return value
    if not callable(value):
        raise TypeError(f"a callback must be callable or a Callback, got {value!r}")
    return EpochFunction(value)


class _Log(Callback):
    """A file with a line for each epoch. The start of a fit replaces it, and writes the epochs
    that a resumed fit has completed before.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file: IO[str] | None = None

    def _write(self, record: Record) -> None:
        raise NotImplementedError

    def on_train_begin(self, fit: FitView, /) -> None:
        """Open the file."""
        self._file = open(self.path, "w", encoding="utf-8", newline="")  # noqa: SIM115
        for record in fit.history:
            self._write(record)

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Write a line and flush it to the operating system."""
        self._write(record)
        if self._file:
            self._file.flush()

    def on_train_end(self, fit: FitView, /) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
        self._file = None


class CSVLog(_Log):
    """A CSV file with a row for each epoch, under the names of the first record.

    Parameters
    ----------
    path : str or path-like
        Replaced where it exists.
    """

    def on_train_begin(self, fit: FitView, /) -> None:
        """Open the file."""
        self._table: csv.DictWriter[str] | None = None
        super().on_train_begin(fit)

    def _write(self, record: Record) -> None:
        if self._table is None and self._file:
            names = list(record)
            self._table = csv.DictWriter(self._file, names, restval="", extrasaction="ignore")
            self._table.writeheader()
        if self._table:
            self._table.writerow(record)


class JSONLog(_Log):
    """A file with a JSON object on a line for each epoch (JSON Lines).

    Parameters
    ----------
    path : str or path-like
        Replaced where it exists.
    """

    def _write(self, record: Record) -> None:
        if self._file:
            print(json.dumps(record, default=float), file=self._file)


class ProgressBar(Callback):
    """A bar with the figures of the last epoch; a few plain lines where there is no terminal.

    Parameters
    ----------
    file : text file, optional
        Default: the standard error stream.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._given = file
        self._began = self._drawn = 0.0

    @property
    def _file(self) -> IO[str]:
        return self._given or sys.stderr

    def on_train_begin(self, fit: FitView, /) -> None:
        """Start the clock."""
        self._began = perf_counter()
        self._drawn = 0.0

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Draw, unless that was done a moment ago."""
        done, epochs = int(record["epoch"]), fit.epochs
        if self._file.isatty():
            if perf_counter() - self._drawn > BETWEEN_DRAWINGS or done == epochs:
                bar = "█" * (WIDTH * done // epochs)
                self._file.write(f"\r\x1b[K{bar:·<{WIDTH}} {self._text(record, epochs)}")
                self._file.flush()
                self._drawn = perf_counter()
        elif done % max(1, epochs // LINES) == 0 or done == epochs:
            self._file.write(self._text(record, epochs) + "\n")

    def on_train_end(self, fit: FitView, /) -> None:
        """Leave the line."""
        if self._drawn:
            self._file.write("\n")

    def _text(self, record: Record, epochs: int) -> str:
        passed = perf_counter() - self._began
        hidden = ("epoch", "seconds", "samples_per_second", "learning_rate")
        figures = [f"{key} {value:.4g}" for key, value in record.items() if key not in hidden]
        return f"{record['epoch']:.0f}/{epochs}  {'  '.join(figures[:6])}  {passed:.1f} s"
