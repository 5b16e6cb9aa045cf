"""Picks the engine module for this CPU, once, at import; FFNN_FAST_ISA forces a level."""

from __future__ import annotations

import importlib
import importlib.util
import os
from types import ModuleType

from ffnn_fast.engine import cpu

LEVELS = ("base", "neon", "v2", "v3", "v4")


def cpu_features() -> list[str]:
    """Names of the CPU features found (x86-64 only; elsewhere empty)."""
    return list(cpu.features())


def available() -> list[str]:
    """Levels that are built and that this CPU can run, lowest first."""
    runnable = {"base", "neon", *cpu.levels()}
    return [level for level in LEVELS if level in runnable and _is_built(level)]


def load(level: str) -> ModuleType:
    """The engine module of one level.

    Raises
    ------
    ValueError
        If the level is unknown, not built or beyond this CPU.
    """
    if level not in available():
        raise ValueError(
            f"ISA level {level!r} cannot run here; available: {', '.join(available())}"
        )
    return importlib.import_module(f"ffnn_fast.engine.engine_{level}")


def _is_built(level: str) -> bool:
    return importlib.util.find_spec(f"ffnn_fast.engine.engine_{level}") is not None


def _choose() -> str:
    forced = os.environ.get("FFNN_FAST_ISA")
    levels = available()
    if not levels:
        raise ImportError(
            "no engine module that this CPU can run is installed; build ffnn_fast on this machine: "
            "pip install --no-binary ffnn_fast ffnn_fast"
        )
    if forced is not None and forced not in levels:
        raise ImportError(
            f"FFNN_FAST_ISA={forced!r} cannot run here; use one of {', '.join(levels)}"
        )
    return forced if forced is not None else levels[-1]


level = _choose()
engine = load(level)
