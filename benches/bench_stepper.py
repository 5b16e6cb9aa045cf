"""A step per call beside the engine alone, hand-written NumPy and a jitted JAX step.

Every benchmark is of STEPS steps, after a check that they are the steps of the NumPy formulas. The
engine alone makes them in one call; JAX, if it is installed, is called for each.
"""

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast._bench.libraries import ffnn_fast_compiled, plain_numpy
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Problem, flat
from ffnn_fast.optimizers import Adam

STEPS = 100
CASES = [
    Problem(sizes, batch_size, learning_rate=0.001, optimizer="adam", steps=STEPS)
    for sizes, batch_size in [((16, 32, 4), 16), ((4, 64, 64, 2), 1), ((4, 64, 64, 2), 64)]
]
TOLERANCE = 1e-2  # of the change of θ: Adam divides an entry by its magnitude


def batches(problem):
    """The rows of each step."""
    X, y = problem.rows()
    size = problem.batch_size
    return [(X[i : i + size], y[i : i + size]) for i in range(0, len(X), size)]


def optimizer(problem):
    rate = problem.learning_rate
    return Adam(learning_rate=rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)


class Stepwise:
    """`Network.stepper`."""

    def __init__(self, problem):
        self.net, self.batches = (
            ffnn_fast_compiled.network(problem, 1, "compiled"),
            batches(problem),
        )
        self.stepper = self.net.stepper(optimizer=optimizer(problem), batch_size=problem.batch_size)

    def run(self):
        step = self.stepper.step
        for X, y in self.batches:
            step(X, y)

    def params(self):
        return self.net.params


class Engine:
    """All steps in one call of the engine."""

    def __init__(self, problem):
        self.inner = ffnn_fast_compiled.Training(problem, *problem.rows(), 1)

    def run(self):
        self.inner.epoch()

    def params(self):
        return flat(self.inner.layers())


class Numpy(Engine):
    """NumPy into buffers made once."""

    def __init__(self, problem):
        self.inner = plain_numpy.Training(problem, *problem.rows(), 1)


class Jax:
    """A jitted step with donated parameters and moments."""

    def __init__(self, problem):
        jax = pytest.importorskip("jax")
        from ffnn_fast._bench.libraries import jax_jitted

        self.inner = jax_jitted.Training(problem, *problem.rows(), 1)
        self.step, _ = jax_jitted.epochs(problem.with_steps(0))  # jitted anew for a single step
        self.batches, self.wait = batches(problem), jax.block_until_ready

    def run(self):
        state = self.inner.state
        for X, y in self.batches:
            state = self.step(state, X, y.astype(np.int32))
        self.inner.state = self.wait(state)

    def params(self):
        return flat(self.inner.layers())


WAYS = {"stepper": Stepwise, "engine alone": Engine, "numpy": Numpy, "jax": Jax}


@pytest.mark.parametrize("problem", CASES, ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_steps(benchmark, problem, way):
    few = problem.with_steps(4)
    ours, right = WAYS[way](few), Numpy(few)
    start = flat(few.start())
    for each in (ours, right):
        each.run()
    change = np.linalg.norm(right.params() - start)
    assert np.linalg.norm(ours.params() - right.params()) <= TOLERANCE * change
    benchmark.group = f"{STEPS} steps, {problem}"
    benchmark(WAYS[way](problem).run)


@pytest.mark.parametrize("rows", [1, 16])
@pytest.mark.parametrize("method", ["partial_fit", "step", "stepper.step"])
def test_one_call(benchmark, method, rows):
    net = Network((16, 32, 4), seed=0, n_threads=1)
    X, y = Problem((16, 32, 4), rows, steps=1).rows()
    call = {"partial_fit": net.partial_fit, "stepper.step": net.stepper().step}.get(
        method, lambda X, y: net.step(X, y, 0.01)
    )
    benchmark.group = f"a call that trains 16-32-4 on {rows} rows"
    benchmark(call, X, y)
