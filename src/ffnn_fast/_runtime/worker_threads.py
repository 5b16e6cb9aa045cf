"""Calls that are dealt out to threads, each to the first thread that is free."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._runtime.threads import use_one_thread_here

T = TypeVar("T")
POLL = 0.05  # seconds between checks for signals


def nothing() -> None:
    """The default of `run_each`."""


def run_each(
    function: Callable[[int], T],
    order: Sequence[int],
    n_threads: int,
    stop: Callable[[], None] = nothing,
    watch: Callable[[], None] = nothing,
) -> list[T]:
    """``[function(0), ..., function(n - 1)]``, at most `n_threads` of them at a time.

    With one thread, or one call, the calling thread makes them. What the others call starts no
    threads of its own unless it is called with their number.

    Parameters
    ----------
    function : callable
        Releases the GIL in what takes long.
    order : sequence of int
        0, ..., n - 1 in the order in which they begin.
    n_threads : int
    stop : callable
        Makes the calls that have begun end soon; called when one has raised an exception, and for
        a KeyboardInterrupt.
    watch : callable
        Called by the calling thread from time to time, and at the end.

    Raises
    ------
    BaseException
        That of the first number whose call raised one, after the others have ended; with several
        threads a KeyboardInterrupt only if there is no other.
    """
    if min(n_threads, len(order)) <= 1:
        return _one_by_one(function, order, watch)
    interrupts = Interrupts()
    found: list[T] = interrupts.run(_dealt_out, function, order, n_threads, stop, watch, interrupts)
    return found


class _Deal(Generic[T]):
    """Calls, and what they have returned or raised; for several threads at a time."""

    def __init__(self, function: Callable[[int], T], order: Sequence[int]) -> None:
        self.function, self.n = function, len(order)
        self.left = deque(order)
        self.results: dict[int, T] = {}
        self.errors: dict[int, BaseException] = {}
        self.over = threading.Event()  # all calls have ended, or one has failed
        self.context = copy_context()

    def work(self) -> None:
        """Make calls, one after another, while some are left."""
        use_one_thread_here()
        with contextlib.suppress(IndexError):  # of `popleft`, which no call can raise
            while True:
                self._call(self.left.popleft())

    def _call(self, i: int) -> None:
        try:
            self.results[i] = self.context.copy().run(self.function, i)
        except BaseException as error:  # noqa: BLE001 (raised again, by the calling thread)
            self.errors[i] = error
            self.left.clear()
        if self.errors or len(self.results) == self.n:
            self.over.set()

    def outcome(self) -> list[T]:
        """The results; raises the first error, a KeyboardInterrupt only if there is no other."""
        errors = [error for _, error in sorted(self.errors.items())]
        self.errors.clear()  # whose tracebacks refer to this object
        for error in errors:
            if not isinstance(error, KeyboardInterrupt):
                raise error  # not what ended the others
        for error in errors:
            raise error
        return [result for _, result in sorted(self.results.items())]


def _dealt_out(
    function: Callable[[int], T],
    order: Sequence[int],
    n_threads: int,
    stop: Callable[[], None],
    watch: Callable[[], None],
    interrupts: Interrupts,
) -> list[T]:
    deal, whole, started = _Deal(function, order), False, []
    interrupts.hold()  # an interrupt while a thread is started would leave it behind
    try:
        for k in range(min(n_threads, len(order))):
            thread = threading.Thread(target=deal.work, name=f"ffnn_fast_{k}")
            thread.start()
            started.append(thread)
        interrupts.release()
        while not deal.over.wait(POLL):
            watch()
        if not deal.errors:
            watch()
            whole = True
    finally:
        interrupts.hold()  # another interrupt would leave them behind
        if not whole:
            deal.left.clear()
            stop()
        for thread in started:
            thread.join()
    results = deal.outcome()
    interrupts.release()
    return results


def _one_by_one(
    function: Callable[[int], T], order: Sequence[int], watch: Callable[[], None]
) -> list[T]:
    results: dict[int, T] = {}
    for i in order:
        results[i] = function(i)
        watch()
    return [results[i] for i in sorted(results)]
