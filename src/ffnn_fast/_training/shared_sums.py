"""Sums of the gradients of ranks on one machine, in memory that they share."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

import numpy as np

Array = np.ndarray
GRAIN = 64  # bytes; a cache line, and the widest vector
SHARED_FILES = "/dev/shm"  # noqa: S108 (of which the size is read; on Linux it bounds the memory)
# A file of MPICH that all ranks of a machine map, as a line of /proc/self/maps names it.
MAPPED = re.compile(rf"{SHARED_FILES}/mpich_shm_\w+(?=\n)")


class SharedSums:
    """The gradients of the ranks of a communicator in one block, and their sum, (P,).

    Every method must be called by all ranks. A step has two barriers: before the ranks add, each a
    slice of all gradients, and before they read the sum.
    """

    def __init__(self, comm: Any, n: int, dtype: str) -> None:
        from mpi4py import MPI

        itemsize, size = np.dtype(dtype).itemsize, comm.size
        grain = GRAIN // itemsize
        width = -(-n // grain) * grain
        n_bytes = size * GRAIN + (size + 1) * width * itemsize if comm.rank == 0 else 0
        self._comm = comm
        self._window = MPI.Win.Allocate_shared(n_bytes, 1, comm=comm)
        self._window.Lock_all()
        buffer: Any = self._window.Shared_query(0)[0]
        memory = np.frombuffer(buffer, np.uint8)
        self._losses = memory[: size * GRAIN].view(np.float64)[:: GRAIN // 8]
        rows = memory[size * GRAIN :].view(dtype).reshape(size + 1, width)
        first, end = (r * (width // grain) // size * grain for r in (comm.rank, comm.rank + 1))
        self._slices = list(rows[:-1, first:end])
        self._sum_slice = rows[-1, first:end]
        self.own, self._sum = rows[comm.rank, :n], rows[-1, :n]

    def total(self, loss: float = 0.0) -> Array:
        """Σ_r of `own` of all ranks, pairwise, neighbours first; valid until the next call.

        `own` is changed, and may be written again at once. `loss` is one for `total_loss`.
        """
        self._meet()
        self._losses[self._comm.rank] = loss
        pairwise_into(self._sum_slice, self._slices)
        self._meet()
        return self._sum

    def total_loss(self) -> float:
        """The sum of the losses that the ranks have given in the last step, in the same order."""
        total = np.zeros(1)
        pairwise_into(total, [np.array([loss]) for loss in self._losses])
        return float(total[0])

    def _meet(self) -> None:
        """Wait for all ranks; what they wrote before is read after it."""
        self._window.Sync()
        self._comm.Barrier()
        self._window.Sync()

    def free(self) -> None:
        """Return the memory."""
        self._slices.clear()
        self.own = self._sum = self._sum_slice = self._losses = np.zeros(0)
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


def unlink_shared_files() -> None:
    """Remove the names of the files in shared memory that MPICH keeps until ``MPI_Finalize``, so
    that their memory is returned when the ranks end, however they do.

    After ``MPI_Init`` every rank of the machine has mapped them, and none opens them again.
    """
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8") as maps:
        for path in set(MAPPED.findall(maps.read())):
            with contextlib.suppress(FileNotFoundError):  # another rank was first
                os.unlink(path)


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
