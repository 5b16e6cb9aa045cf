"""Averages of the parameters: from which epoch on, and what the network ends with."""

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import Averaging


def fit(**averaging):
    """The network, its history and θ at the end of each of six epochs."""
    X, y = classes(64)
    net, ends = network(dtype="float64"), []
    history = net.fit(
        X, y, epochs=6, averaging=Averaging("swa", **averaging), validation_data=(X, y),
        callbacks=[lambda record: ends.append(net.params.copy())],
    )  # fmt: skip
    return net, history, ends


@pytest.mark.parametrize("start", [1, 2, 6])
def test_epochs_from_start_on_count(start):
    net, history, ends = fit(start=start)
    np.testing.assert_allclose(net.params, np.mean(ends[start - 1 :], axis=0), rtol=1e-12)
    np.testing.assert_array_equal(history.average, net.params)


def test_figures_before_start_are_those_of_the_parameters():
    _, history, ends = fit(start=4)
    X, y = classes(64)
    plain = network(dtype="float64")
    for epoch in (1, 2, 3):
        plain.params[:] = ends[epoch - 1]
        assert history["val_loss"][epoch - 1] == pytest.approx(plain.loss(X, y), rel=1e-12)
    plain.params[:] = ends[4]
    assert history["val_loss"][4] != pytest.approx(plain.loss(X, y), rel=1e-9)


def test_a_start_after_the_last_epoch_averages_nothing():
    net, history, ends = fit(start=7)
    np.testing.assert_array_equal(net.params, ends[-1])
    assert history.average is None


def test_start_does_not_concern_the_exponential_average():
    X, y = classes(64)
    nets = [network(), network()]
    for net, start in zip(nets, (1, 5), strict=True):
        net.fit(X, y, epochs=3, averaging=Averaging("ema", start=start))
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
