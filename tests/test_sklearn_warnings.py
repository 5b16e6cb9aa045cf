"""The warnings of the estimators: what for, and that they name the user's line."""

import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def test_the_end_of_iterations(iris):
    X, y = iris
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        MLPClassifier(max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="lbfgs"):
        MLPClassifier(max_iter=2, solver="lbfgs").fit(X, y)
    with pytest.warns(UserWarning, match="clipped"):
        MLPClassifier(max_iter=2, batch_size=1000).fit(X, y)


@pytest.mark.parametrize(
    "options",
    [{}, {"solver": "lbfgs"}, {"batch_size": 1000}, {"early_stopping": True}],
)
@pytest.mark.parametrize("wrap", [lambda net: net, make_pipeline])
def test_warnings_name_the_users_line(iris, options, wrap):
    X, y = iris
    with pytest.warns(UserWarning, match=r"clipped|converge") as caught:
        wrap(MLPClassifier(max_iter=2, random_state=0, **options)).fit(X, y)
    assert {one.filename for one in caught} == {__file__}


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "lm"])
def test_warnings_name_the_line_of_the_call(iris, solver):
    X, y = iris
    net = MLPRegressor(hidden_layer_sizes=3, solver=solver, max_iter=1, batch_size=1000)
    calls = [lambda: net.fit(X, y), lambda: clone(net).fit(X, y)]
    if solver == "adam":
        calls += [lambda: net.partial_fit(X, y), lambda: clone(net).partial_fit(X, y)]
    for call in calls:
        with pytest.warns(UserWarning, match=r"clipped|converge") as caught:
            call()
        named = {(one.filename, one.lineno) for one in caught}
        assert named == {(__file__, call.__code__.co_firstlineno)}


def test_the_warning_of_an_interrupt_names_the_line_of_the_call(iris):
    def interrupt(record):
        raise KeyboardInterrupt

    fit = lambda: MLPClassifier(3, callbacks=interrupt).fit(*iris)  # noqa: E731
    with pytest.warns(UserWarning, match="interrupted by user") as caught:
        fit()
    assert (caught[0].filename, caught[0].lineno) == (__file__, fit.__code__.co_firstlineno)


def test_warnings_of_lm_name_the_users_line(diabetes):
    X, y = diabetes
    with pytest.warns(ConvergenceWarning, match="lm has not converged") as caught:
        MLPRegressor(hidden_layer_sizes=3, solver="lm", max_iter=1, random_state=0).fit(X, y)
    assert caught[0].filename == __file__
