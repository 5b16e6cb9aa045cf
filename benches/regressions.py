"""Regression problems for the full-batch solvers, the same for every library. NumPy only."""

from dataclasses import dataclass

import numpy as np

from ffnn_fast._bench.problems import Layers

WINE = "wine-quality/winequality-red.csv"


@dataclass(frozen=True)
class Regression:
    """One hidden layer of tanh units; the objective is the mean squared error + l2/2 Σ‖W‖²."""

    data: str  # "wine", or "teacher": rows made by four tanh units, with noise
    hidden: int
    l2: float = 0.0
    tol: float = 1e-10

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes."""
        return ({"wine": 11, "teacher": 5}[self.data], self.hidden, 1)

    def __str__(self) -> str:
        return f"{self.data} {'-'.join(map(str, self.sizes))}" + (
            f", l2 {self.l2:g}" if self.l2 else ""
        )

    def present(self, folder) -> bool:
        """Whether the data are in the folder."""
        return self.data != "wine" or (folder / WINE).exists()

    def rows(self, folder) -> tuple[np.ndarray, np.ndarray]:
        """X, (n, n_0), and y, (n,), of mean 0 and variance 1."""
        if self.data == "wine":
            table = np.loadtxt(folder / WINE, delimiter=",")
        else:
            rng = np.random.default_rng(7)
            X, W, b = (rng.normal(size=shape) for shape in ((1000, 5), (4, 5), 4))
            y = np.tanh(X @ W.T + b) @ rng.normal(size=4) + 0.05 * rng.normal(size=1000)
            table = np.c_[X, y]
        table = (table - table.mean(axis=0)) / table.std(axis=0)
        return table[:, :-1].copy(), table[:, -1].copy()

    def start(self) -> Layers:
        """Glorot's uniform W_k, biases 0."""
        rng, layers = np.random.default_rng(0), []
        for i, o in zip(self.sizes, self.sizes[1:], strict=False):
            limit = np.sqrt(6 / (i + o))
            layers.append((rng.uniform(-limit, limit, (o, i)), np.zeros(o)))
        return layers

    def objective(self, layers: Layers, X, y) -> float:
        """The objective at these (W_k, b_k)."""
        (W_1, b_1), (W_2, b_2) = layers
        error = np.tanh(X @ W_1.T + b_1) @ W_2[0] + b_2 - y
        return float((error**2).mean() + self.l2 / 2 * ((W_1**2).sum() + (W_2**2).sum()))


SAME_MINIMUM = Regression("teacher", 20, l2=1e-3)
BESIDE_ADAM = [Regression("wine", 10, l2=1e-3), Regression("wine", 20), Regression("wine", 50)]
BESIDE_LBFGS = [Regression("wine", 20), Regression("teacher", 20, l2=1e-3)]
