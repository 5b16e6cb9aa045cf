"""ffnn_fast by its public API: a step is an epoch of ``Network.fit`` divided by its steps.

Adam runs through ``Network.partial_fit``, whose optimizer state lasts from epoch to epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Layers, Problem

if TYPE_CHECKING:
    from ffnn_fast.network import Network

PACKAGES = ("ffnn_fast",)


def network(problem: Problem, threads: int, engine: str) -> Network:
    """A Network with the problem's start."""
    from ffnn_fast.network import Network

    net = Network(
        problem.sizes, activation=problem.activation, dtype=problem.dtype, engine=engine,
        n_threads=threads,
    )  # fmt: skip
    for W, b, (W_0, b_0) in zip(net.weights, net.biases, problem.start(), strict=True):
        W[:], b[:] = W_0, b_0
    return net


class Training:
    """A network, its rows and its options."""

    engine = "compiled"

    def __init__(self, problem: Problem, X: np.ndarray, y: np.ndarray, threads: int) -> None:
        from ffnn_fast.optimizers import SGD, Adam

        self.net = network(problem, threads, self.engine)
        self.data = (np.asarray(X, problem.dtype), y)
        self.adam, rate = problem.optimizer == "adam", problem.learning_rate
        self.options: dict[str, Any] = {
            "batch_size": problem.batch_size,
            "optimizer": Adam(learning_rate=rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
            if self.adam
            else SGD(learning_rate=rate),
        }

    def epoch(self) -> None:
        """Steps over the rows as they are."""
        if self.adam:
            self.net.partial_fit(*self.data, **self.options)
        else:
            self.net.fit(*self.data, epochs=1, shuffle=False, metrics=False, **self.options)

    def fit(self, epochs: int, seed: int) -> None:
        """Steps over rows gathered in the engine, in an order shuffled for each epoch."""
        self.net.fit(*self.data, epochs=epochs, rng=seed, metrics=False, **self.options)

    def layers(self) -> Layers:
        """Views of the parameters."""
        return list(zip(self.net.weights, self.net.biases, strict=True))


def calls(problem: Problem, threads: int) -> Calls:
    """The reusable predictor with a given output, then the validated calls."""
    net = network(problem, threads, "compiled")
    X, _ = problem.with_steps(1).rows()
    names = {
        "net": net,
        "predict": net.predictor(len(X)),
        "x": X,
        "out": np.empty((len(X), problem.sizes[-1]), problem.dtype),
    }
    return {
        "predictor(x, out)": ("predict(x, out)", names),
        "net.forward(x)": ("net.forward(x)", names),
        "net.predict(x)": ("net.predict(x)", names),
    }
