"""Calls that are dealt out to threads, each to the first thread that is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

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


def _dealt_out(
    function: Callable[[int], T],
    order: Sequence[int],
    n_threads: int,
    stop: Callable[[], None],
    watch: Callable[[], None],
    interrupts: Interrupts,
) -> list[T]:
    size = min(n_threads, len(order))
    pool = ThreadPoolExecutor(size, "ffnn_fast", use_one_thread_here)
    futures: dict[int, Future[T]] = {}
    whole = False
    interrupts.hold()  # an interrupt while a thread is started would leave it behind
    try:
        for i in order:
            futures[i] = pool.submit(copy_context().run, function, i)
        interrupts.release()
        whole = _all_done(set(futures.values()), watch)
    finally:
        if not whole:
            stop()
        pool.shutdown(cancel_futures=not whole)
    ended = [future for _, future in sorted(futures.items()) if not future.cancelled()]
    for future in ended:
        error = future.exception()
        if error is not None and not isinstance(error, KeyboardInterrupt):
            raise error  # not what ended the others
    return [future.result() for future in ended]


def _all_done(pending: set[Future[T]], watch: Callable[[], None]) -> bool:
    """Wait for all; False as soon as one has raised an exception."""
    while pending:
        done, pending = wait(pending, POLL, FIRST_EXCEPTION)
        if any(future.exception() is not None for future in done):
            return False
        watch()
    return True


def _one_by_one(
    function: Callable[[int], T], order: Sequence[int], watch: Callable[[], None]
) -> list[T]:
    results: dict[int, T] = {}
    for i in order:
        results[i] = function(i)
        watch()
    return [results[i] for i in sorted(results)]
