"""Interleaved measurements A B C A B C ..., and their medians and ratios.

A time is the median over the rounds; a ratio is the median of the ratios within each round.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, sleep
from typing import Any, TypeVar

import numpy as np

from ffnn_fast._bench.processes import WorkerError
from ffnn_fast._bench.runner import discard

Label = TypeVar("Label")
Record = dict[str, Any]
# Seconds before each measurement, in which the threads of the last one become idle: those of
# OpenBLAS spin for a tenth of a second, and another process on their core waits for time slices.
PAUSE = 0.005
PAUSE_OF_TEAMS = 0.2


def interleave(
    measurements: Mapping[Label, Callable[[], float]],
    rounds: int,
    pause: float = PAUSE,
    *,
    exclude: Callable[[Label, WorkerError], None] | None = None,
    status: Callable[[str], None] = discard,
    time_limit: float = math.inf,
) -> dict[Label, list[float]]:
    """Measure A B C A B C ...

    Parameters
    ----------
    measurements : mapping
        What to run for each label; it returns seconds.
    rounds : int
    pause : float
        Seconds before each measurement.
    exclude : callable, optional
        Called with a label whose measurement raises WorkerError, and the error; the label takes no
        part in the rest. Without it the error is raised.
    status : callable
        Called at each round.
    time_limit : float
        Seconds after which no new round starts; there is always one.

    Returns
    -------
    dict
        Seconds of each round, for each label that was not excluded.
    """
    times: dict[Label, list[float]] = {label: [] for label in measurements}
    began = perf_counter()
    for number in range(1, rounds + 1):
        if number > 1 and perf_counter() - began >= time_limit:
            break
        status(f"round {number} of {rounds}")
        for label in list(times):
            sleep(pause)
            try:
                times[label].append(measurements[label]())
            except WorkerError as error:
                if exclude is None:
                    raise
                exclude(label, error)
                del times[label]
    return times


def summarize(times: Mapping[Label, Sequence[float]], base: Label) -> dict[Label, Record]:
    """{label: median seconds, quartiles, ratio to the base within each round, rounds}."""
    found = {}
    for label, seconds in times.items():
        ratios = [this / other for this, other in zip(seconds, times[base], strict=True)]
        low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
        found[label] = {
            "seconds": middle, "quartiles": [low, high], "ratio": statistics.median(ratios),
            "rounds": len(seconds),
        }  # fmt: skip
    return found
