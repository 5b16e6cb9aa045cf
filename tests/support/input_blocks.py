"""Networks with input blocks and parametric activations, and rows for them."""

import numpy as np

from ffnn_fast import Network, NetworkSpec
from ffnn_fast._model.samples import Samples
from ffnn_fast.initializers import initialize
from ffnn_fast.inputs import InputBlock

CATEGORIES = {1: 3, 3: 12, 4: 2}  # one-hot, a table, one signed unit; 0 and 2 are numbers
ALL = InputBlock(categories=CATEGORIES)
EDGES = {0: (-1.5, -0.4, 0.1, 0.2, 1.5), 2: (-0.7, 0.8)}  # 4 bins, 1 bin; some rows lie outside
BINS = InputBlock("piecewise", CATEGORIES, edges=EDGES)
NETWORKS = {
    "all": {"inputs": ALL},
    "plain": {"inputs": InputBlock("plain", CATEGORIES, one_hot=0, width=3)},
    "without scale": {"inputs": InputBlock(categories={3: 12}, scale=False)},
    "one embedded": {"inputs": InputBlock(embedded=(2,), frequencies=5, outputs=2)},
    "piecewise": {"inputs": BINS},
    "most bins": {
        "inputs": InputBlock(
            "piecewise", outputs=16, edges={1: np.arange(65) / 8 - 0.03}, scale=False
        )
    },
    "largest": {"inputs": InputBlock(frequencies=64, outputs=16)},
    "wide tables": {"inputs": InputBlock("plain", CATEGORIES, one_hot=0, width=300)},
    "parametric": {"parametric": True},
    "all parametric": {"inputs": ALL, "parametric": True, "dropout": (0.1, 0.2, 0.3)},
    "piecewise parametric": {"inputs": BINS, "parametric": True},
}


def rows(n, rng, dtype="float64"):
    """n rows of numbers and codes, some of them unknown."""
    X = rng.normal(size=(n, 5))
    for column, count in CATEGORIES.items():
        X[:, column] = rng.integers(0, count + 2, n)
    return X.astype(dtype)


def spec_of(options, dtype="float64", activations="silu", width=37):
    return NetworkSpec((5, width, 6, 2), activations, "identity", "squared_error", dtype, **options)


def params_of(spec, rng):
    """First values, all moved a little."""
    params = initialize(spec, "auto", rng)
    return params + rng.normal(0, 0.1, params.shape).astype(spec.dtype)


def problem_of(spec, n, rng):
    X = rows(n, rng, spec.dtype)
    return Samples(X, rng.normal(size=(n, 2)).astype(spec.dtype))


def small(rng, **options):
    X = rows(300, rng)
    y = np.sin(3 * X[:, 0]) + X[:, 3] % 3
    arguments = {"inputs": ALL, "parametric": True, "dropout": 0.1, "activation": "silu"}
    return Network([5, 24, 24, 1], output="identity", seed=0, **arguments | options), X, y
