"""The engine module is chosen for the CPU, and can be forced."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
CPUINFO = Path("/proc/cpuinfo")


def level_of(**environment):
    code = "from ffnn_fast.engine import isa; print(isa.level, isa.engine.__name__)"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_highest_level_is_chosen():
    assert isa.level == os.environ.get("FFNN_FAST_ISA", isa.available()[-1])
    assert isa.engine.__name__.endswith(isa.level)


@pytest.mark.parametrize("level", isa.available())
def test_a_level_can_be_forced(level):
    assert level_of(FFNN_FAST_ISA=level).stdout.split() == [
        level,
        f"ffnn_fast.engine.engine_{level}",
    ]


@pytest.mark.skipif(not CPUINFO.is_file(), reason="needs Linux's list of CPU features")
def test_features_are_those_that_the_system_lists():
    lists = re.findall(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)
    text = lists[0].replace("sse4_", "sse4.").replace("bmi1", "bmi") if lists else ""
    listed = set(text.split())
    found = isa.cpu_features()
    assert set(found) <= listed
    needs = {"v2": "sse4.2", "v3": "avx2", "v4": "avx512f"}
    assert {name for level, name in needs.items() if level in isa.available()} <= set(found)
    assert {"avx", "fma", "bmi"} & listed == {"avx", "fma", "bmi"} & set(found)


def test_no_level_that_this_cpu_can_run(monkeypatch):
    monkeypatch.setattr(isa, "available", list)
    with pytest.raises(ImportError, match="pip install --no-binary ffnn_fast ffnn_fast"):
        isa._choose()


def test_an_unknown_level_is_refused():
    result = level_of(FFNN_FAST_ISA="v9")
    assert result.returncode != 0
    assert "FFNN_FAST_ISA='v9' cannot run here" in result.stderr
    with pytest.raises(ValueError, match="available"):
        isa.load("v9")
