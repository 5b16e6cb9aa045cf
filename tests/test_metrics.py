"""Accuracy and R² against numbers worked out by hand."""

import numpy as np
import pytest

from ffnn_fast.metrics import (
    Metric,
    accuracy,
    as_metric,
    f1,
    log_loss,
    mae,
    r2,
    rmse,
    top_k_accuracy,
)


def test_accuracy_is_the_share_of_equal_labels():
    assert accuracy([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75
    assert accuracy([3], [3]) == 1.0
    assert accuracy(np.array(["a", "b"]), np.array(["b", "b"])) == 0.5
    assert isinstance(accuracy([0], [1]), float)


def test_r2_by_hand():
    # mean 2.5, total 5, residual 1 + 0 + 0 + 1
    assert r2([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 3.0]) == pytest.approx(1 - 2 / 5)


def test_r2_is_one_if_exact_zero_for_the_mean_and_negative_if_worse():
    y = np.array([1.0, 2.0, 6.0])
    assert r2(y, y) == 1.0
    assert r2(y, np.full(3, y.mean())) == 0.0
    assert r2(y, -y) < 0


def test_r2_averages_outputs():
    y = np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 20.0]])
    predicted = y + np.array([[0.5, 0], [0, 0], [0, 0]])
    assert r2(y, predicted) == pytest.approx(((1 - 0.25 / 2) + 1) / 2)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7])
def test_r2_of_equal_values_is_one_or_zero(constant):
    y = np.full(7, constant)
    assert r2(y, y) == 1.0
    assert r2(y, y + 1) == 0.0
    assert r2(y[:1], y[:1] - 1) == 0.0


def test_r2_computes_in_float64():
    y = np.array([16_777_216, 16_777_218, 16_777_220], np.float32)
    assert r2(y, y[::-1].copy()) == pytest.approx(-3.0)


@pytest.mark.parametrize("score", [accuracy, r2])
@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        (np.zeros(3), np.zeros(4)),
        (np.zeros(3), np.zeros((3, 1))),
        (np.zeros(0), np.zeros(0)),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2))),
        (np.float64(1), np.float64(1)),
    ],
)
def test_wrong_shapes_are_refused(score, true, predicted):
    with pytest.raises(ValueError, match="expected"):
        score(true, predicted)


def test_accuracy_refuses_one_hot_rows():
    with pytest.raises(ValueError, match=r"expected shape \(n,\)"):
        accuracy(np.eye(3), np.eye(3))


def test_f1_agrees_with_scikit_learn(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, p = rng.integers(0, 5, 60), rng.integers(1, 7, 60)
    assert f1(y, p) == pytest.approx(sklearn.f1_score(y, p, average="macro"))
    Y, P = rng.integers(0, 2, (40, 3)), rng.integers(0, 2, (40, 3))
    assert f1(Y, P) == pytest.approx(sklearn.f1_score(Y, P, average="macro"))


def test_f1_by_hand():
    # class 0: TP 1, FN 1; class 1: TP 1, FP 1
    assert f1([0, 0, 1], [0, 1, 1]) == pytest.approx(2 / 3)
    assert f1([0, 0], [0, 0]) == 1


def test_top_k():
    scores = [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.3, 0.3, 0.4]]
    assert top_k_accuracy([2, 1, 0], scores, 1) == pytest.approx(1 / 3)
    assert top_k_accuracy([2, 1, 1], scores, 2) == pytest.approx(2 / 3)  # of a tie the first counts
    assert top_k_accuracy([0, 2, 1], scores, 3) == 1


def test_log_loss_agrees_with_scikit_learn(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, y = rng.dirichlet(np.ones(4), 30), rng.integers(0, 4, 30)
    assert log_loss(y, p) == pytest.approx(sklearn.log_loss(y, p, labels=range(4)))
    assert log_loss(np.eye(4)[y], p) == pytest.approx(log_loss(y, p))
    assert log_loss(y % 2, p[:, :1]) == pytest.approx(sklearn.log_loss(y % 2, p[:, 0]))
    assert np.isfinite(log_loss([0, 1], [[0.0, 1.0], [0.0, 1.0]]))


def test_errors_of_values(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, p = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    assert rmse(y, p) == pytest.approx(sklearn.root_mean_squared_error(y, p))
    assert mae(y, p) == pytest.approx(sklearn.mean_absolute_error(y, p))
    assert rmse([0, 0], [3, 4]) == pytest.approx(12.5**0.5)
    assert mae([0.0, np.nan, 1.0], [1.0, 9.0, 1.0]) == pytest.approx(0.5)


def test_names_and_functions():
    assert as_metric("top_3").function([0, 1], [[0, 1, 2, 3], [0, 1, 2, 3]]) == 0.5
    assert as_metric(mae).name == "mae"
    assert as_metric(Metric("own", max)) == Metric("own", max)
    for bad, error in (("recall", ValueError), ("top_0", ValueError), (3, TypeError)):
        with pytest.raises(error, match="a metric must be"):
            as_metric(bad)
    with pytest.raises(ValueError, match="takes"):
        Metric("own", max, takes="rows")


@pytest.mark.parametrize(
    "call",
    [
        lambda: top_k_accuracy([0, 1], [[0.5, 0.5]]),
        lambda: top_k_accuracy([0], [[0.5, 0.5]], 3),
        lambda: log_loss([0, 1], [[0.5, 0.5]]),
        lambda: rmse([1, 2], [1]),
        lambda: f1([], []),
    ],
)
def test_refused_shapes(call):
    with pytest.raises(ValueError, match=r"expected|k must be"):
        call()
