"""The runner: worker processes of the libraries, how long they run, and which are excluded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ffnn_fast._bench import processes
from ffnn_fast._bench.libraries import registry
from ffnn_fast._bench.processes import Library, WorkerError, WorkerProcess


def discard(text: str) -> None:
    """Write nothing."""
    del text


@dataclass
class Runner:
    """Rounds and length of measurements, worker processes, and where messages go.

    Attributes
    ----------
    rounds : int
        Measurements of each library.
    seconds : float
        About the length of a measurement.
    log : callable
        Called with one line for each library that is excluded: which, and why.
    status : callable
        Called with a short text at the start of each piece of work.
    workers : dict
        The process of each library that was started.
    absent : dict
        Packages that are not installed, by the name of the library that needs them.
    """

    rounds: int = 7
    seconds: float = 0.03
    log: Callable[[str], None] = discard
    status: Callable[[str], None] = discard
    workers: dict[Library, WorkerProcess] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)
    operations: ClassVar[str] = processes.OPERATIONS

    def installed(self, libraries: Sequence[Library]) -> list[Library]:
        """Those whose packages are installed; each of the others is logged once."""
        found = []
        for library in libraries:
            missing = registry.missing(library.name)
            if not missing:
                found.append(library)
            elif library.name not in self.absent:
                self.absent[library.name] = missing
                self.log(f"  {library.name} excluded: {', '.join(missing)} not installed")
        return found

    def worker(self, library: Library) -> WorkerProcess:
        """The process of a library, started at the first call."""
        if library not in self.workers:
            self.workers[library] = processes.start(library, self.operations)
        return self.workers[library]

    def attempt(self, library: Library, action: Callable[[WorkerProcess], Any]) -> bool:
        """Whether action(worker) succeeds; if it does not, the library is excluded."""
        try:
            action(self.worker(library))
        except WorkerError as error:
            self.exclude(library, error)
            return False
        return True

    def exclude(self, library: Library, reason: object) -> None:
        """End the process of a library and log the reason."""
        self.log(f"  {library} excluded: {reason}")
        self.workers.pop(library).close()

    def close(self) -> None:
        """End every process."""
        for worker in self.workers.values():
            worker.pipe.close()
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()
