"""CPU affinity: which cores this process may use, and which its children are pinned to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def can_pin() -> bool:
    """Whether the system lets a process be pinned to cores."""
    return hasattr(os, "sched_setaffinity")


def cores_available() -> list[int]:
    """Cores of this process, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def pinned_to(cores: Sequence[int]) -> Iterator[None]:
    """Pin the block's thread to these cores.

    A process started in the block inherits them before it imports anything that counts cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
