"""W_1ᵀ of sparse rows, kept between calls while W_1 stays as it is."""

import numpy as np
import pytest
from support.cases import TOLERANCES
from support.problems import random_params, relative_error
from support.sparse_problems import sparse_problem, text_like

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._runtime.bound_network import aligned_empty

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(1, 2), (41, 13, 3), (131, 67, 2)])
def test_digests_of_both_engines(engine, sizes, dtype):
    """Any change of W_1 shows, also one of all signs; none of another layer does."""
    spec = NetworkSpec(sizes, dtype=dtype)
    params = random_params(spec, np.random.default_rng(0))
    plan = engine.Plan(spec)
    known = engine.first_layer_digest(plan, params)
    assert known == reference.first_layer_digest(reference.Plan(spec), params)
    W, b = spec.weights(params)[0], spec.biases(params)[0]
    b += 1
    assert engine.first_layer_digest(plan, params) == known
    W *= -1
    assert engine.first_layer_digest(plan, params) != known
    W *= -1
    assert engine.first_layer_digest(plan, params) == known
    W[-1, -1] = np.nextafter(W[-1, -1], 9)
    assert engine.first_layer_digest(plan, params) != known


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transposed_weights_of_both_engines(engine, dtype):
    """W_1ᵀ is written if it is not current, and read if it is."""
    spec = NetworkSpec((41, 13, 3), "tanh", dtype=dtype)
    rows, dense = sparse_problem(spec, 45, np.random.default_rng(0))
    params = random_params(spec, np.random.default_rng(1))
    other = random_params(spec, np.random.default_rng(2))
    spec.biases(other)[0][:], other[41 * 13 + 13 :] = spec.biases(params)[0], params[41 * 13 + 13 :]
    for backend, plan in (
        (engine, engine.Plan(spec, sparse=True)), (reference, reference.Plan(spec)),
    ):  # fmt: skip
        found = []
        W = np.full((41, 13), np.nan, dtype)
        size = backend.workspace_size(plan, 45, forward_only=True)
        for theta, is_current in ((params, False), (other, True)):
            out = np.empty((45, 3), dtype)
            work = aligned_empty(size, dtype)
            backend.forward(plan, theta, rows.X, out, work, None, W, is_current)
            found.append(out)
        np.testing.assert_array_equal(W, spec.weights(params)[0].T)
        np.testing.assert_array_equal(found[0], found[1])
        expected = Network.from_params(spec, params).forward(dense.X)
        assert relative_error(found[0], expected) < TOLERANCES[dtype]


def test_outputs_follow_changes_of_the_weights():
    """W_1ᵀ is kept between calls, and not used once W_1 has changed, by whatever means."""
    X, y = text_like()
    net = Network([2000, 5, 3], seed=1)
    calls = []
    for change in (
        lambda: None, lambda: None, lambda: net.fit(X, y, epochs=1),
        lambda: np.negative(net.weights[0], out=net.weights[0]),
        lambda: net.weights[0].__setitem__((4, 0), 9.0), lambda: net.step(X, y, learning_rate=1.0),
    ):  # fmt: skip
        change()
        fresh = Network.from_params(net.spec, net.params)
        calls.append(net.forward(X))
        np.testing.assert_array_equal(calls[-1], fresh.forward(X))
        np.testing.assert_array_equal(net.forward(X), calls[-1])
    assert not np.array_equal(calls[1], calls[2])


def test_transposed_weights_are_kept_up_to_a_size(monkeypatch):
    X, _ = text_like()
    for most, kept in ((4 * 2000 * 5, True), (4 * 2000 * 5 - 1, False)):
        monkeypatch.setattr("ffnn_fast._runtime.sparse_plans.MOST_TRANSPOSED", most)
        net = Network([2000, 5, 3], seed=1)
        first = net.forward(X)
        assert ("transposed" in net._bound.made) is kept
        np.testing.assert_array_equal(net.forward(X), first)


def test_weights_that_change_during_a_call_are_not_kept(monkeypatch):
    """Another thread trains while this one transposes: the next call transposes again."""
    X, _ = text_like()
    net = Network([2000, 5, 3], seed=1)
    engine, before = net._bound.backend, net.params.copy()
    digest = engine.first_layer_digest

    def changing(plan, params):
        found = digest(plan, params)
        net.params[:] = 1
        return found

    monkeypatch.setattr(engine, "first_layer_digest", changing)
    net.forward(X)
    monkeypatch.undo()
    net.params[:] = before
    expected = Network.from_params(net.spec, before).forward(X)
    np.testing.assert_array_equal(net.forward(X), expected)
