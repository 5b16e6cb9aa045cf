"""Stepper: a step per call, to the bits of a fit on the same batches."""

import copy
import pickle

import numpy as np
import pytest
from support.fits import classes, fitted, in_batches, network, values

from ffnn_fast import Network
from ffnn_fast.optimizers import OPTIMIZERS, SGD, Adam, Optimizer, StepRule
from ffnn_fast.schedules import (
    Cosine,
    InverseScaling,
    OneCycle,
    WarmUp,
)

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("size", [1, 7, 32])
def test_the_bits_of_fit_with_every_optimizer(optimizer, size, dtype):
    X, y = classes(80)
    one, other = network(dtype=dtype), network(dtype=dtype)
    X = X.astype(dtype)
    history = fitted(one, X, y, size, optimizer=optimizer)
    losses = in_batches(other.stepper(optimizer=optimizer, batch_size=32), X, y, size)
    np.testing.assert_array_equal(one.params, other.params)
    weights = [len(X[start : start + size]) for start in range(0, 80, size)]
    assert np.average(losses, weights=weights) == pytest.approx(history["loss"][0], rel=1e-12)
    assert other.stream.t == len(losses)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {"clip_norm": 0.1}),
        ({}, {"clip_value": 0.01, "max_norm": 0.5}),
        ({}, {"frozen": (1,)}),
        ({"dropout": 0.3}, {"clip_norm": 0.1, "frozen": (2,)}),
        ({"l2": 0.01, "l1": (0.001, 0.0)}, {}),
        ({"matmul": "blas"}, {"clip_norm": 0.1}),
        ({"engine": "reference", "dropout": 0.2}, {"clip_norm": 0.1}),
    ],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("size", [1, 9])
def test_the_bits_of_fit_with_every_option(settings, options, optimizer, size):
    X, y = classes(40)
    one, other = network(**settings), network(**settings)
    fitted(one, X, y, size, optimizer=optimizer, **options)
    in_batches(other.stepper(optimizer=optimizer, **options), X, y, size)
    np.testing.assert_array_equal(one.params, other.params)


def test_the_bits_of_fit_with_weights_heads_and_missing_targets(rng):
    X, y = classes(40)
    weight = np.repeat([0.5, 1.5], 20).astype(np.float32)
    one, other = network(), network()
    fitted(one, X, y, 8, sample_weight=weight)
    in_batches(other.stepper(), X, y, 8, weight)
    np.testing.assert_array_equal(one.params, other.params)

    heads = [Network([5, 8, 5], heads=[2, 3], missing_targets="ignore", seed=0) for _ in range(2)]
    y = np.column_stack([np.eye(2)[rng.integers(0, 2, 40)], np.eye(3)[rng.integers(0, 3, 40)]])
    y = y.astype(np.float32)
    y[::3, :2] = np.nan
    fitted(heads[0], X, y, 8)
    in_batches(heads[1].stepper(), X, y, 8)
    np.testing.assert_array_equal(heads[0].params, heads[1].params)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_same_bits_for_any_number_of_threads(rng, optimizer):
    X = rng.normal(size=(600, 64)).astype(np.float32)
    y = rng.integers(0, 10, 600)
    nets = [Network([64, 256, 128, 10], seed=0, n_threads=n) for n in (1, 2, 3)]
    fitted(nets[0], X, y, 600, optimizer=optimizer, clip_norm=0.1)
    for net in nets[1:]:
        net.stepper(optimizer=optimizer, clip_norm=0.1, batch_size=600).step(X, y)
        np.testing.assert_array_equal(net.params, nets[0].params)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_weights_are_taken_as_they_are_and_may_be_negative(engine):
    """∇θ of a sum of weighted losses: that of a policy gradient with advantages."""
    X, y = classes(6)
    net = network(engine=engine, dtype="float64")
    weight = np.array([1.5, -2.0, 0.0, 0.5, -0.1, 3.0])
    stepper = net.stepper()
    value, grad = stepper.loss_gradient(X, y, weight)
    parts = [net.loss_gradient(X[i : i + 1], y[i : i + 1]) for i in range(6)]
    expected = sum(w * part[1] for w, part in zip(weight, parts, strict=True)) / 6
    np.testing.assert_allclose(grad, expected, rtol=1e-10, atol=1e-14)
    losses = [part[0] for part in parts]
    assert value == pytest.approx(weight @ losses / 6)
    before = net.params.copy()
    assert stepper.step(X, y, weight, 0.5) == pytest.approx(value)
    np.testing.assert_allclose(net.params, before - 0.5 * grad, rtol=1e-10)


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.4}, {"l2": 0.1, "l1": 0.01}])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradient_and_apply_make_a_step(settings, engine):
    X, y = classes(20)
    nets = [network(dtype="float64", engine=engine, **settings) for _ in range(2)]
    options = {"optimizer": "adam", "clip_norm": 0.01, "frozen": [1]}
    one, other = (net.stepper(**options) for net in nets)
    out = np.empty_like(nets[0].params)
    for _ in range(3):
        value = one.step(X, y)
        found, grad = other.loss_gradient(X, y, out=out)
        assert grad is out
        assert found == pytest.approx(value, rel=1e-10)
        other.apply(grad)
        np.testing.assert_allclose(nets[1].params, nets[0].params, rtol=1e-10, atol=1e-12)
    assert one.t == other.t == 3


def test_rates():
    X, y = classes(8)
    rates = [0.5, 0.25, 0.0, 0.1]
    nets = [network() for _ in range(4)]
    one, other, third = (net.stepper(learning_rate=1.0) for net in nets[:3])
    for rate in rates:
        one.step(X, y, learning_rate=rate)
        if rate:
            other.learning_rate = rate
            assert other.learning_rate == rate
            other.step(X, y)
        third.apply(third.gradient(X, y), rate)
    assert one.learning_rate == 1.0
    assert one.t == 4
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    np.testing.assert_allclose(nets[0].params, nets[2].params, rtol=1e-5, atol=1e-7)
    assert nets[1].stream.schedule.rate == 0.1


@pytest.mark.parametrize(
    "schedule",
    [InverseScaling(0.1), WarmUp(Cosine(0.1, 3, per="step"), 4), lambda u: 0.1 / (u + 1)],
)
def test_schedules(schedule, monkeypatch):
    monkeypatch.setattr("ffnn_fast._training.stepper.RATES_AT_ONCE", 3)
    X, y = classes(64)
    one, other = network(), network()
    fitted(one, X, y, 8, learning_rate=schedule)
    stepper = other.stepper(learning_rate=schedule)
    in_batches(stepper, X, y, 8)
    np.testing.assert_array_equal(one.params, other.params)
    stepper.learning_rate = 0.5
    assert stepper.learning_rate == 0.5


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1, "frozen": [1]}, {"max_norm": 0.5}])
@pytest.mark.parametrize("rate", [1e-2, InverseScaling(0.01)])
@pytest.mark.parametrize("copied", ["file", "copy", "pickle"])
def test_saved_and_resumed_to_the_same_bits(tmp_path, options, rate, copied):
    X, y = classes(96)
    net = network(dropout=0.2)
    stepper = net.stepper(optimizer="adam", learning_rate=rate, **options)
    in_batches(stepper, X, y, 16)
    if copied == "file":
        net.save(tmp_path / "net", with_state=True)
        twin = Network.load(tmp_path / "net")
    else:
        twin = copy.copy(net) if copied == "copy" else pickle.loads(pickle.dumps(net))
    assert twin.stream.rule == net.stream.rule
    resumed = twin.stepper()
    assert resumed.t == 6
    in_batches(stepper, X, y, 16)
    assert (twin.params != net.params).any()
    in_batches(resumed, X, y, 16)
    np.testing.assert_array_equal(twin.params, net.params)


def test_a_file_without_state_keeps_the_rule(tmp_path):
    X, y = classes(16)
    net = network()
    net.stepper(optimizer=Adam(beta_1=0.8), clip_norm=2.0, frozen=[2]).step(X, y)
    net.save(tmp_path / "net")
    twin = Network.load(tmp_path / "net")
    twin.partial_fit(X, y)
    assert twin.stream.rule == StepRule(Adam(beta_1=0.8), clip_norm=2.0, frozen=(2,))
    assert twin.stream.t == 1
    twin.partial_fit(X, y, clip_norm=np.inf, frozen=())
    assert twin.stream.rule == StepRule(Adam(beta_1=0.8))
    assert twin.stream.t == 2


@pytest.mark.parametrize(
    "bounds", ["x", {"clip": 1}, {"clip_norm": -1}, {"frozen": [3]}, {"frozen": "1"}]
)
def test_bounds_of_a_file_are_checked(bounds):
    from ffnn_fast._model.model_files import Training
    from ffnn_fast._training import streams

    net = network()
    net.stepper()
    plain, state = streams.to_file(net.stream, False)
    assert streams.from_file(Training(plain, state), net.spec).rule == net.stream.rule
    with pytest.raises((TypeError, ValueError)):
        streams.from_file(Training(plain | {"bounds": bounds}, state), net.spec)


def test_partial_fit_and_steppers_go_on_from_one_another():
    X, y = classes(96)
    net, other = network(), network()
    first = net.stepper(optimizer="adam")
    in_batches(first, X[:32], y[:32], 16)
    net.partial_fit(X[32:64], y[32:64], batch_size=16)
    assert first.t == 4
    in_batches(first, X[64:80], y[64:80], 16)
    net.stepper().step(X[80:], y[80:])
    fitted(other, X, y, 16, optimizer="adam")
    np.testing.assert_array_equal(net.params, other.params)
    assert net.stepper(optimizer="sgd").t == 0


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("bounds", [{"clip_norm": 0.1}, {"frozen": [1]}, {"clip_value": 1e-3}])
def test_partial_fit_and_step_take_bounds(engine, bounds):
    X, y = classes(40)
    one, other, third = (network(engine=engine) for _ in range(3))
    fitted(one, X, y, 40, **bounds)
    other.partial_fit(X[:40], y[:40], batch_size=40, **bounds)
    third.step(X, y, 0.1, **bounds)
    np.testing.assert_array_equal(one.params, other.params)
    np.testing.assert_array_equal(one.params, third.params)
    fitted(one, X, y, 16, **bounds)
    other.stream = None
    other.partial_fit(X, y, batch_size=16, **bounds)
    np.testing.assert_array_equal(one.params, other.params)


class Halving(Optimizer):
    """A user-defined rule."""

    name = "halving"

    def rule(self, hyper, params, grad, state, t):
        params -= np.float32(float(hyper[0]) / t) * grad


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_rule_of_the_users_own(engine):
    X, y = classes(40)
    one, other = network(engine=engine), network(engine=engine)
    fitted(one, X, y, 8, optimizer=Halving())
    in_batches(other.stepper(optimizer=Halving()), X, y, 8)
    np.testing.assert_array_equal(one.params, other.params)


def test_rates_of_nadam_go_on():
    """Its product of momenta is kept from call to call, and starts anew for another."""
    X, y = classes(64)
    one, other = network(), network()
    fitted(one, X, y, 8, optimizer="nadam")
    stepper = other.stepper(optimizer="nadam")
    in_batches(stepper, X[:32], y[:32], 8)
    in_batches(other.stepper(), X[32:], y[32:], 8)
    np.testing.assert_array_equal(one.params, other.params)


def test_sgd_is_the_default():
    net = network()
    stepper = net.stepper()
    assert net.stream.rule == StepRule(SGD())
    assert (stepper.batch_size, stepper.learning_rate, stepper.t) == (32, 0.1, 0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "l1": (0.01, 0.0)}])
def test_an_objective_of_the_users_own(engine, settings):
    """½ Σ (ŷ − y)² / n through its gradient w.r.t. ŷ makes the steps of half_squared_error."""
    X, y = values(20)
    options = {"output": "identity", "loss": "half_squared_error", "dtype": "float64"}
    nets = [Network([3, 5, 1], seed=0, engine=engine, **options, **settings) for _ in range(2)]
    one, other = (net.stepper(optimizer="adam", clip_norm=0.1) for net in nets)
    out = np.empty_like(nets[0].params)
    for _ in range(3):
        one.step(X, y)
        grad_y_hat = (nets[1].forward(X) - y[:, None]) / 20
        grad = other.backward(X, grad_y_hat, out)
        assert grad is out
        np.testing.assert_allclose(grad, other.gradient(X, y), rtol=1e-10, atol=1e-14)
        pure = other.backward(X, grad_y_hat, penalty=False)
        assert np.array_equal(pure, grad) == (not settings)
        other.apply(grad)
        np.testing.assert_allclose(nets[1].params, nets[0].params, rtol=1e-10, atol=1e-12)
    single = other.backward(X[0], [1.0])
    np.testing.assert_array_equal(single, other.backward(X[:1], [[1.0]]))
    with pytest.raises(ValueError, match=r"grad_y_hat must have shape \(20, 1\), got \(20,\)"):
        other.backward(X, y)
    with pytest.raises(ValueError, match="grad_y_hat must be finite"):
        other.backward(X, np.full((20, 1), np.nan))


def test_a_schedule_in_shares_of_a_fit_is_refused_in_its_own_name():
    with pytest.raises(ValueError, match="a stepper has no known number of steps"):
        network().stepper(learning_rate=OneCycle(0.1))
