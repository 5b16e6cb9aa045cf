"""ffnn_fast through its public door: one call of ``Network.fit`` is an epoch of steps.

Adam goes through the engine's own door, so that its state lasts from epoch to epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._bench.peers import Ways
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Layers, Problem

if TYPE_CHECKING:
    from ffnn_fast.network import Network

PACKAGES = ("ffnn_fast",)
ENGINE = "compiled"


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

    def __init__(
        self,
        problem: Problem,
        X: np.ndarray,
        y: np.ndarray,
        threads: int,
        engine: str = ENGINE,
    ) -> None:
        self.net = network(problem, threads, engine)
        X = np.asarray(X, problem.dtype)
        self.data = (X, y)
        self.options: dict[str, Any] = {
            "batch_size": problem.batch_size,
            "learning_rate": problem.learning_rate,
            "metrics": False,
        }
        self.adam = AdamSteps(self.net, problem) if problem.optimizer == "adam" else None

    def epoch(self) -> None:
        """Steps over the rows as they are."""
        if self.adam is not None:
            self.adam.epoch(*self.data)
        else:
            self.net.fit(*self.data, epochs=1, shuffle=False, **self.options)

    def fit(self, epochs: int, seed: int) -> None:
        """Steps over rows gathered in the engine, in an order shuffled for each epoch."""
        self.net.fit(*self.data, epochs=epochs, rng=seed, **self.options)

    def layers(self) -> Layers:
        """Views of the parameters."""
        return list(zip(self.net.weights, self.net.biases, strict=True))


class AdamSteps:
    """Adam's state beside a network."""

    def __init__(self, net: Network, problem: Problem) -> None:
        from ffnn_fast._runtime.settings import Settings
        from ffnn_fast.optimizers import Adam, StepRule

        rate = problem.learning_rate
        adam = Adam(learning_rate=rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
        self.rule, self.hyper, self.t = StepRule(adam), np.array([adam.hyper]), 0
        self.machine = Settings(net.engine, net.n_threads).bind(net.spec, net.params)
        self.state = np.zeros((self.rule.slots, net.spec.n_params), net.spec.dtype)
        self.batch_size = problem.batch_size
        self.work = self.machine.workspace(self.batch_size)

    def epoch(self, X: np.ndarray, y: np.ndarray) -> None:
        """Steps over the rows as they are."""
        machine, order = self.machine, np.arange(len(X))
        machine.backend.train_epoch(
            machine.plan, machine.params, X, y, None, order, self.batch_size, self.rule, self.hyper,
            self.state, self.t, self.work,
        )  # fmt: skip
        self.t += -(-len(X) // self.batch_size)


def ways(problem: Problem, threads: int) -> Ways:
    """The reusable predictor with a given output, then the validated calls."""
    net = network(problem, threads, ENGINE)
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
