"""The processes of a fit: one alone, or the ranks of an MPI communicator."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import sleep
from typing import Any, TypeVar

import numpy as np

from ffnn_fast._public import public
from ffnn_fast._scalars import as_choice, as_int, convert_fields
from ffnn_fast._text import quoted
from ffnn_fast._training.shared_sums import SharedSums, shares_memory, unlink_shared_files

Array = np.ndarray
Value = TypeVar("Value")
FORWARDED = 1.0  # s; mpiexec drops what it has not yet read from a rank when one aborts
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")  # in the repr of an object, another in every process


@public()
@dataclass(frozen=True)
class Distributed:
    """How the ranks of an MPI communicator train one network together; see `Network.fit`.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        Each of its ranks calls `Network.fit` with rows of its own.
    reduction : {"fast", "ordered"}, default "fast"
        How the gradients of the ranks are added. "fast": by one ``Allreduce``, in an order that MPI
        chooses, or by all ranks in shared memory if they are on one machine; another number of
        ranks changes the rounding. "ordered": the rows are divided into
        `parts`, and their gradients are added pairwise in a fixed order; the result has the same
        bits on every number of ranks that divides `parts`.
    parts : int, default 8
        For ``reduction="ordered"``: a power of two, at least the number of ranks. Every rank must
        have the rows of `share`.
    accumulate : int, default 1
        For ``reduction="fast"``: the number of slices in which a rank computes the gradient of its
        rows of a batch, one after another, so that only the activations of a slice are in memory.
        There is one sum over ranks a step in any case.
    check_every : int, default 100
        The number of steps between comparisons of the ranks' parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    ModuleNotFoundError
        If mpi4py is missing.
    """

    comm: Any
    reduction: str = "fast"
    parts: int = 8
    accumulate: int = 1
    check_every: int = 100

    def __post_init__(self) -> None:
        _check_communicator(self.comm)
        as_choice(self.reduction, "reduction", ("fast", "ordered"))
        convert_fields(self, as_int, "parts", "accumulate", "check_every")
        if self.parts & (self.parts - 1):
            raise ValueError(f"parts must be a power of two, got {self.parts}")
        if self.reduction == "ordered":
            if self.accumulate > 1:
                raise ValueError(
                    "reduction='ordered' computes its parts one after another already; "
                    "give more parts in place of accumulate"
                )
            if self.parts % self.comm.size:
                raise ValueError(
                    f"reduction='ordered' with {self.parts} parts needs a number of ranks that "
                    f"divides it, got {self.comm.size}"
                )

    def share(self, n: int, rank: int | None = None) -> slice:
        """The rows of n that a rank is to have: rank r of R has those from ⌊rn/R⌋ to ⌊(r+1)n/R⌋.

        Parameters
        ----------
        n : int
            The number of rows of all ranks together.
        rank : int or None, default None
            0 to R − 1; None: this rank.

        Returns
        -------
        slice
            Of rows; different ranks have disjoint ones.
        """
        size = self.comm.size
        n = as_int(n, "n", size)
        rank = self.comm.rank if rank is None else as_int(rank, "rank", 0, size - 1)
        return slice(rank * n // size, (rank + 1) * n // size)


def world() -> Any:
    """The communicator of all ranks that the launcher has started."""
    return _mpi().COMM_WORLD


def _mpi() -> Any:
    """The module MPI; ModuleNotFoundError without mpi4py."""
    try:
        from mpi4py import MPI
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'training on several machines needs mpi4py and an MPI: pip install "ffnn_fast[mpi]"'
        ) from None
    return MPI


def _check_communicator(comm: Any) -> None:
    """ModuleNotFoundError without mpi4py; TypeError for anything but a communicator of it."""
    MPI = _mpi()
    if not isinstance(comm, MPI.Intracomm):
        raise TypeError(f"comm must be a communicator of mpi4py or a Distributed, got {comm!r}")


class Alone:
    """One process, which holds all rows."""

    is_first = True
    rank, size = 0, 1

    def take_counts(self, counts: Array) -> None:
        """Take the numbers of rows of all processes, one for each."""

    def count(self, n: int) -> int:
        """The number of rows of all processes, of which this one has n."""
        return n

    def all_rows(self, values: Array) -> Array:
        """Values of the rows of all processes, of those of this one."""
        return values

    def own(self, values: Any) -> Any:
        """Of values of all rows those of this process."""
        return values

    def own_rows(self, rows: Array) -> Array:
        """Of these rows, numbers among all, those of this process, numbers among its own."""
        return rows

    def gathered(self, *values: Any) -> tuple[Any, ...]:
        """Arrays of the rows of all processes, in the first; None stays None."""
        return values

    def from_first(self, value: Value) -> Value:
        """The value of the first process."""
        return value

    def end(self) -> None:
        """Return what the processes share, at the end of a fit."""


ALONE = Alone()
ALONE_CONTEXT = contextlib.nullcontext()


@dataclass
class Ranks(Alone):
    """The ranks of a communicator; the rows of all are those of rank 0, then of rank 1, and so on.

    Every method but `own`, `own_rows` and `take_counts` must be called by all ranks.
    """

    options: Distributed
    starts: Array = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    shared: SharedSums | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.comm = self.options.comm
        self.rank, self.size = self.comm.rank, self.comm.size
        self.is_first = self.rank == 0

    def take_shares(self, n: int) -> None:
        """Exchange the numbers of rows, of which this rank has n.

        Raises
        ------
        ValueError
            If the reduction is ordered and this rank has other rows than `Distributed.share`.
        """
        self.take_counts(self.comm.allgather(n))
        total = int(self.starts[-1])
        if self.options.reduction == "ordered":
            share = self.options.share(total)
            if (self._start, self._end) != (share.start, share.stop):
                raise ValueError(
                    f"reduction='ordered': rank {self.rank} of {self.size} must have rows "
                    f"{share.start} to {share.stop} of {total}, it has {self._start} to "
                    f"{self._end}; Distributed.share gives them"
                )

    def take_counts(self, counts: Array) -> None:
        """Take the numbers of rows of all processes, one for each."""
        self.starts = np.cumsum([0, *counts], dtype=np.int64)

    def count(self, n: int) -> int:
        """The number of rows of all ranks."""
        return int(self.starts[-1])

    @property
    def _start(self) -> int:
        return int(self.starts[self.rank])

    @property
    def _end(self) -> int:
        return int(self.starts[self.rank + 1])

    def all_rows(self, values: Array) -> Array:
        """Values of the rows of all processes, of those of this one."""
        return np.concatenate(self.comm.allgather(values))

    def own(self, values: Any) -> Any:
        """Of values of all rows those of this process."""
        return values[self._start : self._end]

    def own_rows(self, rows: Array) -> Array:
        """Of these rows, numbers among all, those of this process, numbers among its own."""
        return rows[(rows >= self._start) & (rows < self._end)] - self._start

    def pieces(self, rows: Array) -> list[Array]:
        """The rows of a batch that this rank has, divided as their gradients are computed."""
        own = self.own_rows(rows)
        options = self.options
        if options.reduction == "fast":
            return [own] if options.accumulate == 1 else np.array_split(own, options.accumulate)
        each, total = options.parts // self.size, int(self.starts[-1])
        first = self.rank * each
        ends = [(first + i) * total // options.parts - self._start for i in range(1, each)]
        part = np.searchsorted(np.array(ends, dtype=np.int64), own, side="right")
        return [own[part == i] for i in range(each)]

    def gathered(self, *values: Any) -> tuple[Any, ...]:
        """Arrays of the rows of all processes, in the first; None stays None."""
        parts = self.comm.gather(values)
        if parts is None:
            return values
        return tuple(
            None if of[0] is None else np.concatenate(of) for of in zip(*parts, strict=True)
        )

    def from_first(self, value: Value) -> Value:
        """The value of the first process."""
        received: Value = self.comm.bcast(value)
        return received

    def broadcast(self, array: Array) -> None:
        """Set an array to that of the first process."""
        self.comm.Bcast(array)

    def share_sums(self, n: int, dtype: str) -> None:
        """Add gradients of size n in shared memory from here on, where the ranks can."""
        self.comm.Barrier()  # all have started MPI
        unlink_shared_files()
        if shares_memory(self.comm, n, dtype):
            self.shared = SharedSums(self.comm, n, dtype)

    def end(self) -> None:
        """Return shared memory, if there is some, at the end of a fit."""
        if self.shared is not None:
            self.shared.free()
            self.shared = None

    def total(self, grads: list[Array], loss: float = 0.0) -> Array:
        """The sum of the gradients of all pieces of all ranks, each of shape (P,).

        Ordered: pairwise, neighbours first. A rank's parts are a subtree of that sum, since their
        number is a power of two. If the first is ``shared.own``, the sum is made in shared memory,
        and `loss` is there for `total_loss`.
        """
        grad = pairwise(grads)
        if self.shared is not None and grad is self.shared.own:
            return self.shared.total(loss)
        if self.options.reduction == "fast":
            from mpi4py import MPI

            self.comm.Allreduce(MPI.IN_PLACE, grad)
            return grad
        of_ranks = np.empty((self.size, len(grad)), dtype=grad.dtype)
        self.comm.Allgather(grad, of_ranks)
        return pairwise(list(of_ranks))

    def total_loss(self, losses: list[float]) -> float:
        """The sum of the losses of all pieces, in the same order, after a step with them."""
        if self.shared is not None:
            return self.shared.total_loss()
        return float(self.total([np.array([value]) for value in losses])[0])

    def check_params(self, params: Array, t: int) -> None:
        """RuntimeError if the parameters differ between ranks after step t."""
        digest = hashlib.blake2b(params.data, digest_size=16).hexdigest()
        self.check_same({f"parameters after step {t}": digest})

    def check_same(self, named: dict[str, Any]) -> None:
        """RuntimeError if a value differs between ranks, by what can be shown of it."""
        shown = {name: ADDRESS.sub("", str(value)) for name, value in named.items()}
        for rank, of_rank in enumerate(self.comm.allgather(shown)):
            if rank == 0:
                expected = of_rank
            other = [name for name in expected if of_rank[name] != expected[name]]
            if other:
                name = other[0]
                raise RuntimeError(
                    f"the {name} of rank {rank} is {quoted(of_rank[name])}, of rank 0 "
                    f"{quoted(expected[name])}: all ranks must pass the same options and run the "
                    "same version and instruction set level of ffnn_fast (set FFNN_FAST_ISA), and "
                    "a callback must not change θ on some ranks alone"
                )


def pairwise(vectors: list[Array]) -> Array:
    """Their sum by pairs of neighbours: ((v_0 + v_1) + (v_2 + v_3)) + ...; changes the first."""
    while len(vectors) > 1:
        for i in range(0, len(vectors) - 1, 2):
            vectors[i] += vectors[i + 1]
        vectors = vectors[::2]
    return vectors[0]


def as_ranks(comm: Any) -> Alone | Ranks:
    """The processes of a fit: `ALONE` for None."""
    if comm is None:
        return ALONE
    return Ranks(comm if isinstance(comm, Distributed) else Distributed(comm))


@contextlib.contextmanager
def _ending_all(comm: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        comm = comm.comm if isinstance(comm, Distributed) else comm
        if getattr(comm, "size", 1) == 1:
            raise
        sys.stderr.write(f"rank {comm.rank} of {comm.size} ends all:\n{traceback.format_exc()}")
        sys.stderr.flush()
        sleep(FORWARDED)
        comm.Abort(1)
        raise


def ending_all(comm: Any) -> contextlib.AbstractContextManager[None]:
    """A context in which an exception on one of several ranks is printed and ends all of them.

    The others would wait for it for ever.
    """
    return ALONE_CONTEXT if comm is None else _ending_all(comm)
