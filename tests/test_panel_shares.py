"""Threads that share the panels of a batch: no bit depends on the shares."""

import numpy as np
import pytest
from support.problems import random_params, random_problem, train

from ffnn_fast import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("batch_size", [28, 40, 48, 100])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("head", [{}, {"output": "linear", "loss": "absolute_error"}])
def test_threads_that_share_panels(engine, batch_size, activation, head, dtype, rng):
    """Threads that train on half panels, and a last batch of few rows."""
    spec = NetworkSpec((300, 600, 9), activation, dtype=dtype, dropout=0.25, **head)
    problem = random_problem(spec, 130, rng, weighted=True)
    params, order = random_params(spec, rng), rng.permutation(130)
    results = []
    for n_threads in (1, 2, 3, 5):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
        losses = train(bound, problem, order, batch_size, 0.01)
        results.append((bound.params, losses, bound.loss_gradient(problem)[1]))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("sizes", "n"),
    [((300, 520, 700, 5), 600), ((129, 1024, 257, 3), 520), ((64, 1024, 523, 3), 49)],
    ids=str,
)
def test_bits_of_wide_layers_do_not_depend_on_threads(engine, sizes, n, dtype, rng):
    """Layers of more than half a megabyte, whose sums are taken in parts; many panels and few."""
    spec = NetworkSpec(sizes, "tanh", dtype=dtype)
    problem, params = random_problem(spec, n, rng), random_params(spec, rng)
    order, results = rng.permutation(n), []
    for n_threads in (1, 2, 5):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
        train(bound, problem, order, n, 0.01)
        results.append(bound.params)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("n", [17, 20, 35, 52, 70])
@pytest.mark.parametrize(
    "sizes", [(29, 51, 24, 30), (4, 26, 3), (900, 30, 2), (5, 900, 1), (3, 17, 2, 4)], ids=str
)
def test_bits_of_an_output_do_not_depend_on_the_rows_beside_it(engine, sizes, n, dtype, rng):
    """A last panel of few rows, and panels of few units, have tiles of their own."""
    output, loss = ("softmax", "cross_entropy") if sizes[-1] > 2 else ("linear", "squared_error")
    spec = NetworkSpec(sizes, "tanh", output, loss, dtype=dtype)
    bound = BoundNetwork(spec, engine.Plan(spec, 1), random_params(spec, rng), engine)
    X = rng.normal(size=(150, sizes[0])).astype(spec.dtype)
    np.testing.assert_array_equal(bound.forward(X[:n]), bound.forward(X)[:n])


@pytest.mark.parametrize("sizes", [(66_000, 2), (132_000, 1)], ids=str)
def test_few_units_of_very_many_inputs(engine, sizes, dtype, rng):
    """Whole groups of four panels leave no panel for the loop after theirs."""
    spec = NetworkSpec(sizes, "tanh", "linear", "squared_error", dtype=dtype)
    params = random_params(spec, rng)
    bound = BoundNetwork(spec, engine.Plan(spec, 1), params, engine)
    X = rng.normal(size=(64, sizes[0])).astype(spec.dtype)
    W, b = params[: -sizes[1]].reshape(sizes[::-1]), params[-sizes[1] :]
    size = np.abs(X) @ np.abs(W.T)
    error = np.abs(bound.forward(X) - (X.astype(np.float64) @ W.T.astype(np.float64) + b))
    assert (error <= 64 * np.finfo(spec.dtype).eps * size / sizes[0] ** 0.5).all()
