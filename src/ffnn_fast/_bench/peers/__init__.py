"""One file per contestant, each in the best form that an honest user of that library would write.

A contestant's module has ``PACKAGES``, what it needs installed, and one or more of

``Training(problem, X, y, threads)``
    ``epoch(order=None)`` runs all steps over the rows as they are or in that order and goes on
    from where the last one ended, ``fit(epochs, seed)`` does so over shuffled rows, and
    ``layers()`` returns (W_k, b_k) in our layout.
``ways(problem, threads)``
    ``{name: (statement, namespace)}``: how a prediction is called, for ``timeit``. The value of
    the statement is ŷ; the rows are those of the problem, one batch of them.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

Ways = dict[str, tuple[str, dict[str, Any]]]
MODULES = {  # who wants to enter more adds them, in the worker's process too
    "ffnn_fast": "ffnn_fast._bench.peers.ours",
    "reference": "ffnn_fast._bench.peers.reference",
    "numpy": "ffnn_fast._bench.peers.plain_numpy",
    "scikit-learn": "ffnn_fast._bench.peers.scikit_learn",
    "torch": "ffnn_fast._bench.peers.pytorch",
    "torch.compile": "ffnn_fast._bench.peers.pytorch_compiled",
    "jax": "ffnn_fast._bench.peers.jax_scan",
    "onnxruntime": "ffnn_fast._bench.peers.onnx_runtime",
    "bare call": "ffnn_fast._bench.peers.bare_call",
}


class Shuffled:
    """A fit made of epochs, each over the rows in a new order."""

    X: Any

    def epoch(self, order: np.ndarray | None = None) -> None:
        """All steps, over the rows as they are or in an order."""
        raise NotImplementedError

    def fit(self, epochs: int, seed: int) -> None:
        """The orders are those that ``Network.fit`` draws from the same seed."""
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            self.epoch(rng.permutation(len(self.X)))


def load(name: str) -> ModuleType:
    """The module of a contestant."""
    return importlib.import_module(MODULES[name])


def missing(name: str) -> list[str]:
    """Packages that a contestant lacks; its module imports them only when it is used."""
    return [package for package in load(name).PACKAGES if find_spec(package) is None]
