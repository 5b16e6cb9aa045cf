"""Accuracy and R² against numbers worked out by hand."""

import numpy as np
import pytest

from ffnn_fast import metrics
from ffnn_fast.activations import log_softmax, logsumexp, softmax
from ffnn_fast.metrics import (
    Metric,
    accuracy,
    as_metric,
    calibration_curve,
    confusion_matrix,
    expected_calibration_error,
    f1,
    log_loss,
    mae,
    precision_recall,
    r2,
    rmse,
    roc_auc,
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
    with pytest.raises(TypeError, match="the name of a metric must be a string, got 3"):
        Metric(3, max)
    with pytest.raises(TypeError, match="metric 'own': function must be callable"):
        Metric("own", 3)
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


class TestConfusion:
    def test_agrees_with_scikit_learn(self, rng):
        sklearn = pytest.importorskip("sklearn.metrics")
        y, p = rng.integers(0, 6, 300), rng.integers(0, 5, 300)
        matrix = confusion_matrix(y, p, 8)
        assert matrix.dtype == np.int64
        expected = sklearn.confusion_matrix(y, p, labels=range(8))
        np.testing.assert_array_equal(matrix, expected)
        np.testing.assert_array_equal(confusion_matrix(y, p), expected[:6, :6])
        theirs = sklearn.precision_recall_fscore_support(y, p, labels=range(8), zero_division=0)
        for ours, other in zip(precision_recall(matrix), theirs, strict=True):
            np.testing.assert_allclose(ours, other, rtol=1e-14)

    def test_small_integers_do_not_overflow(self):
        y = np.arange(100, dtype=np.uint8)
        assert (confusion_matrix(y, y) == np.eye(100)).all()
        assert confusion_matrix([True, False], [True, True]).tolist() == [[0, 1], [0, 1]]

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"labels in 0\.\.1, got 2"):
            confusion_matrix([0, 1], [2, 0], 2)
        with pytest.raises(ValueError, match=r"labels in 0\.\.1, got -1"):
            confusion_matrix([0, -1], [1, 0])
        with pytest.raises(TypeError, match="integer labels, got float64"):
            confusion_matrix([0.0], [1])
        with pytest.raises(ValueError, match="at least one sample"):
            confusion_matrix([], [])
        with pytest.raises(ValueError, match=r"\(c, c\), got \(2, 3\)"):
            precision_recall(np.ones((2, 3)))


class TestCalibration:
    @pytest.mark.parametrize("bins", [1, 5, 10])
    def test_agrees_with_scikit_learn(self, rng, bins):
        sklearn = pytest.importorskip("sklearn.calibration")
        p = np.append(rng.beta(0.3, 0.3, 200).round(2), [0, 0.1, 0.5, 1])
        y = rng.random(204) < p
        probability, share, count = calibration_curve(y, p, bins)
        their_share, their_probability = sklearn.calibration_curve(y, p, n_bins=bins)
        np.testing.assert_allclose(probability, their_probability, rtol=1e-12)
        np.testing.assert_allclose(share, their_share, rtol=1e-12)
        assert count.sum() == 204

    def test_error_by_hand(self):
        # bins [0, 0.5] and (0.5, 1]: |0 − 0.25| of two, |1 − 0.8| of one
        error = expected_calibration_error([0, 0, 1], [0.2, 0.3, 0.8], 2)
        assert error == pytest.approx((2 * 0.25 + 0.2) / 3)
        assert expected_calibration_error([True, False], [1.0, 0.0]) == 0

    def test_float32_that_is_not_quite_one(self):
        probability, _, count = calibration_curve([1, 1], np.float32([1.0, 0.99999994]))
        assert count.tolist() == [2]
        assert probability[0] == pytest.approx(1)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (([0, 1], [0.5, 1.5]), r"in \[0, 1\]"),
            (([0, 1], [0.5, np.nan]), r"in \[0, 1\]"),
            (([0, 2], [0.5, 0.5]), "expected 0 and 1"),
            (([0, 1], [0.5]), "shape"),
            (([0, 1], [0.5, 0.5], 0), "bins must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, given, message):
        with pytest.raises(ValueError, match=message):
            calibration_curve(*given)


class TestRocAuc:
    def test_agrees_with_scikit_learn(self, rng):
        sklearn = pytest.importorskip("sklearn.metrics")
        for digits in (0, 1, 8):  # many ties, some, none
            s = rng.normal(size=150).round(digits)
            y = s + rng.normal(size=150) > 0
            assert roc_auc(y, s) == pytest.approx(sklearn.roc_auc_score(y, s), rel=1e-12)

    def test_by_hand(self):
        assert roc_auc([0, 1], [0.2, 0.3]) == 1
        assert roc_auc([0, 1], [0.3, 0.2]) == 0
        assert roc_auc([0, 1, 0, 1], [7, 7, 7, 7]) == 0.5

    @pytest.mark.parametrize("y", [[0, 0], [1, 1]])
    def test_one_class(self, y):
        with pytest.raises(ValueError, match="both classes"):
            roc_auc(y, [0.1, 0.2])

    def test_nan(self):
        with pytest.raises(ValueError, match="no NaN"):
            roc_auc([0, 1], [0.1, np.nan])


NUMBERS = {
    "log_loss": lambda y: metrics.log_loss(y, np.full((2, 2), 0.5)),
    "probabilities": lambda y: metrics.log_loss([0, 1], np.ma.stack([y, y], axis=1)),
    "confusion_matrix": lambda y: metrics.confusion_matrix(y, [0, 1]),
    "roc_auc": lambda y: metrics.roc_auc(y, [0.2, 0.7]),
    "score": lambda y: metrics.roc_auc([0, 1], y),
    "calibration_curve": lambda y: metrics.calibration_curve(y, [0.2, 0.7]),
    "r2": lambda y: metrics.r2(y, [0.0, 1.0]),
    "rmse": lambda y: metrics.rmse([0.0, 1.0], y),
    "mae": lambda y: metrics.mae(y, [0.0, 1.0]),
    "top_k_accuracy": lambda y: metrics.top_k_accuracy(y, np.eye(2), 1),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
}
NO_NUMBERS = {
    "text": np.array(["0", "1"]),
    "dates": np.array(["2020-01-01", "2020-01-02"], "M8[D]"),
    "complex": np.array([0j, 1]),
    "records": np.zeros(2, [("a", float)]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused_by_name(name):
    for array in NO_NUMBERS.values():
        with pytest.raises(TypeError, match="must hold real numbers, got dtype"):
            NUMBERS[name](array)
    for missing in (np.ma.array([0, 1], mask=[0, 1]), np.array([0, None])):
        with pytest.raises(ValueError, match="must have no missing entries, got one in row 1"):
            NUMBERS[name](missing)


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.f1])
def test_labels_may_be_text_but_not_missing(metric):
    assert metric(["a", "b"], ["a", "b"]) == 1
    assert metric(np.array(["a", "b"], object), np.array(["a", "b"], object)) == 1
    assert metric(np.ma.array([0, 1]), [0, 1]) == 1
    for name in ("dates", "complex", "records"):
        with pytest.raises(TypeError, match="predicted must hold real numbers, got dtype"):
            metric([0, 1], NO_NUMBERS[name])
    for missing in (np.ma.array([0, 1], mask=[0, 1]), np.array([0, None])):
        with pytest.raises(ValueError, match="labels must have no missing entries, got one in row"):
            metric(missing, [0, 1])
