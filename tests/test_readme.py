"""README.md: its code and commands run as shown; its names and links exist."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from support.pages import blocks, run_shell, shell_lines

from ffnn_fast import Network

PAGE = Path(__file__).resolve().parent.parent / "README.md"
README = PAGE.read_text("utf-8")
SHELL_LINES = shell_lines(PAGE)


def python_code():
    return "\n".join(block.text for block in blocks(PAGE) if block.kind == "python")


def test_python_example(tmp_path):
    command = [sys.executable, "-W", "error", "-c", python_code()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout.split()[-1]) >= 0.95
    assert os.listdir(tmp_path) == ["circle.safetensors"]


def test_every_name_in_the_table_works():
    table = [line.split("|")[2] for line in README.splitlines() if line.startswith("| ")]
    names = [name for cell in table for name in re.findall(r"`((?:t|net)\b[^`]*)`", cell)]
    assert len(names) > 12
    net = Network([2, 3, 3, 2], seed=0)
    X, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    known = {"net": net, "t": net.trace(X, y), "X": X, "y": y, "k": 1, "i": 1, "j": 2}
    for name in names:
        assert eval(name, dict(known)) is not None, name


def test_setup_commands_name_extras_that_exist(root):
    commands = [line for line in SHELL_LINES if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("ffnn-fast demo")
    assert commands[1].endswith("python -m pytest")
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    for command in commands:
        assert re.search(r"\.\[(\w+)\]", command)[1] in extras


def test_local_links_exist(root):
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target


@pytest.fixture
def houses(tmp_path):
    """A folder with the tables that the shell lines of the README use."""
    rng = np.random.default_rng(0)
    size = rng.uniform(40, 200, 120).round(1)
    town = rng.choice(["north", "south"], 120)
    price = (1000 * size + 30_000 * (town == "north")).round()
    rows = [f"{s},{t},{p}" for s, t, p in zip(size, town, price, strict=True)]
    (tmp_path / "houses.csv").write_text("\n".join(["size,town,price", *rows]) + "\n")
    (tmp_path / "new.csv").write_text("\n".join(["size,town,price", *rows[:5]]) + "\n")
    return tmp_path


@pytest.mark.slow
def test_shell_lines_run(houses):
    assert any(line.startswith("ffnn-fast") for line in SHELL_LINES)
    run_shell(PAGE, houses)


def test_the_installed_command_runs(tmp_path):
    command = shutil.which("ffnn-fast", path=Path(sys.executable).parent)
    if command is None:
        pytest.skip("the package is not installed beside this Python")
    ran = subprocess.run([command, "doctor"], cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
