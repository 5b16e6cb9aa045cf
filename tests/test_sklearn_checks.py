"""scikit-learn's own estimator checks: all of them pass, and none is expected to fail."""

import warnings
from collections import Counter

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

LEAST = {MLPClassifier: 65, MLPRegressor: 55}  # checks that must have run, not been skipped


@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_check(estimator, check):
    with warnings.catch_warnings(action="ignore"):  # of convergence, on tiny data
        check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEAST)
def test_so_many_checks_run(kind):
    with warnings.catch_warnings(action="ignore"):
        results = check_estimator(kind(max_iter=100), on_fail=None)
    ended = Counter(result["status"] for result in results)
    assert set(ended) <= {"passed", "skipped"}, ended
    assert ended["passed"] >= LEAST[kind], ended


@pytest.mark.slow
@parametrize_with_checks(
    [
        *(kind(solver="sgd", max_iter=100) for kind in LEAST),
        MLPRegressor(solver="lbfgs", max_iter=100),
        # With less of a penalty the weights of separable classes grow until a probability is 0 in
        # float64; the check takes its logarithm, -inf, where predict_log_proba returns -767.
        MLPClassifier(solver="lbfgs", max_iter=100, alpha=1.0),
        MLPClassifier(activation="logistic", loss="squared_error", max_iter=100, n_threads=1),
        MLPRegressor(hidden_layer_sizes=(6, 5), activation=["tanh", "gelu"], loss="huber"),
        MLPRegressor(scale_target=True, max_iter=100),
        # With less of a penalty the minimum is a valley, which rounding alone moves by 1e-7 in.
        MLPRegressor(hidden_layer_sizes=4, solver="lm", alpha=0.1),
    ]
)
def test_check_of_other_settings(estimator, check):
    with warnings.catch_warnings(action="ignore"):
        check(estimator)
