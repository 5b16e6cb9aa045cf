"""Several starts of one solver: run by threads, the lowest objective kept.

The result does not depend on the number of threads: a start has the same bits on any thread, and of
equal objectives that of the first start is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ffnn_fast._runtime.blas_limit import one_blas_thread
from ffnn_fast._runtime.interrupts import PATIENCE, finishing_before_exit
from ffnn_fast.history import Record

Array = np.ndarray
Workplace = TypeVar("Workplace")


class Abandoned(Exception):
    """Raised in a start that runs while another one, or the caller, has been interrupted."""


class Ended(NamedTuple):
    """How a start ended: the objective, θ, the records and the reason."""

    value: float
    theta: Array
    records: list[Record]
    message: str


class Lowest:
    """`target` becomes every θ with a lower objective than before, of any start, until `close`."""

    def __init__(self, target: Array, value: float = np.inf) -> None:
        self._target, self._value = target, value
        self._lock = threading.Lock()
        self._closed = False

    def offer(self, theta: Array, value: float) -> None:
        """Copy θ to the target if its objective is lower; Abandoned after `close`."""
        with self._lock:
            self.check()
            if value < self._value:
                self._target[:], self._value = theta, value

    def check(self) -> None:
        """Abandoned after `close`."""
        if self._closed:
            raise Abandoned

    def close(self) -> None:
        """End the starts that still run: the target changes no more."""
        self._closed = True
        with self._lock:  # the target is whole
            pass


class Starts(Generic[Workplace]):
    """Runs ``solve(workplace, theta, number)`` for each start, number from 1.

    Parameters
    ----------
    solve : callable
        Returns an `Ended`; each running call has a workplace for itself.
    lowest : Lowest
        Closed when a start fails or the caller is interrupted.
    """

    def __init__(self, solve: Callable[[Workplace, Array, int], Ended], lowest: Lowest) -> None:
        self._solve, self._lowest = solve, lowest

    def run(self, starts: Sequence[Array], workplaces: Sequence[Workplace]) -> list[Ended]:
        """The ends of all starts, in their order."""
        if len(workplaces) == 1:
            return [self._solve(workplaces[0], s, k) for k, s in enumerate(starts, start=1)]
        free = list(workplaces)

        def solve(start: Array, number: int) -> Ended:
            workplace = free.pop()
            try:
                # BLAS stays limited until the last start ends, also after an interrupt.
                ended: Ended = finishing_before_exit(
                    one_blas_thread, self._solve, workplace, start, number
                )
                return ended
            finally:
                free.append(workplace)

        pool = ThreadPoolExecutor(len(workplaces))
        try:
            # A context, which holds NumPy's handling of floating-point errors, serves one thread.
            running = [
                pool.submit(copy_context().run, solve, start, k)
                for k, start in enumerate(starts, start=1)
            ]
            return _results(running)
        finally:
            self._lowest.close()
            pool.shutdown(wait=False, cancel_futures=True)


def _results(running: list[Future[Ended]]) -> list[Ended]:
    """Results in order; the first exception ends the wait, which handles signals."""
    left = set(running)
    while left:
        done, left = wait(left, PATIENCE, FIRST_EXCEPTION)
        for future in done:
            future.result()
    return [future.result() for future in running]
