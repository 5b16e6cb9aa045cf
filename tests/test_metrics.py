"""Accuracy and R² against numbers worked out by hand."""

import numpy as np
import pytest

from ffnn_fast.metrics import accuracy, r2


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
