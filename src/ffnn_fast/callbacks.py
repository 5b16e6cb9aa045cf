"""Callbacks: hooks that a fit calls, log files, a progress bar.

A callback is a `Callback` with some of the hooks, or any callable, which is called with the record
of each epoch when it ends.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
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

LINES = 10  # of a progress bar without a terminal
NAMES = {"r2": "R2", "f1": "F1"}
UNSHOWN = (
    *("epoch", "seconds", "samples_per_second", "learning_rate", "gradient_norm"),
    *("weight_decay", "dropout", "momentum", "beta_1", "beta_2"),  # where they have schedules
)
SHOWN = 6  # figures on a line


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
        """Called before a step; `rows` are the indices of the batch's rows, of a fit on RowBlocks
        those within the rows in memory.
        """

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
    """A progress bar with the loss and the metrics of the last epoch.

    In a terminal or a notebook the bar is tqdm's (``pip install "ffnn_fast[progress]"``). Without
    tqdm, or if the output goes to a file or a pipe, a few plain lines are written instead.

    Parameters
    ----------
    file : text file, optional
        Default: the standard error stream.
    description : str, default ""
        What the bar and each line begin with.
    lines : int, default 10
        About how many plain lines to write; the last epoch always has one.
    unit : str, default "epoch"
        What is counted, such as ``"iteration"`` of a solver.

    Examples
    --------
    >>> from ffnn_fast import Network
    >>> bar = ProgressBar(sys.stdout, description="xor")
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    >>> history = Network([2, 4, 2], seed=0).fit(
    ...     X, y, epochs=2, callbacks=[bar]
    ... )  # doctest: +ELLIPSIS
    xor  epoch 1/2  loss 0...  accuracy ... s
    xor  epoch 2/2  loss 0...  accuracy ... s
    """

    def __init__(
        self,
        file: IO[str] | None = None,
        *,
        description: str = "",
        lines: int = LINES,
        unit: str = "epoch",
    ) -> None:
        self.description, self.lines, self.unit = description, lines, unit
        self._given = file
        self._epochs, self._began = 0, 0.0
        self._bar: Any = None
        self._unwritten: Record | None = None

    @property
    def _file(self) -> IO[str]:
        return self._given or sys.stderr

    def start(self, epochs: int, done: int = 0) -> None:
        """Begin to count.

        Parameters
        ----------
        epochs : int
            The number of epochs or iterations, those already done included.
        done : int, default 0
            How many are already done.
        """
        self._epochs, self._began, self._unwritten = epochs, perf_counter(), None
        self._bar = _tqdm_bar(self._file, self.description, self.unit, epochs, done)

    def show(self, record: Record) -> None:
        """Show the record of an epoch or iteration."""
        done = int(record["epoch"])
        if self._bar is not None:
            self._bar.set_postfix_str(_scores(record), refresh=False)
            self._bar.update(done - self._bar.n)
        elif done % max(1, self._epochs // self.lines) == 0 or done == self._epochs:
            self._write(record)
        else:
            self._unwritten = record

    def close(self) -> None:
        """Finish the bar, or write the line of the last epoch if it has none."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._unwritten is not None:
            self._write(self._unwritten)

    def _write(self, record: Record) -> None:
        self._unwritten = None
        begin = f"{self.description}  " if self.description else ""
        counted = f"{self.unit} {record['epoch']:.0f}/{self._epochs}"
        passed = f"{perf_counter() - self._began:.1f} s"
        self._file.write(f"{begin}{counted}  {_scores(record)}  {passed}\n")
        self._file.flush()

    def on_train_begin(self, fit: FitView, /) -> None:
        """Start; a resumed fit starts with the epochs that are done."""
        self.start(fit.epochs, len(fit.history))

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Show the epoch."""
        self.show(record)

    def on_train_end(self, fit: FitView, /) -> None:
        """Finish."""
        self.close()


def _tqdm_bar(file: IO[str], description: str, unit: str, epochs: int, done: int) -> Any:
    """A bar, or None where there is neither a terminal nor a notebook, or no tqdm."""
    in_notebook = type(file).__module__.startswith("ipykernel")
    if not (in_notebook or file.isatty()):
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    # Without a size tqdm draws nothing in a terminal that reports 0 lines.
    size = shutil.get_terminal_size()
    without_thread = type("ProgressBar", (tqdm,), {"monitor_interval": 0})
    return without_thread(
        desc=description or None,
        total=epochs,
        initial=done,
        file=file,
        unit=unit,
        miniters=1,
        ncols=None if in_notebook else size.columns,
        nrows=None if in_notebook else size.lines,
    )


def _scores(record: Record) -> str:
    """The loss and the metrics of an epoch, each with that of the held-out rows."""
    shown = []
    for key, value in record.items():
        if key not in UNSHOWN and not key.startswith("val_"):
            held_out = f" (held-out {record[f'val_{key}']:.4f})" if f"val_{key}" in record else ""
            shown.append(f"{NAMES.get(key, key)} {value:.4f}{held_out}")
    return "  ".join(shown[:SHOWN])
