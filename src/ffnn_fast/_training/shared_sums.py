"""Sums of the gradients of ranks on one machine, in memory that they share."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

Array = np.ndarray
GRAIN = 64  # bytes; a cache line, and the widest vector
SHARED_FILES = "/dev/shm"  # noqa: S108 (of which the size is read; on Linux it bounds the memory)


class SharedSums:
    """The gradients of the ranks of a communicator in one block, and their sum, (P,).

    Every method must be called by all ranks. A step has two barriers: before the ranks add, each a
    slice of all gradients, and before they read the sum.
    """

    def __init__(self, comm: Any, n: int, dtype: str) -> None:
        from mpi4py import MPI

        itemsize = np.dtype(dtype).itemsize
        grain = GRAIN // itemsize
        width = -(-n // grain) * grain
        n_bytes = (comm.size + 1) * width * itemsize if comm.rank == 0 else 0
        self._comm = comm
        self._window = MPI.Win.Allocate_shared(n_bytes, itemsize, comm=comm)
        self._window.Lock_all()
        memory: Any = self._window.Shared_query(0)[0]
        rows = np.frombuffer(memory, dtype=dtype).reshape(comm.size + 1, width)
        first, end = (r * (width // grain) // comm.size * grain for r in (comm.rank, comm.rank + 1))
        self._slices = list(rows[:-1, first:end])
        self._sum_slice = rows[-1, first:end]
        self.own, self._sum = rows[comm.rank, :n], rows[-1, :n]

    def total(self) -> Array:
        """Σ_r of `own` of all ranks, pairwise, neighbours first; valid until the next call.

        `own` is changed, and may be written again at once.
        """
        self._meet()
        pairwise_into(self._sum_slice, self._slices)
        self._meet()
        return self._sum

    def _meet(self) -> None:
        """Wait for all ranks; what they wrote before is read after it."""
        self._window.Sync()
        self._comm.Barrier()
        self._window.Sync()

    def free(self) -> None:
        """Return the memory."""
        self._slices.clear()
        self.own = self._sum = self._sum_slice = np.zeros(0)
        self._window.Unlock_all()
        self._window.Free()


def shares_memory(comm: Any, n: int, dtype: str) -> bool:
    """Whether the ranks are several, all on one machine, with room for gradients of size n."""
    from mpi4py import MPI

    if comm.size == 1:
        return False
    here = comm.Split_type(MPI.COMM_TYPE_SHARED)
    together = here.size == comm.size
    here.Free()
    needed = (comm.size + 1) * n * np.dtype(dtype).itemsize
    fits: bool = comm.bcast(_free_bytes() >= 2 * needed)
    return together and fits


def _free_bytes() -> float:
    """Shared memory that is free, where its size is known."""
    try:
        files = os.statvfs(SHARED_FILES)
    except (OSError, AttributeError):
        return np.inf
    return files.f_bavail * files.f_frsize


def pairwise_into(out: Array, vectors: list[Array]) -> None:
    """out := their sum by pairs of neighbours, ((v_0 + v_1) + (v_2 + v_3)) + ...; changes them."""
    while len(vectors) > 2:
        for i in range(0, len(vectors) - 1, 2):
            vectors[i] += vectors[i + 1]
        vectors = vectors[::2]
    if len(vectors) == 2:
        np.add(vectors[0], vectors[1], out=out)
    else:
        out[...] = vectors[0]
