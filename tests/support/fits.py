"""Small problems to fit, for every test of training."""

import numpy as np

from ffnn_fast import Network
from ffnn_fast.callbacks import Callback


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


def fitted(net, X, y, size, **given):
    """One epoch over the rows as they lie; its history."""
    return net.fit(X, y, epochs=1, shuffle=False, batch_size=size, metrics=False, **given)


def in_batches(stepper, X, y, size, weight=None):
    """A step on each batch of the rows; the losses."""
    parts = (slice(start, start + size) for start in range(0, len(X), size))
    return [
        stepper.step(X[part], y[part], None if weight is None else weight[part]) for part in parts
    ]


class StopAt(Callback):
    """Ctrl-C after so many batches; with 0 never, but batch by batch all the same."""

    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, run, loss):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
