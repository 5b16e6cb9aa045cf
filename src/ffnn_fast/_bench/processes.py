"""Worker processes: one for each library, pinned to its cores, with its thread counts set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from ffnn_fast._bench.libraries import registry
from ffnn_fast._bench.pinning import can_pin, cores_available, pinned_to

FFNN_FAST = "ffnn_fast"
WORKER = Path(__file__).with_name("worker.py")
OPERATIONS = "ffnn_fast._bench.worker"
THREAD_LIMITS = [
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
]  # fmt: skip
REPLY_TIMEOUT = 600  # seconds, enough for a compilation or a fit
EXIT_TIMEOUT = 2  # seconds before a process that has not exited is killed


class WorkerError(Exception):
    """An operation of a worker process failed, or the process ended or did not reply."""


@dataclass(frozen=True)
class Library:
    """A library with its number of threads, pinned to a number of cores."""

    name: str
    threads: int = 1
    cores: int = 1

    def __str__(self) -> str:
        return self.name if self.cores == self.threads else f"{self.name}, one core"


def environment(threads: int) -> dict[str, str]:
    """The environment variables of a worker process: its thread limits, and this process's path.

    With the path given, modules in the current folder cannot hide those of a library.
    """
    limits = dict.fromkeys(THREAD_LIMITS, str(threads))
    if threads == 1 and not can_pin():  # JAX counts cores and nothing else
        limits["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    return os.environ | limits | {"PYTHONPATH": path}


class WorkerProcess:
    """A process that runs the operations of a module.

    Parameters
    ----------
    library : Library
    operations : str
        The module whose class `Operations` the process makes.
    isolated : bool
        Whether importing the operations must not load this package.
    variables : mapping of str to str
        The environment variables of the process.
    """

    def __init__(
        self, library: Library, operations: str, *, isolated: bool, variables: Mapping[str, str]
    ) -> None:
        self.library = library
        self.pipe, other = Pipe()
        command = [
            sys.executable, "-P", str(WORKER), operations, library.name, str(library.threads),
            str(other.fileno()), "isolated" if isolated else "shared",
        ]  # fmt: skip
        with pinned_to(cores_available()[-library.cores :]):
            self.process = subprocess.Popen(command, env=variables, pass_fds=[other.fileno()])
        other.close()

    def __call__(self, operation: str, *args: Any) -> Any:
        """The result of an operation; WorkerError where it fails."""
        try:
            self.pipe.send((operation, args))
            if not self.pipe.poll(REPLY_TIMEOUT):
                raise WorkerError(f"no reply to {operation} within {REPLY_TIMEOUT} s")
            succeeded, result = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerError(f"its process ended during {operation}") from error
        if not succeeded:
            raise WorkerError(result)
        return result

    def close(self, timeout: float = EXIT_TIMEOUT) -> None:
        """Close the pipe, on which the process exits; kill it if it does not within `timeout` s."""
        self.pipe.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(library: Library, operations: str = OPERATIONS) -> WorkerProcess:
    """The process of a library; one that does not need this package does not load it."""
    isolated = FFNN_FAST not in registry.load(library.name).PACKAGES
    variables = environment(library.threads)
    return WorkerProcess(library, operations, isolated=isolated, variables=variables)
