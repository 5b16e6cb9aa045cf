"""`scale_target`: the network is trained on scaled targets and predicts in units of y."""

import pickle

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.preprocessing import StandardScaler

from ffnn_fast import from_sklearn
from ffnn_fast.sklearn import MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = {"hidden_layer_sizes": 12, "max_iter": 60, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), 1e5 + 3e4 * (y - y.mean()) / y.std()


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "lm"])
@pytest.mark.parametrize("several", [False, True])
def test_it_is_a_transformed_target(rows, solver, several):
    X, y = rows
    if several:
        y = np.column_stack([y, 1e-6 * X[:, 0] ** 2])
    settings = {**SETTINGS, "solver": solver, "max_iter": 25, "alpha": 0.1}
    model = MLPRegressor(**settings, scale_target=True).fit(X, y)
    other = TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
    other.fit(X, y)
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-6)
    assert model.predict(X).shape == y.shape
    assert model.score(X, y) == pytest.approx(r2_score(y, other.predict(X)), rel=1e-6)
    np.testing.assert_allclose(model.target_mean_, np.atleast_1d(y.mean(axis=0)))
    np.testing.assert_allclose(model.target_scale_, np.atleast_1d(y.std(axis=0)))
    np.testing.assert_allclose(model.coefs_[0], other.regressor_.coefs_[0], atol=1e-6)


def test_it_learns_what_raw_targets_hide(rows):
    X, y = rows
    raw = MLPRegressor(**SETTINGS).fit(X, y)
    scaled = MLPRegressor(**SETTINGS, scale_target=True).fit(X, y)
    assert not hasattr(raw, "target_mean_")
    errors = [root_mean_squared_error(y, model.predict(X)) for model in (raw, scaled)]
    assert errors[0] > y.std()  # worse than the mean
    assert errors[1] < 0.8 * y.std()


def test_rows_of_weight_zero_do_not_count(rows):
    X, y = rows
    weight = np.where(np.arange(len(y)) % 2, 2.0, 0.0)
    spoilt = np.where(weight > 0, y, 1e9)
    found = [
        MLPRegressor(**SETTINGS, scale_target=True).fit(X, values, sample_weight=weight)
        for values in (y, spoilt)
    ]
    assert found[0].target_mean_ == found[1].target_mean_ == pytest.approx(y[1::2].mean())
    np.testing.assert_allclose(found[0].predict(X), found[1].predict(X), rtol=1e-9)


def test_quantiles_and_deviations_are_in_units_of_the_target(rows):
    X, y = rows
    low, scale = y.mean(), y.std()
    Y = np.column_stack([y, -2 * y])
    for loss, options in (("quantile", {"quantiles": (0.1, 0.5, 0.9)}), ("gaussian_nll", None)):
        settings = {**SETTINGS, "loss": loss, "loss_options": options}
        model = MLPRegressor(**settings, scale_target=True).fit(X, Y)
        plain = MLPRegressor(**settings).fit(X, (Y - Y.mean(axis=0)) / Y.std(axis=0))
        if loss == "quantile":
            expected = np.repeat([low, -2 * low], 3) + np.repeat([scale, 2 * scale], 3) * (
                plain.predict(X)
            )
            np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9)
        else:
            (mean, std), (m, s) = (one.predict(X, return_std=True) for one in (model, plain))
            np.testing.assert_allclose(mean, [low, -2 * low] + np.array([scale, 2 * scale]) * m)
            np.testing.assert_allclose(std, np.array([scale, 2 * scale]) * s)
        net = from_sklearn(model)
        expected = model.predict(X)
        found = net.predict(X)
        if loss == "gaussian_nll":
            np.testing.assert_allclose(np.exp(found[:, 2:] / 2), std, rtol=1e-9)
            found = found[:, :2]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_partial_fit_keeps_the_scale_of_the_first_rows(rows):
    X, y = rows
    model = MLPRegressor(**SETTINGS, scale_target=True)
    model.partial_fit(X[:200], y[:200])
    mean, scale = model.target_mean_.copy(), model.target_scale_.copy()
    other = MLPRegressor(**SETTINGS).partial_fit(X[:200], (y[:200] - mean) / scale)
    for start in range(200, 400, 50):
        part = slice(start, start + 50)
        model.partial_fit(X[part], y[part])  # validated quickly
        other.partial_fit(X[part], (y[part] - mean) / scale)
    assert (model.target_mean_, model.target_scale_) == (mean, scale)
    np.testing.assert_allclose(model.predict(X), mean + scale * other.predict(X), rtol=1e-9)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="2 targets, another number"):
        model.partial_fit(X, np.column_stack([y, y]))


def test_the_scale_is_that_of_the_last_new_fit(rows):
    X, y = rows
    model = MLPRegressor(**SETTINGS, scale_target=True).fit(X, y)
    before = model.predict(X)
    np.testing.assert_array_equal(model.set_params(scale_target=False).predict(X), before)
    model.fit(X, y / 1e5)
    assert not hasattr(model, "target_mean_")
    warm = MLPRegressor(**SETTINGS, scale_target=True, warm_start=True).fit(X, y)
    mean = warm.target_mean_.copy()
    assert warm.fit(X + 1, y + 1e4).target_mean_ == mean


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_validation_constant_targets_and_dtypes(rows, dtype):
    X, y = rows[0].astype(dtype), rows[1]
    model = MLPRegressor(**SETTINGS, scale_target=True, early_stopping=True).fit(X, y)
    assert model.predict(X).dtype == dtype
    scores = model.validation_scores_
    assert max(scores) == model.best_validation_score_ > 0.2
    assert max(model.validation_loss_curve_) < 2  # half a squared error of scaled targets
    year = np.full(len(y), 0.3)
    year[1] = 0.1 + 0.2
    constant = MLPRegressor(**SETTINGS, scale_target=True).fit(X, np.column_stack([y, year]))
    assert constant.target_scale_[1] == 1
    assert np.abs(constant.predict(X)[:, 1] - 0.3).max() < 3


def test_counts_are_refused(rows):
    with pytest.raises(ValueError, match="scale_target=True does not apply to loss='poisson'"):
        MLPRegressor(loss="poisson", scale_target=True).fit(rows[0], np.arange(442))
    with pytest.raises(ValueError, match="'scale_target' parameter of MLPRegressor"):
        MLPRegressor(scale_target="yes").fit(*rows)
