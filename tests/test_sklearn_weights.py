"""Sample weights with several outputs: as scikit-learn defines them, and as repeated rows."""

import warnings

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ffnn_fast import sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def one_blas_thread():
    """scikit-learn's BLAS waits for whole time slices where others use the cores."""
    with threadpool_limits(1, user_api="blas"):
        yield


def several_targets():
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[:150]), (y[:150] - y[:150].mean()) / y[:150].std()
    return "MLPRegressor", {}, X, np.column_stack([y, y**2, X[:, 0]])


def counts():
    kind, _, X, Y = several_targets()
    return kind, {"loss": "poisson"}, X, np.round(np.exp(0.5 * Y[:, [0, 2]] + 1))


def quantiles():
    kind, _, X, Y = several_targets()
    return kind, {"loss": "quantile", "loss_options": {"quantiles": (0.1, 0.9)}}, X, Y


def indicators():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return "MLPClassifier", {}, X, np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)


def columns():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return "MLPClassifier", {}, X, np.column_stack([y, X[:, 0] > 0]).astype(int)


def outputs(model, X):
    if not hasattr(model, "classes_"):
        return model.predict(X)
    p = model.predict_proba(X)
    return np.hstack(p) if isinstance(p, list) else p


def whole_numbers(n):
    """Weights 0 to 3, of which some rows have each."""
    return np.random.default_rng(0).integers(0, 4, n)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("problem", [several_targets, indicators])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_are_those_of_scikit_learn(problem, solver, early_stopping):
    kind, settings, X, Y = problem()
    settings |= {"solver": solver, "max_iter": 12, "random_state": 1, "alpha": 0.1,
                 "batch_size": 40, "early_stopping": early_stopping}  # fmt: skip
    weight = np.random.default_rng(0).random(len(X))
    left, right = (
        getattr(module, kind)(**settings).fit(X, Y, sample_weight=weight)
        for module in (theirs, ours)
    )
    np.testing.assert_allclose(outputs(right, X), outputs(left, X), atol=1e-6)
    # The penalty's part of the reported loss is taken from before and after an epoch.
    np.testing.assert_allclose(right.loss_curve_, left.loss_curve_, rtol=1e-4)
    if early_stopping:
        np.testing.assert_allclose(right.validation_scores_, left.validation_scores_, rtol=1e-6)
    assert right.score(X, Y, weight) == pytest.approx(left.score(X, Y, weight), rel=1e-6)
    plain = getattr(ours, kind)(**settings).fit(X, Y)
    assert abs(outputs(plain, X) - outputs(right, X)).max() > 1e-3


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("problem", [several_targets, counts, quantiles, indicators, columns])
def test_whole_weights_are_repeated_rows(problem, solver):
    kind, settings, X, Y = problem()
    weight = whole_numbers(len(X))
    again = np.repeat(np.arange(len(X)), weight)
    settings |= {"solver": solver, "max_iter": 12, "random_state": 0, "alpha": 0.1,
                 "shuffle": False, "hidden_layer_sizes": 12, "activation": "tanh"}  # fmt: skip
    model = getattr(ours, kind)(**settings, batch_size=len(X))
    model.fit(X, Y, sample_weight=weight)
    repeated = getattr(ours, kind)(**settings, batch_size=len(again)).fit(X[again], Y[again])
    np.testing.assert_allclose(outputs(model, X), outputs(repeated, X), rtol=1e-6, atol=1e-8)
    assert model.loss_ == pytest.approx(repeated.loss_, rel=1e-9)
    assert model.score(X, Y, weight) == pytest.approx(repeated.score(X[again], Y[again]))
    plain = getattr(ours, kind)(**settings, batch_size=len(X)).fit(X, Y)
    assert plain.loss_ != pytest.approx(model.loss_, rel=1e-3)


@pytest.mark.parametrize("problem", [several_targets, counts, indicators, columns])
def test_whole_weights_of_validation_rows_are_repeated_rows(problem):
    kind, settings, X, Y = problem()
    settings |= {"max_iter": 5, "random_state": 0}
    train, held = slice(None, None, 2), np.arange(1, len(X), 2)
    weight = whole_numbers(len(held))
    again = np.repeat(held, weight)
    model, repeated, plain = (
        getattr(ours, kind)(**settings).fit(X[train], Y[train], X_val=X[rows], y_val=Y[rows],
                                            sample_weight_val=w)
        for rows, w in ((held, weight), (again, None), (held, None))
    )  # fmt: skip
    for name in ("validation_scores_", "validation_loss_curve_"):
        np.testing.assert_allclose(getattr(model, name), getattr(repeated, name), rtol=1e-9)
    assert model.validation_loss_curve_ != plain.validation_loss_curve_


@pytest.mark.parametrize("problem", [several_targets, indicators, columns])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_whole_weights_are_repeated_rows_in_partial_fit(problem, solver):
    kind, settings, X, Y = problem()
    settings |= {"solver": solver, "random_state": 0, "shuffle": False}
    given = {"classes": [[0, 1, 2], [0, 1]]} if problem is columns else {}
    if problem is indicators:
        given = {"classes": [0, 1, 2]}
    weight = whole_numbers(len(X))
    again = np.repeat(np.arange(len(X)), weight)
    model = getattr(ours, kind)(**settings, batch_size=len(X))
    repeated = getattr(ours, kind)(**settings, batch_size=len(again))
    for _ in range(4):
        model.partial_fit(X, Y, sample_weight=weight, **given)
        repeated.partial_fit(X[again], Y[again], **given)
    np.testing.assert_allclose(model.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(outputs(model, X), outputs(repeated, X), rtol=1e-7)


@pytest.mark.parametrize("problem", [several_targets, indicators, columns])
def test_rows_of_weight_zero_do_not_count(problem):
    kind, settings, X, Y = problem()
    settings |= {"solver": "lbfgs", "max_iter": 20, "random_state": 0}
    weight = (np.arange(len(X)) % 3 > 0).astype(float)
    spoilt = np.where(weight[:, None] > 0, X, 50.0)
    with warnings.catch_warnings(action="ignore"):
        left, right = (
            getattr(ours, kind)(**settings).fit(rows, Y, sample_weight=weight)
            for rows in (X, spoilt)
        )
    np.testing.assert_allclose(outputs(left, X), outputs(right, X), rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="at least one non-zero number"):
        getattr(ours, kind)(**settings).fit(X, Y, sample_weight=np.zeros(len(X)))


@pytest.mark.parametrize("problem", [several_targets, indicators, columns])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w[:-1], "sample_weight.shape"),
        (lambda w: np.where(w == w[0], np.nan, w), "NaN"),
        (lambda w: np.column_stack([w, w]), "must be 1D"),
    ],
)
def test_weights_of_another_shape_are_refused(problem, change, message):
    kind, settings, X, Y = problem()
    weight = change(np.linspace(1, 2, len(X)))
    with pytest.raises(ValueError, match=message):
        getattr(ours, kind)(max_iter=2, **settings).fit(X, Y, sample_weight=weight)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("factor", [2.0**1020, 2.0**-1070])
def test_weights_of_any_size_train_alike_without_a_penalty(name, solver, factor):
    """Sums of them overflow, or the weights are the smallest floats."""
    X, y = load_iris(return_X_y=True)
    weight = whole_numbers(len(X))
    given = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0, "solver": solver}
    plain, scaled = (getattr(ours, name)(**given, alpha=0) for _ in range(2))
    plain.fit(X, y, weight, X_val=X, y_val=y, sample_weight_val=weight)
    scaled.fit(X, y, factor * weight, X_val=X, y_val=y, sample_weight_val=factor * weight)
    assert plain.loss_ == scaled.loss_
    np.testing.assert_array_equal(outputs(plain, X), outputs(scaled, X))
    if solver != "lbfgs":
        assert plain.validation_scores_ == scaled.validation_scores_


def test_huge_weights_of_rows_and_classes():
    X, y = load_iris(return_X_y=True)
    weight = 1.0 + whole_numbers(len(X))
    given = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0, "alpha": 0}
    plain = ours.MLPClassifier(**given, class_weight={0: 2.0, 1: 0.5})
    huge = ours.MLPClassifier(**given, class_weight={0: 2.0**1001, 1: 2.0**999, 2: 2.0**1000})
    np.testing.assert_array_equal(
        outputs(plain.fit(X, y, weight), X), outputs(huge.fit(X, y, 2.0**1000 * weight), X)
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weights_too_small_beside_alpha_are_named(solver):
    X, y = load_iris(return_X_y=True)
    model = ours.MLPClassifier(4, solver=solver, max_iter=2)
    with pytest.raises(ValueError, match=r"^sample_weight must not be so small .* overflows"):
        model.fit(X, y, np.full(len(X), 5e-324))
    assert not hasattr(model, "coefs_")
