"""One contestant in a process of its own: ``python worker.py SESSION PEER THREADS HANDLE ALONE``.

It is started as a file, not by its name: then a library that is measured alone need not have ours
loaded beside it, with our engine, SciPy and their threads and memory.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from timeit import Timer
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ffnn_fast._bench.problems import Problem


LARGE = 30 << 20  # bytes; glibc learns from what is below 32 MB


class Session:
    """What the parent may ask for, by name."""

    def __init__(self, peer: str, threads: int) -> None:
        from ffnn_fast._bench import peers

        self.module, self.threads = peers.load(peer), threads
        self.training: Any = None
        self.calls_of: dict[str, tuple[str, dict[str, Any]]] = {}
        self.timers: dict[str, Timer] = {}

    def keep_memory(self) -> None:
        """Lets malloc keep what is freed, as in any process that has freed a large array once.

        In a new process glibc gives memory back and fetches it page by page again, in every step,
        or does not: it hangs on the sizes of what was freed before.
        """
        import numpy as np

        freed = np.empty(LARGE, np.uint8)
        del freed

    def train(self, problem: Problem) -> None:
        """A training of the problem from its start, ready to run."""
        self.training = self.module.Training(problem, *problem.rows(), self.threads)

    def epoch(self) -> float:
        """Seconds of all steps of the problem, on from where the last epoch ended."""
        began = perf_counter()
        self.training.epoch()
        return perf_counter() - began

    def params(self) -> np.ndarray | None:
        """θ as one vector, or None from a contestant that trains nothing."""
        from ffnn_fast._bench.problems import flat

        return flat(self.training.layers()) if hasattr(self.training, "layers") else None

    def ways(self, problem: Problem) -> list[str]:
        """Names of the ways to predict the problem's rows."""
        self.calls_of = self.module.ways(problem, self.threads)
        self.timers = {
            name: Timer(statement, globals=names)
            for name, (statement, names) in self.calls_of.items()
        }
        return list(self.calls_of)

    def answer(self, way: str) -> np.ndarray:
        """What a way returns."""
        import numpy as np

        statement, names = self.calls_of[way]
        kept: list[Any] = []
        Timer(f"kept.append({statement})", globals=names | {"kept": kept}).timeit(1)
        return np.asarray(kept[0])

    def calls(self, way: str, number: int) -> float:
        """Seconds of this many calls."""
        return self.timers[way].timeit(number)


def serve(session: Session, connection: Connection) -> None:
    """Answers until the parent hangs up: (True, result) or (False, what went wrong)."""
    while True:
        try:
            name, args = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, getattr(session, name)(*args)))
        except Exception as error:  # noqa: BLE001 (whatever a library raises is told, not lost)
            connection.send((False, f"{type(error).__name__}: {error}"))


def main(session: str, peer: str, threads: str, handle: str, alone: str) -> None:
    """Serves a contestant; `session` is the module of its Session."""
    if alone == "alone":
        package = ModuleType("ffnn_fast")  # its rooms can be found, and nothing is loaded
        package.__path__ = [str(Path(__file__).resolve().parents[1])]
        sys.modules[package.__name__] = package
    kind = importlib.import_module(session).Session
    serve(kind(peer, int(threads)), Connection(int(handle)))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):  # the parent says what happened
        main(*sys.argv[1:])
