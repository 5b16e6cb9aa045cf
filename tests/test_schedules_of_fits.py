"""Schedules in shares of a fit: the rates of `Network.fit` and of the estimators, and refusals."""

import json
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from support.fits import classes, network

from ffnn_fast import CheckpointError, Network
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._training import checkpoint_files
from ffnn_fast.callbacks import Callback
from ffnn_fast.schedules import (
    Cosine,
    CosLog,
    Custom,
    Exponential,
    FlatCosine,
    OneCycle,
    Schedule,
    StepDecay,
    WarmUp,
)
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes(100)
OF_THE_FIT = {  # and the same in the steps of a fit of 5 epochs of 7 batches
    "cycle": (OneCycle(0.2), OneCycle(0.2, 35)),
    "part": (OneCycle(0.2, 0.8, per="fit"), OneCycle(0.2, 28)),
    "cosine": (Cosine(0.2), Cosine(0.2, 35, per="step")),
    "cos_log": (CosLog(0.2), CosLog(0.2, total=35)),
    "flat": (FlatCosine(0.2, 0.4), FlatCosine(0.2, 0.4, 35)),
    "decay": (StepDecay(0.2, 0.2, 0.5, per="fit"), StepDecay(0.2, 7, 0.5, per="step")),
    "warm_up": (WarmUp(Cosine(0.2), 0.1, per="fit"), WarmUp(Cosine(0.2, 35, per="step"), 4)),
    "function": (Custom(lambda u: 0.2 - 0.2 * u, per="fit"), lambda step: 0.2 - 0.2 * (step / 35)),
}
BATCH, EPOCHS = 15, 5


class Rates(Callback):
    """The learning rate of each step."""

    def __init__(self):
        self.found = []

    def on_batch_end(self, run, loss):
        self.found.append(run.learning_rate)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", OF_THE_FIT)
def test_a_fit_has_the_bits_of_the_schedule_in_steps(name, engine):
    nets = [network(engine=engine) for _ in range(2)]
    for net, rate in zip(nets, OF_THE_FIT[name], strict=True):
        net.fit(X, Y, epochs=EPOCHS, batch_size=BATCH, learning_rate=rate, optimizer="momentum")
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


def test_the_peak_and_the_end_of_one_cycle():
    """35 steps, of which 0.4 rise: the peak is in step 14, the end is reached in step 35."""
    rates = Rates()
    history = network().fit(
        X, Y, epochs=EPOCHS, batch_size=BATCH, learning_rate=OneCycle(0.2, rise=0.4),
        callbacks=[rates],
    )  # fmt: skip
    found = rates.found
    assert len(found) == 35
    assert np.argmax(found) == 13
    assert found[0] == pytest.approx(0.2 / 25)
    assert found[13] == pytest.approx(0.2)
    assert found[34] == pytest.approx(0.2 / 25 / 1e4)
    assert history["learning_rate"] == found[6::7]


def test_rows_that_are_held_out_make_no_steps():
    rates = Rates()
    network().fit(
        X, Y, epochs=4, batch_size=20, learning_rate=Exponential(0.1, 0.01, per="fit"),
        validation_fraction=0.4, callbacks=[rates],
    )  # fmt: skip
    np.testing.assert_allclose(rates.found, 0.1 * 0.01 ** (np.arange(12) / 12))


def test_each_fit_has_its_own_schedule():
    net, rates = network(), Rates()
    for epochs in (2, 3):
        net.fit(X, Y, epochs=epochs, batch_size=None, learning_rate=Cosine(0.1), callbacks=[rates])
    np.testing.assert_allclose(rates.found, [0.1, 0.05, 0.1, 0.075, 0.025])


def test_a_schedule_over_the_fit_refuses_another_number_of_epochs(tmp_path):
    """Its rates would not be those of an unbroken fit."""
    rate = WarmUp(OneCycle(0.1), 3)
    whole, net = network(), network()
    whole.fit(X, Y, epochs=3, learning_rate=rate)
    net.fit(X, Y, epochs=3, learning_rate=rate, checkpoint=tmp_path / "fit")
    _, metadata = checkpoint_files.load(tmp_path / "fit")
    written = metadata["options"]
    assert written["epochs"] == 3
    assert written["schedule"]["schedule"]["per"] == "'fit'"
    assert written["schedule"]["schedule"]["total"] == "1.0"
    again = network()
    with pytest.raises(
        CheckpointError, match=r"a fit with other options \(epochs\): \{'epochs': 3\}; got"
    ):
        again.fit(X, Y, epochs=5, learning_rate=rate, resume=tmp_path / "fit")
    again.fit(X, Y, epochs=3, learning_rate=rate, resume=tmp_path / "fit")
    np.testing.assert_array_equal(again.params, whole.params)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, [0.5]),
        (2, [0.02, 0.5]),
        (3, [0.02, 0.5, 2e-6]),
        (4, [0.02, 0.4058728, 0.1415305, 2e-6]),
    ],
)
def test_one_cycle_in_the_smallest_fits(steps, expected):
    rates = Rates()
    given = {"epochs": steps, "batch_size": None, "learning_rate": OneCycle(0.5)}
    network().fit(X, Y, **given, callbacks=[rates])
    np.testing.assert_allclose(rates.found, expected, rtol=1e-5)
    model = MLPRegressor(max_iter=steps, learning_rate=OneCycle(0.5))
    found = []
    model.set_params(callbacks=lambda record: found.append(record["learning_rate"]))
    model.fit(X, X[:, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 20])
def test_a_short_rise_of_a_cycle_takes_one_step(steps):
    cycle = OneCycle(0.5, 0.5, rise=0.01, per="fit").over(2 * steps)
    rates = cycle.rates(0, 2 * steps, 1, {})
    assert rates[min(1, steps - 1)] == pytest.approx(0.5)
    np.testing.assert_allclose(rates[steps:], 2e-6)


@dataclass(frozen=True)
class RatesOnly(Schedule):
    """A schedule of the user with `rates` and no `at`."""

    def rates(self, first, n, steps_per_epoch, memory):
        return np.full(n, 0.1)


def test_a_schedule_without_at_changes_nothing():
    network().fit(X, Y, epochs=1, learning_rate=RatesOnly())
    net = network(dropout=0.2)
    before, state = net.params.copy(), net.rng.bit_generator.state
    with pytest.raises(
        NotImplementedError, match=r"RatesOnly has no rates for per='fit': implement at"
    ):
        net.fit(X, Y, epochs=3, batch_size=None, learning_rate=RatesOnly(per="fit"))
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state


@pytest.mark.parametrize(
    "rate", [OneCycle(0.1), WarmUp(Cosine(0.1), 3), WarmUp(0.1, 0.1, per="fit")]
)
def test_partial_fit_refuses_shares_and_goes_on(rate):
    net, twin = network(), network()
    refusal = "partial_fit has no known number of steps.*give its lengths in steps, with per='step'"
    for optimizer in ("adam", None):
        before = net.params.copy()
        with pytest.raises(ValueError, match=refusal):
            net.partial_fit(X, Y, optimizer=optimizer, learning_rate=rate)
        np.testing.assert_array_equal(net.params, before)
        for each in (net, twin):
            each.partial_fit(X, Y, optimizer=optimizer, learning_rate=OneCycle(0.1, 20))
    np.testing.assert_array_equal(net.params, twin.params)


def test_a_file_with_shares_for_partial_fit_is_refused(tmp_path):
    net = network()
    net.partial_fit(X, Y, learning_rate=OneCycle(0.1, 20))
    net.save(tmp_path / "net")
    with safe_open(tmp_path / "net", framework="numpy") as file:
        metadata = file.metadata()
    training = json.loads(metadata["training"])
    for changes in ({"per": "fit", "total": 1.0}, {"total": None}):
        forged = training | {"schedule": training["schedule"] | changes}
        tensors = safetensors.numpy.load_file(tmp_path / "net")
        safetensors.numpy.save_file(
            tensors, tmp_path / "other", metadata | {"training": json.dumps(forged)}
        )
        with pytest.raises(ModelFileError, match="no known number of steps"):
            Network.load(tmp_path / "other")


def estimator(**given):
    options = {"max_iter": EPOCHS, "batch_size": BATCH, "n_iter_no_change": 100, "random_state": 0}
    return MLPClassifier(8, **options | given)


@pytest.mark.parametrize("solver", ["sgd", "adam", "radam"])
@pytest.mark.parametrize("name", OF_THE_FIT)
def test_an_estimator_has_the_bits_of_the_schedule_in_steps(name, solver):
    ours, in_steps = OF_THE_FIT[name]
    model = estimator(solver=solver, learning_rate=ours).fit(X, Y)
    expected = estimator(solver=solver, learning_rate=in_steps).fit(X, Y)
    assert model.loss_curve_ == expected.loss_curve_
    assert model.get_params()["learning_rate"] is ours


def test_the_last_rate_of_an_estimator():
    """With early stopping 80 rows are left: 6 batches, 30 steps."""
    found = []
    options = {"early_stopping": True, "validation_fraction": 0.2, "callbacks": found.append}
    estimator(learning_rate=OneCycle(0.2, rise=0.4), **options).fit(X, Y)
    assert found[1]["learning_rate"] == pytest.approx(0.2)  # 12 steps
    assert found[-1]["learning_rate"] == pytest.approx(0.2 / 25 / 1e4)


def test_clones_pickles_and_searches_keep_the_schedule():
    model = estimator(learning_rate=OneCycle(0.1)).fit(X, Y)
    for copied in (clone(model), pickle.loads(pickle.dumps(model))):
        assert copied.get_params()["learning_rate"] == OneCycle(0.1)
        assert copied.fit(X, Y).loss_curve_ == model.loss_curve_
    grid = {"learning_rate": [OneCycle(0.1), Cosine(0.1)], "max_iter": [3, 5]}
    search = GridSearchCV(estimator(), grid, cv=2, error_score="raise").fit(X, Y)
    assert search.best_params_["learning_rate"] in grid["learning_rate"]


def test_a_warm_start_begins_the_schedule_again():
    found = []
    model = estimator(learning_rate=Cosine(0.1), warm_start=True, callbacks=found.append)
    model.fit(X, Y).set_params(max_iter=2).fit(X, Y)
    rates = [record["learning_rate"] for record in found]
    expected = [
        0.05 * (1 + np.cos(np.pi * u)) for u in [*np.arange(6, 35, 7) / 35, 6 / 14, 13 / 14]
    ]
    np.testing.assert_allclose(rates, expected)


def test_partial_fit_of_an_estimator_refuses_shares():
    model = estimator(learning_rate=OneCycle(0.1))
    for fitted in (model, clone(model).fit(X, Y)):
        with pytest.raises(ValueError, match="partial_fit has no known number of steps"):
            fitted.partial_fit(X, Y, classes=[0, 1])
        found = []
        fitted.set_params(learning_rate="constant", learning_rate_init=0.02)
        fitted.set_params(callbacks=found.append).partial_fit(X, Y, classes=[0, 1])
        assert found[0]["learning_rate"] == 0.02


def test_a_schedule_without_at_leaves_the_fit_of_an_estimator():
    model = MLPRegressor(max_iter=2, learning_rate=RatesOnly()).fit(X, X[:, 0])
    before = model.coefs_
    with pytest.raises(
        NotImplementedError, match=r"RatesOnly has no rates for per='fit': implement at"
    ):
        model.set_params(learning_rate=RatesOnly(per="fit")).fit(X, X[:, 0])
    assert model.coefs_ is before
