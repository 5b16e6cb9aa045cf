"""Small problems to fit, for every test of training."""

import numpy as np

from ffnn_fast import Network


def classes(n=200, seed=0):
    """Five inputs, two classes that a linear model cannot tell apart."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def network(**given):
    """A net for them."""
    return Network([5, 8, 2], **{"seed": 0, **given})


def values(n=100, seed=0):
    """Three inputs, a smooth function of them."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.tanh(X @ [1.0, -2.0, 0.5])
