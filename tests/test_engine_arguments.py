"""The compiled engine's functions refuse arrays that do not fit, and write to no input."""

import numpy as np
import pytest
from support.problems import random_params, random_problem, train, twins

from ffnn_fast import NetworkSpec

pytestmark = pytest.mark.engine


def test_shapes_that_do_not_fit_are_refused(engine, rng):
    spec = NetworkSpec((3, 4, 2))
    ours, _ = twins(spec, random_params(spec, rng), engine)
    problem = random_problem(spec, 5, rng, kind="labels")
    out, work = np.empty((5, 2), np.float32), ours.workspace(5)
    call = (ours.plan, ours.params, problem.X)
    with pytest.raises(ValueError, match="params"):
        engine.forward(ours.plan, ours.params[:-1], problem.X, out, work)
    with pytest.raises(ValueError, match="X"):
        engine.forward(ours.plan, ours.params, problem.X[:, :2].copy(), out, work)
    with pytest.raises(ValueError, match="out"):
        engine.forward(*call, out[:4], work)
    with pytest.raises(ValueError, match="work"):
        engine.forward(*call, out, work[:-1])
    with pytest.raises(ValueError, match="label"):
        engine.loss(*call, problem.Y + 1, None, work)
    with pytest.raises(ValueError, match="sample_weight"):
        engine.loss(*call, problem.Y, np.ones(4, np.float32), work)
    with pytest.raises(ValueError, match="order"):
        train(ours, problem, np.array([0, 5]), 2, 0.1)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda a: a["X"].tolist(), TypeError, "X must be an array"),
        (lambda a: a["X"].astype(np.float64), ValueError, "X has the wrong dtype, float64"),
        (lambda a: np.asfortranarray(a["X"]), ValueError, "X must be C-contiguous, got strides"),
        (lambda a: a["X"][None], ValueError, "X"),
        (lambda a: a["X"][:0], ValueError, "X"),
    ],
)
def test_arrays_of_another_kind_are_refused(engine, rng, change, error, match):
    spec = NetworkSpec((3, 4, 2))
    ours, _ = twins(spec, random_params(spec, rng), engine)
    out, work = np.empty((5, 2), np.float32), ours.workspace(5)
    X = change({"X": random_problem(spec, 5, rng).X})
    with pytest.raises(error, match=match):
        engine.forward(ours.plan, ours.params, X, out, work)


def test_arrays_that_are_written_must_be_writable(engine, rng):
    spec = NetworkSpec((3, 4, 2))
    ours, _ = twins(spec, random_params(spec, rng), engine)
    out, work = np.empty((5, 2), np.float32), ours.workspace(5)
    out.setflags(write=False)
    with pytest.raises(ValueError, match="out must be C-contiguous and writable"):
        engine.forward(ours.plan, ours.params, random_problem(spec, 5, rng).X, out, work)


def test_inputs_may_be_read_only(engine, rng):
    spec = NetworkSpec((3, 4, 2))
    ours, _ = twins(spec, random_params(spec, rng), engine)
    problem = random_problem(spec, 5, rng, weighted=True)
    expected = ours.loss(problem)
    for array in (problem.X, problem.Y, problem.sample_weight, ours.params):
        array.setflags(write=False)
    assert ours.loss(problem) == expected
