"""The estimators among scikit-learn's tools: pipelines, searches, pickles, frames, routing."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import search_on_dask
from support.processes import HANGS

from ffnn_fast import from_sklearn
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)


def small(**settings):
    return MLPClassifier(**{"hidden_layer_sizes": 8, "max_iter": 20, "random_state": 0} | settings)


def test_pipelines_and_searches():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(learning_rate_init=0.05)),
        {"mlpclassifier__alpha": [0.0, 1.0], "mlpclassifier__activation": ["tanh", ["gelu"]]},
        cv=3, error_score="raise",
    ).fit(X, y)  # fmt: skip
    assert search.best_score_ > 0.5
    assert cross_val_score(small(solver="lbfgs"), X, y, error_score="raise").mean() > 0.7


@pytest.mark.slow
def test_workers_of_joblib_share_the_cores():
    pytest.importorskip("joblib")
    alone = cross_validate(small(), X, y, cv=4, error_score="raise")["test_score"]
    together = cross_validate(small(), X, y, cv=4, n_jobs=2, error_score="raise")["test_score"]
    np.testing.assert_array_equal(alone, together)


@pytest.mark.slow
def test_a_search_on_dask_outlives_a_killed_worker(tmp_path):
    """A worker that dies changes no result."""
    pytest.importorskip("distributed", reason="needs dask and distributed")
    command = [sys.executable, search_on_dask.__file__, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANGS, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "killed").exists()
    found = np.load(tmp_path / "found.npz")
    alone, digits, labels = search_on_dask.search()
    alone.fit(digits, labels)
    np.testing.assert_array_equal(found["scores"], alone.cv_results_["mean_test_score"])
    assert found["best"] == alone.best_index_
    np.testing.assert_array_equal(found["predicted"], alone.predict_proba(digits))


@pytest.mark.slow
def test_a_worker_uses_what_it_is_given():
    code = (
        "from ffnn_fast.sklearn import MLPClassifier;"
        "fit = lambda n: MLPClassifier(2, max_iter=1, n_threads=n).fit([[0], [1]], [0, 1]);"
        "print([fit(n)._network.settings.threads for n in (None, 3)])"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("FFNN_FAST_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[1, 3]"


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None; import ffnn_fast.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "ffnn_fast[sklearn]"' in done.stderr


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_clones_are_not_fitted(kind):
    model = kind(3, max_iter=2) if kind is MLPClassifier else kind("huber", 3, max_iter=2)
    model.fit(X, y)
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "coefs_")


@pytest.mark.parametrize("carry", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_copy_goes_on_by_itself(carry, solver):
    model = small(solver=solver).fit(X, y)
    before = model.predict_proba(X)
    other = carry(model)
    np.testing.assert_array_equal(other.predict_proba(X), before)
    other.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.partial_fit(X, y)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.loss_curve_ == model.loss_curve_


def test_names_of_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = small().fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("dcba")])
    with pytest.warns(UserWarning, match="feature names"):
        model.partial_fit(X, y)
    scaled = make_pipeline(StandardScaler().set_output(transform="pandas"), small())
    assert scaled.fit(frame, y)[-1].feature_names_in_.tolist() == list("abcd")


def test_metadata_is_routed():
    weight = np.where(y == 0, 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = small().set_fit_request(sample_weight=True, X_val=False)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, model).fit(X, y, sample_weight=weight)
    direct = small().fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    np.testing.assert_array_equal(routed[-1].predict_proba(X), direct.predict_proba(X))


def test_set_parameters_count_after_a_fit():
    model = small().fit(X, y)
    tanh = model.set_params(activation="tanh").predict_proba(X)
    h = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    a = h @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(tanh, np.exp(a) / np.exp(a).sum(axis=1, keepdims=True), rtol=1e-9)


def test_a_fitted_estimator_becomes_a_network():
    model = small().fit(X, y)
    net = from_sklearn(model)
    np.testing.assert_array_equal(net.predict_proba(X), model.predict_proba(X))


def test_partial_fit_is_not_for_full_batches():
    assert not hasattr(small(solver="lbfgs"), "partial_fit")
    assert hasattr(small(), "partial_fit")
    with pytest.raises(ValueError, match="early_stopping"):
        small(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes not in"):
        small().partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y + 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "step"}, "'activation' parameter of MLPClassifier must be"),
        ({"solver": "newton"}, "'solver' parameter of MLPClassifier must be"),
        ({"dropout": 1.0}, "'dropout' parameter of MLPClassifier must be"),
        ({"dropout": [0.1]}, "dropout rate"),
        ({"loss_options": {"delta": 1}}, "loss_options of cross_entropy"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"n_threads": 0}, "n_threads must not be 0"),
        ({"random_state": -1}, "'random_state' parameter"),
    ],
)
def test_bad_parameters_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(X, y)


def test_rows_that_are_not_finite_are_refused_by_the_quick_way_too():
    model = small().fit(X, y)
    bad = X.copy()
    bad[3, 1] = np.nan
    for call in (model.predict, model.predict_proba, lambda rows: model.partial_fit(rows, y)):
        with pytest.raises(ValueError, match="NaN"):
            call(bad)
        with pytest.raises(ValueError, match="features"):
            call(X[:, :3])
