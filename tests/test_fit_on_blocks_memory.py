"""The memory that a fit on RowBlocks takes, of files larger than that."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast.blocks import RowBlocks


def files(folder):
    """Files of 128 MB of float64 rows, and their targets."""
    for name in ("X", "y"):
        (folder / name).mkdir()
    for i in range(4):
        np.save(folder / "X" / f"{i}.npy", np.ones((1 << 16, 64)))
        np.save(folder / "y" / f"{i}.npy", np.arange(1 << 16) % 2)
    return folder / "X", folder / "y"


def test_blocks_take_the_memory_that_is_stated(tmp_path):
    """Of arrays, those of the training blocks at most `memory`, those of validation the same; with
    metrics 8 bytes for the prediction, 8 for the target of a validation row, and copies of both.
    """
    made, net = files(tmp_path), Network([64, 8, 2], n_threads=1, seed=0)
    validation = RowBlocks(*made, memory=6)
    given = {"batch_size": 128, "class_weight": "balanced"}
    few = RowBlocks(np.zeros((256, 64), np.float32), np.arange(256) % 2, memory=1)
    net.fit(few, epochs=1, validation_data=few, **given)  # imports take memory, too
    for options, most in (
        ({"metrics": False}, 8),
        ({"metrics": True}, 8),
        ({"metrics": False, "validation_data": validation}, 8 + 6),
        ({"metrics": True, "validation_data": validation}, 8 + 6 + 4 * 8 / 4),
    ):
        data = RowBlocks(*made, memory=8, seed=0)
        tracemalloc.start()
        try:
            net.fit(data, epochs=1, **given, **options)
            peak = tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()
        assert peak < most


MEASURED = """
import re, sys
import numpy as np
from ffnn_fast import Network
from ffnn_fast.blocks import RowBlocks

def megabytes(key):
    return int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

folder = sys.argv[1]
net = Network([64, 8, 2], n_threads=1, seed=0)
warm = RowBlocks(np.zeros((64, 64), np.float32), np.zeros(64, int), memory=1)
net.fit(warm, epochs=1, validation_data=warm)
open("/proc/self/clear_refs", "w").write("5")
before = megabytes("VmRSS")
data = RowBlocks(folder + "/X", folder + "/y", memory=8, seed=0)
history = net.fit(data, epochs=2, checkpoint=folder + "/checkpoint")
assert history.stopped == "epochs"
print(megabytes("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_the_process_is_bounded(tmp_path):
    """The allocator may keep as much memory again as the blocks take at once."""
    files(tmp_path)
    command = [sys.executable, "-c", MEASURED, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if "PermissionError" in ran.stderr:
        pytest.skip("/proc/self/clear_refs cannot be written here")
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 2 * 8 + 4
