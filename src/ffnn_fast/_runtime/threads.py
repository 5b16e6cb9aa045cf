"""The number of threads of a call, and threads after a fork."""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ffnn_fast._runtime.ray_workers import assigned_cpus
from ffnn_fast._scalars import as_int

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
UNLIMITED = 2**31 - 1
_here = threading.local()  # .limit: OpenMP's, as `_follow_task` or `use_one_thread_here` has set it


def resolve(n_threads: int | None) -> int:
    """The most threads that a call may use now.

    Parameters
    ----------
    n_threads : int or None
        None: the environment variable ``FFNN_FAST_NUM_THREADS``, else what `available`,
        ``OMP_NUM_THREADS`` and `openmp_limit` allow; without ``OMP_NUM_THREADS`` in a worker of
        Ray, the CPUs of the task. A negative number counts down from `available`: -1 is all of
        them, -2 all but one.

    Raises
    ------
    TypeError, ValueError
        If it is not an integer, is 0, or exceeds 2**31 - 1.
    """
    most = most_threads(n_threads)
    return min(most, openmp_limit()) if follows_openmp(n_threads) else most


def most_threads(n_threads: int | None) -> int:
    """As `resolve`, without OpenMP's limit in force, which may change from call to call."""
    if follows_openmp(n_threads):
        most, assigned = _omp_num_threads(), assigned_cpus()
        if assigned is not None:
            most = assigned if most == UNLIMITED else most
            _follow_task(most)
        return min(available(), most)
    if n_threads is None:
        given = os.environ["FFNN_FAST_NUM_THREADS"]
        try:
            n_threads = int(given)
        except ValueError as error:
            message = f"FFNN_FAST_NUM_THREADS must be an integer, got {given!r}"
            raise ValueError(message) from error
    n_threads = as_int(n_threads, "n_threads", low=None)
    if n_threads == 0:
        raise ValueError("n_threads must not be 0; use 1 for one thread, -1 for all")
    if n_threads > UNLIMITED:
        raise ValueError(f"n_threads must be at most 2**31 - 1, got {n_threads}")
    return n_threads if n_threads > 0 else max(1, available() + 1 + n_threads)


def follows_openmp(n_threads: int | None) -> bool:
    """Whether neither the argument nor ``FFNN_FAST_NUM_THREADS`` gives a number."""
    return n_threads is None and "FFNN_FAST_NUM_THREADS" not in os.environ


def available() -> int:
    """Threads this process may use: its CPU affinity, no more than its control group's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cpus, _quota()))


def openmp_limit() -> int:
    """The limit of the OpenMP runtime that the engine uses, for the calling thread.

    It is what `threadpoolctl.threadpool_limits` sets; without one, ``OMP_NUM_THREADS`` as it was
    when the runtime was loaded, or the number of CPUs.
    """
    function = _openmp_function("omp_get_max_threads")
    return UNLIMITED if function is None else max(1, function())


def use_one_thread_here() -> None:
    """Set OpenMP's limit to 1 for the calling thread: what it calls starts no threads."""
    _first_limit()
    function = _openmp_function("omp_set_num_threads")
    if function is not None:
        function(1)
    _here.limit = None


def _follow_task(most: int) -> None:
    """Set OpenMP's limit for the calling thread to that of a task of Ray.

    A worker runs tasks with several numbers of CPUs, one after another, and the runtime has read
    ``OMP_NUM_THREADS`` during the first. No limit is replaced that was set by anything else.
    """
    first, limit = _first_limit(), openmp_limit()
    function = _openmp_function("omp_set_num_threads")
    if function is not None and limit != most and limit == getattr(_here, "limit", first):
        function(most)
        _here.limit = most


@cache
def _first_limit() -> int:
    """OpenMP's limit when the first network was made, or the first thread started."""
    return openmp_limit()


def _quota() -> int:
    """CPUs' worth of time that the control group allows, rounded up; a large number without one."""
    try:
        limit, period = CGROUP_QUOTA.read_text().split()
        return math.ceil(int(limit) / int(period))
    except (OSError, ValueError):
        return UNLIMITED


def _omp_num_threads() -> int:
    """``OMP_NUM_THREADS``, of a list the first number; a large number if it is not valid."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else UNLIMITED


@cache
def _openmp_function(name: str) -> Callable[..., Any] | None:
    """A function of the runtime that the engine is linked with; None without OpenMP."""
    try:
        from ffnn_fast.engine import isa

        function: Callable[..., Any] = getattr(ctypes.CDLL(isa.engine.__file__), name)
    except (ImportError, OSError, AttributeError):
        return None
    return function


def _after_fork_in_child() -> None:
    """OpenMP's threads do not exist in a forked child: every call runs on one thread there."""
    from ffnn_fast.engine import isa

    isa.engine.run_serially()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
