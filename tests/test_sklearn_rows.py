"""Estimators on one row: an array that fits is checked once, anything else by scikit-learn."""

import numpy as np
import pytest
import sklearn

from ffnn_fast.sklearn import MLPClassifier, MLPRegressor, _fitted_network

OTHER = {"float32": "float64", "float64": "float32"}


def fitted(kind, dtype, n_targets=1, **options):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 5)).astype(dtype)
    y = rng.integers(0, 3, 60) if kind is MLPClassifier else rng.normal(size=(60, n_targets))
    y = y[:, 0] if y.ndim == 2 and n_targets == 1 else y
    return kind(hidden_layer_sizes=(7,), max_iter=2, random_state=0, **options).fit(X, y), X


@pytest.fixture
def refused(monkeypatch):
    """scikit-learn's check of rows raises AssertionError."""

    def refuse(*args, **keywords):
        raise AssertionError("the row was checked twice")

    monkeypatch.setattr(_fitted_network, "validate_data", refuse)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_one_row_has_the_outputs_of_a_list_of_its_numbers(kind, dtype):
    model, X = fitted(kind, dtype)
    for row in (X[3:4], X[3:4].astype(OTHER[dtype])):
        expected = model.predict(row.tolist())
        assert model.predict(row).tobytes() == expected.tobytes()
        assert model.predict(row).dtype == expected.dtype
        if kind is MLPClassifier:
            probabilities = model.predict_proba(row.tolist())
            np.testing.assert_array_equal(model.predict_proba(row), probabilities)


@pytest.mark.engine
@pytest.mark.usefixtures("refused")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_one_row_of_either_float_type_is_checked_once(kind):
    model, X = fitted(kind, "float32")
    if model._network.bound.uses_blas:
        pytest.skip("this engine keeps no predictor of one row")
    for row in (X[:1], X[:1].astype("float64")):
        model.predict(row)
    for row in (X[:1, ::-1], X[:1].astype(int), X[:1].tolist(), X[:1] * np.inf):
        with pytest.raises(AssertionError, match="checked twice"):
            model.predict(row)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_one_row_that_does_not_fit_raises_as_several_do(kind):
    model, X = fitted(kind, "float32")
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        model.predict(X[0])
    with pytest.raises(ValueError, match="X has 4 features, but"):
        model.predict(X[:1, :4].copy())
    with pytest.raises(ValueError, match="X has 1 features, but"):
        model.predict(X[:1].T.copy())
    for value in (np.nan, np.inf, -np.inf):
        row = X[:1].copy()
        row[0, 2] = value
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            model.predict(row)
    unfitted = sklearn.base.clone(model)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        unfitted.predict(X[:1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_row_uses_weights_and_parameters_as_they_are_now():
    model, X = fitted(MLPRegressor, "float64")
    row = X[:1]
    before = model.predict(row)
    model.coefs_[0] = 2 * model.coefs_[0]
    changed = model.predict(row)
    assert changed != before
    assert changed == pytest.approx(model.predict(np.repeat(row, 2, axis=0))[:1])
    model.set_params(activation="tanh")
    assert model.predict(row) != changed
    del model.coefs_, model.intercepts_
    with pytest.raises(AttributeError, match="coefs_"):
        model.predict(row)
    other, _ = fitted(MLPRegressor, "float64", n_targets=2, scale_target=True)
    np.testing.assert_allclose(other.predict(row), other.predict(X)[:1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_row_without_the_names_of_the_fit_warns():
    pandas = pytest.importorskip("pandas", reason="needs pandas for names of columns")
    _, X = fitted(MLPRegressor, "float64")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = MLPRegressor(hidden_layer_sizes=(7,), max_iter=2).fit(frame, X[:, 0])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X[:1])
