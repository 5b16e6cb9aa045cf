"""Targets of TabularClassifier: classes of any kind, one or several columns of them."""

import decimal

import numpy as np
import pytest
from scipy.sparse import csr_array

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.metrics import accuracy_score, roc_auc_score  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402

from ffnn_fast.tabular import TabularClassifier  # noqa: E402
from ffnn_fast.tabular._calibration import calibration_error  # noqa: E402
from ffnn_fast.tabular._labels import fit_labels  # noqa: E402

QUICK = {"n_networks": 2, "epochs": 30, "random_state": 0, "n_threads": 1}
ROWS = np.random.default_rng(0).normal(size=(300, 4))
SIGN = np.where(ROWS[:, 0] > 0, "yes", "no")
THREE = np.digitize(ROWS[:, 1], [-0.5, 0.5]) + 3
INDICATORS = np.column_stack([ROWS[:, 0] > 0, ROWS[:, 1] > 0, ROWS[:, 2] > 9]).astype(int)


@pytest.mark.parametrize(
    ("y", "classes", "dtype"),
    [
        (["b", "a", "b"], ["a", "b"], "<U1"),
        (np.array(["b", "a"], object), ["a", "b"], "object"),
        (np.array([b"b", b"a"]), [b"a", b"b"], "S1"),
        (np.array([True, False]), [False, True], "bool"),
        (np.array([True, False], object), [False, True], "bool"),
        (np.array([7, -3, 7], np.int8), [-3, 7], "int8"),
        (np.array([2**64 - 1, 0], np.uint64), [0, 2**64 - 1], "uint64"),
        (np.array([10**30, 2], object), [2, 10**30], "object"),
        (np.array([1.0, -0.0, 0.0]), [0.0, 1.0], "float64"),
        (pd.Series([2, 1], dtype="Int64"), [1, 2], "int64"),
        (pd.Series(["b", "a"], dtype="string"), ["a", "b"], "object"),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"], "object"),
        (pd.Series([True, False], dtype="boolean"), [False, True], "bool"),
        (np.array([np.str_("b"), "a"], object), ["a", "b"], "object"),
        (np.ma.array([4, 5]), [4, 5], "int64"),
    ],
)
def test_classes_of_every_kind(y, classes, dtype):
    """Classes are sorted and have the type of the labels."""
    labels, places = fit_labels(y)
    assert labels.form == "one"
    assert labels.classes[0].tolist() == classes
    assert labels.classes[0].dtype == dtype
    assert [classes[place] for place in places] == list(np.asarray(y, object))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_labels_of_other_libraries(library):
    """Series of polars and arrays of Arrow are labels."""
    package = pytest.importorskip(library)
    make = package.Series if library == "polars" else package.array
    labels, places = fit_labels(make(["b", "a", "b"]))
    assert labels.classes[0].tolist() == ["a", "b"]
    np.testing.assert_array_equal(places, [1, 0, 1])


@pytest.mark.parametrize(
    ("y", "match"),
    [
        ([1, "a"], "Unknown label type: y holds integers and texts; convert"),
        (np.array([True, 2], object), "y holds bools and integers"),
        (np.array(["a", None], object), "missing labels"),
        (pd.Series([1, None], dtype="Int64"), "missing labels"),
        ([1.0, np.nan], "NaN"),
        ([0.5, 1.0], "Unknown label type: continuous"),
        (np.ma.array([1, 2], mask=[False, True]), "masked entries"),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), "missing times"),
        (np.array([1j, 2]), "dtype complex128"),
        (np.array([decimal.Decimal(1), decimal.Decimal(2)], object), "of type Decimal"),
        (np.zeros((2, 2, 2)), "column for each label"),
        ([[1], [2, 3]], "rectangular"),
        (np.ones(3), "y has one class only, 1.0"),
        ([[1, 8], [2, 8], [3, 8]], "column 1 of y has one class only, 8"),
        ([["a", 1], ["b", None]], "column 1 of y has missing labels"),
    ],
)
def test_refused_labels(y, match):
    """Missing labels, mixtures of types and what is no label are refused by name."""
    with pytest.raises(ValueError, match=match):
        fit_labels(y)


@pytest.fixture(scope="module")
def several():
    """A classifier of two columns of labels, of texts and of integers."""
    return TabularClassifier(**QUICK).fit(ROWS, pd.DataFrame({"a": SIGN, "b": THREE}))


@pytest.fixture(scope="module")
def indicators():
    """A classifier of three columns of 0 and 1, of which the last has no 1."""
    return TabularClassifier(**QUICK).fit(ROWS, INDICATORS)


def test_several_columns(several):
    """Classes, predictions and probabilities of each column, as scikit-learn has them."""
    assert [classes.tolist() for classes in several.classes_] == [["no", "yes"], [3, 4, 5]]
    predicted, proba = several.predict(ROWS), several.predict_proba(ROWS)
    assert predicted.dtype == object
    for j, (truth, classes) in enumerate(zip((SIGN, THREE), several.classes_, strict=True)):
        np.testing.assert_allclose(proba[j].sum(axis=1), 1)
        np.testing.assert_array_equal(predicted[:, j], classes[proba[j].argmax(axis=1)])
        assert np.mean(predicted[:, j] == truth) > 0.9
    both = np.mean((predicted[:, 0] == SIGN) & (predicted[:, 1] == THREE))
    truth = np.column_stack([SIGN.astype(object), THREE.astype(object)])
    assert several.score(ROWS, truth) == pytest.approx(both)
    assert several.oof_prediction_.shape == (300, 5)
    np.testing.assert_allclose(np.exp(several.predict_log_proba(ROWS)[1]), proba[1])
    with pytest.raises(ValueError, match=r"y must have shape \(300, 2\)"):
        several.score(ROWS, SIGN)


def test_calibration_of_columns(several):
    """Each column has a temperature and a calibration error, that of its own labels."""
    assert len(several.temperature_) == len(several.calibration_error_) == 2
    judged = several.oof_prediction_
    expected = calibration_error(judged[:, 2:], THREE - 3)
    assert several.calibration_error_[1] == pytest.approx(expected)


def test_indicators(indicators):
    """Columns of 0 and 1 have one probability each; a column may have no 1."""
    proba = indicators.predict_proba(ROWS)
    assert proba.shape == (300, 3)
    predicted = indicators.predict(ROWS)
    assert predicted.dtype == INDICATORS.dtype
    np.testing.assert_array_equal(predicted, proba > 0.5)
    assert roc_auc_score(INDICATORS[:, :2], proba[:, :2]) > 0.95
    assert proba[:, 2].max() < 0.5
    assert indicators.score(ROWS, INDICATORS) == accuracy_score(INDICATORS, predicted) > 0.9


@pytest.mark.parametrize("scoring", ["roc_auc", "accuracy", "f1_macro"])
def test_scorers_of_indicators(scoring):
    """scikit-learn's scorers take the probabilities and the predictions."""
    model = TabularClassifier(**QUICK)
    assert min(cross_val_score(model, ROWS, INDICATORS[:, :2], scoring=scoring, cv=2)) > 0.8


def test_explanation_of_columns(several, indicators):
    """Contributions sum to the probability of a class of a column."""
    for model, column, target, first in ((several, 1, 4, 3), (indicators, 1, 1, 3)):
        found = model.explain(ROWS[:40], target, column=column)
        proba = model._mean_outputs(ROWS[:40])[:, first]
        np.testing.assert_allclose(found.predictions, proba, rtol=1e-12)
        total = found.base + found.contributions.sum(axis=1)
        np.testing.assert_allclose(total, proba, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="column"):
        several.explain(ROWS, column=2)


@pytest.mark.parametrize("kind", ["several", "indicators"])
def test_files_of_columns(kind, request, tmp_path):
    """A loaded classifier has the same classes and predicts to the same bits."""
    model = request.getfixturevalue(kind)
    model.save(tmp_path / "model")
    again = TabularClassifier.load(tmp_path / "model")
    for one, other in zip(again.classes_, model.classes_, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.predict(ROWS), model.predict(ROWS))
    assert again.temperature_ == model.temperature_
    assert again.calibration_error_ == model.calibration_error_


def test_weights_of_several_columns():
    """Rows of weight 0 do not count in any column."""
    weight = (ROWS[:, 3] > 0).astype(float)
    Y = np.column_stack([SIGN, np.where(weight > 0, SIGN, "no")])
    model = TabularClassifier(**QUICK).fit(ROWS, Y, weight)
    assert np.mean(model.predict(ROWS)[:, 1] == SIGN) > 0.9


def test_calibration_error():
    """|share of correct rows − mean probability|, the mean over bins."""
    proba = np.repeat([[0.8, 0.2], [0.6, 0.4]], 50, axis=0)
    labels = np.zeros(100, int)
    assert calibration_error(proba, labels) == pytest.approx(0.3)
    many = np.repeat(proba, 30, axis=0)
    wrong = (np.random.default_rng(0).random(3000) > many[:, 0]).astype(int)
    assert calibration_error(many, wrong) < 0.06
    assert calibration_error(many, 1 - wrong) > 0.3
    constant = np.full((100, 2), [0.7, 0.3])
    assert calibration_error(constant, np.zeros(100, int)) == pytest.approx(0.3)
    assert np.isnan(calibration_error(proba[:0], labels[:0]))
    weight = np.r_[np.ones(50), np.zeros(50)]
    assert calibration_error(proba, labels, weight) == pytest.approx(0.2)


def test_sparse_indicators_are_as_dense_ones():
    (labels, places), (others, same) = map(fit_labels, (INDICATORS, csr_array(INDICATORS)))
    assert labels.form == others.form
    np.testing.assert_array_equal(places, same)
    with pytest.raises(ValueError, match="y has no columns"):
        fit_labels(np.empty((4, 0)))
