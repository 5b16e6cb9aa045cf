"""Contestants take turns at training, after a check that they compute the same steps.

A figure is the median over rounds; a ratio is the median of the ratios within each round.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from time import sleep
from typing import Any, TypeVar

import numpy as np

from ffnn_fast._bench.arena import Arena, Contestant, ContestantError, Worker, nothing
from ffnn_fast._bench.problems import Problem, flat

Label = TypeVar("Label")
Record = dict[str, Any]
TOLERANCE = {"float32": 1e-3, "float64": 1e-9}  # of the largest change that training made
ADAMS_TOLERANCE = 1e-2  # scikit-learn's epsilon stands before the correction of the mean of squares
MOST_BYTES = 64 << 20  # of rows in a turn
# Seconds for the last contestant's threads to fall asleep: idle OpenBLAS threads keep a core for a
# tenth of a second, in which whoever else needs that core waits for whole time slices.
BREATH = {"alone": 0.005, "teams": 0.2}
# Seconds of steps before a turn of several threads: those that have slept may wake on one core and
# share it for the twentieth of a second that the system takes to part them; JAX's often do.
WARM = 0.1


def take_turns(
    turns: Mapping[Label, Callable[[], float]],
    rounds: int,
    breath: float = BREATH["alone"],
    lost: Callable[[Label, ContestantError], None] | None = None,
    show: Callable[[str], None] = nothing,
) -> dict[Label, list[float]]:
    """Runs A B C A B C ...

    Parameters
    ----------
    turns : mapping
        What runs for each label, and returns its seconds.
    rounds : int
    breath : float
        Seconds before each turn.
    lost : callable, optional
        Is told of a label whose turn raises ContestantError, and which is left out from there on;
        without it the error is raised.
    show : callable
        Is told of each round.

    Returns
    -------
    dict
        Seconds in each round, for each label that stayed.
    """
    times: dict[Label, list[float]] = {label: [] for label in turns}
    for at in range(1, rounds + 1):
        show(f"round {at} of {rounds}")
        for label in list(times):
            sleep(breath)
            try:
                times[label].append(turns[label]())
            except ContestantError as error:
                if lost is None:
                    raise
                lost(label, error)
                del times[label]
    return times


def summary(times: Mapping[Label, Sequence[float]], base: Label) -> dict[Label, Record]:
    """{label: median seconds, quartiles, and ratio to the base within each round}."""
    found = {}
    for label, seconds in times.items():
        ratios = [own / other for own, other in zip(seconds, times[base], strict=True)]
        low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
        found[label] = {
            "seconds": middle, "quartiles": [low, high], "ratio": statistics.median(ratios),
            "rounds": len(seconds),
        }  # fmt: skip
    return found


@cache
def expected(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """θ at the start and after the steps, by our reference in float64."""
    from ffnn_fast._bench.peers.ours import Training

    training = Training(replace(problem, dtype="float64"), *problem.rows(), 1, "reference")
    start = flat(training.layers())
    training.epoch()
    return start, flat(training.layers())


def distance(problem: Problem, got: np.ndarray, right: np.ndarray, start: np.ndarray) -> float:
    """How far the change of θ is off, as a share of the right one: the largest of one entry

    Adam moves an entry by its gradient over its size, so that one that is all rounding takes whole
    steps somewhere: there the norms of the changes are compared.
    """
    size = np.linalg.norm if problem.optimizer == "adam" else lambda x: np.abs(x).max()
    return float(size(got - right) / size(right - start))


def check(worker: Worker, problem: Problem) -> None:
    """Refuses a contestant whose parameters after a few steps are not the reference's."""
    worker("train", problem)
    worker("epoch")
    got = worker("params")
    if got is None:
        return
    start, right = expected(problem)
    error = distance(problem, got, right, start)
    adam = problem.optimizer == "adam"
    if not error <= (ADAMS_TOLERANCE if adam else TOLERANCE[problem.dtype]):
        raise ContestantError(f"{problem}: off by {error:.1e} of the change of θ")


def settle(worker: Worker, problem: Problem, seconds: float) -> int:
    """Prepares a training that lasts about so long; returns its number of steps."""
    row_bytes = problem.sizes[0] * np.dtype(problem.dtype).itemsize
    most = max(2, MOST_BYTES // (row_bytes * problem.batch_size))
    steps = min(problem.steps, most)
    while True:
        worker("train", problem.with_steps(steps))
        worker("epoch")
        took = worker("epoch")
        if took > seconds / 2 or steps == most:
            return steps
        steps = min(most, math.ceil(steps * min(seconds / took, 50)))


def race(arena: Arena, problem: Problem, contestants: Sequence[Contestant]) -> list[Record]:
    """Records of the contestants' time per step.

    Parameters
    ----------
    arena : Arena
    problem : Problem
    contestants : sequence of Contestant
        The first is whom the others are compared with.

    Returns
    -------
    list of dict
        The problem, the contestant and its figures; nothing where the first is left out.
    """
    turns: dict[Contestant, Callable[[], float]] = {}
    for contestant in arena.present(contestants):
        arena.show(f"{problem}: {contestant}")
        turn = entered(arena, problem, contestant)
        if turn is not None:
            turns[contestant] = turn
    first = contestants[0]
    if first not in turns:
        return []
    breath = BREATH["teams" if any(c.threads > 1 for c in turns) else "alone"]
    show = shown_with(arena, problem)
    times = take_turns(turns, arena.rounds, breath, arena.leave_out, show)
    found = summary(times, first) if first in times else {}
    return [
        {
            "case": problem.name, **asdict(problem), "n_params": problem.n_params,
            "flop": problem.products_per_step, "contestant": str(contestant),
            **asdict(contestant), **figures,
        }
        for contestant, figures in found.items()
    ]  # fmt: skip


def entered(arena: Arena, problem: Problem, contestant: Contestant) -> Callable[[], float] | None:
    """A turn of the contestant, in seconds per step; None where it fails or disagrees."""
    steps = []

    def prepare(worker: Worker) -> None:
        worker("keep_memory")
        check(worker, problem)
        steps.append(settle(worker, problem, arena.seconds))

    if not arena.attempt(contestant, prepare):
        return None
    worker, number = arena.worker(contestant), steps[0]

    def turn() -> float:
        warm = WARM if contestant.threads > 1 else 0.0
        while warm > 0:
            warm -= worker("epoch")
        seconds: float = worker("epoch")
        return seconds / number

    return turn


def shown_with(arena: Arena, problem: Problem) -> Callable[[str], None]:
    """Shows the problem before what is told of it."""
    return lambda text: arena.show(f"{problem}: {text}")
