"""Libraries that only the benches measure, and functions beyond steps and predictions.

`ffnn_fast._bench.libraries.adapter` describes an adapter. The modules here may also have

``solve(regression, X, y, solver, limit, threads)``
    Seconds of a solver's run from the regression's start, of at most so many iterations, and the
    (W_k, b_k) that it found.
``estimators()``
    The module of a library's estimators.
"""

import importlib

from ffnn_fast._bench.libraries.registry import MODULES

MODULES |= {
    "products alone": "benches.libraries.products",
    "MINPACK": "benches.libraries.minpack",
}
SOLVERS_AND_ESTIMATORS = {
    "ffnn_fast": "benches.libraries.ffnn_fast_solvers",
    "scikit-learn": "benches.libraries.scikit_learn_solvers",
    "MINPACK": "benches.libraries.minpack",
}


def solvers_and_estimators(name):
    """The module with ``solve`` or ``estimators`` of a library."""
    return importlib.import_module(SOLVERS_AND_ESTIMATORS[name])
