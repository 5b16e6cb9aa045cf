"""EarlyStopping: which way each figure improves, by name and for metrics of the user's own."""

from itertools import pairwise

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import EarlyStopping
from ffnn_fast.metrics import Metric
from ffnn_fast.schedules import ReduceOnPlateau

RISES_THEN_FALLS = (1.0, 2.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0)
FALLS_THEN_RISES = tuple(-value for value in RISES_THEN_FALLS)


def scripted(values, larger_is_better=None):
    """A metric of one's own with these values, epoch by epoch."""
    left = iter(values)
    return Metric("own", lambda truth, predicted: next(left), larger_is_better=larger_is_better)


def fit(metric, rule):
    """The history of a fit that is stopped by this metric."""
    X, y = classes(40)
    return network().fit(X, y, epochs=8, metrics=[metric], early_stopping=rule)


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        *((name, "max") for name in ("accuracy", "val_accuracy", "f1", "val_r2")),
        *((name, "min") for name in ("loss", "val_loss", "log_loss", "val_rmse", "mae")),
        ("gradient_norm", "min"),
        ("dead_units_1", "min"),
        ("val_top_5", "max"),
    ],
)
def test_the_mode_of_known_figures(monitor, mode):
    assert EarlyStopping(monitor).with_mode({}).mode == mode


@pytest.mark.parametrize(
    ("values", "larger_is_better", "mode", "best"),
    [
        (RISES_THEN_FALLS, True, "auto", 3),
        (FALLS_THEN_RISES, False, "auto", 3),
        (RISES_THEN_FALLS, False, "auto", 1),
        (FALLS_THEN_RISES, True, "auto", 1),
        (RISES_THEN_FALLS, None, "max", 3),
        (FALLS_THEN_RISES, None, "min", 3),
        (RISES_THEN_FALLS, False, "max", 3),  # the mode given has precedence
        (FALLS_THEN_RISES, True, "min", 3),
    ],
)
def test_metrics_of_ones_own(values, larger_is_better, mode, best):
    rule = EarlyStopping("own", patience=2, mode=mode)
    history = fit(scripted(values, larger_is_better), rule)
    if best == 1:  # worse from the second epoch on, until it has improved on the first
        assert history.best_epoch == 1
        assert len(history) == 3
    else:
        assert history.best_epoch == best
        assert len(history) == best + 2
    assert history.stopped == f"own has not improved for 2 epochs, best in epoch {best}"


def test_auto_needs_a_direction():
    with pytest.raises(ValueError, match="by 'own' needs mode='min' or mode='max'"):
        fit(scripted(RISES_THEN_FALLS), EarlyStopping("own"))
    with pytest.raises(ValueError, match="by 'val_own' needs"):
        EarlyStopping("val_own").with_mode({"own": None})
    assert EarlyStopping("val_own").with_mode({"own": True}).mode == "max"


def test_min_delta_counts_in_both_modes():
    for values, mode in (((1.0, 1.05, 1.2), "max"), ((1.0, 0.95, 0.8), "min")):
        rule = EarlyStopping("own", min_delta=0.1, mode=mode)
        memory = rule.new_memory()
        better = [
            rule.observe({"epoch": epoch, "own": value}, memory)
            for epoch, value in enumerate(values, start=1)
        ]
        assert better == [True, False, True]
        assert memory["epoch"] == 3


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_never_better_and_an_infinite_figure_can_improve(mode):
    sign = 1 if mode == "min" else -1
    rule = EarlyStopping("own", mode=mode)
    memory = rule.new_memory()
    values = (np.nan, sign * np.inf, sign * 5.0, np.nan, sign * 4.0)
    better = [
        rule.observe({"epoch": epoch, "own": value}, memory)
        for epoch, value in enumerate(values, start=1)
    ]
    assert better == [False, True, True, False, True]


@pytest.mark.parametrize("larger_is_better", [True, False])
def test_a_plateau_of_a_metric_of_ones_own(larger_is_better):
    """The rate falls only while the figure gets worse, in the metric's own direction."""
    values = RISES_THEN_FALLS if larger_is_better else FALLS_THEN_RISES
    X, y = classes(40)
    history = network().fit(
        X, y, epochs=8, metrics=[scripted(values, larger_is_better)],
        learning_rate=ReduceOnPlateau(0.5, "own", factor=0.5, patience=0),
    )  # fmt: skip
    assert history["learning_rate"] == [0.5] * 4 + [0.25, 0.125, 0.0625, 0.03125]
    with pytest.raises(ValueError, match="ReduceOnPlateau by 'own' needs mode"):
        network().fit(
            X, y, metrics=[scripted(values)], learning_rate=ReduceOnPlateau(0.5, "own")
        )  # fmt: skip


def test_a_plateau_of_the_validation_accuracy():
    """It is not reduced while the accuracy rises."""
    X, y = classes(200)
    history = network().fit(
        X, y, epochs=6, validation_data=(X, y), optimizer="adam",
        learning_rate=ReduceOnPlateau(0.01, "val_accuracy", patience=0, threshold=0.0),
    )  # fmt: skip
    accuracy, rates = history["val_accuracy"], history["learning_rate"]
    better = [new > max(accuracy[:k]) for k, new in enumerate(accuracy) if k]
    assert better[0]
    assert [after == before for before, after in pairwise(rates)] == [True, *better[:-1]]
