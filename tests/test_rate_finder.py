"""The learning rate range finder."""

import numpy as np
import pytest
from support.fits import classes, network, values

from ffnn_fast import Network


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_network_stays_as_it_was_and_the_suggestion_learns(optimizer):
    X, y = values(500)
    net = Network([3, 16, 1], output="identity", seed=0)
    before, state = net.params.copy(), net.rng.bit_generator.state
    curve = net.find_learning_rate(X, y, optimizer=optimizer)
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state
    assert len(curve.rates) == len(curve.losses) == len(curve.smoothed)
    assert curve.rates[0] == pytest.approx(1e-6)
    loss = net.loss(X, y)
    net.fit(X, y, optimizer=optimizer, learning_rate=curve.suggestion, epochs=20)
    assert net.loss(X, y) < loss / 4


def test_it_ends_where_the_loss_explodes():
    X, y = values(300)
    net = Network([3, 16, 1], activation="relu", output="identity", seed=0)
    curve = net.find_learning_rate(X, y, highest=1e6)
    assert len(curve.rates) < 100
    assert np.isfinite(curve.smoothed).all()
    assert curve.smoothed.max() <= 4 * curve.smoothed.min() + 1e-9
    assert curve.suggestion == pytest.approx(curve.rates[curve.smoothed.argmin()] / 10)


def test_each_step_is_a_step_of_training():
    X, y = classes(64)
    net, by_hand = network(), network()
    curve = net.find_learning_rate(X, y, steps=3, lowest=0.1, highest=0.4, batch_size=None, rng=1)
    losses = [by_hand.step(X, y, rate) for rate in (0.1, 0.2, 0.4)]
    np.testing.assert_allclose(curve.losses, losses, rtol=1e-6)
    expected = 0.1 * losses[0] / 0.1, (0.09 * losses[0] + 0.1 * losses[1]) / 0.19
    np.testing.assert_allclose(curve.smoothed[:2], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lowest": 1.0, "highest": 0.5}, "below highest"),
        ({"steps": 2}, "at least 3"),
        ({"lowest": 1e20, "highest": 1e30}, "diverges at the lowest rate"),
        ({"frozen": [9]}, "layers 1 to 2"),
    ],
)
def test_refusals(given, message):
    X, y = classes()
    net = Network([5, 8, 1], output="identity", activation="relu", seed=0)
    with pytest.raises(ValueError, match=message):
        net.find_learning_rate(X, y, **given)


def nearly_perfect(dtype, seed):
    """A network whose batches differ in loss by orders of magnitude, and its rows."""
    X, y = values(300)
    net = Network([3, 16, 1], output="identity", dtype="float64", seed=seed)
    net.levenberg_marquardt(X, y)
    found = Network([3, 16, 1], output="identity", dtype=dtype, seed=seed)
    found.params[:] = net.params
    return found, X, y


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rprop"])
def test_a_nearly_perfect_network(optimizer, dtype, seed):
    net, X, y = nearly_perfect(dtype, seed)
    curve = net.find_learning_rate(X, y, optimizer=optimizer)
    assert len(curve.rates) >= 3
    assert curve.rates[0] <= curve.suggestion <= curve.rates[-1]


@pytest.mark.parametrize("seed", range(3))
def test_the_differences_between_batches_do_not_decide(seed):
    """The suggestion of a nearly perfect network improves it."""
    net, X, y = nearly_perfect("float64", seed)
    net.params[:] += 1e-6 * np.random.default_rng(seed).normal(size=len(net.params))
    curve = net.find_learning_rate(X, y)
    assert curve.suggestion > 1e-4
    before = net.loss(X, y)
    net.fit(X, y, learning_rate=curve.suggestion, epochs=20)
    assert net.loss(X, y) < before


@pytest.mark.parametrize("seed", range(3))
def test_a_negative_loss_is_no_explosion(seed):
    X, y = values(300)
    net = Network([3, 16, 2], output="identity", loss="gaussian_nll", seed=seed)
    net.fit(X, y, optimizer="adam", epochs=100)
    before = net.loss(X, y)
    assert before < -1
    curve = net.find_learning_rate(X, y, optimizer="adam")
    assert len(curve.rates) > 50
    net.fit(X, y, optimizer="adam", learning_rate=curve.suggestion, epochs=20)
    assert net.loss(X, y) < before + 0.1


def test_a_loss_of_zero():
    X, y = values(300)
    net = Network([3, 1], output="identity", seed=0)
    net.params[:] = 0
    assert net.find_learning_rate(X, 0 * y).suggestion == pytest.approx(1e-6)


def test_dropout_is_in_both_losses():
    """Else the loss of a step without training seems to rise."""
    X, y = classes(300)
    net = network(dropout=0.5)
    curve = net.find_learning_rate(X, y, lowest=1e-12, highest=2e-12, steps=40)
    assert len(curve.rates) == 40
    trained = network(dropout=0.5)
    trained.fit(X, y, optimizer="adam", epochs=200)
    assert trained.find_learning_rate(X, y).suggestion >= 1e-6
