"""Ctrl-C during long calls of SciPy and scikit-learn: none runs where signals are handled."""

import threading

import numpy as np
import pytest
from scipy import optimize
from support.fits import classes

from ffnn_fast import Network
from ffnn_fast._runtime import interrupts
from ffnn_fast._runtime.durations import LONG_CALL
from ffnn_fast._solvers.minimizers import MinimizeOptions

CURVE = (np.linspace(-1, 1, 30)[:, None], np.linspace(-1, 1, 30) ** 2)


def test_scipys_own_part_of_a_large_step_runs_in_the_background(monkeypatch):
    """A user's callback is called in the user's thread."""
    threads, minimize = [], optimize.minimize

    def recorded(*args, **keywords):
        threads.append(threading.current_thread())
        return minimize(*args, **keywords)

    monkeypatch.setattr(optimize, "minimize", recorded)
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 0.0)
    net = Network([1, 2, 1], output="identity", seed=0)
    for method in ("l-bfgs-b", "bfgs", "cg"):
        net.minimize(*CURVE, method, max_iterations=2)
        assert threads.pop() is not threading.main_thread()
    found = []
    net.minimize(
        *CURVE, max_iterations=2, callback=lambda _: found.append(threading.current_thread())
    )
    assert set(found) == {threading.main_thread()}


@pytest.mark.parametrize(
    ("method", "n_params", "options", "long"),
    [
        ("l-bfgs-b", 100_000, None, False),
        ("L-BFGS-B", 5_000_000, None, True),
        ("l-bfgs-b", 1_000_000, {"maxcor": 100}, True),
        ("bfgs", 200, None, False),
        ("bfgs", 3_000, None, True),
        ("slsqp", 3_000, None, True),
    ],
)
def test_which_steps_of_scipy_are_long(method, n_params, options, long):
    seconds = MinimizeOptions(method, 1, options=options).seconds_of_scipy(n_params)
    assert (seconds > LONG_CALL) == long


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_long_calls_of_an_estimator_run_in_the_background(monkeypatch, solver):
    """They are made under the caller's configuration of scikit-learn."""
    sklearn = pytest.importorskip("sklearn")
    from ffnn_fast.sklearn import MLPClassifier, _base

    threads, settings = [], []

    def record(owner, name):
        function = getattr(owner, name)

        def recorded(*args, **keywords):
            threads.append((name, threading.current_thread() is threading.main_thread()))
            if owner is not optimize:
                settings.append(sklearn.get_config()["assume_finite"])
            return function(*args, **keywords)

        monkeypatch.setattr(owner, name, recorded)

    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 0.0)
    record(_base, "validate_data")
    record(MLPClassifier, "_encoded")
    record(optimize, "minimize")
    X, y = classes()
    with sklearn.config_context(assume_finite=True):
        net = MLPClassifier((2,), solver=solver, max_iter=2, random_state=0)
        with pytest.warns(UserWarning, match="converge"):
            net.fit(X.tolist(), y, X_val=X.astype(">f8"), y_val=y)
        net.predict(X.astype(np.int64))
    assert settings
    assert not sklearn.get_config()["assume_finite"]
    assert {name for name, _ in threads} >= {"validate_data", "_encoded"}
    assert ("minimize" in {name for name, _ in threads}) == (solver == "lbfgs")
    assert [name for name, in_main_thread in threads if in_main_thread] == []
    assert all(settings)


def test_the_exit_waits_for_a_call_of_scikit_learn_that_is_left_behind(monkeypatch):
    """NumPy's C++ code, such as that of `unique`, aborts the process if its thread is stopped."""
    pytest.importorskip("sklearn")
    from ffnn_fast.sklearn._long_calls import in_background_if_long

    ended, left, start = threading.Event(), [], threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(interrupts, "_leave_behind", lambda thread, waits: left.append(waits))
    with pytest.raises(KeyboardInterrupt):
        in_background_if_long(1.0, ended.wait, 60)
    ended.set()
    assert left == [True]
