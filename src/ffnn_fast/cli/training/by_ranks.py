"""Training of the plain model by the ranks of an MPI launcher: ``mpiexec -n 4 ffnn-fast train``.

Rank 0 reads and encodes the table, and sends every other rank its share of the training rows. It
prints and writes.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from time import sleep
from typing import Any

from ffnn_fast import DivergedWarning
from ffnn_fast._training.ranks import FORWARDED, Distributed, world
from ffnn_fast.cli.arguments.declaration import flag
from ffnn_fast.cli.output import BAD_INPUT, INTERRUPTED, CommandError
from ffnn_fast.cli.training.train_options import TrainOptions

PAUSE = 0.01  # s
_COMM: ContextVar[Any] = ContextVar("comm", default=None)


class _OtherRankError(Exception):
    """An error that another rank reports."""


def run_by_ranks(options: TrainOptions, run: Callable[[bool], int]) -> int:
    """``run(is_first)`` on every rank; returns the exit code.

    Raises
    ------
    CommandError
        If mpi4py is missing, or an option is for one process. An error before the training is
        raised on the lowest rank that has it, and the others return its exit code.
    """
    try:
        comm = world()
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None
    try:
        return _run_and_wait(options, run, comm)
    except KeyboardInterrupt:
        if comm.size > 1:
            _end_all(comm)
        raise


def _run_and_wait(options: TrainOptions, run: Callable[[bool], int], comm: Any) -> int:
    with contextlib.ExitStack() as stack:
        stack.callback(_wait, comm)  # the first rank has scores to compute after the training
        if comm.rank > 0:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        start = _Start(comm)
        token = _COMM.set(start)
        stack.callback(_COMM.reset, token)
        try:
            return _run(options, partial(run, comm.rank == 0), start)
        except _OtherRankError:
            return BAD_INPUT


def _end_all(comm: Any) -> None:
    """End the interrupted ranks, of which some may wait for one that has ended; one prints why."""
    if comm.rank > 0:
        sleep(FORWARDED)
    os.write(2, b"ffnn-fast: error: interrupted\n")
    sleep(FORWARDED)
    comm.Abort(INTERRUPTED)


def _wait(comm: Any) -> None:
    """Wait for all ranks asleep, where a wait of MPI takes a core."""
    arrived = comm.Ibarrier()
    while not arrived.Test():
        sleep(PAUSE)


def _run(options: TrainOptions, run: Callable[[], int], start: _Start) -> int:
    try:
        _check(options)
        return run()
    except _OtherRankError:
        raise
    except Exception as error:
        if not start.begun:
            start.agree(error)
        raise


def together(n: int | None = None) -> Distributed | None:
    """The ranks that train together, after a wait for all of them; None if there is one process.

    Raises
    ------
    CommandError
        If the n training rows of all, which the first rank has, are fewer than the ranks.
    """
    start = _COMM.get()
    if start is None:
        return None
    if n is not None and n < start.comm.size:
        raise CommandError(f"{n} training rows are too few for {start.comm.size} ranks")
    start.agree(None)
    return Distributed(start.comm)


@contextlib.contextmanager
def divergence_of_all(comm: Distributed | None) -> Iterator[None]:
    """A context in which a divergence, by which the training of all ranks ends, is no error of one
    of them; at its end rank 0 raises the DivergedWarning, and the others _OtherRankError.
    """
    if comm is None:
        yield
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DivergedWarning)
        yield
    diverged = [one for one in caught if issubclass(one.category, DivergedWarning)]
    for one in caught:
        if one not in diverged:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if comm.comm.bcast(bool(diverged)):
        raise DivergedWarning(str(diverged[0].message)) if diverged else _OtherRankError


class _Start:
    """The ranks before their training begins.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
    """

    def __init__(self, comm: Any) -> None:
        self.comm, self.begun = comm, False

    def agree(self, error: Exception | None) -> None:
        """Wait for all ranks; raise _OtherRankError if another one reports an error.

        The lowest rank with an error reports it.
        """
        self.begun = True
        _wait(self.comm)  # the first rank may read for long
        failed = [rank for rank, bad in enumerate(self.comm.allgather(error is not None)) if bad]
        if failed and self.comm.rank != failed[0]:
            raise _OtherRankError


def _check(options: TrainOptions) -> None:
    """CommandError if an option is given that works in one process only."""
    alone = {
        "solver": options.training.solver, "cv": options.split.cv,
        "diagnostics": options.reporting.diagnostics,
        "finish_on_interrupt": options.checkpoints.finish_on_interrupt,
    }  # fmt: skip
    for name, value in alone.items():
        if value:
            raise CommandError(
                f"{flag(name)} is for one process: leave it out, or start without mpiexec"
            )
