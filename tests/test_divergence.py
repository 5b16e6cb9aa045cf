"""A fit that diverges stops at once, says where, and leaves finite parameters."""

import warnings

import numpy as np
import pytest
from support.fits import classes, values

from ffnn_fast import DivergedWarning, Network
from ffnn_fast.callbacks import Callback
from ffnn_fast.optimizers import SGD
from ffnn_fast.schedules import Custom


def explosive(engine="compiled", **given):
    return Network(
        [5, 8, 8, 1], activation="relu", output="identity", seed=0, engine=engine, **given
    )


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("batch_size", [1, 16, None])
def test_it_stops_with_the_parameters_of_the_last_finite_step(engine, batch_size):
    X, y = classes()
    net = explosive(engine)
    with pytest.warns(DivergedWarning, match=r"epoch \d+, step \d+, layer \d") as caught:
        history = net.fit(30 * X, y, epochs=50, learning_rate=5.0, batch_size=batch_size)
    assert history.stopped == "diverged"
    assert len(history) < 50
    assert np.isfinite(net.params).all()
    message = str(caught[0].message)
    assert "smaller learning rate (it was 5)" in message
    assert caught[0].filename == __file__
    step = message.partition("step ")[2].partition(",")[0]
    again = explosive(engine)
    with pytest.warns(DivergedWarning, match=f"step {step},"):
        again.fit(30 * X, y, epochs=50, learning_rate=Custom(lambda u: 5.0), batch_size=batch_size)
    np.testing.assert_array_equal(again.params, net.params)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("options", [{}, {"metrics": False}])
def test_finite_steps_on_inputs_whose_squares_overflow(optimizer, options, rng):
    X, y = rng.normal(size=(40, 200)).astype(np.float32), rng.normal(size=(40, 1))
    X[:, 0] = 1e20  # saturates the units, so that their gradient is 0
    nets = [
        Network([200, 64, 1], output="identity", seed=0, engine=engine)
        for engine in ("compiled", "reference")
    ]
    options = {"optimizer": optimizer, "learning_rate": 1e-4, "batch_size": 1, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, theirs = (net.fit(X, y, epochs=3, **options) for net in nets)
    assert ours.stopped == "epochs"
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradient_descent_stops_with_finite_parameters(engine):
    X, y = classes()
    net, shorter = explosive(engine), explosive(engine)
    with pytest.warns(
        DivergedWarning, match=r"is not finite in iteration \d+;.*\(it was 5\)"
    ) as caught:
        history = net.gradient_descent(30 * X, y, learning_rate=5.0, max_iterations=200)
    assert history.stopped == "diverged"
    assert caught[0].filename == __file__
    assert np.isfinite(net.params).all()
    assert np.isfinite(history["loss"]).all()
    assert len(history) < 100
    shorter.gradient_descent(30 * X, y, learning_rate=5.0, max_iterations=len(history))
    np.testing.assert_array_equal(net.params, shorter.params)


def test_the_step_is_the_first_that_is_not_finite():
    X, y = classes(160)
    at = 13  # of 20 steps in an epoch
    net, plain = explosive(), explosive()

    def rate(u):
        return 1e60 if u == at else 1e-3

    with pytest.warns(DivergedWarning, match=r"a parameter is not .* epoch 2, step 34, layer \d"):
        history = net.fit(
            X, y, batch_size=8, shuffle=False, learning_rate=lambda u: rate(u - 20), epochs=9
        )
    assert len(history) == 1
    # step 34 has a finite loss still, and infinite parameters after it
    plain.fit(X, y, batch_size=8, shuffle=False, learning_rate=1e-3, epochs=1)
    plain.fit(X[:104], y[:104], batch_size=8, shuffle=False, learning_rate=1e-3, epochs=1)
    np.testing.assert_array_equal(net.params, plain.params)


def test_the_layer_is_named():
    X, y = values()
    net = Network([3, 4, 4, 1], activation="relu", output="identity", seed=0)
    net.weights[1][:] *= 1e25
    net.weights[0][:] *= 1e25
    with pytest.warns(DivergedWarning, match="the loss is not finite in epoch 1, step 1, layer 2"):
        net.fit(X, y)


def test_the_optimizers_state_goes_back_too():
    X, y = classes()
    net = explosive()
    loss = net.partial_fit(X, y, optimizer="momentum", learning_rate=1e-3)
    assert np.isfinite(loss)
    with pytest.warns(DivergedWarning, match="diverged"):
        net.partial_fit(1e18 * X, y)
    assert np.isfinite(net.params).all()
    assert np.isfinite(net.stream.optimizer_state).all()
    assert 7 <= net.stream.t < 14


def test_one_step_says_so_too():
    X, y = classes()
    net = explosive()
    with pytest.warns(DivergedWarning, match="step 1"):
        net.step(1e30 * X, y, 1.0)
    assert np.isfinite(net.params).all()


def test_the_best_parameters_are_restored_after_all():
    X, y = classes(40)
    net = explosive()

    def rate(u):
        return 1e-3 if u < 10 else 1e30

    with pytest.warns(DivergedWarning, match="diverged"):
        history = net.fit(
            X, y, batch_size=4, epochs=5, learning_rate=rate, validation_data=(X, y),
            early_stopping=True,
        )  # fmt: skip
    assert history.best_epoch == 1
    assert net.loss(X, y) == history["val_loss"][0]


def test_as_an_error():
    X, y = classes()
    net = explosive()
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergedWarning)
        with pytest.raises(DivergedWarning):
            net.fit(30 * X, y, optimizer=SGD(learning_rate=5.0))
    assert np.isfinite(net.params).all()


class Last(Callback):
    """What the fit has done when it ends."""

    def on_train_end(self, fit):
        self.t, self.epoch, self.rate = fit.t, fit.epoch, fit.learning_rate


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_step_that_diverged_does_not_count(batch_size):
    X, y = classes(160)
    steps, at = 160 // batch_size, 33
    last, net = Last(), explosive()
    with pytest.warns(DivergedWarning, match=f"step {at + 1},"):
        net.fit(
            X, y, batch_size=batch_size, optimizer="adam", epochs=9, callbacks=[last],
            learning_rate=lambda u: 1e60 if u == at else 1e-3,
        )  # fmt: skip
    assert last.t == at
    assert last.epoch == at // steps + 1
    assert last.rate == 1e-3


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("optimizer", ["adam", "nadam", "momentum"])
def test_training_goes_on_as_if_the_step_had_never_been(engine, optimizer):
    """The step counter, and with it the bias corrections, and the state vectors go back."""
    X, y = classes(160)
    broken = X.copy()
    broken[96:128] *= 1e30
    net, other = explosive(engine), explosive(engine)
    given = {"batch_size": 32, "optimizer": optimizer, "learning_rate": 1e-3}
    with pytest.warns(DivergedWarning, match="step 4,"):
        net.partial_fit(broken[:128], y[:128], **given)
    other.partial_fit(X[:96], y[:96], **given)
    assert net.stream.t == other.stream.t == 3
    for part in (net, other):
        part.partial_fit(X[96:], y[96:])
    assert net.stream.t == 5
    np.testing.assert_array_equal(net.params, other.params)
    np.testing.assert_array_equal(net.stream.optimizer_state, other.stream.optimizer_state)


def explodes(call):
    """The file and line that the warning of a call names."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    named = [(one.filename, one.lineno) for one in caught if one.category is DivergedWarning]
    assert len(named) == 1
    return named[0]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("callbacks", [[], [Callback()], ["per batch"]])
def test_the_warning_names_the_users_line(engine, callbacks):
    X, y = classes()
    X, y = 1e18 * X, y.astype(float)

    class PerBatch(Callback):
        def on_batch_end(self, fit, loss):
            pass

    callbacks = [PerBatch() if one == "per batch" else one for one in callbacks]
    calls = [
        lambda: explosive(engine).fit(X, y, callbacks=callbacks),
        lambda: explosive(engine).partial_fit(X, y),
        lambda: explosive(engine).partial_fit(zip(X[None], y[None], strict=True)),
        lambda: [explosive(engine).step(X, y, 1e30) for _ in range(1)],
    ]
    for call in calls:
        code = call.__code__
        lines = {line for _, _, line in code.co_lines() if line}
        for constant in code.co_consts:
            if hasattr(constant, "co_lines"):
                lines |= {line for _, _, line in constant.co_lines() if line}
        filename, line = explodes(call)
        assert filename == __file__
        assert line in lines


def test_the_warning_names_the_line_of_a_callback_that_trains():
    X, y = classes()

    class Nested(Callback):
        def on_epoch_end(self, fit, record):
            explosive().partial_fit(1e18 * X, y.astype(float))

    filename, line = explodes(
        lambda: explosive().fit(
            X, y.astype(float), epochs=1, learning_rate=1e-6, callbacks=[Nested()]
        )
    )
    assert filename == __file__
    assert line in {line for _, _, line in Nested.on_epoch_end.__code__.co_lines()}


def test_each_users_line_is_shown_by_default():
    """A warning that names a line of the library is shown once for all callers."""
    X, y = classes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        explosive().step(1e18 * X, y, 1e30)
        explosive().step(1e18 * X, y, 1e30)
        for _ in range(3):
            explosive().step(1e18 * X, y, 1e30)
    assert len([one for one in caught if one.category is DivergedWarning]) == 3
