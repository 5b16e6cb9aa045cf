"""Random orders of rows: the draws of NumPy's generators, by both engines."""

import threading

import numpy as np
import pytest

from ffnn_fast import Network, reference
from ffnn_fast.engine import isa

BIT_GENERATORS = ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]


@pytest.mark.parametrize("name", BIT_GENERATORS)
@pytest.mark.parametrize("backend", [isa.engine, reference], ids=["compiled", "reference"])
def test_orders_are_those_of_permutation(backend, name):
    bit_generator = getattr(np.random, name)
    ours, theirs = np.random.Generator(bit_generator(3)), np.random.Generator(bit_generator(3))
    for n in (0, 1, 2, 3, 255, 256, 257, 5000, 70_000):
        orders = np.tile(np.arange(n), (2, 1))
        backend.shuffle(ours, orders)
        for order in orders:
            np.testing.assert_array_equal(order, theirs.permutation(n))
        assert ours.random() == theirs.random()


class Reversing(np.random.Generator):
    """A generator with a method of its own."""

    def shuffle(self, x, axis=0):
        x[:] = x[::-1].copy()


class Counting(np.random.Generator):
    """A generator with NumPy's method."""

    calls = 0


@pytest.mark.parametrize("backend", [isa.engine, reference], ids=["compiled", "reference"])
def test_a_subclass_shuffles_by_its_own_method(backend):
    orders = np.tile(np.arange(5), (2, 1))
    backend.shuffle(Reversing(np.random.PCG64(0)), orders)
    np.testing.assert_array_equal(orders, [[4, 3, 2, 1, 0]] * 2)
    backend.shuffle(Counting(np.random.PCG64(0)), orders)
    expected = np.arange(5)[::-1].copy()
    np.random.default_rng(0).shuffle(expected)
    np.testing.assert_array_equal(orders[0], expected)


@pytest.mark.parametrize("metrics", [False, True])  # epochs together, and one by one
def test_a_fit_uses_the_method_of_a_subclass(rng, metrics):
    X, y = rng.normal(size=(20, 3)).astype(np.float32), rng.integers(0, 2, 20)
    net, other = (Network([3, 4, 2], seed=0) for _ in range(2))
    net.fit(X, y, batch_size=4, epochs=2, rng=Reversing(np.random.PCG64(0)), metrics=metrics)
    other.fit(X[::-1], y[::-1], batch_size=4, epochs=2, shuffle=False)
    np.testing.assert_array_equal(net.params, other.params)


def test_the_compiled_engine_checks_the_rows(rng):
    with pytest.raises(ValueError, match="rows has the wrong dtype, int32"):
        isa.engine.shuffle(rng, np.arange(4, dtype=np.int32)[None])
    with pytest.raises(ValueError, match="rows must be C-contiguous"):
        isa.engine.shuffle(rng, np.arange(8)[None, ::2])


def test_a_generator_is_locked_meanwhile(rng):
    ended = threading.Event()

    def shuffle():
        isa.engine.shuffle(rng, np.arange(10)[None])
        ended.set()

    thread = threading.Thread(target=shuffle)
    with rng.bit_generator.lock:
        thread.start()
        assert not ended.wait(0.05)
    thread.join()
    assert ended.is_set()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_epochs_visit_rows_in_the_orders_of_permutation(rng, engine):
    X, y = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(0, 2, 50)
    rows, one_step = np.flatnonzero(y < 2)[::2], {"batch_size": 4, "epochs": 1, "shuffle": False}
    net, other = (Network([3, 4, 2], seed=0, engine=engine) for _ in range(2))
    net.fit(X, y, rows=rows, batch_size=4, epochs=3, rng=5)
    draws = np.random.default_rng(5)
    for _ in range(3):
        other.fit(X, y, rows=rows[draws.permutation(len(rows))], **one_step)
    np.testing.assert_array_equal(net.params, other.params)
