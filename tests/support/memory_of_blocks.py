"""``python memory_of_blocks.py CALL FOLDER``: prints the MB that a call on files takes at most.

CALL is ``fit`` or ``partial_fit``; the files in FOLDER are those of `write`.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast.blocks import RowBlocks

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MEMORY = 8  # MB of the blocks


def write(folder, dtype):
    """Files of 4 · 2¹⁶ rows of 64 numbers, and their targets: their two folders."""
    for name in ("X", "y"):
        (folder / name).mkdir()
    for i in range(4):
        np.save(folder / "X" / f"{i}.npy", np.ones((1 << 16, 64), dtype))
        np.save(folder / "y" / f"{i}.npy", np.arange(1 << 16) % 2)
    return folder / "X", folder / "y"


def most_megabytes(call, folder):
    """What a process prints that makes the call on the files in a folder."""
    command = [sys.executable, __file__, call, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if "PermissionError" in ran.stderr:
        pytest.skip("/proc/self/clear_refs cannot be written here")
    assert ran.returncode == 0, ran.stderr
    return float(ran.stdout)


def _fit(net, blocks, folder, validation=None):
    history = net.fit(
        blocks, epochs=2, checkpoint=folder and folder / "checkpoint", validation_data=validation
    )
    assert history.stopped == "epochs"


def _partial_fit(net, blocks, folder, validation=None):
    net.partial_fit(blocks, batch_size=32)


def _megabytes(key):
    """An entry of the status of this process."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(key + r":\s+(\d+)", status)[1]) / 1024


def main(call, folder):
    """Make the call after a first one, since imports take memory too."""
    calls = {"fit": _fit, "partial_fit": _partial_fit}
    net = Network([64, 8, 2], n_threads=1, seed=0)
    few = RowBlocks(np.zeros((64, 64), np.float32), np.zeros(64, int), memory=1)
    calls[call](net, few, None, few)
    net.predict(np.zeros((64, 64)))
    Path("/proc/self/clear_refs").write_text("5")
    before = _megabytes("VmRSS")
    blocks = RowBlocks(folder / "X", folder / "y", memory=MEMORY, seed=0)
    calls[call](net, blocks, folder)
    print(_megabytes("VmHWM") - before)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
