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


def started_ranks(n, *args, folder=None):
    """mpiexec with n ranks that run Python with these arguments."""
    command = [MPIEXEC, "-n", n, sys.executable, *args]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=folder,
    )  # fmt: skip


def run_ranks(n, *args, folder=None):
    """The ended process of mpiexec with these ranks."""
    with started_ranks(n, *args, folder=folder) as launched:
        try:
            shown = launched.communicate(timeout=HANGS)
        except BaseException:
            launched.kill()
            raise
    return subprocess.CompletedProcess(launched.args, launched.returncode, *shown)
