"""The time of a training step, after a check that all libraries compute the same steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache

import numpy as np

from ffnn_fast._bench.interleaving import PAUSE, PAUSE_OF_TEAMS, Record, interleave, summarize
from ffnn_fast._bench.problems import Problem, flat
from ffnn_fast._bench.processes import Library, WorkerError, WorkerProcess
from ffnn_fast._bench.runner import Runner

TOLERANCE = {"float32": 1e-3, "float64": 1e-9}  # of the largest change of θ
ADAM_TOLERANCE = 1e-2  # scikit-learn adds epsilon before it corrects the mean of squares
MAX_ROW_BYTES = 64 << 20  # of the rows of a measurement
# Seconds of untimed steps before a measurement of several threads: after a pause the system may run
# two threads on one core for about 50 ms before it moves one of them, with JAX often.
WARM_UP = 0.1


@cache
def expected(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """θ at the start and after the steps, by the NumPy reference in float64."""
    from ffnn_fast._bench.libraries.ffnn_fast_reference import Training

    training = Training(replace(problem, dtype="float64"), *problem.rows(), 1)
    start = flat(training.layers())
    training.epoch()
    return start, flat(training.layers())


def relative_error(
    problem: Problem, got: np.ndarray, right: np.ndarray, start: np.ndarray
) -> float:
    """The error of the change of θ relative to the right change, in the maximum norm.

    Adam divides an entry's gradient by its magnitude, so an entry that is all rounding takes whole
    steps in some direction; there the Euclidean norms are compared.
    """
    norm = np.linalg.norm if problem.optimizer == "adam" else lambda x: np.abs(x).max()
    return float(norm(got - right) / norm(right - start))


def check(worker: WorkerProcess, problem: Problem) -> None:
    """WorkerError if the parameters after a few steps are not those of the reference."""
    worker("train", problem)
    worker("epoch")
    got = worker("params")
    if got is None:
        return
    start, right = expected(problem)
    error = relative_error(problem, got, right, start)
    adam = problem.optimizer == "adam"
    if not error <= (ADAM_TOLERANCE if adam else TOLERANCE[problem.dtype]):
        raise WorkerError(f"{problem}: relative error of the change of θ is {error:.1e}")


def calibrate(worker: WorkerProcess, problem: Problem, seconds: float) -> int:
    """Prepare a training that takes about this long; returns its number of steps."""
    row_bytes = problem.sizes[0] * np.dtype(problem.dtype).itemsize
    most = max(2, MAX_ROW_BYTES // (row_bytes * problem.batch_size))
    steps = min(problem.steps, most)
    while True:
        worker("train", problem.with_steps(steps))
        worker("epoch")
        took = worker("epoch")
        if took > seconds / 2 or steps == most:
            return steps
        steps = min(most, math.ceil(steps * min(seconds / took, 50)))


def prepare(runner: Runner, problem: Problem, library: Library) -> Callable[[], float] | None:
    """A measurement in seconds per step; None where the library fails or computes other steps."""
    steps = []

    def checked(worker: WorkerProcess) -> None:
        worker("retain_freed_memory")
        check(worker, problem)
        steps.append(calibrate(worker, problem, runner.seconds))

    if not runner.attempt(library, checked):
        return None
    worker, number = runner.worker(library), steps[0]

    def measure() -> float:
        remaining = WARM_UP if library.threads > 1 else 0.0
        while remaining > 0:
            remaining -= worker("epoch")
        seconds: float = worker("epoch")
        return seconds / number

    return measure


def benchmark_steps(runner: Runner, problem: Problem, libraries: Sequence[Library]) -> list[Record]:
    """Time per step of each library.

    Parameters
    ----------
    runner : Runner
    problem : Problem
    libraries : sequence of Library
        The ratios are relative to the first.

    Returns
    -------
    list of dict
        The problem, the library and its figures; empty where the first library is excluded.
    """
    measurements: dict[Library, Callable[[], float]] = {}
    for library in runner.installed(libraries):
        runner.status(f"{problem}: {library}")
        measure = prepare(runner, problem, library)
        if measure is not None:
            measurements[library] = measure
    first = libraries[0]
    if first not in measurements:
        return []
    times = interleave(
        measurements,
        runner.rounds,
        PAUSE_OF_TEAMS if any(library.threads > 1 for library in measurements) else PAUSE,
        exclude=runner.exclude,
        status=lambda text: runner.status(f"{problem}: {text}"),
    )
    found = summarize(times, first) if first in times else {}
    return [
        {
            "case": problem.name, **asdict(problem), "n_params": problem.n_params,
            "flop": problem.products_per_step, "label": str(library), "library": library.name,
            "threads": library.threads, "cores": library.cores, **figures,
        }
        for library, figures in found.items()
    ]  # fmt: skip
