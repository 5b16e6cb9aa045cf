"""One file per contestant, each in the best form that an honest user of that library would write.

A contestant's module has ``PACKAGES``, what it needs installed, and one or more of

``Training(problem, X, y, threads)``
    ``epoch(order=None)`` runs all steps over the rows as they are or in that order and goes on
    from where the last one ended, ``fit(epochs, seed)`` does so over shuffled rows, and
    ``layers()`` returns (W_k, b_k) in our layout.
``ways(problem, threads)``
    ``{name: (statement, namespace)}``: how a prediction is called, for ``timeit``. The result of
    the statement is ŷ; the rows are those of the problem, one batch of them.
``solve(regression, X, y, way, limit, threads)``
    Seconds of a solver's run from the regression's start, of so many iterations at most, and the
    (W_k, b_k) that it found.
"""

import importlib
from importlib.util import find_spec

import numpy as np

FILES = {
    "ffnn_fast": "ours",
    "reference": "reference",
    "numpy": "plain_numpy",
    "scikit-learn": "scikit_learn",
    "torch": "pytorch",
    "torch.compile": "pytorch_compiled",
    "jax": "jax_scan",
    "onnxruntime": "onnx_runtime",
    "bare call": "bare_call",
    "products alone": "products",
    "MINPACK": "minpack",
}


class Shuffled:
    """A fit made of epochs, each over the rows in a new order."""

    def fit(self, epochs, seed):
        """The orders are those that ``Network.fit`` draws from the same seed."""
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            self.epoch(rng.permutation(len(self.X)))


def load(name):
    """The module of a contestant."""
    return importlib.import_module(f"benches.peers.{FILES[name]}")


def missing(name):
    """Packages that a contestant lacks; its module imports them only when it is used."""
    return [package for package in load(name).PACKAGES if find_spec(package) is None]
