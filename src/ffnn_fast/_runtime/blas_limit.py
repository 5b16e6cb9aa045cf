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

    A KeyboardInterrupt may be raised between any two instructions of Python. Therefore everything
    that ends a call may be repeated, and is: an exception that cuts the first run short is followed
    by the second. The lock is released in the same way. Each call also sets the limit anew.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users: dict[object, int] = {}  # a user of the limit and its thread
        self._before: dict[LibController, int] = {}  # threads of each BLAS before the limit

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
        self._users[user] = threading.get_ident()
        for library in _libraries():
            n = library.get_num_threads()
            if n is not None and n > 1:
                self._before.setdefault(library, n)
                library.set_num_threads(1)

    def _leave(self, user: object) -> None:
        self._users.pop(user, None)
        if not self._users:
            self._restore()

    def _restore(self) -> None:
        """Set the former number of threads where it is still the limit."""
        for library, n in list(self._before.items()):
            if library.get_num_threads() == 1:
                library.set_num_threads(n)
            self._before.pop(library, None)

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

    def after_fork_in_child(self) -> None:
        """Forget the users in threads that the child does not have, and a lock that they held."""
        self._lock = threading.RLock()
        here = threading.get_ident()
        self._users = {user: thread for user, thread in self._users.items() if thread == here}
        if not self._users:
            self._restore()


@cache
def _libraries() -> list[LibController]:
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that the engine calls must be loaded)

    loaded = ThreadpoolController().lib_controllers
    return [library for library in loaded if library.user_api == "blas"]


one_blas_thread = _BlasLimit()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.after_fork_in_child)
