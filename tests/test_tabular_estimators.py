"""TabularClassifier, TabularRegressor: scikit-learn's checks, calibration, explanations, files."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_diabetes, load_iris  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from support.mixed_tables import mixed  # noqa: E402

from ffnn_fast.tabular import TabularClassifier, TabularRegressor, distill  # noqa: E402
from ffnn_fast.tabular._calibration import conformal_width, shrinkage, temperature_of  # noqa: E402
from ffnn_fast.tabular._folds import folds_of  # noqa: E402

QUICK = {"n_networks": 2, "epochs": 30, "random_state": 0, "n_threads": 1}
NOT_EQUIVALENT = {
    "check_sample_weight_equivalence_on_dense_data": "folds are drawn by row, whatever it weighs"
}


@pytest.mark.slow
@parametrize_with_checks(
    [TabularClassifier(**QUICK), TabularRegressor(**QUICK)],
    expected_failed_checks=lambda estimator: NOT_EQUIVALENT,
)
def test_checks_of_scikit_learn(estimator, check):
    """Every check of scikit-learn but that of weights as repetitions."""
    check(estimator)


@pytest.fixture(scope="module")
def classifier():
    X, labels, _ = mixed()
    return TabularClassifier(**QUICK).fit(X, labels)


@pytest.fixture(scope="module")
def regressor():
    X, _, values = mixed()
    return TabularRegressor(**{**QUICK, "epochs": 60}).fit(X, values)


def test_mixed_columns(classifier, regressor):
    """A table of mixed columns is learnt as it is."""
    X, labels, values = mixed(seed=1)
    assert classifier.score(X, labels) > 0.9
    assert regressor.score(X, values) > 0.9
    assert classifier.columns_["row"] == "left out (numbers the rows)"
    assert classifier.columns_["day"].startswith("date (")


def test_probabilities(classifier):
    """Probabilities sum to 1, and their logarithms agree."""
    X, _, _ = mixed(seed=1)
    proba = classifier.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X)), proba)


def test_unseen_values(classifier):
    """New categories and missing values are predicted."""
    X, _, _ = mixed(seed=1)
    new = X.assign(town="elsewhere", kind=None, x=np.nan)
    assert np.isfinite(classifier.predict_proba(new)).all()


def test_importances(classifier):
    """What the class depends on comes first; importances sum to 1."""
    names = list(mixed()[0].columns)
    found = dict(zip(names, classifier.feature_importances_, strict=True))
    assert sum(found.values()) == pytest.approx(1)
    assert set(sorted(found, key=found.get)[-2:]) == {"x", "kind"}
    assert found["row"] == 0


def test_contributions_sum_to_the_prediction(classifier, regressor):
    """base + Σ contributions is the mean prediction of the networks."""
    X, _, _ = mixed(seed=1)
    found = classifier.explain(X[:20], "yes")
    place = list(classifier.classes_).index("yes")
    np.testing.assert_allclose(found.predictions, classifier.predict_proba(X[:20])[:, place], 1e-12)
    np.testing.assert_allclose(
        found.base + found.contributions.sum(axis=1), found.predictions, 1e-9
    )
    found = regressor.explain(X[:20])
    clipped = np.clip(found.predictions, *regressor.target_range_[:, 0])
    np.testing.assert_allclose(clipped, regressor.predict(X[:20]), rtol=1e-6)
    total = found.base + found.contributions.sum(axis=1)
    np.testing.assert_allclose(total, found.predictions, rtol=1e-12, atol=1e-12)
    assert found.columns[int(np.abs(found.contributions).mean(axis=0).argmax())] in ("x", "kind")


def test_unknown_target_of_an_explanation(classifier):
    """A class that is none is refused."""
    with pytest.raises(ValueError, match="target must be one of classes_, got 'maybe'"):
        classifier.explain(mixed()[0], "maybe")


def test_any_number_of_threads():
    """The bag does not depend on the number of threads."""
    X, labels, _ = mixed(120)
    models = [
        TabularClassifier(n_networks=3, epochs=5, random_state=3, n_threads=n).fit(X, labels)
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))


def test_coverage():
    """Intervals hold about the share of new rows that they promise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3))
    y = X[:, 0] + rng.normal(size=1200)
    model = TabularRegressor("fast", n_networks=4, epochs=8, random_state=0).fit(X[:600], y[:600])
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(X[600:], coverage)
        inside = np.mean((low <= y[600:]) & (y[600:] <= high))
        assert abs(inside - coverage) < 0.06


def test_width_of_intervals():
    """The width is that of the quantiles of the noise, where the function is learnt."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 2))
    y = 3 * X[:, 0] + rng.normal(size=3000)
    model = TabularRegressor(n_networks=4, epochs=30, random_state=0).fit(X[:2000], y[:2000])
    low, high = model.predict_interval(X[2000:], 0.9)
    np.testing.assert_allclose((high - low) / 2, 1.645, rtol=0.06)
    assert abs(np.mean((low <= y[2000:]) & (y[2000:] <= high)) - 0.9) < 0.025


def test_shrinkage():
    """The error of a mean of values with independent errors, from those of single values."""
    errors = np.random.default_rng(0).normal(size=(4, 4000, 1)) * [1.0]
    common = np.random.default_rng(1).normal(size=(4000, 1))
    ratio = np.std((common + errors).mean(axis=0)) / np.std(common + errors[0])
    found = shrinkage((common + errors)[0], errors)
    np.testing.assert_allclose(found, ratio, rtol=0.03)
    np.testing.assert_array_equal(shrinkage(errors[0], errors[:1]), 1)
    np.testing.assert_array_equal(shrinkage(0 * errors[0], errors), 1)
    np.testing.assert_array_equal(shrinkage(errors[0] / 99, errors), 0.5)


def test_several_values():
    """Several columns of values are predicted together."""
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, -2 * y])
    model = TabularRegressor(**QUICK).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.3
    assert model.predict_interval(X)[0].shape == Y.shape


def test_time_limit():
    """Epochs that the time limit does not allow are left out."""
    X, y = load_iris(return_X_y=True)
    model = TabularClassifier(epochs=10**6, max_time=0.5, random_state=0, n_threads=1).fit(X, y)
    assert len(model.networks_) >= 1
    assert 1 <= len(model.histories_[0]) < 10**5


def test_published_recipe():
    """The preset realmlp is one network of the published size and schedule."""
    X, y = load_iris(return_X_y=True)
    model = TabularClassifier("realmlp", epochs=3, random_state=0).fit(X, y)
    (net,) = model.networks_
    assert net.spec.layer_sizes == (4, 256, 256, 256, 3)
    assert net.weights[0].shape == (256, 16)
    assert net.spec.dropout_rates[1:] == (0.15, 0.15, 0.15)
    assert len(model.histories_[0]) == 3


def test_temperature():
    """Logits that are too large by a factor are divided by it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3))
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (proba.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    assert temperature_of(3 * logits, labels) == pytest.approx(3, rel=0.1)
    assert temperature_of(logits[:0], labels[:0]) == 1


def test_conformal_width():
    """The ⌈(n + 1) c⌉-th smallest residual; infinite if there are too few."""
    residuals = np.array([-1.0, 2, 3, -4, 5, 6, 7, 8, 9])
    assert conformal_width(residuals, 0.5) == 5
    assert conformal_width(residuals, 0.9) == 9
    assert conformal_width(residuals, 0.95) == np.inf


def test_folds():
    """Folds are disjoint, cover all rows and have every class."""
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    folds = folds_of(100, 5, np.random.default_rng(0), labels)
    assert sorted(np.concatenate(folds)) == list(range(100))
    assert all(np.bincount(labels[fold]).tolist() == [10, 6, 4] for fold in folds)


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        (["a"] * 20, ValueError, "y has one class only"),
        ([0.5] * 10 + [1.5] * 10, ValueError, "continuous"),
        (None, ValueError, "requires y"),
        ([0, 1], ValueError, "inconsistent numbers"),
    ],
)
def test_refused_targets(y, error, match):
    """Targets that are no classes are refused."""
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(error, match=match):
        TabularClassifier(**QUICK).fit(X, y)


def test_refused_parameters():
    """Unknown presets and columns are refused."""
    X, labels, _ = mixed(60)
    with pytest.raises(ValueError, match="preset"):
        TabularClassifier("best").fit(X, labels)
    with pytest.raises(ValueError, match="categorical_features names 'z'"):
        TabularClassifier(categorical_features=["z"]).fit(X, labels)
    with pytest.raises(ValueError, match="coverage"):
        TabularRegressor(**QUICK).fit(X, np.arange(60.0)).predict_interval(X, 1.5)


def test_numbers_as_categories():
    """A column of numbers may be named a category, and new numbers are unknown then."""
    X = pd.DataFrame({"code": np.tile([1.0, 2.0, 7.0], 40), "x": np.arange(120) % 7.0})
    y = (X["code"] == 2).to_numpy()
    model = TabularClassifier(**QUICK, categorical_features=["code"]).fit(X, y)
    assert model.columns_["code"] == "category (3 levels)"
    assert model.score(X, y) == 1
    assert np.isfinite(model.predict_proba(X.assign(code=99.0))).all()
    assert clone(model).categorical_features == ["code"]


@pytest.mark.parametrize("classes", [True, False])
def test_distillation(classes):
    """A student agrees with its teacher."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    X, _, _ = mixed(400)
    X = X[["x", "gap", "flag"]].astype(float)
    kind = (
        ensemble.HistGradientBoostingClassifier
        if classes
        else ensemble.HistGradientBoostingRegressor
    )
    y = np.where(X["x"] > 0, "yes", "no") if classes else 3 * X["x"].to_numpy()
    teacher = kind(max_iter=20, random_state=0).fit(X, y)
    student = distill(teacher, X, y, epochs=40, seed=0)
    assert student.report.agreement > 0.9
    assert student.report.student_microseconds > 0
    assert len(student.predict(X)) == 400
    if classes:
        np.testing.assert_allclose(student.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    else:
        with pytest.raises(AttributeError, match="no predict_proba"):
            student.predict_proba(X)


def test_mappings_and_records():
    """A mapping and a structured array are tables; their columns come in any order."""
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=40), "k": np.array(["u", "v"])[rng.integers(0, 2, 40)]}
    y, quick = columns["a"] ** 2, {**QUICK, "epochs": 3}
    expected = TabularRegressor(**quick).fit(pd.DataFrame(columns), y)
    model = TabularRegressor(**quick).fit(columns, y)
    assert list(model.feature_names_in_) == ["a", "k"]
    records = pd.DataFrame(columns).to_records(index=False)
    for X in (columns, dict(reversed(columns.items())), records, pd.DataFrame(columns)):
        for one in (model, expected):
            np.testing.assert_array_equal(one.predict(X), expected.predict(pd.DataFrame(columns)))
    with pytest.raises(ValueError, match="2 features"):
        model.predict({"a": columns["a"]})
    with pytest.raises(ValueError, match="lacks the columns 'k'"):
        model.predict({"a": columns["a"], "b": columns["a"]})


@pytest.mark.parametrize("kind", [TabularRegressor, TabularClassifier])
def test_few_rows_with_weight(kind):
    """Rows of weight 0 are in no fold, so that each fold has a loss."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), np.arange(30) % 2
    weight = np.zeros(30)
    weight[:4] = 1
    model = kind(**{**QUICK, "epochs": 3}).fit(X, y, weight)
    np.testing.assert_array_equal(np.isnan(model.oof_prediction_[:, 0]), weight == 0)
    with pytest.raises(ValueError, match="2 at least > 0"):
        kind(**QUICK).fit(X, y, np.eye(30)[0])


@pytest.mark.parametrize("place", [-1, 2])
def test_places_of_categories(place):
    """A place that no column has is refused."""
    model = TabularRegressor(**QUICK, categorical_features=[place])
    with pytest.raises(ValueError, match=f"places from 0 to 1; got {place}"):
        model.fit(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9))


def test_variance_of_huge_targets():
    """Targets whose variance overflows are refused."""
    X = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(ValueError, match="variance of y"):
        TabularRegressor(**QUICK).fit(X, 1e300 * X[:, 0])


def test_distillation_of_two_rows():
    """One row to train on has no neighbour to exchange values with."""
    from sklearn.linear_model import LinearRegression

    X, y = np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([0.0, 1.0])
    student = distill(LinearRegression().fit(X, y), X, y, folds=2, epochs=2, seed=0)
    assert student.predict(X).shape == (2,)


def test_targets_without_weight():
    """The target of a row of weight 0 does not enter the scale of the targets."""
    X = np.random.default_rng(0).normal(size=(30, 2))
    y, weight = X[:, 0].copy(), np.ones(30)
    y[0], weight[0] = 1e6, 0
    model = TabularRegressor(**{**QUICK, "epochs": 3}).fit(X, y, weight)
    np.testing.assert_allclose(model.target_range_[:, 0], [y[1:].min(), y[1:].max()])
    assert np.abs(model.predict(X)).max() < 10


def test_refused_fit_changes_nothing():
    """After a fit that fails the estimator predicts as before it."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), np.arange(30) % 3
    model = TabularClassifier(**{**QUICK, "epochs": 3}).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="no column of X"):
        model.fit(np.ones((30, 3)), y % 2)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("name", ["classes_", "temperature_", "calibration_error_"])
def test_results_are_there_after_the_fit(name):
    with pytest.raises(AttributeError, match=f"{name} is there after fit"):
        getattr(TabularClassifier(), name)


def test_one_row_is_too_few():
    with pytest.raises(ValueError, match="at least 2 rows, got n_samples=1"):
        TabularRegressor(**QUICK).fit([[1.0]], [1.0])
