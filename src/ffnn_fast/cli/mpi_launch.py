"""Whether an MPI launcher has started this process, and as which rank, by its environment."""

from __future__ import annotations

import os

# Of Open MPI, of MPICH, Intel MPI and Slurm's PMI, and of MVAPICH.
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")


def launched() -> bool:
    """Whether an MPI launcher has started several processes of this command."""
    return any(os.environ.get(name, "1") not in ("", "1") for name in SIZES)


def is_other_rank() -> bool:
    """Whether this process is one of them, but not the first."""
    return launched() and any(os.environ.get(name, "0") not in ("", "0") for name in RANKS)
