"""Whoever is told how a fit goes on: hooks, logs, a bar.

A callback is a `Callback` with some of the hooks, or any callable, which is called with the record
of each epoch when it ends.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ffnn_fast.history import Listener, Record

if TYPE_CHECKING:
    from ffnn_fast._training.fit_state import FitState

WIDTH = 30  # characters of a full bar
LINES = 10  # about how many the bar writes where there is no terminal
BETWEEN_DRAWINGS = 0.1  # seconds


class Callback:
    """Base of all callbacks: override what you want to hear of.

    Each hook gets the fit under way: ``run.history``, ``run.params``, ``run.epoch``, ``run.t``,
    ``run.learning_rate``, ``run.stop("why")``. Training calls into Python for each batch only if a
    callback has a hook for batches, which makes small steps many times slower.
    """

    @property
    def per_batch(self) -> bool:
        """Whether a hook for batches is overridden."""
        begin, end = type(self).on_batch_begin, type(self).on_batch_end
        return begin is not Callback.on_batch_begin or end is not Callback.on_batch_end

    def on_train_begin(self, run: FitState) -> None:
        """Before the first epoch; a resumed fit has a history already."""

    def on_epoch_begin(self, run: FitState) -> None:
        """Before the first batch of an epoch."""

    def on_batch_begin(self, run: FitState, rows: np.ndarray) -> None:
        """Before a step; `rows` are the numbers of the batch's rows."""

    def on_batch_end(self, run: FitState, loss: float) -> None:
        """After a step; `loss` is the batch's, before it."""

    def on_epoch_end(self, run: FitState, record: Record) -> None:
        """After an epoch; `record` is the last of the history and may be added to."""

    def on_train_end(self, run: FitState) -> None:
        """After the last epoch, or when the fit has ended in any other way."""


class EpochFunction(Callback):
    """A plain callable, told of each epoch."""

    def __init__(self, function: Listener) -> None:
        self.function = function

    def on_epoch_end(self, run: FitState, record: Record) -> None:
        """Call it with the record."""
        self.function(record)


def as_callback(value: Any) -> Callback:
    """A callback, made of a plain callable where it is one; TypeError if it is neither."""
    if isinstance(value, Callback):
        return value
    if not callable(value):
        raise TypeError(f"a callback must be callable or a Callback, got {value!r}")
    return EpochFunction(value)


class _Log(Callback):
    """A file with a line for each epoch. It is written anew when a fit begins, with the epochs
    that a resumed fit has already done.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file: IO[str] | None = None

    def _write(self, record: Record) -> None:
        raise NotImplementedError

    def on_train_begin(self, run: FitState) -> None:
        """Open the file."""
        self._file = open(self.path, "w", encoding="utf-8", newline="")  # noqa: SIM115
        for record in run.history:
            self._write(record)

    def on_epoch_end(self, run: FitState, record: Record) -> None:
        """Write a line, through to the operating system."""
        self._write(record)
        if self._file:
            self._file.flush()

    def on_train_end(self, run: FitState) -> None:
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

    def on_train_begin(self, run: FitState) -> None:
        """Open the file."""
        self._table: csv.DictWriter[str] | None = None
        super().on_train_begin(run)

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

    def on_train_begin(self, run: FitState) -> None:
        """Start the clock."""
        self._began = perf_counter()
        self._drawn = 0.0

    def on_epoch_end(self, run: FitState, record: Record) -> None:
        """Draw, unless that was done a moment ago."""
        done, epochs = int(record["epoch"]), run.options.epochs
        if self._file.isatty():
            if perf_counter() - self._drawn > BETWEEN_DRAWINGS or done == epochs:
                bar = "█" * (WIDTH * done // epochs)
                self._file.write(f"\r\x1b[K{bar:·<{WIDTH}} {self._text(record, epochs)}")
                self._file.flush()
                self._drawn = perf_counter()
        elif done % max(1, epochs // LINES) == 0 or done == epochs:
            self._file.write(self._text(record, epochs) + "\n")

    def on_train_end(self, run: FitState) -> None:
        """Leave the line."""
        if self._drawn:
            self._file.write("\n")

    def _text(self, record: Record, epochs: int) -> str:
        passed = perf_counter() - self._began
        hidden = ("epoch", "seconds", "samples_per_second", "learning_rate")
        figures = [f"{key} {value:.4g}" for key, value in record.items() if key not in hidden]
        return f"{record['epoch']:.0f}/{epochs}  {'  '.join(figures[:6])}  {passed:.1f} s"
