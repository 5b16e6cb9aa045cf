"""The CPUs of a task in the worker processes of Ray, which is not imported here."""

from __future__ import annotations

import sys

WORKER_MODE = 1  # of ray._private.worker


def assigned_cpus() -> int | None:
    """The CPUs that Ray has assigned to the task or the actor in this process, at least 1; None in
    any other process.

    Actors without CPUs, such as those of its backend for joblib, have 1.
    """
    ray = sys.modules.get("ray")
    try:
        if ray is None or not ray.is_initialized():  # else `get_runtime_context` starts Ray
            return None
        context = ray.get_runtime_context()
        if context.worker.mode != WORKER_MODE:
            return None
        return max(1, int(context.get_assigned_resources().get("CPU", 1)))
    except (AttributeError, AssertionError):  # another version, or another module of that name
        return None
