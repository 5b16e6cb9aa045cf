"""Ranks that mpiexec starts."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

MPIEXEC = shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")
HAS_MPI = find_spec("mpi4py") is not None and MPIEXEC is not None
NEEDED = "needs mpi4py and mpiexec: pip install mpi4py mpich"
HANGS = 120  # s; ranks that take so long wait for ever


def run_ranks(n, *args, folder=None):
    """The ended process of mpiexec with n ranks that run Python with these arguments."""
    command = [MPIEXEC, "-n", n, sys.executable, *args]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, timeout=HANGS, check=False, env=env, cwd=folder,
    )  # fmt: skip
