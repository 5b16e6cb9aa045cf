"""Steps of many kinds: the network, the rows of a batch and how it is trained, with its target."""

import math
from dataclasses import dataclass, field
from functools import cache
from time import process_time

import numpy as np

from ffnn_fast import Network

FITS, FITTED = 3, 0.03  # fits of a measurement, seconds of one


@dataclass(frozen=True)
class StepCase:
    """Steps of one network on batches of one size.

    Attributes
    ----------
    sizes : tuple of int
        The widths n_0..n_L.
    batch_size, rows : int
        Rows of a step, and of an epoch.
    network, fit : dict
        Further arguments of `Network` and of `Network.fit`.
    share : float or None
        The share of the core's peak that its products are to reach.
    most : float or None
        The microseconds that a step may take.
    """

    sizes: tuple[int, ...]
    batch_size: int
    rows: int
    network: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    share: float | None = None
    most: float | None = None

    def __str__(self):
        given = {"activation": "tanh", "dtype": "float32", **self.network, **self.fit}
        words = [str(value) if key in WORDS else f"{key} {value}" for key, value in given.items()]
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch_size}, {', '.join(words)}"

    @property
    def products(self):
        """Floating-point operations of a step's products: no ∇h_0 is needed."""
        inputs, outputs = np.array(self.sizes[:-1]), np.array(self.sizes[1:])
        return 2 * self.batch_size * (3 * inputs @ outputs - inputs[0] * outputs[0])

    def seconds(self):
        """CPU seconds of a step: the least of `FITS` fits of about `FITTED` seconds, as the peak is
        the speed of the fastest of several loops.
        """
        net, X, Y = _prepared(str(self))
        given = {"batch_size": self.batch_size, "shuffle": False, "metrics": False, **self.fit}
        steps = -(-self.rows // self.batch_size)
        net.fit(X, Y, epochs=1, learning_rate=1e-3, **given)
        epochs = max(1, int(FITTED / (self.products * steps / 1e11 + 1e-6 * steps)))
        least = math.inf
        for _ in range(FITS):
            began = process_time()
            net.fit(X, Y, epochs=epochs, learning_rate=1e-3, **given)
            least = min(least, process_time() - began)
        return least / (epochs * steps)


WORDS = ("activation", "dtype", "output", "loss", "optimizer")
VALUES = {"output": "linear", "loss": "half_squared_error"}
LOGITS = {"output": "logistic", "loss": "binary_cross_entropy"}


@cache
def _prepared(name):
    """A network of a case and its rows."""
    case = CASES[name]
    rng = np.random.default_rng(0)
    net = Network(case.sizes, seed=0, n_threads=1, **case.network)
    X = rng.normal(size=(case.rows, case.sizes[0])).astype(net.spec.dtype)
    if "loss" not in case.network:
        return net, X, rng.integers(0, case.sizes[-1], case.rows)
    Y = rng.normal(size=(case.rows, case.sizes[-1])).astype(net.spec.dtype)
    return net, X, (Y > 0).astype(Y.dtype) if case.network["output"] == "logistic" else Y


def _kinds():
    """The cases, by name."""
    wide, middle, mnist = (784, 512, 512, 10), (54, 200, 200, 7), (784, 128, 10)
    small = (13, 64, 64, 2)
    cases = [
        StepCase(wide, 256, 2560, share=0.90),
        StepCase(wide, 256, 2560, {"dtype": "float64"}, share=0.88),
        *(StepCase(middle, 100, 4000, {"activation": g}, share=s)
          for g, s in (("tanh", 0.85), ("relu", None), ("gelu", None), ("silu", None),
                       ("logistic", None))),
        StepCase(middle, 100, 4000, {"dtype": "float64"}),
        StepCase((300, 100, 5), 48, 4800, share=0.80),
        StepCase(mnist, 32, 3200, share=0.82),
        StepCase(mnist, 32, 3200, {"l2": 1e-4}),
        StepCase(mnist, 32, 3200, {"dropout": 0.2}),
        StepCase(mnist, 32, 3200, fit={"optimizer": "adam"}),
        StepCase(small, 32, 3200, VALUES, share=0.70),
        StepCase(small, 32, 3200, LOGITS, share=0.70),
        *(StepCase((784, width, width, 10), 1024, 1024, {"matmul": matmul})
          for width in (1024, 2048) for matmul in ("own", "blas")),
        StepCase((4, 32, 16, 4), 10_000, 10_000, VALUES, {"optimizer": "adam"}),
        StepCase(mnist, 1, 1500, most=5),
        StepCase(mnist, 1, 1500, {"l2": 1e-4}, most=6),
        StepCase(mnist, 1, 1500, fit={"optimizer": "momentum"}, most=16),
        StepCase(mnist, 1, 1500, fit={"optimizer": "adam"}, most=30),
        StepCase(small, 1, 1500, VALUES, most=0.8),
        StepCase(small, 1, 1500, VALUES, {"optimizer": "momentum"}, most=1.1),
        StepCase(small, 1, 1500, VALUES, {"optimizer": "adam"}, most=1.5),
    ]  # fmt: skip
    return {str(case): case for case in cases}


CASES = _kinds()
