"""Ctrl-C during long work: handled at once, except between changes that belong together."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import threading

# Of which `signal` converts each result to an enumeration, in 3 µs.
from _signal import getsignal as handler_of  # type: ignore[import-not-found]
from _signal import signal as install
from collections.abc import Callable
from contextvars import copy_context
from types import FrameType
from typing import Any

PATIENCE = 0.02  # seconds; a signal that another thread received does not end a wait


def in_background(call: Callable[..., Any], *args: Any, exit_waits: bool = True) -> Any:
    """The result of a call that runs in another thread, while this one handles signals.

    After a KeyboardInterrupt the call is left behind: it must change nothing that is used
    afterwards. It ends at its next instruction of Python.

    With `exit_waits` the process does not exit before its end. Calls of BLAS need that, since BLAS
    waits at the exit for threads that the call has taken; so do those of C++ code in NumPy and
    SciPy, which aborts the process when its thread is stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        return call(*args)
    results: list[Any] = []
    errors: list[BaseException] = []
    # Not Thread.join: an interrupt of it makes Python 3.11 and 3.12 take the thread for stopped.
    ended = threading.Event()
    context = copy_context()  # holds NumPy's handling of floating-point errors

    def work() -> None:
        try:
            given = (finishing_before_exit, call, *args) if exit_waits else (call, *args)
            results.append(context.run(*given))
        except BaseException as error:  # noqa: BLE001 (raised again, by the thread that waits)
            errors.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        while not ended.wait(PATIENCE):
            pass
    except BaseException:
        if not (results or errors):  # else it has ended, and its id may be another thread's
            _leave_behind(thread)
        raise
    if errors:
        raise errors[0]
    return results[0]


def _leave_behind(thread: threading.Thread) -> None:
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )


# Set at the ends of calls that the exit waits for, and their threads.
_awaited: dict[threading.Event, threading.Thread] = {}


def finishing_before_exit(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)``; the process does not exit while it runs, whatever the thread is."""
    ended = threading.Event()
    _awaited[ended] = threading.current_thread()
    try:
        return function(*args)
    finally:
        ended.set()
        _awaited.pop(ended, None)


if hasattr(os, "register_at_fork"):  # a child has none of the threads that set them
    os.register_at_fork(after_in_child=_awaited.clear)


@atexit.register
def _wait_at_exit() -> None:
    """Wait for the calls in `_awaited`; another Ctrl-C ends the process at once.

    A call whose thread was ended by SystemExit just before or after it has set nothing.
    """
    running = list(_awaited.items())
    if not running:
        return
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for ended, thread in running:
        while thread.is_alive() and not ended.wait(PATIENCE):
            pass


class Interrupts:
    """Calls during which Ctrl-C raises KeyboardInterrupt at once, or at `release` after `hold`.

    Only in the main thread and if Python's own handler, or that of an outer call, is installed;
    otherwise nothing changes.
    """

    def __init__(self) -> None:
        self._holding = False
        self._pending = False
        self._restored = True
        self._handler = self._handle  # one object, which can be compared

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``; whatever ends it, the former handler is installed afterwards.

        It is restored twice, since an interrupt may cut the first run short. An object is for one
        such call at a time.
        """
        if threading.current_thread() is not threading.main_thread():
            return function(*args)
        before = handler_of(signal.SIGINT)
        outer = isinstance(getattr(before, "__self__", None), Interrupts)
        if not (outer or before is signal.default_int_handler):
            return function(*args)
        self._restored = False
        try:
            try:
                install(signal.SIGINT, self._handler)
                return function(*args)
            finally:
                self._restore(before)
        finally:
            self._restore(before)

    def _restore(self, before: Any) -> None:
        if self._restored:
            return
        if handler_of(signal.SIGINT) is self._handler:
            install(signal.SIGINT, before)
        self._restored = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._holding:
            raise KeyboardInterrupt
        self._pending = True

    def hold(self) -> None:
        """Defer interrupts until `release`."""
        self._holding = True

    def release(self) -> None:
        """Raise a deferred interrupt; from here on they are raised at once."""
        self._holding = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt
