"""The estimators beside scikit-learn's: the same scripts, the same predictions, up to rounding."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ffnn_fast import sklearn as ours

ATTRIBUTES = (
    *("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "loss_", "best_loss_"),
    *("loss_curve_", "validation_scores_", "best_validation_score_", "n_features_in_"),
)
SETTINGS = [
    {"solver": "lbfgs", "max_iter": 40},
    {"solver": "sgd"},
    {"solver": "sgd", "nesterovs_momentum": False, "shuffle": False},
    {"solver": "sgd", "momentum": 0, "batch_size": 64},
    {"solver": "sgd", "momentum": 1.0, "max_iter": 10},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.02, "n_iter_no_change": 2},
    {"solver": "sgd", "early_stopping": True, "learning_rate_init": 0.01},
    {"solver": "adam"},
    {"solver": "adam", "early_stopping": True, "n_iter_no_change": 3, "validation_fraction": 0.2},
    {"solver": "adam", "beta_1": 0.5, "beta_2": 0.0, "epsilon": 1e-3, "alpha": 0.0},
    {"activation": "logistic", "hidden_layer_sizes": 30, "alpha": 10.0},
    {"activation": "tanh", "hidden_layer_sizes": (20, 10), "batch_size": 50, "alpha": 1.0},
    {"activation": "identity", "hidden_layer_sizes": (), "tol": 0.0, "n_iter_no_change": np.inf},
]


@pytest.fixture(autouse=True)
def one_blas_thread():
    """scikit-learn's BLAS waits for whole time slices where others use the cores."""
    with threadpool_limits(1, user_api="blas"):
        yield


def named(settings):
    return ", ".join(f"{key}={value}" for key, value in settings.items())


@pytest.fixture(scope="module")
def data():
    """Rows of the three data sets, standardised, with the name of the estimator for each."""
    loaded = {
        "iris": ("MLPClassifier", *load_iris(return_X_y=True)),
        "digits": ("MLPClassifier", *load_digits(return_X_y=True)),
        "diabetes": ("MLPRegressor", *load_diabetes(return_X_y=True)),
    }
    X, y = loaded["diabetes"][1:]
    loaded["diabetes"] = ("MLPRegressor", X, (y - y.mean()) / y.std())
    return {name: (kind, StandardScaler().fit_transform(X), y)
            for name, (kind, X, y) in loaded.items()}  # fmt: skip


def answers(model, X):
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


def fitted(kind, settings, X, y, **given):
    """Theirs and ours, and the warnings that each gave."""
    models, categories = [], []
    for module in (theirs, ours):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = getattr(module, kind)(**settings).fit(X, y, **given)
        categories.append({warning.category for warning in caught})
        models.append(model)
    assert categories[0] == categories[1]
    return models


def assert_same(left, right, X, tolerance=1e-6):
    scale = np.abs(answers(left, X)).max()
    np.testing.assert_allclose(answers(right, X), answers(left, X), atol=tolerance * scale, rtol=0)
    np.testing.assert_array_equal(left.predict(X), right.predict(X)) if hasattr(
        left, "classes_"
    ) else None
    for name in ATTRIBUTES:
        assert hasattr(left, name) == hasattr(right, name), name
        expected = getattr(left, name, None)
        if expected is None or isinstance(expected, str):
            assert getattr(right, name, None) == expected, name
        else:
            np.testing.assert_allclose(getattr(right, name), expected, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("settings", SETTINGS, ids=named)
@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
def test_predictions_are_the_same(data, name, settings):
    kind, X, y = data[name]
    settings = {"random_state": 0, "max_iter": 20 if name == "digits" else 60} | settings
    left, right = fitted(kind, settings, X, y)
    assert_same(left, right, X)
    for a, b in zip(left.coefs_ + left.intercepts_, right.coefs_ + right.intercepts_, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype


@pytest.mark.parametrize(
    "name", ["iris", pytest.param("digits", marks=pytest.mark.slow), "diabetes"]
)
@pytest.mark.parametrize("settings", [{"solver": "sgd"}, {}], ids=named)
def test_the_defaults_are_the_same_on_raw_rows(name, settings):
    load = {"iris": load_iris, "digits": load_digits, "diabetes": load_diabetes}[name]
    X, y = load(return_X_y=True)
    kind = "MLPRegressor" if name == "diabetes" else "MLPClassifier"
    extra = {"learning_rate_init": 1e-4} if name == "diabetes" else {}
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        left, right = (
            getattr(module, kind)(random_state=0, **settings, **extra).fit(X, y)
            for module in (theirs, ours)
        )
    scale = np.abs(answers(left, X)).max()
    np.testing.assert_allclose(answers(right, X), answers(left, X), atol=1e-6 * scale)
    assert left.n_iter_ == right.n_iter_


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
def test_sample_weights_are_the_same(data, name, solver):
    kind, X, y = data[name]
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    settings = {"solver": solver, "max_iter": 15, "random_state": 1, "alpha": 0.5, "batch_size": 60}
    assert_same(*fitted(kind, settings, X, y, sample_weight=weight), X)
    if solver != "lbfgs":
        settings |= {"early_stopping": True, "n_iter_no_change": 2}
        assert_same(*fitted(kind, settings, X, y, sample_weight=weight), X)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_counts_are_the_same(data, solver):
    _, X, y = data["diabetes"]
    counts = np.round(np.exp(0.5 * y + 1))
    settings = {"loss": "poisson", "solver": solver, "max_iter": 15, "random_state": 0,
                "learning_rate_init": 0.002}  # fmt: skip
    assert_same(*fitted("MLPRegressor", settings, X, counts), X)
    weight = np.random.default_rng(0).random(len(X))
    assert_same(*fitted("MLPRegressor", settings, X, counts, sample_weight=weight), X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_several_targets_are_the_same(data, solver):
    _, X, y = data["diabetes"]
    Y = np.column_stack([y, y**2, X[:, 0]])
    settings = {"solver": solver, "random_state": 0, "max_iter": 30, "alpha": 0.01}
    left, right = fitted("MLPRegressor", settings, X, Y)
    np.testing.assert_allclose(right.predict(X), left.predict(X), atol=1e-6)
    # The penalty's part of the loss is taken from before and after an epoch.
    np.testing.assert_allclose(right.loss_curve_, left.loss_curve_, rtol=1e-5)


def test_several_labels_and_two_classes_are_the_same(data):
    _, X, y = data["iris"]
    settings = {"random_state": 0, "max_iter": 30, "early_stopping": True}
    labels = np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)
    assert_same(*fitted("MLPClassifier", settings, X, labels), X)
    words = np.array(["no", "yes"])[(y == 1).astype(int)]
    left, right = fitted("MLPClassifier", settings, X, words)
    assert_same(left, right, X)
    assert right.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(right.predict_log_proba(X), left.predict_log_proba(X), atol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
@pytest.mark.parametrize("state", [3, "instance"])
def test_partial_fit_is_the_same(data, name, solver, state):
    kind, X, y = data[name]
    models = []
    for module in (theirs, ours):
        rng = np.random.RandomState(3) if state == "instance" else state
        extra = {"learning_rate": "invscaling", "power_t": 0.1} if solver == "sgd" else {}
        model = getattr(module, kind)(solver=solver, random_state=rng, batch_size=10, **extra)
        first = {"classes": np.unique(y)} if kind == "MLPClassifier" else {}
        with warnings.catch_warnings(action="ignore"):  # batches larger than there are rows
            model.partial_fit(X[:30], y[:30], **first)
            for start, end in pairwise([30, 31, 32, 33, 50, 90]):
                model.partial_fit(X[start:end], y[start:end])
            model.partial_fit(X[90:120], y[90:120], sample_weight=np.linspace(0, 1, 30))
        models.append(model)
    assert_same(*models, X)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_warm_start_is_the_same(data, solver):
    _, X, y = data["iris"]
    models = []
    for module in (theirs, ours):
        model = module.MLPClassifier(solver=solver, warm_start=True, max_iter=7, random_state=0)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            for _ in range(3):
                model.fit(X, y)
        models.append(model)
    assert_same(*models, X)
    with pytest.raises(ValueError, match="same classes"):
        models[1].fit(X, y == 0)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        models[1].set_params(hidden_layer_sizes=(3,)).fit(X, y)


def test_what_is_printed_is_the_same(data, capsys):
    _, X, y = data["iris"]
    settings = {"verbose": True, "tol": 0.01, "n_iter_no_change": 2, "random_state": 0,
                "solver": "sgd"}  # fmt: skip
    for learning_rate in ("constant", "adaptive"):
        for early in (False, True):
            printed = []
            for module in (theirs, ours):
                module.MLPClassifier(
                    **settings, learning_rate=learning_rate, early_stopping=early
                ).fit(X, y)
                printed.append(capsys.readouterr().out)
            assert printed[0] == printed[1]


def test_california_housing_runs_unchanged(shared_data):
    pandas = pytest.importorskip("pandas")
    files = sorted((shared_data / "california-housing").glob("*.csv*"))
    if not files:
        pytest.skip("needs california-housing")
    table = pandas.read_csv(files[0]).dropna().select_dtypes("number").head(4000)
    X, y = table.iloc[:, :-1], table.iloc[:, -1]
    X, y = (X - X.mean()) / X.std(), (y - y.mean()) / y.std()
    settings = {"random_state": 0, "max_iter": 8, "early_stopping": True}
    left, right = fitted("MLPRegressor", settings, X, y)
    assert_same(left, right, X)
    assert right.feature_names_in_.tolist() == list(X.columns)
