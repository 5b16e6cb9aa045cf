"""The time of a call that predicts rows, in each form in which a library can be called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ffnn_fast._bench.interleaving import Record, interleave, summarize
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.processes import FFNN_FAST, Library, WorkerError, WorkerProcess
from ffnn_fast._bench.runner import Runner

BARE_CALL = "bare call"  # predicts nothing
BASE = (FFNN_FAST, "predictor(x, out)")
TOLERANCE = 1e-5
Form = tuple[str, str]  # the library and the name of the call


def expected(problem: Problem) -> np.ndarray:
    """ŷ by the NumPy reference in float64."""
    from ffnn_fast._bench.libraries.ffnn_fast_compiled import network

    net = network(replace(problem, dtype="float64"), 1, "reference")
    return net.forward(problem.with_steps(1).rows()[0])


def agrees(got: np.ndarray, right: np.ndarray) -> bool:
    """Whether an output is ŷ, or the class with the largest ŷ."""
    if got.shape == right.shape[:1]:
        return bool((got == right.argmax(axis=1)).all())
    return np.allclose(got.reshape(right.shape), right, atol=TOLERANCE)


def calibrate(worker: WorkerProcess, call: str, seconds: float) -> int:
    """The number of calls that takes about this long."""
    number = 1
    while (took := worker("time_calls", call, number)) < seconds / 2:
        number = int(number * min(20, 1 + seconds / max(took, 1e-9)))
    return number


def measurement(worker: WorkerProcess, call: str, number: int) -> Callable[[], float]:
    """A function that makes so many calls and returns the seconds of one."""

    def measure() -> float:
        seconds: float = worker("time_calls", call, number)
        return seconds / number

    return measure


def prepare(runner: Runner, problem: Problem, library: Library) -> dict[Form, Callable[[], float]]:
    """A measurement for each form of call; none where the output of one is wrong."""
    right = expected(problem)
    found: dict[Form, Callable[[], float]] = {}

    def checked(worker: WorkerProcess) -> None:
        worker("retain_freed_memory")
        for call in worker("prepare_calls", problem):
            if library.name != BARE_CALL and not agrees(worker("output", call), right):
                raise WorkerError(f"{call} returns another output than the reference")
            number = calibrate(worker, call, runner.seconds)
            found[library.name, call] = measurement(worker, call, number)

    return found if runner.attempt(library, checked) else {}


def benchmark_calls(runner: Runner, problem: Problem, names: Sequence[str]) -> list[Record]:
    """Time of a call that predicts the problem's rows.

    Parameters
    ----------
    runner : Runner
    problem : Problem
    names : sequence of str
        Libraries, ffnn_fast among them.

    Returns
    -------
    list of dict
        The problem, the library, the call and its figures; empty where ffnn_fast is excluded.
    """
    measurements: dict[Form, Callable[[], float]] = {}
    for library in runner.installed([Library(name) for name in names]):
        runner.status(f"{problem}: {library}")
        measurements |= prepare(runner, problem, library)
    if BASE not in measurements:
        return []

    def exclude(form: Form, error: WorkerError) -> None:
        library = Library(form[0])
        if library in runner.workers:
            runner.exclude(library, error)

    times = interleave(
        measurements,
        runner.rounds,
        exclude=exclude,
        status=lambda text: runner.status(f"{problem}: {text}"),
    )
    found = summarize(times, BASE) if BASE in times else {}
    return [
        {"problem": str(problem), "case": problem.name, "batch_size": problem.batch_size,
         "library": library, "call": call, **figures}
        for (library, call), figures in found.items()
    ]  # fmt: skip
