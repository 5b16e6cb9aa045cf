"""JAX: a whole epoch is one jitted ``lax.scan`` with donated parameters; no Python in the loop.

W is kept as (n_{k-1}, n_k), as JAX's users write x @ W; for online steps this is three times as
fast as (n_k, n_{k-1}). One-hot targets are as fast as gathering, unrolling the scan gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls, ShuffledTraining
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Layers, Problem

PACKAGES = ("jax",)


def device_layers(problem: Problem) -> list[tuple[Any, Any]]:
    """The problem's start, W_k transposed."""
    import jax.numpy as jnp

    return [(jnp.array(W.T), jnp.array(b)) for W, b in problem.start()]


def logits(layers: list[tuple[Any, Any]], activation: str, x: Any) -> Any:
    """a_L of the rows x."""
    import jax
    import jax.numpy as jnp

    g = jax.nn.relu if activation == "relu" else jnp.tanh
    for W, b in layers[:-1]:
        x = g(x @ W + b)
    W, b = layers[-1]
    return x @ W + b


@cache
def epochs(problem: Problem) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Two jitted epochs: over consecutive batches, and over rows in an order; compiled once."""
    import jax

    def loss(layers: Any, x: Any, y: Any) -> Any:
        targets = jax.nn.one_hot(y, problem.sizes[-1], dtype=x.dtype)
        log_y_hat = jax.nn.log_softmax(logits(layers, problem.activation, x))
        return -(targets * log_y_hat).sum(axis=1).mean()

    def step(layers: Any, batch: Any) -> tuple[Any, None]:
        grads = jax.grad(loss)(layers, *batch)
        return jax.tree.map(lambda p, g: p - problem.learning_rate * g, layers, grads), None

    def adam(state: Any, batch: Any) -> tuple[Any, None]:
        layers, m, v, t = state
        grads, t = jax.grad(loss)(layers, *batch), t + 1
        m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, grads)
        v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, grads)
        rate = problem.learning_rate / (1 - BETA_1**t)
        root = 1 / (1 - BETA_2**t) ** 0.5

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - rate * m / (root * v**0.5 + EPSILON)

        return (jax.tree.map(moved, layers, m, v), m, v, t), None

    one = adam if problem.optimizer == "adam" else step

    @partial(jax.jit, donate_argnums=0)
    def sequential(state: Any, X: Any, y: Any) -> Any:
        size = (-1, problem.batch_size)
        return jax.lax.scan(one, state, (X.reshape(*size, X.shape[1]), y.reshape(size)))[0]

    @partial(jax.jit, donate_argnums=0)
    def in_order(state: Any, X: Any, y: Any, order: Any) -> Any:
        def gathered(state: Any, rows: Any) -> Any:
            return one(state, (X[rows], y[rows]))

        return jax.lax.scan(gathered, state, order.reshape(-1, problem.batch_size))[0]

    return sequential, in_order


class Training(ShuffledTraining):
    """Parameters and rows on the device, the CPU."""

    def __init__(self, problem: Problem, X: np.ndarray, y: np.ndarray, threads: int) -> None:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", problem.dtype == "float64")
        self.X, self.y = jnp.asarray(X), jnp.asarray(y.astype(np.int32))
        self.adam = problem.optimizer == "adam"
        self.state: Any = device_layers(problem)
        if self.adam:
            layers = self.state
            m, v = (jax.tree.map(jnp.zeros_like, layers) for _ in range(2))
            self.state = (layers, m, v, jnp.zeros((), problem.dtype))
        self.sequential, self.in_order = epochs(problem.with_steps(0))

    def epoch(self, order: np.ndarray | None = None) -> None:
        """Waits for the result."""
        import jax

        if order is None:
            state = self.sequential(self.state, self.X, self.y)
        else:
            state = self.in_order(self.state, self.X, self.y, order.astype(np.int32))
        self.state = jax.block_until_ready(state)

    def layers(self) -> Layers:
        """Copies, since the state is donated to the next epoch."""
        layers = self.state[0] if self.adam else self.state
        return [(np.array(W).T, np.array(b)) for W, b in layers]


def calls(problem: Problem, threads: int) -> Calls:
    """The forward pass jitted, parameters as constants."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", problem.dtype == "float64")
    layers = device_layers(problem)

    def forward(x: Any) -> Any:
        return jax.nn.softmax(logits(layers, problem.activation, x))

    X, _ = problem.with_steps(1).rows()
    return {
        "jitted": (
            "forward(x).block_until_ready()",
            {"forward": jax.jit(forward), "x": jnp.array(X)},
        )
    }
