"""What is recorded of gradients: norms, sizes of updates, dead units."""

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import Network


def test_the_norm_is_of_the_last_batch_where_the_epoch_ends():
    X, y = classes(50)
    net = network(dtype="float64", l2=0.01)
    history = net.fit(X, y, epochs=1, shuffle=False)
    gradient = net.gradient(X[32:], y[32:])
    assert history["gradient_norm"] == [pytest.approx(np.linalg.norm(gradient), rel=1e-12)]


def test_no_more_than_1024_rows_are_looked_at():
    X, y = classes(3000)
    net = network(dtype="float64")
    history = net.fit(X, y, epochs=1, batch_size=None)
    gradient = net.gradient(X[:1024], y[:1024])
    assert history["gradient_norm"] == [pytest.approx(np.linalg.norm(gradient), rel=1e-12)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_figures_of_each_layer(optimizer):
    X, y = classes(64)
    net = network(dtype="float64")
    record = net.fit(
        X, y, epochs=2, shuffle=False, diagnostics=True, metrics=False, optimizer=optimizer
    )[-1]
    named = net.gradient(X[32:], y[32:], by_name=True)
    for k in (1, 2):
        norm = np.hypot(np.linalg.norm(named[f"W_{k}"]), np.linalg.norm(named[f"b_{k}"]))
        assert record[f"gradient_norm_{k}"] == pytest.approx(norm, rel=1e-10)
    assert record["gradient_norm"] == pytest.approx(
        np.hypot(record["gradient_norm_1"], record["gradient_norm_2"])
    )
    before = net.weights[0].copy()
    if optimizer == "sgd":
        net.step(X[32:], y[32:], 0.1)
        moved = np.linalg.norm(net.weights[0] - before) / np.linalg.norm(before)
        assert record["update_ratio_1"] == pytest.approx(moved, rel=1e-10)
    assert 0 < record["update_ratio_2"] < 1


def test_diagnostics_disturb_nothing():
    X, y = classes()
    watched, alone = network(), network()
    watched.fit(X, y, diagnostics=True, optimizer="adam")
    alone.fit(X, y, optimizer="adam")
    np.testing.assert_array_equal(watched.params, alone.params)


def test_dead_units_are_counted():
    X, y = classes()
    net = Network([5, 8, 4, 2], activation="relu", seed=0)
    net.biases[0][:2] = -1e3
    record = net.fit(X, y, epochs=1, learning_rate=1e-9, diagnostics=True)[-1]
    assert record["dead_units_1"] == 2 / 8
    assert "dead_units_3" not in record
