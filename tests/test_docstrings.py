"""The examples in docstrings run and print what they show."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import ffnn_fast

PACKAGE = Path(ffnn_fast.__file__).parent
NEEDS = {"sklearn": "sklearn", "torch": "torch"}  # rooms and files, and the package they need
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if ">>> " in file.read_text("utf-8")]
NAMES = [".".join(("ffnn_fast", *f.relative_to(PACKAGE).with_suffix("").parts)) for f in FILES]


def test_there_are_examples():
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_docstrings(name, tmp_path, monkeypatch):
    for part, package in NEEDS.items():
        if part in name.split("."):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    with np.printoptions():
        tried = doctest.testmod(
            importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
        )
    assert tried.failed == 0
    assert tried.attempted > 0
