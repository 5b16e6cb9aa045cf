"""The compiled engine beside its NumPy reference: forward, gradient, online step, minibatch step.

Every benchmark first checks that both give the same result.
"""

from dataclasses import replace

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast._bench.problems import MINIBATCH, ONLINE

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
ENGINES = ["compiled", "reference"]
DTYPES = ["float32", "float64"]


def network(problem, engine, dtype):
    return Network(problem.sizes, dtype=dtype, seed=0, engine=engine, n_threads=1)


def rows(problem, steps, dtype):
    return replace(problem, steps=steps, dtype=dtype).rows()


def agree(got, expected, dtype):
    """Whether two results agree on the scale of the whole array."""
    return np.abs(got - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*ONLINE, *MINIBATCH], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_forward(benchmark, shape, engine, dtype):
    X, _ = rows(shape, 1, dtype)
    assert agree(*(network(shape, e, dtype).forward(X) for e in ENGINES), dtype)
    benchmark.group = f"forward {shape} {dtype}"
    benchmark(network(shape, engine, dtype).forward, X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", MINIBATCH, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_gradient(benchmark, shape, engine, dtype):
    X, y = rows(shape, 1, dtype)
    assert agree(*(network(shape, e, dtype).gradient(X, y) for e in ENGINES), dtype)
    benchmark.group = f"gradient {shape} {dtype}"
    benchmark(network(shape, engine, dtype).gradient, X, y)


@pytest.mark.parametrize("shape", [*ONLINE, *MINIBATCH], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_epoch(benchmark, shape, engine):
    """An epoch of SGD steps; divide by the steps in extra_info for the time of one."""
    steps = 1000 if shape.batch_size == 1 else 20
    X, y = rows(shape, steps, "float32")
    options = {
        "epochs": 1, "batch_size": shape.batch_size, "learning_rate": 1e-3, "metrics": False,
    }  # fmt: skip
    trained = [network(shape, e, "float32") for e in ENGINES]
    for net in trained:
        net.fit(X, y, **options)
    assert agree(*(net.params for net in trained), "float32")
    benchmark.group = f"epoch of {steps} steps, {shape} float32"
    benchmark.extra_info["steps"] = steps
    benchmark(network(shape, engine, "float32").fit, X, y, **options)
