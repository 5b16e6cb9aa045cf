"""The examples in docstrings run and print the output that they show."""

import doctest
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import ffnn_fast

PACKAGE = Path(ffnn_fast.__file__).parent
NEEDS = {
    "sklearn": "sklearn",
    "tabular": "sklearn",
    "torch": "torch",
}  # modules, and the package they need
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if ">>> " in file.read_text("utf-8")]
NAMES = [".".join(("ffnn_fast", *f.relative_to(PACKAGE).with_suffix("").parts)) for f in FILES]


class Finder(doctest.DocTestFinder):
    """Finds examples in a module's classes under a public ``__module__`` too."""

    def _from_module(self, module, value):
        return super()._from_module(module, value) or (
            inspect.isclass(value) and f"class {value.__name__}" in inspect.getsource(module)
        )


def test_there_are_examples():
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_docstrings(name, tmp_path, monkeypatch):
    for part, package in NEEDS.items():
        if part in name.split("."):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    with np.printoptions():
        for examples in Finder().find(module):
            runner.run(examples)
    assert runner.failures == 0
    assert runner.tries > 0
