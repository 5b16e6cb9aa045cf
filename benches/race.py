"""Contestants in processes of their own that take turns, after a check that they agree.

A figure is the median over rounds; a ratio is the median of the ratios within each round.
"""

import math
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing import Pipe
from pathlib import Path
from time import sleep

import numpy as np

from benches import peers

ROOT = Path(__file__).resolve().parents[1]
OURS = "ffnn_fast"
TOLERANCE = {"float32": 1e-3, "float64": 1e-9}  # of the largest change that training made
MOST_BYTES = 64 << 20  # of rows in a turn
# Seconds for the last contestant's threads to fall asleep: idle OpenBLAS threads keep a core for a tenth
# of a second, in which whoever else needs that core waits for whole time slices.
BREATH = {"alone": 0.005, "teams": 0.2}
PATIENCE = 600  # seconds for a compilation or a fit


class ContestantError(Exception):
    """A contestant could not do what it was asked for."""


@dataclass(frozen=True)
class Contestant:
    """A library with its threads, held to a number of cores."""

    peer: str
    threads: int = 1
    cores: int = 1

    def __str__(self) -> str:
        return self.peer if self.cores == self.threads else f"{self.peer}, one core"


def cores_available() -> list[int]:
    """Cores of this process, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class Worker:
    """The process of a contestant."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.pipe, other = Pipe()
        cores = cores_available()[-contestant.cores :]
        names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
        limits = {f"{name}_NUM_THREADS": str(contestant.threads) for name in names}
        command = [
            sys.executable, "-m", "benches.worker", contestant.peer, str(contestant.threads),
            ",".join(map(str, cores)), str(other.fileno()),
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, env=os.environ | limits, pass_fds=[other.fileno()], cwd=ROOT
        )
        other.close()

    def __call__(self, name, *args):
        """The result of a method of the worker's session."""
        try:
            self.pipe.send((name, args))
            if not self.pipe.poll(PATIENCE):
                raise ContestantError(f"no answer to {name} within {PATIENCE} s")
            done, result = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise ContestantError(f"its process ended during {name}") from error
        if not done:
            raise ContestantError(result)
        return result

    def close(self) -> None:
        """Hangs up; the process ends by itself, or is ended."""
        self.pipe.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Arena:
    """How long and how often contestants run, and the processes they run in."""

    full: bool = False
    rounds: int = 7
    seconds: float = 0.03  # of a turn
    data: Path = ROOT
    workers: dict[Contestant, Worker] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def present(self, contestants: list[Contestant]) -> list[Contestant]:
        """Those whose packages are installed; a line for each of the others, once."""
        found = []
        for contestant in contestants:
            lacking = peers.missing(contestant.peer)
            if not lacking:
                found.append(contestant)
            elif contestant.peer not in self.absent:
                self.absent.add(contestant.peer)
                print(f"  {contestant.peer} left out: {', '.join(lacking)} not installed")
        return found

    def worker(self, contestant: Contestant) -> Worker:
        """Its process, started at the first call."""
        if contestant not in self.workers:
            self.workers[contestant] = Worker(contestant)
        return self.workers[contestant]

    def attempt(self, contestant: Contestant, what) -> bool:
        """Whether what(worker) succeeds; where not, a line says why and the process is ended."""
        try:
            what(self.worker(contestant))
        except ContestantError as error:
            print(f"  {contestant} left out: {error}")
            self.workers.pop(contestant).close()
            return False
        return True

    def close(self) -> None:
        """Ends every process."""
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()


def take_turns(turns, rounds, breath=BREATH["alone"]):
    """Runs A B C A B C ...; {label: [seconds in each round]} for {label: () -> seconds}."""
    times = {label: [] for label in turns}
    for _ in range(rounds):
        for label, turn in turns.items():
            sleep(breath)
            times[label].append(turn())
    return times


def summary(times, base):
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
def expected(problem):
    """θ at the start and after the steps, by our reference in float64."""
    from benches.problems import flat
    from ffnn_fast import Network

    start = flat(problem.start()).astype("float64")
    net = Network(problem.sizes, activation=problem.activation, dtype="float64", engine="reference")
    net.params[:] = start
    net.fit(
        *problem.rows(), epochs=1, batch_size=problem.batch_size, shuffle=False, metrics=False,
        learning_rate=problem.learning_rate,
    )  # fmt: skip
    return start, net.params


def check(worker, problem):
    """Refuses a contestant whose parameters after a few steps are not the reference's."""
    worker("train", problem)
    worker("epoch")
    got = worker("params")
    if got is None:
        return
    start, right = expected(problem)
    error = np.abs(got - right).max() / np.abs(right - start).max()
    if not error <= TOLERANCE[problem.dtype]:
        raise ContestantError(f"{problem}: off by {error:.1e} of the largest change of θ")


def settle(worker, problem, seconds):
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


def race(arena, problem, contestants):
    """Records of the contestants' time per step; the first is whom the others are compared with."""
    turns = {}
    for contestant in arena.present(contestants):
        steps = {}

        def prepare(worker, contestant=contestant, steps=steps):
            check(worker, problem)
            steps[contestant] = settle(worker, problem, arena.seconds)

        if arena.attempt(contestant, prepare):
            turns[contestant] = lambda c=contestant, n=steps[contestant]: (
                arena.worker(c)("epoch") / n
            )
    if contestants[0] not in turns:
        return []
    breath = BREATH["teams" if any(c.threads > 1 for c in turns) else "alone"]
    found = summary(take_turns(turns, arena.rounds, breath), contestants[0])
    return [
        {
            "case": problem.name, **asdict(problem), "n_params": problem.n_params,
            "flop": problem.products_per_step, "contestant": str(contestant),
            **asdict(contestant), **figures,
        }
        for contestant, figures in found.items()
    ]  # fmt: skip
