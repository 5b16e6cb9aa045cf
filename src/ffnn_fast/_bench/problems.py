"""Benchmark problems: networks with random rows and start, the same for every library.

NumPy only: a worker process imports no other library than the one it measures.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]  # (W_k, b_k), W_k of shape (n_k, n_{k-1})
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, in every library


@dataclass(frozen=True)
class Problem:
    """A classifier with softmax output and cross-entropy, and how plain SGD or Adam trains it."""

    sizes: tuple[int, ...]
    batch_size: int
    activation: str = "tanh"
    dtype: Literal["float32", "float64"] = "float32"
    learning_rate: float = 0.01
    steps: int = 4  # of the check; a measurement is calibrated
    optimizer: str = "sgd"

    def __str__(self) -> str:
        shown = f"{self.name} {self.activation} {self.dtype}, batch {self.batch_size}"
        return shown if self.optimizer == "sgd" else f"{shown}, {self.optimizer}"

    @property
    def name(self) -> str:
        """Layer sizes; repeated ones as 9×32."""
        if len(self.sizes) > 5 and len(set(self.sizes[:-1])) == 1:
            return f"{len(self.sizes) - 1}×{self.sizes[0]}-{self.sizes[-1]}"
        return "-".join(map(str, self.sizes))

    @property
    def n_params(self) -> int:
        """Weights and biases."""
        return sum(o * i + o for i, o in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def products_per_step(self) -> int:
        """Floating-point operations of a step's matrix products: forward, ∇W, and ∇h but ∇h_0."""
        each = [2 * o * i for i, o in zip(self.sizes, self.sizes[1:], strict=False)]
        return self.batch_size * (3 * sum(each) - each[0])

    def with_steps(self, steps: int) -> "Problem":
        """The same with another number of steps."""
        return replace(self, steps=steps)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """X, (steps · batch_size, n_0), and labels."""
        rng = np.random.default_rng(0)
        n = self.steps * self.batch_size
        X = rng.standard_normal((n, self.sizes[0]), dtype=self.dtype)
        return X, rng.integers(0, self.sizes[-1], n)

    def start(self) -> Layers:
        """Glorot's uniform W_k; b_k random, so that the check covers their updates."""
        rng = np.random.default_rng(1)
        layers = []
        for i, o in zip(self.sizes, self.sizes[1:], strict=False):
            limit = np.sqrt(6 / (i + o))
            W, b = rng.uniform(-limit, limit, (o, i)), rng.uniform(-0.1, 0.1, o)
            layers.append((W.astype(self.dtype), b.astype(self.dtype)))
        return layers


def flat(layers: Layers) -> np.ndarray:
    """W_1, b_1, W_2, b_2, ... as one vector, (P,)."""
    return np.concatenate([np.ravel(part) for layer in layers for part in layer])


ONLINE = [Problem((16, 32, 4), 1), Problem((784, 128, 10), 1)]
MINIBATCH = [
    Problem((784, 128, 10), 32),
    Problem((64, 64, 64, 10), 64),
    Problem((*[32] * 9, 10), 32),
    Problem((784, 512, 512, 10), 256),
]
ADAM = [
    replace(problem, optimizer="adam", learning_rate=0.001)
    for problem in (MINIBATCH[0], MINIBATCH[3])
]
ONE_PREDICTION = Problem((8, 64, 64, 4), 1)
WIDE = Problem((784, 2048, 2048, 10), 1024, steps=2)
