"""Bags and searches of estimators: one network a thread, to the bits of one after another."""

import os
import pickle
import threading
import warnings

import joblib
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ffnn_fast import Network, fit_many
from ffnn_fast.metrics import METRICS, Metric
from ffnn_fast.sklearn import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    MLPClassifier,
    MLPRegressor,
    MLPSearchCV,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 5}


@pytest.fixture
def data(rng):
    X = rng.normal(size=(90, 4))
    return X, np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]


@parametrize_with_checks(
    [
        BaggedMLPClassifier(MLPClassifier(max_iter=60), n_networks=2, resample="none", n_threads=1),
        BaggedMLPRegressor(MLPRegressor(max_iter=60), n_networks=2, resample="none", n_threads=1),
    ]
)
def test_scikit_learns_checks_of_bags(estimator, check):
    with warnings.catch_warnings(action="ignore"):
        check(estimator)


@pytest.mark.parametrize("resample", ["bootstrap", "folds", "none"])
def test_a_bag_does_not_depend_on_the_threads(data, resample):
    X, y = data
    bags = [
        BaggedMLPClassifier(
            MLPClassifier(**SMALL), n_networks=4, resample=resample, n_threads=n, random_state=1
        ).fit(X, y)
        for n in (1, 3)
    ]
    one, other = (bag.predict_proba(X) for bag in bags)
    assert np.array_equal(one, other)
    assert np.allclose(one, np.mean([e.predict_proba(X) for e in bags[0].estimators_], axis=0))
    assert not np.array_equal(*(e.coefs_[0] for e in bags[0].estimators_[:2]))
    assert all(e.n_threads is None and e.callbacks is None for e in bags[1].estimators_)
    assert bags[0].spread(X).shape == (90, 3)
    if resample == "none":
        assert bags[0].oof_prediction_ is None
    else:
        assert np.array_equal(*(bag.oof_prediction_ for bag in bags), equal_nan=True)


def test_predictions_out_of_fold(data):
    X, y = data
    bag = BaggedMLPClassifier(
        MLPClassifier(**SMALL), n_networks=3, resample="folds", random_state=0
    ).fit(X, y)
    every = np.stack([e.predict_proba(X) for e in bag.estimators_])
    assert np.isfinite(bag.oof_prediction_).all()
    own = [np.isclose(bag.oof_prediction_, one, rtol=1e-9).all(axis=1) for one in every]
    assert np.array_equal(np.sum(own, axis=0), np.ones(90))
    assert [one.sum() for one in own] == [30, 30, 30]


def test_a_class_that_a_fold_did_not_have_has_probability_0(data):
    X, y = data[0], data[1].copy()
    y[y == "b"] = "a"
    y[40] = "b"  # in one fold only, of which the network is trained without it
    bag = BaggedMLPClassifier(
        MLPClassifier(**SMALL), n_networks=3, resample="folds", n_threads=1, random_state=0
    )
    with pytest.warns(UserWarning, match="least populated class in y has only 1"):
        bag.fit(X, y)
    without = [one for one in bag.estimators_ if len(one.classes_) == 2]
    assert len(without) == 1
    whole = [one.predict_proba(X) for one in bag.estimators_ if len(one.classes_) == 3]
    part = without[0].predict_proba(X)
    whole.append(np.column_stack([part[:, 0], np.zeros(len(X)), part[:, 1]]))
    np.testing.assert_allclose(bag.predict_proba(X), np.mean(whole, axis=0), rtol=1e-6)


def test_regressors_with_weights_and_pickles(data):
    X, _ = data
    y, weight = np.stack([X[:, 0], X[:, 1] - X[:, 2]], axis=1), np.arange(90.0)
    bag = BaggedMLPRegressor(MLPRegressor(**SMALL), n_networks=3, random_state=0)
    bag.fit(X, y, weight)
    assert bag.predict(X).shape == bag.oof_prediction_.shape == (90, 2)
    assert np.array_equal(pickle.loads(pickle.dumps(bag)).predict(X), bag.predict(X))
    folds = BaggedMLPRegressor(MLPRegressor(**SMALL), n_networks=3, resample="folds")
    assert folds.fit(X, y, weight).spread(X).shape == (90, 2)


def test_rare_classes_are_in_every_bootstrap_sample(data):
    X, y = data
    y = y.copy()
    y[:] = "a"
    y[0], y[1] = "b", "c"
    bag = BaggedMLPClassifier(MLPClassifier(**SMALL), n_networks=8, random_state=0).fit(X, y)
    assert all(list(e.classes_) == ["a", "b", "c"] for e in bag.estimators_)


RESULTS = ("mean_test_score", "std_test_score", "rank_test_score", "split0_test_score")


def test_a_search_is_scikit_learns(data):
    X, y = data
    grid = [{"alpha": [1e-4, 1.0]}, {"hidden_layer_sizes": [(3,), (8,)], "solver": ["sgd"]}]
    net = MLPClassifier(**SMALL, random_state=0)
    ours = MLPSearchCV(net, grid, cv=3, n_threads=3).fit(X, y)
    theirs = GridSearchCV(net, grid, cv=3).fit(X, y)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name in RESULTS:
        assert np.array_equal(ours.cv_results_[name], theirs.cv_results_[name]), name
    assert ours.best_params_ == theirs.best_params_
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.best_estimator_.n_threads is None
    assert ours.best_estimator_.callbacks is None
    assert ours.estimator is net
    assert net.callbacks is None


def test_a_search_of_pipelines_and_draws(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**SMALL, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 0.1, 1.0, 10.0]}
    ours = MLPSearchCV(pipe, grid, n_iter=2, cv=2, random_state=3, n_threads=2).fit(X, y)
    theirs = RandomizedSearchCV(pipe, grid, n_iter=2, cv=2, random_state=3).fit(X, y)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert np.array_equal(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )
    assert ours.best_estimator_[-1].n_threads is None


def test_metrics_of_this_library_as_scores(data):
    X, y = data
    net = MLPClassifier(**SMALL, random_state=0)
    grid = {"alpha": [1e-4, 1.0]}
    for scoring in ("log_loss", METRICS["log_loss"]):
        ours = MLPSearchCV(net, grid, cv=3, scoring=scoring).fit(X, y)
        theirs = GridSearchCV(net, grid, cv=3, scoring="neg_log_loss").fit(X, y)
        found, expected = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
        assert np.allclose(found, expected, rtol=1e-6)
    several = MLPSearchCV(net, grid, cv=3, scoring=["top_2", "accuracy"], refit="top_2").fit(X, y)
    assert {"mean_test_top_2", "mean_test_accuracy"} <= several.cv_results_.keys()
    values = MLPRegressor(**SMALL, random_state=0)
    search = MLPSearchCV(values, grid, cv=3, scoring="rmse").fit(X, X[:, 0])
    assert (search.cv_results_["mean_test_score"] < 0).all()
    named = MLPSearchCV(values, grid, scoring={"a": "rmse", "b": "r2"}, refit=False).fit(X, X[:, 0])
    assert "mean_test_a" in named.cv_results_
    assert not hasattr(named, "best_estimator_")
    with pytest.raises(ValueError, match="larger_is_better"):
        MLPSearchCV(net, grid, scoring=Metric("mine", lambda t, p: 0.0)).fit(X, y)


def test_candidates_run_in_several_threads_of_this_process(data):
    X, y = data
    seen = set()

    def note(record):
        seen.add(threading.get_ident())

    net = MLPClassifier(hidden_layer_sizes=(4,), max_iter=3, callbacks=Shared(note))
    MLPSearchCV(net, {"alpha": [0.1, 1.0, 2.0, 3.0]}, cv=4, n_threads=2, refit=False).fit(X, y)
    assert len(seen) >= 1
    assert threading.get_ident() not in seen


class Shared:
    """A callback of which copies are the object itself."""

    def __init__(self, function):
        self.function = function

    def __call__(self, record):
        self.function(record)

    def __deepcopy__(self, memo):
        return self


def test_an_error_of_a_candidate(data):
    X, y = data
    with pytest.raises(ValueError, match="alpha"):
        MLPSearchCV(MLPClassifier(**SMALL), {"alpha": [-1.0]}, error_score="raise").fit(X, y)


def threads_in_a_worker():
    X = np.ones((8, 2))
    net = Network([2, 3, 1], output="identity", seed=0)
    fit_many([net], X, X[:, 0], epochs=1)
    return net.n_threads, os.environ.get("OMP_NUM_THREADS")


@pytest.mark.slow
def test_workers_of_joblib_need_no_advice(monkeypatch):
    """loky gives each process its share of the CPUs, which Network and fit_many keep to."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    n_jobs = 2
    most = max(1, joblib.cpu_count() // n_jobs)
    found = joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(threads_in_a_worker)() for _ in range(2))
    assert found == [(most, str(most))] * 2


def test_threads_of_threads_are_single(data):
    """What runs in a thread of fit_many starts no threads of its own."""
    X, _ = data
    found = []

    def inner(record):
        found.append(Network([2, 2]).n_threads)

    nets = [Network([4, 3, 1], output="identity", seed=i) for i in range(3)]
    fit_many(nets, X, X[:, 0], epochs=1, n_threads=3, callbacks=[inner])
    assert found == [1, 1, 1]


def test_the_warning_of_convergence_is_that_of_each_network(data):
    with pytest.warns(ConvergenceWarning):
        BaggedMLPClassifier(MLPClassifier(**SMALL), n_networks=2, n_threads=2).fit(*data)


@pytest.mark.parametrize(
    ("bag", "estimator", "message"),
    [
        (BaggedMLPClassifier, MLPRegressor(), "a classifier with predict_proba, got MLPRegressor"),
        (BaggedMLPRegressor, MLPClassifier(), "a regressor, got MLPClassifier"),
    ],
)
def test_a_bag_of_the_other_kind_of_estimators(data, monkeypatch, bag, estimator, message):
    monkeypatch.setattr(type(estimator), "fit", lambda *_: pytest.fail("it was fitted"))
    X, y = data
    with pytest.raises(TypeError, match=f"estimator of {bag.__name__} must be {message}"):
        bag(estimator).fit(X, (y == "a").astype(int))


@pytest.mark.parametrize("n_iter", [None, 1])
def test_an_unknown_parameter_of_a_search(data, n_iter):
    """The message is scikit-learn's, and shows the estimator as it was given."""
    for grid in ({"depth": [1]}, [{"alpha": [1.0]}, {"alpha": [1.0], "depth": [1]}]):
        search = MLPSearchCV(MLPClassifier(alpha=2.0), grid, n_iter=n_iter)
        with pytest.raises(
            ValueError, match=r"'depth' for estimator MLPClassifier\(alpha=2\.0\)\. Valid"
        ):
            search.fit(*data)
    with pytest.raises(ValueError, match="The 'param_grid' parameter of MLPSearchCV must be"):
        MLPSearchCV(MLPClassifier(), "alpha").fit(*data)


def test_distributions_need_a_number_of_candidates(data):
    class Halves:
        drawn = 0

        def rvs(self, random_state=None):
            Halves.drawn += 1
            return 0.5

    for grid in ({"alpha": Halves()}, [{"tol": [1e-3]}, {"alpha": Halves()}]):
        search = MLPSearchCV(MLPClassifier(**SMALL), grid, cv=2)
        with pytest.raises(ValueError, match="distribution for alpha: give n_iter"):
            search.fit(*data)
        search.set_params(n_iter=1, random_state=0).fit(*data)
    assert Halves.drawn == 1  # the other candidate is of the other grid
