"""The members of a bag: networks trained side by side, one on each thread.

A member is trained on all rows but those of its fold, and keeps the parameters of its last best
epoch on the fold. What it predicts there is out of fold: it has not seen these rows' targets but to
choose the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from time import perf_counter

import numpy as np

from ffnn_fast._runtime.worker_threads import run_each
from ffnn_fast.callbacks import Callback, FitView, ProgressBar
from ffnn_fast.history import History, Record
from ffnn_fast.network import Network

Array = np.ndarray


@dataclass(frozen=True)
class Rows:
    """Encoded rows with their targets and weights; members share them.

    Attributes
    ----------
    all_X : ndarray of shape (N, n_0)
    all_y : ndarray
        As `Network.fit` takes it.
    all_weight : ndarray of shape (N,) or None
    order : ndarray of shape (n,) or None
        Indices of those that count; None: all.
    """

    all_X: Array
    all_y: Array
    all_weight: Array | None
    order: Array | None = None

    @property
    def n(self) -> int:
        """The number of rows that count."""
        return len(self.all_X) if self.order is None else len(self.order)

    @property
    def X(self) -> Array:
        """The rows that count, (n, n_0); copied if these are not all."""
        return self.all_X if self.order is None else self.all_X[self.order]

    @property
    def y(self) -> Array:
        """Their targets; copied likewise."""
        return self.all_y if self.order is None else self.all_y[self.order]

    @property
    def weight(self) -> Array | None:
        """Their weights, (n,), or None; copied likewise."""
        if self.order is None or self.all_weight is None:
            return self.all_weight
        return self.all_weight[self.order]

    def part(self, rows: Array) -> Rows:
        """Some of the rows, by indices or a mask; not copied."""
        which = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(self, order=which if self.order is None else self.order[which])

    def first(self, n: int) -> Rows:
        """The first n rows, not copied."""
        if self.order is not None:
            return replace(self, order=self.order[:n])
        weight = None if self.all_weight is None else self.all_weight[:n]
        return Rows(self.all_X[:n], self.all_y[:n], weight)

    @property
    def given(self) -> tuple[Array, Array, Array | None]:
        """(X, y, sample_weight)"""
        return self.X, self.y, self.weight


@dataclass(frozen=True)
class Member:
    """A trained network, and how it was judged.

    Attributes
    ----------
    net : Network
    fold : ndarray
        Indices of the rows that it was judged on; of long folds, some.
    y_hat : ndarray of shape (len(fold), n_L)
        Its outputs for them.
    history : History
    candidates : tuple of Network
        The network at several times of its fit, if a choice is to be made among them.
    linear : Network or None
        A linear model of the same rows.
    """

    net: Network
    fold: Array
    y_hat: Array
    history: History
    candidates: tuple[Network, ...] = ()
    linear: Network | None = None


Train = Callable[[int, "Stop"], Member]


class Stop(Callback):
    """Ends the fits of all members at a common time, or when one of them failed or Ctrl-C came;
    shows the progress of all in one bar.

    Parameters
    ----------
    end : float
        On the clock of `time.perf_counter`.
    bar : ProgressBar, optional
        Already started, with the sum of the epochs of all members.
    """

    def __init__(self, end: float = math.inf, bar: ProgressBar | None = None) -> None:
        self.end = end
        self.is_set = False
        self._bar = bar
        self._done = 0
        self._lock = Lock()
        self._fits: list[FitView] = []

    def set(self) -> None:
        """End the fits that run after their next steps, and those that begin at once."""
        self.is_set = True
        for fit in list(self._fits):
            fit.stop("another member failed")

    @property
    def shows(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def seconds(self, rounds: int) -> float | None:
        """The time of one of so many fits that follow one another, a millisecond at least; None
        without a limit.
        """
        if self.end == math.inf:
            return None
        return max(1e-3, (self.end - perf_counter()) / rounds)

    def on_train_begin(self, fit: FitView, /) -> None:
        """Stop the fit if it must not begin."""
        self._fits.append(fit)
        if self.is_set:
            fit.stop("another member failed")

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Show the epoch."""
        if self._bar is None or self.is_set:
            return
        with self._lock:
            self._done += 1
            self._bar.show({**record, "epoch": self._done})

    def on_train_end(self, fit: FitView, /) -> None:
        """Forget the fit."""
        self._fits.remove(fit)


def train_members(train: Train, n: int, n_threads: int, stop: Stop) -> list[Member]:
    """``[train(0, stop), ..., train(n - 1, stop)]``, some of them at a time.

    The first member is always trained to its end or to the time limit; members that had not begun
    at the time limit are left out. The result does not depend on the number of threads.

    Raises
    ------
    KeyboardInterrupt
        After the steps that the members were making, some 50 ms each.
    """
    found = run_each(lambda i: _train_in_time(train, i, stop), range(n), n_threads, stop.set)
    return [member for member in found if member is not None]


def out_of_fold(members: Sequence[Member], n: int) -> Array:
    """ŷ (n, n_L) of each row, the mean over the members that were judged on it; NaN for none."""
    total = np.zeros((n, members[0].y_hat.shape[1]), np.float32)
    count = np.zeros((n, 1), np.float32)
    for member in members:
        total[member.fold] += member.y_hat
        count[member.fold] += 1
    total[count[:, 0] == 0] = np.nan
    return total / np.maximum(count, 1)


def _train_in_time(train: Train, i: int, stop: Stop) -> Member | None:
    if i > 0 and (stop.is_set or perf_counter() > stop.end):
        return None
    return train(i, stop)
