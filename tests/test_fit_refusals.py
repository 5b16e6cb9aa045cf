"""What fit refuses, before anything has changed."""

import sys

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import Network
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.optimizers import SGD
from ffnn_fast.schedules import Exponential, ReduceOnPlateau

X, Y = classes(20)
BAD = [
    ({"epochs": 0}, ValueError, "epochs must be at least 1"),
    ({"batch_size": 2.5}, TypeError, "batch_size"),
    ({"optimizer": "newton"}, ValueError, "optimizer must be one of sgd"),
    ({"optimizer": 3}, TypeError, "optimizer"),
    ({"learning_rate": -1}, ValueError, "learning_rate"),
    ({"learning_rate": "fast"}, TypeError, "learning_rate"),
    ({"optimizer": SGD(), "learning_rate": 0.1}, ValueError, "given twice"),
    ({"learning_rate": 0.1, "callbacks": [Exponential(0.1)]}, ValueError, "more than once"),
    ({"validation_data": X}, TypeError, r"\(X, y\)"),
    ({"validation_fraction": 1.0}, ValueError, r"\[0, 1\)"),
    ({"validation_fraction": "a"}, TypeError, "number"),
    ({"validation_data": (X, Y), "validation_fraction": 0.5}, ValueError, "not both"),
    ({"sample_weight": [1, 2]}, ValueError, "sample_weight must have shape"),
    ({"class_weight": "even"}, TypeError, "class_weight"),
    ({"class_weight": {5: 1}}, ValueError, "labels that no row has"),
    ({"metrics": "accuracy"}, TypeError, "sequence"),
    ({"metrics": ["nonsense"]}, ValueError, "a metric must be one of"),
    ({"metrics": ["f1", "f1"]}, ValueError, "a name of its own"),
    ({"callbacks": [3]}, TypeError, "callable"),
    ({"early_stopping": 5}, TypeError, "EarlyStopping"),
    ({"early_stopping": True}, ValueError, "'val_loss' is not recorded"),
    ({"early_stopping": EarlyStopping("val_f2")}, ValueError, "mode='min' or mode='max'"),
    ({"learning_rate": ReduceOnPlateau(0.1)}, ValueError, "'val_loss' is not recorded"),
    ({"max_time": 0}, ValueError, "max_time"),
    ({"averaging": "median"}, ValueError, "ema, swa"),
    ({"averaging": 3}, TypeError, "averaging"),
    ({"clip_norm": 0}, ValueError, "clip_norm"),
    ({"frozen": [3]}, ValueError, "layers 1 to 2"),
    ({"frozen": [1, 2]}, ValueError, "nothing is left"),
    ({"on_interrupt": "shrug"}, ValueError, "on_interrupt must be one of raise, return"),
    (
        {"frozen": 1},
        TypeError,
        "frozen must be a sequence of layer numbers, such as \\[1\\], got 1",
    ),
    ({"resume": True}, ValueError, "resume=True needs checkpoint"),
    ({"resume": "/no/such/file"}, FileNotFoundError, "no checkpoint"),
    ({"checkpoint": 3}, TypeError, "PathLike"),
    ({"checkpoint": "a", "callbacks": [Checkpoint("b")]}, ValueError, "more than once"),
    ({"validation_fraction": 1e-3}, ValueError, r"validation_fraction=0.001 of \d+ rows comes to"),
    ({"sample_weight": -np.ones(len(X))}, ValueError, r"sample_weight must be >= 0.* \(\d+ such"),
    ({"class_weight": {0: 0, 1: 0}}, ValueError, "class_weight must have a positive sum"),
]


@pytest.mark.parametrize(("given", "error", "message"), BAD)
def test_refusals_change_nothing(given, error, message):
    net = network()
    before, state = net.params.copy(), net.rng.bit_generator.state
    with pytest.raises(error, match=message):
        net.fit(X, Y, **given)
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state


def test_parameters_that_are_not_finite_are_refused():
    net = network()
    net.params[3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        net.fit(X, Y)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: EarlyStopping(patience=0), ValueError),
        (lambda: EarlyStopping(patience=1.5), TypeError),
        (lambda: EarlyStopping(min_delta=-1), ValueError),
        (lambda: EarlyStopping(mode="up"), ValueError),
        (lambda: Averaging(decay=1.0), ValueError),
        (lambda: Averaging("swa", start=0), ValueError),
        (lambda: Checkpoint("a", every_epochs=0), ValueError),
        (lambda: Checkpoint("a", every_seconds=-1), ValueError),
    ],
)
def test_parts_refuse_what_they_cannot_do(make, error):
    with pytest.raises(error, match="must be"):
        make()


def test_a_fraction_that_comes_to_no_row_is_named():
    """Every class keeps a row to train on, so single rows leave none to hold out."""
    X, y = np.eye(3), np.arange(3)
    net = Network([3, 3], seed=0)
    state = net.rng.bit_generator.state
    with pytest.raises(ValueError, match=r"validation_fraction=0.5 of 3 rows .* every class"):
        net.fit(X, y, validation_fraction=0.5)
    assert net.rng.bit_generator.state == state


def test_weights_of_held_out_rows_that_are_all_zero_are_named():
    X, y = np.ones((10, 2)), np.arange(10.0)
    weight = np.zeros(10)
    weight[3] = 1
    with pytest.raises(ValueError, match="sample_weight of the held-out rows must have a pos"):
        Network([2, 1], output="identity", seed=0).fit(
            X, y, validation_fraction=0.1, sample_weight=weight, rng=0
        )


def test_one_row_cannot_be_split():
    with pytest.raises(ValueError, match="validation_fraction needs at least 2 rows"):
        network().fit(X[:1], Y[:1], validation_fraction=0.5)


def test_none_is_no_bound_and_no_frozen_layer():
    """As in `partial_fit`, `step` and `stepper`."""
    none = {"clip_value": None, "clip_norm": None, "max_norm": None, "frozen": None}
    one, other = network(), network()
    one.fit(X, Y, epochs=2)
    other.fit(X, Y, epochs=2, **none)
    np.testing.assert_array_equal(other.params, one.params)
    net = Network([2, 3, 1], output="identity", seed=0)
    fit = net.levenberg_marquardt(np.eye(2), [1.0, 2.0], frozen=None, max_iterations=2)
    assert fit.params.shape == (13,)


def test_ranks_without_mpi4py_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "ffnn_fast\[mpi\]"'):
        network().fit(X, Y, comm=object())
