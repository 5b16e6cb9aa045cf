"""The engine module is chosen for the CPU, and can be forced."""

import os
import subprocess
import sys

import pytest

from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine


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
