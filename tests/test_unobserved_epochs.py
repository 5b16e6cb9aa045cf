"""Epochs that nothing observes are trained together: the same fit as one by one."""

import signal

import numpy as np
import pytest
import scipy.sparse

from ffnn_fast import DivergedWarning, Network
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training import loop
from ffnn_fast.callbacks import Callback
from ffnn_fast.engine import isa
from ffnn_fast.optimizers import Adam, StepRule

TIMES = ("seconds", "samples_per_second")
OPTIONS = {
    "sgd": {},
    "adam": {"optimizer": "adam"},
    "short batches": {"batch_size": 7, "drop_last": True},
    "in order": {"shuffle": False},
    "one batch": {"batch_size": None},
    "one row": {"batch_size": 1},
    "rows": {"rows": np.arange(0, 90, 2)},
    "weights": {"sample_weight": np.linspace(0, 1, 90)},
    "bounds": {"clip_norm": 0.1, "max_norm": 1.0},
}


@pytest.fixture
def data(rng):
    return rng.normal(size=(90, 4)).astype(np.float32), rng.integers(0, 3, 90)


def fitted(data, observed, epochs=6, dtype="float32", **options):
    """The network, its history without times, and the next draw of its generator."""
    net = Network([4, 9, 3], seed=0, dtype=dtype, dropout=0.2, l2=1e-3)
    callbacks = [Callback()] if observed else []
    given = {"batch_size": 16, "learning_rate": 0.1, "metrics": False, **options}
    history = net.fit(*data, epochs=epochs, callbacks=callbacks, **given)
    records = [{k: v for k, v in record.items() if k not in TIMES} for record in history]
    assert all(set(TIMES) < set(record) for record in history)
    return net, records, history.stopped, net.rng.random()


def assert_same(one, other):
    np.testing.assert_array_equal(one[0].params, other[0].params)
    assert one[1:] == other[1:]


@pytest.fixture
def together(monkeypatch):
    """How many epochs were trained together, call by call."""
    found, train_together = [], loop.train_together

    def counted(state, n, *args):
        found.append(n)
        return train_together(state, n, *args)

    monkeypatch.setattr(loop, "train_together", counted)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_fit_is_that_of_epochs_one_by_one(options, dtype, data, together):
    one_by_one = fitted(data, True, dtype=dtype, **options)
    assert together == []
    assert_same(fitted(data, False, dtype=dtype, **options), one_by_one)
    assert together == [6]


def test_sparse_rows(data, together):
    sparse = scipy.sparse.csr_array(data[0] * (data[0] > 0)), data[1]
    assert_same(fitted(sparse, False), fitted(sparse, True))
    assert together == [6]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epochs_of_one_call_are_those_of_calls_one_after_another(data, dtype):
    nets = [Network([4, 9, 3], seed=0, dtype=dtype, dropout=0.2) for _ in range(3)]
    other = Network([4, 9, 3], seed=0, dtype=dtype, dropout=0.2, engine="reference")
    X, y = data[0].astype(dtype), data[1]
    rule = StepRule(Adam(), seed=5, clip_norm=0.5)
    orders = np.stack([np.random.default_rng(e).permutation(90)[:50] for e in range(3)])
    hyper = np.array([rule.optimizer.hyper])
    found = []
    for net in (nets[0], other):
        bound, losses = net._bound, np.empty(3)
        state = np.zeros((rule.slots, len(net.params)), dtype)
        work = bound.take_workspace(16)
        fixed = (bound.plan, net.params, X, y, None)
        last = bound.backend.train_epoch(
            *fixed, orders.reshape(-1), 16, rule, hyper, state, 4, work, losses
        )
        assert last == losses[-1]
        found.append((losses, net.params.copy()))
    bound, state = nets[1]._bound, np.zeros((rule.slots, len(nets[1].params)), dtype)
    work = bound.take_workspace(16)
    single = [
        bound.backend.train_epoch(
            bound.plan, nets[1].params, X, y, None, order, 16, rule, hyper, state, 4 + 4 * e, work
        )
        for e, order in enumerate(orders)
    ]
    np.testing.assert_array_equal(found[0][0], single)
    np.testing.assert_array_equal(found[0][1], nets[1].params)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=rtol)
    with pytest.raises(ValueError, match="losses"):
        bound.backend.train_epoch(
            bound.plan, nets[2].params, X, y, None, orders.reshape(-1), 16, rule, hyper, state, 0,
            work, np.empty(7),
        )  # fmt: skip


def test_a_chunk_bounds_the_epochs_together(data, together, monkeypatch):
    whole = fitted(data, True, epochs=7)
    monkeypatch.setattr(BoundNetwork, "steps_in", lambda *_: 3 * 6 + 5)
    assert_same(fitted(data, False, epochs=7), whole)
    assert together == [3, 3, 1]


@pytest.mark.parametrize("rate", [1e20, 3e38])
def test_divergence_is_found_at_the_same_step(rate, data, together):
    options = {"learning_rate": rate, "optimizer": "sgd", "epochs": 5}
    with pytest.warns(DivergedWarning) as warned:
        one_by_one = fitted(data, True, **options)
    with pytest.warns(DivergedWarning) as others:
        assert_same(fitted(data, False, **options), one_by_one)
    assert str(warned[0].message) == str(others[0].message)
    assert together == [5]


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": True},
        {"averaging": "swa"},
        {"validation_fraction": 0.2},
        {"tol": 1e-9},
        {"learning_rate": lambda t: 0.1 / (1 + t)},
        {"diagnostics": True},
        {"max_time": 100.0},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_observes_epochs_has_them_one_by_one(options, data, together):
    fitted(data, False, **options)
    assert together == []


def test_an_interrupt_ends_the_fit_after_the_epochs_at_hand(data, together, monkeypatch):
    whole = fitted(data, True)
    train = isa.engine.train_epoch

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        return train(*args)

    monkeypatch.setattr(isa.engine, "train_epoch", interrupted)
    net, records, stopped, _ = fitted(data, False, on_interrupt="return")
    assert stopped == "interrupted"
    assert records == whole[1]
    np.testing.assert_array_equal(net.params, whole[0].params)
    assert together == [6]
