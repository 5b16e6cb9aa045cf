"""What fit refuses, before anything has changed."""

import numpy as np
import pytest
from support.fits import classes, network

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
    ({"frozen": 1}, TypeError, "frozen must be a sequence, got 1"),
    ({"resume": True}, ValueError, "resume=True needs checkpoint"),
    ({"resume": "/no/such/file"}, FileNotFoundError, "no checkpoint"),
    ({"checkpoint": 3}, TypeError, "PathLike"),
    ({"checkpoint": "a", "callbacks": [Checkpoint("b")]}, ValueError, "more than once"),
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


def test_one_row_cannot_be_split():
    with pytest.raises(ValueError, match="validation_fraction needs at least 2 rows"):
        network().fit(X[:1], Y[:1], validation_fraction=0.5)
