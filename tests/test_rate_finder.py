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
