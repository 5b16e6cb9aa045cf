"""The networks that benches run, with random rows; the same for every contestant."""

from dataclasses import dataclass

import numpy as np

from ffnn_fast import Network


@dataclass(frozen=True)
class Shape:
    """Layer sizes and rows per step."""

    sizes: tuple[int, ...]
    batch_size: int

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.sizes))} batch {self.batch_size}"


ONLINE = [Shape((16, 32, 4), 1), Shape((784, 128, 10), 1)]
MINIBATCH = [
    Shape((784, 128, 10), 32),
    Shape((64, 64, 64, 10), 64),
    Shape((32, *[32] * 8, 10), 32),
    Shape((784, 512, 512, 10), 256),
]


def rows(shape: Shape, steps: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels for this many steps."""
    rng = np.random.default_rng(0)
    n = steps * shape.batch_size
    X = rng.normal(size=(n, shape.sizes[0])).astype(dtype)
    return X, rng.integers(0, shape.sizes[-1], n)


def network(shape: Shape, engine: str, dtype: str = "float32") -> Network:
    """A tanh network with softmax output, the same start for either engine."""
    return Network(shape.sizes, dtype=dtype, seed=0, engine=engine)
