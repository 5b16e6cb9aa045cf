"""A worker process: ``python worker.py OPERATIONS LIBRARY THREADS HANDLE isolated|shared``.

It is started as a file, not as a module of the package: in an isolated worker the measured library
runs without ffnn_fast's engine, SciPy and their threads and memory.
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


LARGE = 30 << 20  # bytes; glibc adapts its thresholds to freed blocks below 32 MB


class Operations:
    """The operations that the parent process can call, by name."""

    def __init__(self, library: str, threads: int) -> None:
        from ffnn_fast._bench.libraries import registry

        self.module, self.threads = registry.load(library), threads
        self.training: Any = None
        self.statements: dict[str, tuple[str, dict[str, Any]]] = {}
        self.timers: dict[str, Timer] = {}

    def retain_freed_memory(self) -> None:
        """Free a large array, after which malloc retains freed memory as in a longer process.

        In a new process glibc may return memory and fetch it page by page again in every step,
        depending on the sizes that were freed before.
        """
        import numpy as np

        freed = np.empty(LARGE, np.uint8)
        del freed

    def train(self, problem: Problem) -> None:
        """A training of the problem from its start, ready to run."""
        self.training = self.module.Training(problem, *problem.rows(), self.threads)

    def epoch(self) -> float:
        """Seconds of all steps of the problem, which continue from the end of the last epoch."""
        began = perf_counter()
        self.training.epoch()
        return perf_counter() - began

    def params(self) -> np.ndarray | None:
        """θ as one vector, or None from a module that trains nothing."""
        from ffnn_fast._bench.problems import flat

        return flat(self.training.layers()) if hasattr(self.training, "layers") else None

    def prepare_calls(self, problem: Problem) -> list[str]:
        """Names of the calls that predict the problem's rows."""
        self.statements = self.module.calls(problem, self.threads)
        self.timers = {
            name: Timer(statement, globals=names)
            for name, (statement, names) in self.statements.items()
        }
        return list(self.statements)

    def output(self, call: str) -> np.ndarray:
        """What a call returns."""
        import numpy as np

        statement, names = self.statements[call]
        outputs: list[Any] = []
        Timer(f"outputs.append({statement})", globals=names | {"outputs": outputs}).timeit(1)
        return np.asarray(outputs[0])

    def time_calls(self, call: str, number: int) -> float:
        """Seconds of this many calls."""
        return self.timers[call].timeit(number)


def serve(operations: object, connection: Connection) -> None:
    """Reply (True, result) or (False, error message) until the parent closes the connection."""
    while True:
        try:
            name, args = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, getattr(operations, name)(*args)))
        except Exception as error:  # noqa: BLE001 (any error of a library is sent to the parent)
            connection.send((False, f"{type(error).__name__}: {error}"))


def main(module: str, library: str, threads: str, handle: str, isolation: str) -> None:
    """Serve the operations of a module."""
    if isolation == "isolated":
        package = ModuleType("ffnn_fast")  # its submodules are importable, and none is loaded
        package.__path__ = [str(Path(__file__).resolve().parents[1])]
        sys.modules[package.__name__] = package
    operations = importlib.import_module(module).Operations(library, int(threads))
    serve(operations, Connection(int(handle)))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):  # the parent reports these
        main(*sys.argv[1:])
