"""The members of a bag: networks trained side by side, one on each thread.

A member is trained on all rows but those of its fold, and keeps the parameters of its last best
epoch on the fold. What it predicts there is out of fold: it has not seen these rows' targets but to
choose the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ffnn_fast.callbacks import Callback, FitView
from ffnn_fast.history import History, Record
from ffnn_fast.network import Network

Array = np.ndarray
POLL = 0.1  # seconds between checks for Ctrl-C


@dataclass(frozen=True)
class Rows:
    """Encoded rows with their targets and weights; members share them.

    Attributes
    ----------
    X : ndarray of shape (n, n_0)
    y : ndarray
        As `Network.fit` takes it.
    weight : ndarray of shape (n,) or None
    """

    X: Array
    y: Array
    weight: Array | None

    def part(self, rows: Array) -> Rows:
        """Some of the rows, copied."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.X[rows], self.y[rows], weight)

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
        Indices of the rows that it was judged on.
    y_hat : ndarray of shape (len(fold), n_L)
        Its outputs for them.
    history : History
    """

    net: Network
    fold: Array
    y_hat: Array
    history: History


Train = Callable[[int, "Stop"], Member]


class Stop(Callback):
    """Ends the fits of all members at a common time, or when one of them failed.

    Parameters
    ----------
    max_time : float
        Seconds from now.
    """

    def __init__(self, max_time: float = math.inf) -> None:
        self.deadline = perf_counter() + max_time
        self.set = False

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Stop the fit if it must end."""
        if self.set:
            fit.stop("another member failed")
        elif perf_counter() > self.deadline:
            fit.stop("max_time")


def train_members(train: Train, n: int, n_threads: int, stop: Stop) -> list[Member]:
    """``[train(0, stop), ..., train(n - 1, stop)]``, some of them at a time.

    The first member is always trained to its end or to the time limit; members that had not begun
    at the time limit are left out. The result does not depend on the number of threads.

    Raises
    ------
    KeyboardInterrupt
        After the members that were being trained have ended their epoch.
    """
    if n_threads == 1:
        return _one_by_one(train, n, stop)
    pool = ThreadPoolExecutor(n_threads, "ffnn_fast member")
    futures: list[Future[Member | None]] = []
    try:
        futures = [pool.submit(_train_in_time, train, i, stop) for i in range(n)]
        pending: set[Future[Member | None]] = set(futures)
        while pending:
            done, pending = wait(pending, POLL, FIRST_EXCEPTION)
            if any(future.exception() is not None for future in done):
                break
    except BaseException:
        stop.set = True
        raise
    finally:
        failed = any(f.done() and not f.cancelled() and f.exception() for f in futures)
        stop.set = stop.set or failed
        pool.shutdown(cancel_futures=stop.set)
    return [member for future in futures if (member := future.result()) is not None]


def out_of_fold(members: Sequence[Member], n: int) -> tuple[Array, Array]:
    """ŷ (n, n_L) of each row by the member that was judged on it, and which rows have one, (n,)."""
    found = np.full((n, members[0].y_hat.shape[1]), np.nan)
    for member in members:
        found[member.fold] = member.y_hat
    return found, ~np.isnan(found[:, 0])


def _one_by_one(train: Train, n: int, stop: Stop) -> list[Member]:
    found = (_train_in_time(train, i, stop) for i in range(n))
    return [member for member in found if member is not None]


def _train_in_time(train: Train, i: int, stop: Stop) -> Member | None:
    if i > 0 and (stop.set or perf_counter() > stop.deadline):
        return None
    return train(i, stop)
