"""The processes that contestants run in, held to their cores, and who of them is left out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, ClassVar

from ffnn_fast._bench import peers

OURS = "ffnn_fast"
WORKER = Path(__file__).with_name("worker.py")
THREAD_LIMITS = [
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
]  # fmt: skip
PATIENCE = 600  # seconds for a compilation or a fit
FAREWELL = 2  # seconds in which a process ends by itself


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


def can_hold() -> bool:
    """Whether the system lets a process be held to its cores."""
    return hasattr(os, "sched_setaffinity")


def cores_available() -> list[int]:
    """Cores of this process, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def held_to(cores: Sequence[int]) -> Iterator[None]:
    """The block's thread on these cores: a process that it starts is there before it imports
    anything that counts them.
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


def environment(contestant: Contestant) -> dict[str, str]:
    """The variables of a contestant's process: its threads, and the path of this process, since
    modules in the folder that somebody happens to be in must not hide those of a library.
    """
    limits = dict.fromkeys(THREAD_LIMITS, str(contestant.threads))
    if contestant.threads == 1 and not can_hold():  # JAX counts cores and nothing else
        limits["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    return os.environ | limits | {"PYTHONPATH": path}


class Worker:
    """The process of a contestant.

    Parameters
    ----------
    contestant : Contestant
    session : str
        The module whose `Session` answers there.
    """

    def __init__(self, contestant: Contestant, session: str = "ffnn_fast._bench.worker") -> None:
        self.contestant = contestant
        self.pipe, other = Pipe()
        alone = OURS not in peers.load(contestant.peer).PACKAGES
        command = [
            sys.executable, "-P", str(WORKER), session, contestant.peer, str(contestant.threads),
            str(other.fileno()), "alone" if alone else "beside ours",
        ]  # fmt: skip
        with held_to(cores_available()[-contestant.cores :]):
            self.process = subprocess.Popen(
                command, env=environment(contestant), pass_fds=[other.fileno()]
            )
        other.close()

    def __call__(self, name: str, *args: Any) -> Any:
        """The result of a method of the worker's session; ContestantError where it fails."""
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
            self.process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def nothing(text: str) -> None:
    """Says nothing."""
    del text


@dataclass
class Arena:
    """How long and how often contestants run, the processes they run in, and who is told.

    Attributes
    ----------
    rounds : int
        Turns of each contestant.
    seconds : float
        About the length of a turn.
    say : callable
        Is told, in a line each, who is left out and why.
    show : callable
        Is told what is going on now.
    """

    rounds: int = 7
    seconds: float = 0.03
    say: Callable[[str], None] = nothing
    show: Callable[[str], None] = nothing
    workers: dict[Contestant, Worker] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)
    session: ClassVar[str] = "ffnn_fast._bench.worker"

    def present(self, contestants: Sequence[Contestant]) -> list[Contestant]:
        """Those whose packages are installed; a line for each of the others, once."""
        found = []
        for contestant in contestants:
            lacking = peers.missing(contestant.peer)
            if not lacking:
                found.append(contestant)
            elif contestant.peer not in self.absent:
                self.absent[contestant.peer] = lacking
                self.say(f"  {contestant.peer} left out: {', '.join(lacking)} not installed")
        return found

    def worker(self, contestant: Contestant) -> Worker:
        """Its process, started at the first call."""
        if contestant not in self.workers:
            self.workers[contestant] = Worker(contestant, self.session)
        return self.workers[contestant]

    def attempt(self, contestant: Contestant, what: Callable[[Worker], Any]) -> bool:
        """Whether what(worker) succeeds; where not, a line says why and the process is ended."""
        try:
            what(self.worker(contestant))
        except ContestantError as error:
            self.leave_out(contestant, error)
            return False
        return True

    def leave_out(self, contestant: Contestant, why: object) -> None:
        """Ends its process and says why."""
        self.say(f"  {contestant} left out: {why}")
        self.workers.pop(contestant).close()

    def close(self) -> None:
        """Ends every process."""
        for worker in self.workers.values():
            worker.pipe.close()
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()
