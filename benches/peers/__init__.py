"""Contestants of the benches alone, and what the benches ask of some beyond steps and predictions.

``ffnn_fast._bench.peers`` says what a contestant's module has. The modules here may also have

``solve(regression, X, y, way, limit, threads)``
    Seconds of a solver's run from the regression's start, of so many iterations at most, and the
    (W_k, b_k) that it found.
``estimators()``
    The module of a library's estimators.
"""

import importlib

from ffnn_fast._bench.peers import MODULES

MODULES |= {
    "products alone": "benches.peers.products",
    "MINPACK": "benches.peers.minpack",
}
ALSO = {
    "ffnn_fast": "benches.peers.ours",
    "scikit-learn": "benches.peers.scikit_learn",
    "MINPACK": "benches.peers.minpack",
}


def also(name):
    """The module with the solvers and estimators of a contestant."""
    return importlib.import_module(ALSO[name])
