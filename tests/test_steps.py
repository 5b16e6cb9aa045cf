"""Steps by every rule: the compiled engine equals the reference, and itself bit by bit."""

import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.problems import (
    random_params,
    random_problem,
    relative_error,
    take_steps,
    train,
    twins,
)

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast.optimizers import OPTIMIZERS, SGD, Adam, RMSprop, Rprop, StepRule, as_optimizer

pytestmark = pytest.mark.engine
# Steps of rates at which a trajectory is steady; an epsilon below which no entry is divided by its
# own rounding.
RULES = {
    name: rule(learning_rate=0.01, **({"epsilon": 1e-3} if "epsilon" in rule().__dict__ else {}))
    for name, rule in OPTIMIZERS.items()
}
RULES["rmsprop, momentum"] = RMSprop(learning_rate=0.002, momentum=0.5, epsilon=1e-2)
OPTIONS = {
    "nothing else": {},
    "clip_value": {"clip_value": 0.02},
    "clip_norm": {"clip_norm": 0.1},
    "max_norm": {"max_norm": 0.8},
    "frozen": {"frozen": (2,)},
    "average": {"average": 0.9},
    "all": {
        "clip_value": 0.05, "clip_norm": 0.1, "max_norm": 1.0, "frozen": (1,), "average": 0.9,
    },
}  # fmt: skip
PENALTIES = {"l2": (0.1, 0.0, 0.01), "l1": (0.0, 0.01, 0.003)}
SIZES = (9, 26, 15, 3)


def both(engine, spec, problem, order, batch_size, rule, rng, rtol, matmul="own"):
    """Both twins take the same steps; losses, parameters and states agree."""
    params = random_params(spec, rng)
    ours, theirs = twins(spec, params, engine)
    if matmul != "own":
        ours = BoundNetwork(spec, engine.Plan(spec, 2, matmul), ours.params, engine)
    loss, state = take_steps(ours, problem, order, batch_size, rule)
    expected_loss, expected_state = take_steps(theirs, problem, order, batch_size, rule)
    assert loss == pytest.approx(expected_loss, rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol
    for row, expected in zip(state, expected_state, strict=True):
        assert relative_error(row, expected) <= 30 * rtol
    assert relative_error(ours.params, params) > 1e-3
    return ours, params, state


def tolerance(rule, dtype, rtol):
    """Rprop turns where a gradient changes its sign: only float64 is sure to see it."""
    return rtol if dtype == "float64" or not isinstance(rule, Rprop) else 1e-3


@each(name=RULES, batch_size=[1, 5, 32], dtype=TOLERANCES)
def test_every_rule(engine, name, batch_size, dtype, rtol, rng):
    spec = NetworkSpec(SIZES, "tanh", dtype=dtype, **PENALTIES)
    problem = random_problem(spec, 50, rng, weighted=True)
    order = np.concatenate([rng.permutation(50) for _ in range(4)])
    order = order[: 60 if batch_size == 1 else 200]
    rule = StepRule(RULES[name])
    both(
        engine, spec, problem, order, batch_size, rule, rng, tolerance(rule.optimizer, dtype, rtol)
    )


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("batch_size", [1, 5, 32, 1100])
@each(options=OPTIONS, optimizer=["sgd", "adam"], dtype=TOLERANCES)
def test_every_option(engine, optimizer, options, batch_size, matmul, dtype, rtol, rng):
    spec = NetworkSpec(SIZES, "tanh", dtype=dtype, **PENALTIES)
    n = max(40, batch_size)
    problem, order = random_problem(spec, n, rng, "labels"), rng.permutation(n)
    if batch_size > 32:
        order = np.concatenate([order, order, order])
    rule = StepRule(RULES[optimizer], **OPTIONS[options])
    if optimizer == "sgd":
        rule = StepRule(SGD(learning_rate=0.1), **OPTIONS[options])
    bound, params, _ = both(
        engine, spec, problem, order, batch_size, rule, rng, rtol, matmul
    )  # fmt: skip
    for k, (W, W_0) in enumerate(
        zip(spec.weights(bound.params), spec.weights(params), strict=True), start=1
    ):
        if k in rule.frozen:
            np.testing.assert_array_equal(W, W_0)
        else:
            assert np.linalg.norm(W, axis=1).max() <= rule.max_norm * (1 + 1e-6)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("rule", [SGD(), RULES["momentum"]])
def test_online_learning_through_blas_keeps_slopes(engine, activation, dropout, rule, dtype, rng):
    """g' of each layer is beside h and ∇a, not in the memory of ∇θ."""
    rtol = 1e-9 if dtype == "float64" else 1e-3
    spec = NetworkSpec(SIZES, activation, dtype=dtype, dropout=dropout)
    problem = random_problem(spec, 20, rng, "labels")
    both(engine, spec, problem, rng.permutation(20), 1, StepRule(rule), rng, rtol, "blas")


@each(optimizer=RULES, batch_size=[1, 33, 300], dtype=TOLERANCES)
def test_same_bits_for_any_threads_and_pieces(engine, optimizer, batch_size, dtype, rng):
    spec = NetworkSpec((130, 65, 33, 5), "tanh", dtype=dtype, l2=1e-3, l1=(0.0, 1e-4, 0.0))
    problem = random_problem(spec, 330, rng, kind="labels", weighted=True)
    params, order = random_params(spec, rng), rng.permutation(330)
    order = order[:40] if batch_size == 1 else order
    for options in ({}, {"clip_norm": 0.1, "clip_value": 0.1, "max_norm": 0.5, "average": 0.5}):
        rule, results = StepRule(RULES[optimizer], **options), []
        for n_threads, pieces in ((1, 1), (2, 2), (3, 7), (5, 1)):
            bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
            _, state = take_steps(bound, problem, order, batch_size, rule, pieces)
            results.append((bound.params, state))
        for other in results[1:]:
            for got, expected in zip(other, results[0], strict=True):
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("sizes", "l2", "rate"),
    [((18, 40, 3), 0.01, 0.02), ((32, 70, 3), 2.0, 0.5), ((64, 20, 3), 0.5, 0.02)],
    ids=["a strip of two inputs", "W := -eta dW", "whole strips"],
)
def test_penalty_of_each_step_from_squares_of_rows(engine, sizes, l2, rate, dtype, rtol, rng):
    spec = NetworkSpec(sizes, "tanh", dtype=dtype, l2=l2)
    problem, order = random_problem(spec, 100, rng), rng.permutation(100)
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    for _ in range(2):
        losses = [train(m, problem, order, 32, rate) for m in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=rtol)
        assert relative_error(ours.params, theirs.params) <= rtol


def test_same_bits_for_teams_on_large_networks(engine, dtype, rng):
    spec = NetworkSpec((300, 700, 130, 10), "relu", dtype=dtype)
    problem = random_problem(spec, 600, rng, kind="labels")
    params, order = random_params(spec, rng), rng.permutation(600)
    for options in ({}, {"clip_norm": 0.1, "max_norm": 1.0, "average": 0.5, "frozen": (2,)}):
        rule, results = StepRule(Adam(), **options), []
        for n_threads in (1, 2, 3, 5):
            bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
            loss, state = take_steps(bound, problem, order, 256, rule)
            results.append((bound.params, state, loss))
        for other in results[1:]:
            for got, expected in zip(other, results[0], strict=True):
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nadam", "adamax", "radam"])
def test_a_schedule_gives_each_step_its_numbers(engine, optimizer, batch_size, dtype, rtol, rng):
    spec = NetworkSpec((6, 12, 3), dtype=dtype)
    problem, order = random_problem(spec, 24, rng), rng.permutation(24)
    steps = 24 // batch_size
    hyper = np.tile(RULES[optimizer].hyper, (steps, 1))
    hyper[:, 0] *= np.linspace(1, 5, steps)
    rule, params = StepRule(RULES[optimizer]), random_params(spec, rng)
    ours, theirs = twins(spec, params, engine)
    cut = BoundNetwork(spec, ours.plan, params.copy(), engine)
    for bound, pieces in ((ours, 1), (theirs, 1), (cut, 3)):
        take_steps(bound, problem, order, batch_size, rule, pieces, hyper)
    assert relative_error(ours.params, theirs.params) <= rtol
    np.testing.assert_array_equal(cut.params, ours.params)
    constant = BoundNetwork(spec, ours.plan, params.copy(), engine)
    take_steps(constant, problem, order, batch_size, rule)
    assert relative_error(constant.params, ours.params) > 1e-4
    with pytest.raises(ValueError, match="hyper"):
        take_steps(ours, problem, order, batch_size, rule, 1, hyper[:2])


@pytest.mark.parametrize("rows", [1, 20, 1100])
def test_an_epoch_is_gradients_and_updates(engine, rows, dtype, rtol, rng):
    spec = NetworkSpec((9, 26, 3), dtype=dtype, l1=(0.01, 0.0), l2=0.01)
    problem, order = random_problem(spec, rows, rng), np.arange(rows)
    rule = StepRule(RULES["adam"], clip_norm=0.3, max_norm=1.0, average=0.5)
    ours, _ = twins(spec, random_params(spec, rng), engine)
    by_hand = BoundNetwork(spec, ours.plan, ours.params.copy(), engine)
    state = np.zeros((3, spec.n_params), dtype=dtype)
    for t in (1, 2, 3):
        _, grad = by_hand.loss_gradient(problem)
        engine.update(
            ours.plan, rule, np.array(rule.optimizer.hyper), by_hand.params, grad, state, t
        )
    _, whole = take_steps(ours, problem, np.tile(order, 3), rows, rule)
    assert relative_error(ours.params, by_hand.params) <= rtol
    assert relative_error(whole, state) <= 10 * rtol


@pytest.mark.parametrize("name", RULES)
def test_frozen_layers_keep_their_state(engine, name, dtype, rng):
    spec = NetworkSpec((5, 6, 7, 2), dtype=dtype)
    problem, params = random_problem(spec, 30, rng), random_params(spec, rng)
    (bound, _) = twins(spec, params, engine)
    rule = StepRule(RULES[name], frozen=(1, 3))
    _, state = take_steps(bound, problem, np.arange(30), 4, rule)
    for k in (1, 3):
        for part, before in (
            (spec.weights(bound.params)[k - 1], spec.weights(params)[k - 1]),
            (spec.biases(bound.params)[k - 1], spec.biases(params)[k - 1]),
        ):
            np.testing.assert_array_equal(part, before)
        for row in state:
            assert not spec.weights(row)[k - 1].any()
            assert not spec.biases(row)[k - 1].any()
    assert (spec.weights(bound.params)[1] != spec.weights(params)[1]).all()


def test_the_average_includes_frozen_layers(engine, dtype, rng):
    spec = NetworkSpec((5, 6, 2), dtype=dtype)
    problem, params = random_problem(spec, 30, rng), random_params(spec, rng)
    (bound, _) = twins(spec, params, engine)
    _, state = take_steps(
        bound, problem, np.arange(30), 4, StepRule(Adam(), frozen=(1,), average=0.9)
    )
    np.testing.assert_array_equal(spec.weights(state[-1])[0], spec.weights(params)[0])


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("n", [1, 7, 1030])
def test_penalty_of_each_layer(engine, matmul, n, dtype, rtol, rng):
    spec = NetworkSpec(SIZES, "tanh", dtype=dtype, **PENALTIES)
    params = random_params(spec, rng)
    spec.weights(params)[1][0] = 0  # sign(0) = 0
    problem = random_problem(spec, n, rng)
    theirs = BoundNetwork(spec, reference.Plan(spec), params, reference)
    ours = BoundNetwork(spec, engine.Plan(spec, 2, matmul), params, engine)
    assert ours.loss(problem) == pytest.approx(theirs.loss(problem), rel=rtol)
    (value, grad), (expected, expected_grad) = (m.loss_gradient(problem) for m in (ours, theirs))
    assert value == pytest.approx(expected, rel=rtol)
    assert relative_error(grad, expected_grad) <= rtol
    plain = NetworkSpec(SIZES, "tanh", dtype=dtype)
    bare = BoundNetwork(plain, engine.Plan(plain, 2, matmul), params, engine)
    W = [w.astype(np.float64) for w in spec.weights(params)]
    added = sum(
        l2 / 2 * (w**2).sum() + l1 * np.abs(w).sum()
        for w, l1, l2 in zip(W, PENALTIES["l1"], PENALTIES["l2"], strict=True)
    )
    assert value == pytest.approx(bare.loss(problem) + added, rel=10 * rtol)
    difference = grad - bare.loss_gradient(problem)[1]
    for k, (l1, l2) in enumerate(zip(PENALTIES["l1"], PENALTIES["l2"], strict=True)):
        expected = l2 * W[k] + l1 * np.sign(W[k])
        np.testing.assert_allclose(spec.weights(difference)[k], expected, atol=10 * rtol)


def test_l2_of_each_layer_online(engine, dtype, rtol, rng):
    """The path of plain gradient descent, one sample at a time."""
    spec = NetworkSpec((90, 96, 11, 3), "tanh", dtype=dtype, l2=(0.1, 0.0, 0.3))
    problem, order = random_problem(spec, 40, rng), rng.permutation(40)
    both(engine, spec, problem, order, 1, StepRule(SGD(learning_rate=0.05)), rng, rtol)


def test_not_a_number_stays(engine, dtype):
    spec = NetworkSpec((2, 2, 2), dtype=dtype)
    problem = Samples(np.ones((4, 2), dtype), np.array([0, 1, 0, 1]))
    for name in OPTIMIZERS:
        for options in ({}, {"clip_value": 0.1, "clip_norm": 0.1, "max_norm": 1.0}):
            params = np.full(spec.n_params, 0.1, dtype)
            params[0] = np.nan
            (bound, _) = twins(spec, params, engine)
            take_steps(bound, problem, np.arange(4), 2, StepRule(as_optimizer(name), **options))
            assert np.isnan(bound.params[0])
            assert np.isnan(bound.params[-1])
