"""The adapter module of each library, and whether its packages are installed."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType

MODULES = {  # extended by `benches` and by tests, in the worker processes too
    "ffnn_fast": "ffnn_fast._bench.libraries.ffnn_fast_compiled",
    "reference": "ffnn_fast._bench.libraries.ffnn_fast_reference",
    "numpy": "ffnn_fast._bench.libraries.plain_numpy",
    "scikit-learn": "ffnn_fast._bench.libraries.scikit_learn",
    "torch": "ffnn_fast._bench.libraries.pytorch",
    "torch.compile": "ffnn_fast._bench.libraries.pytorch_compiled",
    "jax": "ffnn_fast._bench.libraries.jax_jitted",
    "onnxruntime": "ffnn_fast._bench.libraries.onnx_runtime",
    "bare call": "ffnn_fast._bench.libraries.bare_call",
}


def load(name: str) -> ModuleType:
    """The adapter module of a library."""
    return importlib.import_module(MODULES[name])


def missing(name: str) -> list[str]:
    """Packages that a library needs and that are not installed."""
    return [package for package in load(name).PACKAGES if find_spec(package) is None]
