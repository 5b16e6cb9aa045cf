"""Contestants take turns at predicting rows, each in all of its ways to be called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ffnn_fast._bench.arena import OURS, Arena, Contestant, ContestantError, Worker
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.race import Record, shown_with, summary, take_turns

YARDSTICK = "bare call"  # predicts nothing
BASE = (OURS, "predictor(x, out)")
TOLERANCE = 1e-5
Way = tuple[str, str]  # the peer and what it is called by


def answers(problem: Problem) -> np.ndarray:
    """ŷ by our reference in float64."""
    from ffnn_fast._bench.peers.ours import network

    net = network(replace(problem, dtype="float64"), 1, "reference")
    return net.forward(problem.with_steps(1).rows()[0])


def agree(got: np.ndarray, right: np.ndarray) -> bool:
    """Whether an answer is ŷ, or the class that ŷ says."""
    if got.shape == right.shape[:1]:
        return bool((got == right.argmax(axis=1)).all())
    return np.allclose(got.reshape(right.shape), right, atol=TOLERANCE)


def number_for(worker: Worker, way: str, seconds: float) -> int:
    """Calls that last about so long."""
    number = 1
    while (took := worker("calls", way, number)) < seconds / 2:
        number = int(number * min(20, 1 + seconds / max(took, 1e-9)))
    return number


def turn_of(worker: Worker, way: str, number: int) -> Callable[[], float]:
    """A turn of so many calls, in seconds per call."""

    def turn() -> float:
        seconds: float = worker("calls", way, number)
        return seconds / number

    return turn


def enter(
    arena: Arena,
    problem: Problem,
    contestant: Contestant,
    turns: dict[Way, Callable[[], float]],
) -> None:
    """Adds a turn for each of the contestant's ways; none where one gives another answer."""
    right = answers(problem)
    found: dict[Way, Callable[[], float]] = {}

    def prepare(worker: Worker) -> None:
        worker("keep_memory")
        for way in worker("ways", problem):
            if contestant.peer != YARDSTICK and not agree(worker("answer", way), right):
                raise ContestantError(f"{way} gives another answer than the reference")
            number = number_for(worker, way, arena.seconds)
            found[contestant.peer, way] = turn_of(worker, way, number)

    if arena.attempt(contestant, prepare):
        turns.update(found)


def race_calls(arena: Arena, problem: Problem, names: Sequence[str]) -> list[Record]:
    """Records of the time of a call that predicts the problem's rows.

    Parameters
    ----------
    arena : Arena
    problem : Problem
    names : sequence of str
        Contestants, ours among them.

    Returns
    -------
    list of dict
        The problem, the peer, its way and its figures; nothing where ours is left out.
    """
    turns: dict[Way, Callable[[], float]] = {}
    entered = arena.present([Contestant(name) for name in names])
    for contestant in entered:
        arena.show(f"{problem}: {contestant}")
        enter(arena, problem, contestant, turns)
    if BASE not in turns:
        return []

    def lost(label: Way, error: ContestantError) -> None:
        contestant = Contestant(label[0])
        if contestant in arena.workers:
            arena.leave_out(contestant, error)

    times = take_turns(turns, arena.rounds, lost=lost, show=shown_with(arena, problem))
    found = summary(times, BASE) if BASE in times else {}
    return [
        {"problem": str(problem), "case": problem.name, "batch_size": problem.batch_size,
         "peer": peer, "way": way, **figures}
        for (peer, way), figures in found.items()
    ]  # fmt: skip
