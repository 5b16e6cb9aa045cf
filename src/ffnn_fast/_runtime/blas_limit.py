"""BLAS limited to one thread during a call, and restored whatever ends the call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from threadpoolctl import LibController, ThreadpoolController


class _BlasLimit:
    """Calls during which BLAS uses one thread; the last of nested or concurrent ones restores it.

    Where each thread has a limit of its own, that is the last one of the thread.

    A KeyboardInterrupt may be raised between any two instructions of Python. Therefore everything
    that ends a call may be repeated, and is: an exception that cuts the first run short is followed
    by the second. The lock is released in the same way. Each call also sets the limit anew.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users: dict[object, int] = {}  # a user of the limit and its thread
        # threads of each BLAS before the limit, in a thread or (None) in the process
        self._before: dict[tuple[LibController, int | None], int] = {}

    def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, with BLAS limited to one thread meanwhile."""
        user = object()
        try:
            try:
                self._locked(self._enter, user)
                return function(*args)
            finally:
                self._locked(self._leave, user)
        finally:
            self._locked(self._leave, user)

    def _enter(self, user: object) -> None:
        here = threading.get_ident()
        self._users[user] = here
        for library in _libraries():
            n = library.get_num_threads()
            if n is not None and n > 1:
                self._before.setdefault((library, here if _is_per_thread(library) else None), n)
                _set_threads(library, 1)

    def _leave(self, user: object) -> None:
        self._users.pop(user, None)
        here = threading.get_ident()
        if here not in self._users.values():
            self._restore(here)
        if not self._users:
            self._restore(None)

    def _restore(self, thread: int | None) -> None:
        """Set the former number of threads where it is still the limit."""
        for (library, whose), n in list(self._before.items()):
            if whose == thread:
                if library.get_num_threads() == 1:
                    _set_threads(library, n)
                self._before.pop((library, whose), None)

    def _locked(self, change: Callable[[object], None], user: object) -> None:
        try:
            try:
                self._lock.acquire()
                change(user)
            finally:
                self._unlock()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock.release()

    def before_fork(self) -> None:
        """Wait until no thread changes a limit: the child would find BLAS's own lock locked."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._unlock()

    def after_fork_in_child(self) -> None:
        """Forget the users in threads that the child does not have, and a lock that they held."""
        self._lock = threading.RLock()
        here = threading.get_ident()
        self._users = {user: thread for user, thread in self._users.items() if thread == here}
        self._before = {at: n for at, n in self._before.items() if at[1] in (None, here)}
        if not self._users:
            self._restore(None)


@cache
def _libraries() -> list[LibController]:
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that the engine calls must be loaded)

    loaded = ThreadpoolController().lib_controllers
    return [library for library in loaded if library.user_api == "blas"]


def _is_per_thread(library: LibController) -> bool:
    """Whether each thread has a limit of its own; other libraries have one for the process."""
    if library.internal_api == "openblas":
        return bool(library.threading_layer == "openmp")
    return bool(library.internal_api == "mkl")


def _set_threads(library: LibController, n: int) -> None:
    """Set the limit, also where another thread has set it before.

    Of OpenBLAS, threadpoolctl 3.8 ignores what all threads but the first set. It can make another
    thread the first, but by a lock that hangs in a forked child or in a handler of signals.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n)


one_blas_thread = _BlasLimit()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=one_blas_thread.before_fork,
        after_in_parent=one_blas_thread.after_fork_in_parent,
        after_in_child=one_blas_thread.after_fork_in_child,
    )
