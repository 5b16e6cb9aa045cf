"""How many threads a call may use, BLAS held to one of them, and what a forked child does."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def resolve(n_threads: int | None) -> int:
    """The number of threads that ``n_threads`` asks for.

    Parameters
    ----------
    n_threads : int or None
        None: the environment variable ``FFNN_FAST_NUM_THREADS``, else all that this process may
        use. -1: all that it may use; -2: all but one, and so on. A positive number: that many.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or 0.
    """
    if n_threads is None:
        asked = os.environ.get("FFNN_FAST_NUM_THREADS")
        if asked is None:
            return available()
        try:
            n_threads = int(asked)
        except ValueError as error:
            message = f"FFNN_FAST_NUM_THREADS must be an integer, got {asked!r}"
            raise ValueError(message) from error
    if isinstance(n_threads, bool) or not isinstance(n_threads, (int, np.integer)):
        raise TypeError(f"n_threads must be an integer or None, got {n_threads!r}")
    if n_threads == 0:
        raise ValueError("n_threads must not be 0; use 1 for one thread, -1 for all")
    return int(n_threads) if n_threads > 0 else max(1, available() + 1 + int(n_threads))


def available() -> int:
    """Threads this process may use: its CPU affinity, no more than its control group's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cpus, _quota()))


def _quota() -> int:
    """CPUs' worth of time that the control group allows, rounded up; a large number without one."""
    try:
        limit, period = CGROUP_QUOTA.read_text().split()
        return math.ceil(int(limit) / int(period))
    except (OSError, ValueError):
        return 2**31 - 1


class _BlasGuard:
    """BLAS at one thread while anyone needs it so; the last to leave restores what was there.

    The pool of BLAS threads is the whole process's, so users are counted under a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._limit = _controller().limit(limits=1, user_api="blas")
                self._limit.__enter__()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._limit.__exit__(None, None, None)

    def renew(self) -> None:
        """A lock that another thread held when the process forked is never released: replace it."""
        self.__init__()  # type: ignore[misc]


one_blas_thread = _BlasGuard()


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that the engine calls must be loaded)

    return ThreadpoolController()


def _after_fork_in_child() -> None:
    """OpenMP's team is lost in a forked child: from there on every call runs alone."""
    from ffnn_fast.engine import isa

    isa.engine.run_serially()
    one_blas_thread.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
