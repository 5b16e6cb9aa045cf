"""Dropout: masks from a counter, the same everywhere; statistics; training and prediction."""

import numpy as np
import pytest
from support.problems import HIDDEN, random_params, random_problem, relative_error, twins

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._model.dropout_masks import drop, kept, splitmix
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast.engine import isa
from ffnn_fast.optimizers import SGD, Adam, StepRule

pytestmark = pytest.mark.engine
RATES = (0.2, 0.5, 0.3)


def test_splitmix_has_the_published_outputs():
    """The first outputs for the start 1234567, as in the rosetta code of the generator"""
    start, i = np.array([1234567], np.uint64), np.arange(3, dtype=np.uint64)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    np.testing.assert_array_equal(splitmix(start, i), np.array(expected, np.uint64))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_of_what_is_dropped(rate):
    mask = kept((3, 7), 1, 500, 400, rate)
    error = np.sqrt(rate * (1 - rate) / 500)
    assert abs(mask.mean() - (1 - rate)) < 5 * error / 20
    assert abs(mask.mean(axis=0) - (1 - rate)).max() < 5 * error
    assert abs(mask.mean(axis=1) - (1 - rate)).max() < 5 * error


def correlation(a, b):
    return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_masks_are_independent_of_one_another():
    """Of other steps, layers, seeds, rows and units: no correlation beyond chance, 5 σ."""
    base = kept((3, 7), 1, 300, 300, 0.5)
    for other in ((3, 8), 1), ((3, 7), 2), ((4, 7), 1), ((3, 1 << 40), 1), ((1 << 63, 7), 1):
        assert correlation(base, kept(*other, 300, 300, 0.5)) < 5 / 300
    for shift in (1, 2, 4, 16, 128):
        assert correlation(base[shift:], base[:-shift]) < 5 / np.sqrt(300 * (300 - shift))
        assert correlation(base[:, shift:], base[:, :-shift]) < 5 / np.sqrt(300 * (300 - shift))


def test_what_stays_is_scaled(dtype):
    h = np.ones((50, 40), dtype)
    dropped = drop(h, (1, 1), 1, 0.75)
    assert dropped.dtype == dtype
    assert set(np.unique(dropped)) == {0, 4}
    assert drop(h, None, 1, 0.75) is h
    assert drop(h, (1, 1), 1, 0.0) is h


def masked_inputs(backend, matmul, dtype, n, n_threads=1):
    """Which of the inputs the objective sees: ∇W of squared error with W = 0, row by row."""
    spec = NetworkSpec((37, n), (), "identity", "half_squared_error", dtype, dropout=(0.5,))
    plan = backend.Plan(spec, n_threads, matmul)
    params, grad = np.zeros(spec.n_params, dtype), np.empty(spec.n_params, dtype)
    X, Y = np.ones((n, 37), dtype), -np.eye(n, dtype=dtype)
    work = aligned_empty(backend.workspace_size(plan, n), dtype)
    backend.loss_gradient(plan, params, X, Y, None, grad, work, (2**63 + 5, 12))
    return spec.weights(grad)[0] > 0


@pytest.mark.parametrize("n", [1, 5, 40, 1030])
def test_the_engine_draws_the_very_masks_of_the_reference(engine, n, dtype):
    expected = kept((2**63 + 5, 12), 0, n, 37, 0.5)
    np.testing.assert_array_equal(masked_inputs(reference, "own", dtype, n), expected)
    for matmul in ("own", "blas"):
        np.testing.assert_array_equal(masked_inputs(engine, matmul, dtype, n), expected)
    np.testing.assert_array_equal(masked_inputs(engine, "own", dtype, n, 3), expected)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("n", [1, 2, 33, 1030])
def test_loss_and_gradient_under_a_mask(engine, activation, matmul, n, dtype, rtol, rng):
    spec = NetworkSpec((21, 34, 13, 4), activation, dtype=dtype, l2=1e-3, dropout=RATES)
    problem, params = random_problem(spec, n, rng, weighted=True), random_params(spec, rng)
    data = (params, problem.X, problem.Y, problem.sample_weight)
    plan, grad, other = engine.Plan(spec, 2, matmul), params.copy(), params.copy()
    work = aligned_empty(engine.workspace_size(plan, n), dtype)
    theirs = reference.Plan(spec)
    for mask in (None, (5, 1), (5, 2)):
        value = engine.loss_gradient(plan, *data, grad, work, mask)
        expected = reference.loss_gradient(theirs, *data, other, None, mask)
        assert value == pytest.approx(expected, rel=rtol)
        assert engine.loss(plan, *data, work, mask) == pytest.approx(expected, rel=rtol)
        assert relative_error(grad, other) <= rtol


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("backend", [isa.engine, reference])
def test_gradients_under_a_mask_are_central_differences(backend, activation, rng):
    spec = NetworkSpec((6, 8, 7, 3), activation, dtype="float64", dropout=RATES)
    problem, theta = random_problem(spec, 4, rng), random_params(spec, rng)
    plan, grad = backend.Plan(spec), np.empty_like(theta)
    work = aligned_empty(backend.workspace_size(plan, 4), "float64")
    data, mask, step = (problem.X, problem.Y, None), (9, 4), 1e-5
    backend.loss_gradient(plan, theta, *data, grad, work, mask)
    difference = np.empty_like(grad)
    for i in range(len(theta)):
        above, below = theta.copy(), theta.copy()
        above[i] += step
        below[i] -= step
        rise = backend.loss(plan, above, *data, work, mask) - backend.loss(
            plan, below, *data, work, mask
        )
        difference[i] = rise / (2 * step)
    assert relative_error(grad, difference) <= 1e-6
    assert (grad == 0).any()


@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.1), Adam(learning_rate=0.01)])
@pytest.mark.parametrize("activation", ["relu", "silu"])
@pytest.mark.parametrize("batch_size", [1, 7, 40, 1100])
@pytest.mark.parametrize("matmul", ["own", "blas"])
def test_steps_of_training(engine, optimizer, activation, batch_size, matmul, dtype, rng):
    """Both twins take the same steps, for any number of threads and however an epoch is cut."""
    spec = NetworkSpec((21, 34, 13, 4), activation, dtype=dtype, dropout=RATES)
    problem, params = random_problem(spec, 1200, rng, "labels"), random_params(spec, rng)
    rule, order = StepRule(optimizer, seed=77), rng.permutation(1200)[: 40 * batch_size]
    hyper = np.array([optimizer.hyper], dtype=float)

    def trained(backend, pieces, n_threads=1):
        bound = BoundNetwork(spec, backend.Plan(spec, n_threads, matmul), params.copy(), backend)
        state, t = np.zeros((rule.slots, spec.n_params), dtype), 3
        for piece in pieces:
            backend.train_epoch(
                bound.plan, bound.params, problem.X, problem.Y, None, piece, batch_size, rule,
                hyper, state, t, bound.workspace(batch_size),
            )  # fmt: skip
            t += -(-len(piece) // batch_size)
        return bound.params

    ours = trained(engine, [order])
    # float32 steps of Adam are as large for a gradient of rounding errors as for any other
    tolerance = 1e-10 if dtype == "float64" else 2e-2
    assert relative_error(ours, trained(reference, [order])) <= tolerance
    np.testing.assert_array_equal(ours, trained(engine, [order], 3))
    cut = np.split(order, [16 * batch_size] if len(order) > 16 * batch_size else [])
    np.testing.assert_array_equal(ours, trained(engine, cut))


def test_other_steps_and_seeds_have_other_masks(engine, rng):
    spec = NetworkSpec((5, 30, 3), dtype="float64", dropout=0.5)
    ours, _ = twins(spec, random_params(spec, rng), engine)
    problem = random_problem(spec, 8, rng)
    call = (ours.plan, ours.params, problem.X, problem.Y, None, ours.workspace(8))
    masks = (None, (1, 1), (1, 2), (2, 1))
    assert len({engine.loss(*call, mask) for mask in masks}) == 4
    assert engine.loss(*call, (1, 2)) == engine.loss(*call, (1, 2))
    with pytest.raises(ValueError, match="from 1"):
        engine.loss(*call, (1, 0))


def test_a_rate_of_zero_changes_no_bit(engine, dtype, rng):
    plain, zero = (NetworkSpec((5, 9, 3), dtype=dtype, dropout=rate) for rate in (0.0, (0, 0)))
    problem, params = random_problem(plain, 50, rng), random_params(plain, rng)
    results = []
    for spec, mask in ((plain, None), (zero, (1, 1))):
        bound, grad = BoundNetwork(spec, engine.Plan(spec), params, engine), params.copy()
        engine.loss_gradient(
            bound.plan, params, problem.X, problem.Y, None, grad, bound.workspace(50), mask
        )
        results.append(grad)
    np.testing.assert_array_equal(*results)


def test_prediction_drops_nothing(rng):
    X = rng.normal(size=(30, 4))
    nets = [Network([4, 20, 3], seed=1, dropout=rate) for rate in (0.0, 0.8)]
    np.testing.assert_array_equal(nets[0].forward(X), nets[1].forward(X))
    np.testing.assert_array_equal(nets[0].predictor(30)(X.astype(np.float32)), nets[1].forward(X))


def test_fitting_with_dropout_learns(rng):
    X = rng.normal(size=(600, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    net = Network([2, 64, 2], activation="relu", dropout=(0.0, 0.3), seed=0)
    net.fit(X, y, epochs=60, learning_rate=0.3)
    assert net.score(X, y) > 0.9


@pytest.mark.parametrize(
    ("dropout", "error", "match"),
    [
        (1.0, ValueError, "rate"),
        (-0.1, ValueError, "rate"),
        (float("nan"), ValueError, "rate"),
        ((0.1, 0.2, 0.3), ValueError, r"h_0 to h_1 \(2\)"),
        ("half", TypeError, "rate"),
        (True, TypeError, "rate"),
        ((0.1, None), TypeError, "rate"),
    ],
)
def test_what_is_no_rate(dropout, error, match):
    with pytest.raises(error, match=match):
        NetworkSpec((3, 4, 2), dropout=dropout)


def test_rates_of_every_layer():
    assert NetworkSpec((3, 4, 4, 2), dropout=0.5).dropout_rates == (0, 0.5, 0.5)
    assert NetworkSpec((3, 4, 4, 2), dropout=[0.1, 0, 0.2]).dropout_rates == (0.1, 0, 0.2)
    assert NetworkSpec((3, 2), dropout=0.5).dropout_rates == (0,)
