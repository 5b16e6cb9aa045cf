"""The rows of ``python -m benches --compare``: what to call, on which network, with which rows.

NumPy only: the worker processes of both versions import this module.
"""

from dataclasses import dataclass

import numpy as np

FIT, FIT_WITH_METRICS, PARTIAL_FIT = "fit", "fit with metrics", "partial_fit"
PREDICT, PREDICTOR, FORWARD = "predict", "predictor", "forward"
LEVENBERG_MARQUARDT, LBFGS = "levenberg_marquardt", "L-BFGS"


@dataclass(frozen=True)
class Case:
    """A call of the public API.

    Attributes
    ----------
    call : str
        One of the constants above.
    sizes : tuple of int
        n_0, ..., n_L.
    n_rows : int
    batch_size : int
    optimizer, learning_rate
        As in `Network.fit`.
    output : str
        "softmax": random labels; "identity": targets made by tanh units, with noise.
    dtype, threads, matmul
        As in `Network`; `threads` is also the number of cores that the process is pinned to.
    iterations : int
        Epochs of a fit, or the most iterations of a solver.
    """

    call: str
    sizes: tuple[int, ...]
    n_rows: int
    batch_size: int = 1
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    output: str = "softmax"
    dtype: str = "float32"
    threads: int = 1
    matmul: str = "auto"
    iterations: int = 1

    def __str__(self) -> str:
        batch = f"batch {self.batch_size}, {self.optimizer}"
        rows = f"{self.n_rows} row{'s' if self.n_rows > 1 else ''}"
        parts = [f"{self.call} {self.network}", batch if self.call == FIT else rows]
        if self.dtype == "float64":
            parts.append(self.dtype)
        if self.matmul != "auto":
            parts.append(f"matmul={self.matmul}")
        if self.threads > 1:
            parts.append(f"{self.threads} threads")
        return ", ".join(parts)

    @property
    def network(self) -> str:
        """Layer sizes; repeated ones as 9x32."""
        if len(self.sizes) > 5 and len(set(self.sizes[:-1])) == 1:
            return f"{len(self.sizes) - 1}x{self.sizes[0]}-{self.sizes[-1]}"
        return "-".join(map(str, self.sizes))

    @property
    def trains(self) -> bool:
        """Whether the call changes the parameters."""
        return self.call not in (PREDICT, PREDICTOR, FORWARD)

    def start(self) -> np.ndarray:
        """θ: Glorot's uniform W_k, biases 0, in the order W_1, b_1, W_2, b_2, ..."""
        rng, parts = np.random.default_rng(1), []
        for i, o in zip(self.sizes, self.sizes[1:], strict=False):
            limit = np.sqrt(6 / (i + o))
            parts += [rng.uniform(-limit, limit, o * i), np.zeros(o)]
        return np.concatenate(parts).astype(self.dtype)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """X, (n_rows, n_0), and labels, (n_rows,), or targets, (n_rows, n_L)."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_rows, self.sizes[0]))
        if self.output == "softmax":
            y = rng.integers(0, self.sizes[-1], self.n_rows)
        else:
            hidden = np.tanh(X @ rng.standard_normal((self.sizes[0], 4)))
            noise = 0.05 * rng.standard_normal((self.n_rows, self.sizes[-1]))
            y = (hidden @ rng.standard_normal((4, self.sizes[-1])) + noise).astype(self.dtype)
        return X.astype(self.dtype), y


MNIST, SQUARE, DEEP = (784, 128, 10), (64, 64, 64, 10), (*[32] * 9, 10)
WIDE = (784, 512, 512, 10)
CASES = [
    Case(FIT, (16, 32, 4), 50_000),
    Case(FIT, MNIST, 4_000),
    Case(FIT, MNIST, 500, optimizer="adam", learning_rate=0.001),
    Case(FIT, MNIST, 4_096, 32),
    Case(FIT, MNIST, 4_096, 32, "adam", 0.001),
    Case(FIT, MNIST, 4_096, 32, dtype="float64"),
    Case(FIT, MNIST, 4_096, 32, matmul="blas"),
    Case(FIT, SQUARE, 25_600, 64),
    Case(FIT, SQUARE, 25_600, 64, dtype="float64"),
    Case(FIT, DEEP, 25_600, 32),
    Case(FIT, (54, 200, 200, 7), 10_000, 100),
    Case(FIT, WIDE, 2_048, 256),
    Case(FIT, WIDE, 2_048, 256, threads=2),
    Case(FIT, (13, 64, 64, 2), 12_800, 32, output="identity"),
    Case(PARTIAL_FIT, (16, 32, 4), 1),
    Case(FIT_WITH_METRICS, (64, 100, 10), 1_500, 32, iterations=5),
    Case(PREDICT, MNIST, 10_000),
    Case(PREDICT, MNIST, 10_000, threads=2),
    Case(PREDICTOR, (8, 64, 64, 4), 1),
    Case(FORWARD, (8, 64, 64, 4), 1),
    Case(FORWARD, MNIST, 1),
    Case(LEVENBERG_MARQUARDT, (5, 20, 1), 1_000, output="identity", dtype="float64", iterations=10),
    Case(LBFGS, (11, 20, 1), 1_600, output="identity", dtype="float64", iterations=50),
]
