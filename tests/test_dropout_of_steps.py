"""Steps with dropout rates of their own, from one step of the engine to the next."""

from dataclasses import replace

import numpy as np
import pytest
from support.problems import random_params, random_problem, relative_error

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._runtime.bound_network import aligned_copy, aligned_empty
from ffnn_fast.optimizers import SGD, Adam, AdamW, StepRule

pytestmark = pytest.mark.engine
RATES = np.array([0.3, 0.0, 0.8, 0.05, 0.0, 0.5, 0.99])


def spec_of(dtype, dropout, activation="tanh"):
    return NetworkSpec((7, 19, 12, 3), activation, dtype=dtype, l2=1e-3, dropout=dropout)


def epochs_of_steps(backend, spec, rule, table, problem, size, threads=1, matmul="own"):
    """θ after `train_epoch` with these hyperparameters, and the mean loss."""
    params = aligned_copy(random_params(spec, np.random.default_rng(5)), spec.dtype)
    plan = backend.Plan(spec, threads, matmul)
    state = np.zeros((rule.slots, len(params)), spec.dtype)
    n = len(problem.X)
    work = aligned_empty(backend.workspace_size(plan, size), spec.dtype)
    data = (problem.X, problem.Y, problem.sample_weight, np.arange(n)[::-1].copy())
    loss = backend.train_epoch(plan, params, *data, size, rule, table, state, 4, work)
    return params, loss


def table_of(optimizer, steps):
    """Learning rates and dropout rates that change, (steps, H + 1)."""
    table = np.empty((steps, len(optimizer.hyper) + 1))
    table[:, :-1] = optimizer.hyper
    table[:, 0] *= np.linspace(1, 0.5, steps)
    table[:, -1] = np.resize(RATES, steps)
    return table


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.05), AdamW(learning_rate=0.01)])
@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_steps_with_their_own_dropout(engine, activation, size, optimizer, matmul, dtype, rng):
    """As in the reference, with rates of 0 among them, and dropped inputs."""
    spec = spec_of(dtype, (0.2, 0.2, 0.2), activation)
    problem, steps = random_problem(spec, 40, rng, weighted=True), -(-40 // size)
    rule, table = StepRule(optimizer, seed=77), table_of(optimizer, steps)
    found, loss = epochs_of_steps(engine, spec, rule, table, problem, size, matmul=matmul)
    expected, theirs = epochs_of_steps(reference, spec, rule, table, problem, size)
    tolerance = 1e-9 if dtype == "float64" else 2e-4
    assert loss == pytest.approx(theirs, rel=tolerance)
    assert relative_error(found, expected) <= tolerance
    others = epochs_of_steps(reference, spec, rule, table[:, :-1].copy(), problem, size)
    assert relative_error(others[0], expected) > 10 * tolerance


@pytest.mark.parametrize("size", [1, 5, 40, 700])
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_a_rate_of_the_steps_has_the_bits_of_that_rate_of_the_network(engine, size, optimizer):
    rng = np.random.default_rng(3)
    one, other = spec_of("float32", (0, 0.25, 0.5)), spec_of("float32", (0, 0.9, 0.9))
    same = replace(one, dropout=(0.0, 0.4, 0.4))
    problem, rule = random_problem(one, 700, rng), StepRule(optimizer, seed=3)
    steps = -(-700 // size)
    fixed = np.array([optimizer.hyper])
    given = np.array([[*optimizer.hyper, 0.4]])
    expected, loss = epochs_of_steps(engine, same, rule, fixed, problem, size)
    for spec in (one, other):
        for table in (given, np.repeat(given, steps, axis=0)):
            for threads in (1, 2):
                found = epochs_of_steps(engine, spec, rule, table, problem, size, threads)
                np.testing.assert_array_equal(found[0], expected)
                assert found[1] == loss


@pytest.mark.parametrize("rate", [1.0, -0.1, np.nan])
def test_the_engine_refuses_impossible_rates(engine, rate, rng):
    spec = spec_of("float64", 0.2)
    problem, rule = random_problem(spec, 4, rng), StepRule(SGD())
    table = np.array([[0.1, 0.3], [0.1, rate]])
    with pytest.raises(ValueError, match=r"a dropout rate must be in \[0, 1\), got"):
        epochs_of_steps(engine, spec, rule, table, problem, 2)
    without = replace(spec, dropout=0.0)
    with pytest.raises(ValueError, match="hyper does not fit"):
        epochs_of_steps(engine, without, rule, table[:1].copy(), problem, 2)
