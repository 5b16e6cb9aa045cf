"""One network at many parameter vectors: the bits of single calls, whatever the threads."""

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast._runtime import many_parameters


def network(engine="compiled", n_threads=1, **options):
    return Network([4, 9, 2], seed=0, engine=engine, n_threads=n_threads, l2=0.1, **options)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_bits_are_those_of_single_calls(rng, engine, matmul, n_threads, monkeypatch):
    monkeypatch.setattr(many_parameters, "LEAST", 0.0)  # several threads for few rows too
    net = network(engine, n_threads, matmul=matmul)
    X, y, weight = rng.normal(size=(13, 4)), rng.integers(0, 2, 13), rng.random(13)
    thetas = rng.normal(size=(23, len(net.params)))
    before = net.params.copy()
    y_hat, losses = net.forward_many(thetas, X), net.loss_many(thetas, X, y, weight)
    assert np.array_equal(net.params, before)
    assert y_hat.dtype == np.float32
    assert losses.dtype == np.float64
    for theta, out, loss in zip(thetas, y_hat, losses, strict=True):
        net.params[:] = theta
        assert np.array_equal(net.forward(X), out)
        assert net.loss(X, y, weight) == loss


def test_one_sample(rng):
    net = network()
    thetas = rng.normal(size=(3, len(net.params)))
    assert net.forward_many(thetas, X := rng.normal(size=4)).shape == (3, 2)
    assert np.array_equal(net.forward_many(thetas, X[None])[:, 0], net.forward_many(thetas, X))


@pytest.mark.parametrize("shape", [(63,), (3, 62), (0, 63), (2, 3, 63)])
def test_refusals(rng, shape):
    net = network()
    assert len(net.params) == 65
    shape = tuple(65 if size == 63 else size for size in shape)
    with pytest.raises(ValueError, match=r"thetas must have shape \(K, 65\)"):
        net.forward_many(np.zeros(shape), np.zeros(4))
    with pytest.raises(ValueError, match="thetas must be finite"):
        net.loss_many(np.full((1, 65), np.nan), np.zeros(4), 1)
