"""Rules, losses, activations, metrics and schedules of the user: what they return is checked."""

from dataclasses import dataclass

import numpy as np
import pytest
from support.fits import classes, network, values

from ffnn_fast import Activation, Loss, Network
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Custom

X, Y = values(20)


def rule(function, **members):
    """An optimizer with this rule and these class attributes."""
    own = type("Own", (Optimizer,), {"name": "own", "rule": function, **members})
    return dataclass(frozen=True, kw_only=True)(own)


def returning(self, hyper, params, grad, state, t):
    return params - hyper[0] * grad


def rebinding(self, hyper, params, grad, state, t):
    params = params - hyper[0] * grad


@pytest.mark.parametrize(("function", "gave"), [(returning, "a new array"), (rebinding, "nothing")])
@pytest.mark.parametrize("given", [{}, {"frozen": (1,)}, {"clip_norm": 1.0}])
def test_a_rule_that_does_not_write_in_place(function, gave, given):
    net = network()
    before = net.params.copy()
    with pytest.raises(ValueError, match=rf"Own.rule must change params in place.* {gave}"):
        net.fit(*classes(), optimizer=rule(function), **given)
    with pytest.raises(ValueError, match=r"Own.rule must change params in place"):
        net.partial_fit(*classes(), optimizer=rule(function))
    np.testing.assert_array_equal(net.params, before)


def returning_with_state(self, hyper, params, grad, state, t):
    state[0] = 0.9 * state[0] + grad
    return params - hyper[0] * state[0]


def rebinding_with_state(self, hyper, params, grad, state, t):
    state[0] = 0.9 * state[0] + grad
    params = params - hyper[0] * state[0]


@pytest.mark.parametrize(
    ("function", "gave"),
    [(returning_with_state, "returned a new array"), (rebinding_with_state, "returned nothing")],
)
def test_a_rule_that_writes_its_state_only(function, gave):
    net = network()
    before = net.params.copy()
    for train in (net.fit, net.partial_fit):
        with pytest.raises(ValueError, match=rf"Own.rule must change params in place.* {gave}"):
            train(*classes(), optimizer=rule(function, slots=1))
    np.testing.assert_array_equal(net.params, before)


def test_a_rule_that_moves_and_returns_another_array():
    def both(self, hyper, params, grad, state, t):
        params -= hyper[0] * grad
        return params - hyper[0] * grad

    with pytest.raises(ValueError, match="it returned a new array, which has no effect"):
        network().fit(*classes(), optimizer=rule(both))


def unpacking(self, hyper, params, grad, state, t):
    (v,) = state
    v *= 0.9
    params -= hyper[0] * v


def indexing(self, hyper, params, grad, state, t):
    state[1] += grad
    params -= hyper[0] * state[1]


@pytest.mark.parametrize(
    ("function", "slots"), [(unpacking, 0), (indexing, 0), (indexing, 1), (unpacking, 2)]
)
def test_forgotten_slots_are_named(function, slots):
    with pytest.raises(ValueError, match=rf"Own.rule failed .* Own.slots is {slots} \(set slots"):
        network().fit(*classes(), optimizer=rule(function, slots=slots))


def test_slots_that_became_a_hyperparameter_are_named():
    """An annotated attribute of a dataclass is a field."""

    def plain(self, hyper, params, grad, state, t):
        (learning_rate,) = hyper
        params -= learning_rate * grad

    own = rule(plain, slots=1, __annotations__={"slots": int})
    with pytest.raises(ValueError, match=r"too many values.*hyper = \(learning_rate, slots\)"):
        network().fit(*classes(), optimizer=own)


def test_rules_that_do_not_move_at_first_are_fine():
    def every_third(self, hyper, params, grad, state, t):
        state[0] += grad
        if t % 3 == 0:
            params -= hyper[0] * state[0]
            state[0] = 0

    def plain(self, hyper, params, grad, state, t):
        params -= hyper[0] * grad

    net = network()
    net.fit(*classes(), optimizer=rule(every_third, slots=1), epochs=1)
    net.fit(*classes(), optimizer=rule(plain), learning_rate=1e-30, epochs=1)  # too small to move
    net.fit(*classes(), optimizer=rule(plain), learning_rate=lambda u: 0.0 if u < 2 else 0.1)


def test_a_rule_that_also_returns_is_fine():
    def both(self, hyper, params, grad, state, t):
        params -= hyper[0] * grad
        return params

    net, plain = network(), network()
    net.fit(*classes(), optimizer=rule(both)(learning_rate=0.1), epochs=2)
    plain.fit(*classes(), optimizer="sgd", learning_rate=0.1, epochs=2)
    np.testing.assert_allclose(net.params, plain.params, rtol=1e-4, atol=1e-6)


def test_only_the_first_step_is_checked():
    """One copy of θ for a fit, not one for each step."""
    calls = []

    def stops(self, hyper, params, grad, state, t):
        calls.append(t)
        if t == 1:
            params -= hyper[0] * grad

    network().fit(*classes(), optimizer=rule(stops), batch_size=50, epochs=2)
    assert calls == [1, 2, 3, 4, 5, 6, 7, 8]


def regressor(n_outputs=1, **given):
    return Network([3, 4, n_outputs], **{"output": "identity", "seed": 0, **given})


def squared(y_hat, y):
    return (y_hat - y) ** 2


def slope(y_hat, y):
    return 2 * (y_hat - y)


@pytest.mark.parametrize(
    ("value", "gradient", "message"),
    [
        (lambda p, y: squared(p, y).mean(), slope, r"value of loss 'own'.*\(20,\).*one number"),
        (lambda p, y: squared(p, y).sum(axis=0), slope, r"got an array of shape \(1,\)"),
        (lambda p, y: float(squared(p, y).mean()), slope, "got 0|got 1"),
        (lambda p, y: None, slope, "got None"),
        (lambda p, y: squared(p, y).tolist(), slope, "value of loss 'own'"),
        (squared, lambda p, y: slope(p, y).mean(), "gradient of loss 'own'.*one number"),
        (squared, lambda p, y: slope(p, y)[:, 0], r"\(20, 1\); got an array of shape \(20,\)"),
        (squared, lambda p, y: None, "gradient of loss 'own'"),
    ],
)
def test_a_loss_of_another_shape(value, gradient, message):
    own = Loss("own", value, gradient)
    for call in ("fit", "gradient", "minimize"):
        with pytest.raises(ValueError, match=message):
            getattr(regressor(loss=own), call)(X, Y)


def test_a_loss_that_fails_for_one_row_only():
    """np.squeeze leaves no dimension of the last batch, of one row."""
    own = Loss("own", lambda p, y: np.squeeze(squared(p, y)), slope)
    with pytest.raises(ValueError, match=r"the loss of each sample, \(1,\)"):
        regressor(loss=own).fit(X, Y, batch_size=19)


@pytest.mark.parametrize("value", [squared, lambda p, y: squared(p, y).sum(axis=1)])
def test_losses_of_samples_or_outputs_are_fine(value):
    own, targets = Loss("own", value, slope), np.column_stack([Y, -Y])
    net, plain = regressor(2, loss=own), regressor(2, engine="reference")
    net.fit(X, targets, epochs=2)
    plain.fit(X, targets, epochs=2)
    np.testing.assert_array_equal(net.params, plain.params)


@pytest.mark.parametrize(
    ("function", "derivative", "message"),
    [
        (lambda a: a.sum(axis=1), np.ones_like, r"function of activation 'own'.*shape \(20,\)"),
        (lambda a: a.max(), np.ones_like, "function of activation 'own'.*one number"),
        (lambda a: 1.0, np.ones_like, "got 1.0"),
        (np.tanh, lambda a: (1 - np.tanh(a) ** 2)[:, :1], "derivative of activation 'own'"),
        (np.tanh, lambda a: None, "derivative of activation 'own'|unsupported"),
        (np.tanh, lambda a: np.ones(len(a)), r"derivative of activation 'own'.*\(20,\)"),
    ],
)
@pytest.mark.parametrize("place", ["activation", "output"])
def test_an_activation_of_another_shape(function, derivative, message, place):
    net = regressor(4, **{place: Activation("own", function, derivative)})
    with pytest.raises((ValueError, TypeError), match=message):
        net.fit(X, np.column_stack([Y] * 4))


def test_the_slope_of_a_line_may_be_one_number():
    own = Activation("double", lambda a: 2 * a, lambda a: 2.0)
    assert regressor(activation=own, dtype="float64").check_gradients(X, Y).passed


@pytest.mark.parametrize("returned", [None, "high", np.ones(3)])
def test_a_metric_that_gives_no_number(returned):
    with pytest.raises(ValueError, match="metric 'own' must return a number, got"):
        network().fit(*classes(), metrics=[Metric("own", lambda truth, predicted: returned)])


@pytest.mark.parametrize("returned", [None, "high", np.ones(3), np.nan, -1.0])
def test_a_schedule_that_gives_no_rate(returned):
    with pytest.raises(ValueError, match="a schedule must give finite numbers >= 0, got"):
        network().fit(*classes(), learning_rate=Custom(lambda u: returned))
