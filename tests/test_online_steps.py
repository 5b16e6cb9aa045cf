"""Steps on one sample each: updates of W_1 that are deferred, logarithms taken together."""

from itertools import product

import numpy as np
import pytest
from support.cases import TOLERANCES
from support.problems import (
    bound_networks,
    random_params,
    random_problem,
    relative_error,
    take_steps,
    train,
    twins,
)

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, StepRule

pytestmark = pytest.mark.engine
HALF = Momentum(learning_rate=0.02, momentum=0.5)
MOMENTA = [Momentum(learning_rate=0.005), Nesterov(learning_rate=0.005)]


def twins_and_order(engine, sizes, kind, l2, dtype, rng):
    """Twins, 75 weighted rows and the order of 101 steps; a tuple `l2` is that of layer 1."""
    if isinstance(l2, tuple):
        l2 = (*l2, *[0.0] * (len(sizes) - 2))
    spec = NetworkSpec(sizes, "tanh", dtype=dtype, l2=l2)
    problem = random_problem(spec, 75, rng, kind, weighted=True)
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    order = np.concatenate([rng.permutation(75), rng.integers(0, 75, 26)])
    return ours, theirs, problem, order


@pytest.mark.parametrize("sizes", [(130, 70, 11, 5), (1025, 8), (64, 128, 3)])
@pytest.mark.parametrize("kind", ["labels", "dense"])
@pytest.mark.parametrize("l2", [0.0, 0.01, (0.3,), 60.0])  # the last: W_1 changes its sign
def test_online_steps_that_defer_the_first_layer(engine, sizes, kind, l2, dtype, rtol, rng):
    ours, theirs, problem, order = twins_and_order(engine, sizes, kind, l2, dtype, rng)
    losses = [train(m, problem, order, 1, 0.02) for m in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


# A third of the product, with every two of its values together; the slow tests run the others.
DEFERRING = [
    pytest.param(*values, marks=[pytest.mark.slow] * bool(sum(places) % 3))
    for places, values in (
        zip(*case, strict=True)
        for case in product(
            enumerate([(130, 70, 11, 5), (64, 128, 3), (257, 129, 2)]),
            enumerate(["labels", "dense"]),
            enumerate([HALF, *MOMENTA]),
            enumerate([0.0, 0.01, (0.3,), 60.0]),
            enumerate(TOLERANCES),
        )
    )
]


@pytest.mark.parametrize(("sizes", "kind", "optimizer", "l2", "dtype"), DEFERRING)
def test_momentum_that_defers_the_first_layer(engine, sizes, kind, optimizer, l2, dtype, rtol, rng):
    ours, theirs, problem, order = twins_and_order(engine, sizes, kind, l2, dtype, rng)
    results = [take_steps(m, problem, order, 1, StepRule(optimizer)) for m in (ours, theirs)]
    assert results[0][0] == pytest.approx(results[1][0], rel=rtol)
    assert relative_error(results[0][1], results[1][1]) <= rtol
    assert relative_error(ours.params, theirs.params) <= rtol


@pytest.mark.parametrize("rule", [Momentum, Nesterov])
@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_penalty_beside_a_far_longer_velocity(engine, rule, scale, dtype, rtol, rng):
    spec = NetworkSpec((300, 64, 1), "tanh", "identity", dtype=dtype, l2=(scale**2, 0.0))
    problem = random_problem(spec, 100, rng)
    problem.Y[:] *= scale
    optimizer = rule(learning_rate=1e-4 / scale**2)  # V is some 10 l2 W
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    results = [
        take_steps(m, problem, np.arange(100), 1, StepRule(optimizer)) for m in (ours, theirs)
    ]
    assert results[0][0] == pytest.approx(results[1][0], rel=rtol)
    assert relative_error(results[0][1], results[1][1]) <= rtol


@pytest.mark.parametrize("optimizer", MOMENTA)
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_momentum_in_pieces_and_on_threads(engine, optimizer, l2, dtype, rtol, rng):
    spec, rule = NetworkSpec((300, 50, 4), dtype=dtype, l2=l2), StepRule(optimizer)
    problem, order = random_problem(spec, 128, rng), rng.permutation(128)
    params = random_params(spec, rng)

    def trained(pieces, n_threads=1):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
        loss, state = take_steps(bound, problem, order, 1, rule, pieces)
        return np.array([bound.params, state[0]]), loss

    result, loss = trained(1)
    for other, its_loss in (trained(2), trained(1, 2)):  # cut between panels
        np.testing.assert_array_equal(result, other)
        assert its_loss == pytest.approx(loss, rel=1e-14)
    for pieces in (10, 128):  # cut within panels, and each step alone, which defers nothing
        other, its_loss = trained(pieces)
        assert its_loss == pytest.approx(loss, rel=rtol)
        assert max(map(relative_error, other, result)) <= rtol


@pytest.mark.parametrize("sizes", [(37, 35, 41, 3), (64, 32, 10), (32, 1, 33, 1), (13, 90, 2)])
@pytest.mark.parametrize(
    "optimizer",
    [Adam(), AdamW(weight_decay=0.02), Momentum(learning_rate=1e-3), Nesterov(learning_rate=1e-3)],
)
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_rules_in_one_sweep(engine, sizes, optimizer, l2, dropout, dtype, rtol, rng):
    spec = NetworkSpec(sizes, "tanh", dtype=dtype, l2=l2, dropout=dropout, output="identity")
    problem, params = random_problem(spec, 40, rng, "dense"), random_params(spec, rng)
    bound = bound_networks(spec, params, engine, engine, engine, reference)
    rule, order = StepRule(optimizer), rng.permutation(40)
    plain = StepRule(optimizer, clip_value=1e30)  # ∇θ as a whole, then the rule
    results = [
        (m.params, *take_steps(m, problem, order, 1, one, pieces))
        for m, one, pieces in zip(bound, (rule, rule, plain, rule), (1, 40, 1, 1), strict=True)
    ]
    for k, (params, loss, state) in enumerate(results[1:]):
        bits = k == 0 or (k == 1 and l2 == 0)  # with l2 the sum of a gradient may round otherwise
        assert relative_error(params, results[0][0]) <= (0 if bits else rtol)
        assert relative_error(state, results[0][2]) <= (0 if bits else rtol)
        assert loss == pytest.approx(results[0][1], rel=rtol)


@pytest.mark.parametrize("sizes", [(5, 7), (6, 3, 4), (11, 14, 9, 2)])
@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.003), *MOMENTA, Adam()])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_single_steps_have_the_bits_of_an_epoch(engine, sizes, optimizer, l2, dtype, rng):
    """Columns of W that fill no vector are stored in parts."""
    spec, rule = NetworkSpec(sizes, dtype=dtype, l2=l2), StepRule(optimizer)
    problem, order = random_problem(spec, 120, rng), rng.permutation(120)
    bound = bound_networks(spec, random_params(spec, rng), engine, engine)
    for m, pieces in zip(bound, (1, 120), strict=True):
        take_steps(m, problem, order, 1, rule, pieces)
    np.testing.assert_array_equal(bound[0].params, bound[1].params)


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_an_online_epoch_may_be_cut_at_panels(engine, l2, dtype, rng):
    spec = NetworkSpec((784, 40, 5), "relu", dtype=dtype, l2=l2)
    problem, order = random_problem(spec, 100, rng), rng.permutation(100)
    whole, cut = bound_networks(spec, random_params(spec, rng), engine, engine)
    loss = train(whole, problem, order, 1, 0.01)
    parts = (order[:64], order[64:96], order[96:])
    losses = [train(cut, problem, part, 1, 0.01) for part in parts]
    np.testing.assert_array_equal(whole.params, cut.params)
    assert loss == pytest.approx(np.dot(losses, [64, 32, 4]) / 100, rel=1e-14)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 150])
def test_losses_of_online_steps_whose_logarithms_are_taken_together(engine, n, dtype, rng):
    spec = NetworkSpec((4, 6, 3), dtype=dtype)
    problem, order = random_problem(spec, 40, rng, kind="labels"), rng.integers(0, 40, n)
    params = random_params(spec, rng)
    together, alone = bound_networks(spec, params, engine, engine)
    loss = train(together, problem, order, 1, 0.1)
    each = [train(alone, problem, order[i : i + 1], 1, 0.1) for i in range(n)]
    assert loss == pytest.approx(np.mean(each), rel=1e-14)
    np.testing.assert_array_equal(together.params, alone.params)
