"""partial_fit: rows as they come, to the bits of a fit that has them all."""

import copy
import pickle

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast._training import partial_fit as streaming
from ffnn_fast.optimizers import Adam
from ffnn_fast.schedules import Constant, InverseScaling


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "rprop"])
def test_one_pass_has_the_bits_of_fit(optimizer):
    X, y = classes()
    whole, once, chunks = (network(dropout=0.2) for _ in range(3))
    history = whole.fit(X, y, epochs=1, shuffle=False, optimizer=optimizer)
    loss = once.partial_fit(X, y, optimizer=optimizer)
    chunks.partial_fit(
        ((X[i : i + 64], y[i : i + 64]) for i in range(0, 200, 64)), optimizer=optimizer
    )
    np.testing.assert_array_equal(once.params, whole.params)
    np.testing.assert_array_equal(chunks.params, whole.params)
    assert loss == pytest.approx(history["loss"][0], rel=1e-12)


def test_calls_go_on_from_one_another():
    X, y = classes()
    whole, parts = network(), network()
    whole.fit(X, y, epochs=2, shuffle=False, optimizer="adam", learning_rate=InverseScaling(0.01))
    parts.partial_fit(X[:96], y[:96], optimizer="adam", learning_rate=InverseScaling(0.01))
    parts.partial_fit(X[96:], y[96:])
    parts.partial_fit(X, y)
    np.testing.assert_array_equal(parts.params, whole.params)
    assert parts.stream.t == 14


@pytest.mark.parametrize("copied", [copy.copy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_go_on_alike(copied):
    X, y = classes()
    net = network()
    net.partial_fit(X, y, optimizer="adam")
    twin = copied(net)
    net.partial_fit(X, y)
    assert (twin.params != net.params).any()
    twin.partial_fit(X, y)
    np.testing.assert_array_equal(twin.params, net.params)


def test_a_memory_mapped_file_is_read_piece_by_piece(tmp_path, monkeypatch):
    X, y = classes(1000)
    np.save(tmp_path / "X.npy", X.astype(np.float64))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 4000)
    sizes, problem = [], streaming.as_samples
    monkeypatch.setattr(
        streaming,
        "as_samples",
        lambda spec, X, *rest: sizes.append(len(X)) or problem(spec, X, *rest),
    )
    net, other = network(), network()
    net.partial_fit(mapped, y)
    assert max(sizes) == 192  # whole batches of 32 in 4000 bytes of 5 float32 a row
    assert sum(sizes) == 1000
    other.fit(X, y, epochs=1, shuffle=False)
    np.testing.assert_array_equal(net.params, other.params)


def test_another_rate_keeps_the_state_and_another_optimizer_does_not():
    X, y = classes()
    net = network()
    net.partial_fit(X, y, optimizer=Adam(beta_1=0.8))
    state = net.stream.optimizer_state.copy()
    assert state.any()
    net.partial_fit(X[:32], y[:32], learning_rate=1e-5)
    assert net.stream.t == 8
    assert net.stream.schedule == Constant(1e-5)
    assert net.stream.rule.optimizer == Adam(beta_1=0.8, learning_rate=1e-5)
    net.partial_fit(X[:32], y[:32], learning_rate=InverseScaling(1e-5))
    assert net.stream.t == 9
    net.partial_fit(X[:32], y[:32], optimizer="sgd")
    assert net.stream.t == 1


def test_weights():
    X, y = classes(32)
    net, other = network(), network()
    weight = np.arange(32)
    net.partial_fit(X, y, weight)
    other.partial_fit([(X, y, weight)])
    np.testing.assert_array_equal(net.params, other.params)


def test_one_sample():
    X, y = classes()
    net = network()
    assert np.isfinite(net.partial_fit(X[0], y[0]))
    assert np.isnan(net.partial_fit([]))


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (([np.ones((3, 5))],), TypeError, "chunks"),
        ((5,), TypeError, "must be an iterable of chunks, got 5"),
        ((iter([]), [0]), TypeError, "must be an array"),
        ((np.ones((3, 5)), [0, 1]), ValueError, "one entry per row"),
        ((np.ones((3, 4)), [0, 1, 1]), ValueError, r"shape \(n, 5\)"),
    ],
)
def test_refusals(args, error, message):
    net = network()
    before = net.params.copy()
    with pytest.raises(error, match=message):
        net.partial_fit(*args)
    np.testing.assert_array_equal(net.params, before)


@pytest.mark.parametrize("make", ["partial_fit", "stepper"])
def test_another_rate_of_the_same_optimizer_keeps_its_state(make):
    """Also where the optimizer is named at each call, as in a loop with a falling rate."""
    X, y = classes(32)

    def trained(**second):
        net = network()
        for options in ({"optimizer": "adam", "learning_rate": 0.01}, second):
            if make == "partial_fit":
                net.partial_fit(X, y, **options)
            else:
                net.stepper(**options).step(X, y)
        return net

    by_rate, by_name = trained(learning_rate=0.001), trained(optimizer="adam", learning_rate=0.001)
    np.testing.assert_array_equal(by_name.params, by_rate.params)
    assert by_name.stream.t == 2
    assert trained(optimizer=Adam()).stream.t == 2  # 0.001 is its own rate
    falling = trained(optimizer="adam", learning_rate=lambda step: 0.01 / (1 + step))
    assert falling.stream.t == 2
    for other in ("nadam", Adam(learning_rate=0.01, beta_1=0.8)):
        assert trained(optimizer=other).stream.t == 1
