"""Files under a limit of the address space: a MemoryError, never a panic or an abort."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.limited_memory import LIMITS, fit, new_network

resource = pytest.importorskip("resource")
TESTS = Path(__file__).parent


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize(
    "task",
    [
        "save", "load", "checkpoint",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("save with state", "resume")),
    ],
)  # fmt: skip
def test_little_memory_is_a_memory_error(tmp_path, task):
    new_network().save(tmp_path / "model")
    fit(new_network(), checkpoint=tmp_path / "checkpoint")
    command = [sys.executable, "-m", "support.limited_memory", task, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=TESTS, check=False)
    outcomes = ran.stdout.split()
    assert ran.returncode == 0, ran.stderr
    assert len(outcomes) == len(LIMITS)
    assert set(outcomes) <= {"done", "MemoryError"}
    assert outcomes[-1] == "done"
    # Saving takes no copy of the arrays.
    assert task.startswith("save") or outcomes[0] == "MemoryError"
    assert {path.name for path in tmp_path.iterdir()} <= {
        "model", "checkpoint", "checkpoint.previous", "new", "new.previous",
    }  # fmt: skip
