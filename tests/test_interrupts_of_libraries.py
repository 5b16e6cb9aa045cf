"""Ctrl-C during long calls of SciPy and scikit-learn, none of which runs where signals are handled,
and while the threads of many calls end."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from scipy import optimize
from support.fits import classes

from ffnn_fast import Network
from ffnn_fast._runtime.durations import LONG_CALL
from ffnn_fast._runtime.worker_threads import run_each
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
        ("l-bfgs-b", 1_000_000, {"maxcor": np.int64(100)}, True),
        ("bfgs", 200, None, False),
        ("bfgs", 3_000, None, True),
        ("slsqp", 3_000, None, True),
    ],
)
def test_which_steps_of_scipy_are_long(method, n_params, options, long):
    seconds = MinimizeOptions(method, 1, options=options).seconds_of_scipy(n_params)
    assert (seconds > LONG_CALL) == long


class Tensor:
    """As PyTorch's: an array with a shape, whose `size` is a method."""

    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, dtype)

    def __len__(self):
        return self.shape[0]

    def size(self):
        return self.shape


def test_values_that_only_convert_to_arrays_have_a_duration():
    pytest.importorskip("sklearn")
    from ffnn_fast.sklearn import MLPRegressor
    from ffnn_fast.sklearn._long_calls import ENTRY, LABEL, seconds_of

    X, y = CURVE
    assert seconds_of(Tensor(X), Tensor(y)) == 30 * ENTRY + 30 * LABEL
    assert seconds_of(X.tolist(), y.tolist()) == 0
    assert seconds_of(None) == 0
    nets = [MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", random_state=0) for _ in range(2)]
    for net, given in zip(nets, ((Tensor(X), Tensor(y)), CURVE), strict=True):
        net.fit(*given, X_val=given[0], y_val=given[1])
    np.testing.assert_array_equal(nets[0].predict(Tensor(X)), nets[1].predict(X))


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


EXIT = """
import os, signal, sys, threading, time
import numpy as np
from ffnn_fast import Network
from ffnn_fast._runtime import bound_network

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may ignore it
bound_network.LONG_CALL = 0.0
second = sys.argv[1] == "twice"

def exit_began():
    return signal.getsignal(signal.SIGINT) is signal.SIG_DFL

def interrupted(*args, **options):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        while True:  # until the SystemExit that follows
            time.sleep(1e-3)
    finally:
        while not exit_began():
            time.sleep(1e-3)
        if second:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        print("ended", flush=True)

net = Network([1, 2, 1], output="identity", seed=0, n_threads=2)
X = np.linspace(-1, 1, 30)[:, None]
{prepare}
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
WORK = {
    "JᵀJ": (
        "from ffnn_fast.engine import isa\nisa.engine.normal_equations = interrupted",
        "net.levenberg_marquardt(X, X**2)",
    ),
    "Cholesky": (
        "from ffnn_fast._solvers import cholesky\ncholesky.factorize = interrupted",
        "net.levenberg_marquardt(X, X**2)",
    ),
    "a minimiser": (
        "from scipy import optimize\noptimize.minimize = interrupted",
        "net.minimize(X, X**2)",
    ),
    "scikit-learn": (
        "from ffnn_fast.sklearn._long_calls import in_background_if_long",
        "in_background_if_long(1.0, interrupted)",
    ),
}


SHOWN = {"once": {"Cholesky", "scikit-learn"}, "twice": {"Cholesky"}}  # in the default run


@pytest.mark.engine
@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
@pytest.mark.parametrize(
    ("name", "interrupts"),
    [
        pytest.param(name, times, marks=[pytest.mark.slow] * (name not in SHOWN[times]))
        for times in SHOWN
        for name in WORK
    ],
)
def test_the_exit_waits_for_a_call_of_a_library_that_is_left_behind(name, interrupts):
    """BLAS waits for the threads of the call when it is unloaded, for ever once they are stopped;
    C++ code, such as that of NumPy's `unique`, aborts the process. A second Ctrl-C ends it at once.
    """
    if name == "scikit-learn":
        pytest.importorskip("sklearn")
    prepare, call = WORK[name]
    script = EXIT.replace("{prepare}", prepare).replace("{call}", call)
    process = subprocess.run(
        [sys.executable, "-c", script, interrupts],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if interrupts == "once":
        assert (process.stdout.split(), process.returncode) == (["interrupted", "ended"], 0)
    else:
        assert (process.stdout.split(), process.returncode) == (["interrupted"], -signal.SIGINT)


def test_a_second_interrupt_leaves_no_thread_behind():
    begun, stopped, ended = threading.Barrier(2), threading.Event(), []

    def work(i):
        begun.wait()
        if i == 0:
            os.kill(os.getpid(), signal.SIGINT)
        stopped.wait()
        time.sleep(0.1)
        ended.append(i)

    def stop():
        stopped.set()
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_each(work, range(2), 2, stop)
    assert len(ended) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
