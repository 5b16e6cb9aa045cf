"""The number of threads of a call, BLAS limited to one thread, and threads after a fork."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from ffnn_fast._scalars import as_int

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def resolve(n_threads: int | None) -> int:
    """The most threads that a call may use.

    Parameters
    ----------
    n_threads : int or None
        None: the environment variable ``FFNN_FAST_NUM_THREADS``, else -1. A negative number counts
        down from the threads that this process may use: -1 is all of them, -2 all but one.

    Raises
    ------
    TypeError, ValueError
        If it is not an integer, or 0.
    """
    if n_threads is None:
        given = os.environ.get("FFNN_FAST_NUM_THREADS", "-1")
        try:
            n_threads = int(given)
        except ValueError as error:
            message = f"FFNN_FAST_NUM_THREADS must be an integer, got {given!r}"
            raise ValueError(message) from error
    n_threads = as_int(n_threads, "n_threads", low=None)
    if n_threads == 0:
        raise ValueError("n_threads must not be 0; use 1 for one thread, -1 for all")
    return n_threads if n_threads > 0 else max(1, available() + 1 + n_threads)


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


class _BlasLimit:
    """Context in which BLAS uses one thread; the last of nested or concurrent users restores it.

    The pool of BLAS threads belongs to the whole process, so users are counted under a lock.
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

    def reset(self) -> None:
        """Replace the lock: if another thread held it at the fork, it is never released."""
        self.__init__()  # type: ignore[misc]


one_blas_thread = _BlasLimit()


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that the engine calls must be loaded)

    return ThreadpoolController()


def _after_fork_in_child() -> None:
    """OpenMP's threads do not exist in a forked child: every call runs on one thread there."""
    from ffnn_fast.engine import isa

    isa.engine.run_serially()
    one_blas_thread.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
