"""Fits of the tabular estimators: progress, Ctrl-C, time limits, long folds, blocks of rows."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from ffnn_fast.callbacks import Callback  # noqa: E402
from ffnn_fast.tabular import TabularClassifier, TabularRegressor  # noqa: E402
from ffnn_fast.tabular import _bag_fit as bag_fit  # noqa: E402
from ffnn_fast.tabular import _prediction as prediction  # noqa: E402
from ffnn_fast.tabular import _time_plan as time_plan  # noqa: E402
from ffnn_fast.tabular._members import Member, Stop  # noqa: E402
from ffnn_fast.tabular._recipes import recipe_of  # noqa: E402

QUICK = {"n_networks": 2, "epochs": 4, "random_state": 0, "n_threads": 1}
FOREVER = 10**8  # epochs
MANY = 5000  # epochs; a fit that nothing ends makes them in some 20 s


def rows(n=200, d=4, seed=0):
    """Numbers and a value that follows from them."""
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X, X[:, 0] + X[:, 1] ** 2


@pytest.fixture(scope="module")
def regressor():
    return TabularRegressor(**QUICK).fit(*rows())


@pytest.mark.parametrize("n_threads", [1, 2])
def test_progress(n_threads, capsys):
    """One count over the epochs of all networks, to its end, on the standard error stream."""
    X, y = rows()
    model = TabularRegressor(**{**QUICK, "n_threads": n_threads}, verbose=True)
    model.fit(X, y)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["networks", "epoch", f"{i}/8"] for i in range(1, 9)
    ]
    assert all("held-out" in line for line in lines)
    quiet = TabularRegressor(**QUICK).fit(X, y)
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(quiet.predict(X), model.predict(X))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("fitted", [False, True])
def test_interrupt(n_threads, fitted, monkeypatch):
    """Ctrl-C ends fits that would go on, and the estimator is as it was."""
    X, y = rows(3000)
    model = TabularRegressor(**{**QUICK, "n_threads": n_threads})
    if fitted:
        model.fit(X, y)
    before = dict(vars(model))
    begun = []

    class Interrupted(Stop):
        def on_train_begin(self, fit, /):
            super().on_train_begin(fit)
            begun.append(fit)
            if len(begun) == n_threads:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(bag_fit, "Stop", Interrupted)
    model.epochs = before["epochs"] = MANY
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    assert all(fit.history.stopped for fit in begun)


def test_failure_of_a_member(monkeypatch):
    """The exception of one network ends the others and is raised."""
    X, y = rows()

    class Failing(Callback):
        def on_train_begin(self, fit, /):
            raise RuntimeError("no more")

    begun = []

    def fail(net, recipe, train, fold, stop, max_time=None):
        begun.append(net)
        if len(begun) == 2:
            net.fit(train.X, train.y, epochs=1, callbacks=[Failing()])
        history = net.fit(train.X, train.y, epochs=MANY, learning_rate=1e-6, callbacks=[stop])
        return Member(net, np.arange(1), net.forward(fold.X[:1]), history)

    monkeypatch.setattr(bag_fit, "train_network", fail)
    model = TabularRegressor(**{**QUICK, "n_threads": 2})
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, y)
    assert not hasattr(model, "networks_")


@pytest.mark.parametrize(
    ("budget", "epochs", "networks", "training"),
    [
        (1e6, 128, 4, None),
        (100.0, 22, 4, None),
        (10.0, 8, 1, None),
        (0.5, 1, 1, 575),
        (0, 1, 1, 64),
    ],
)
def test_plan(budget, epochs, networks, training, monkeypatch):
    """As many epochs as fit into 0.9 of the time; rather fewer networks than 8 epochs of each, and
    an epoch of fewer rows than a part of one.
    """
    monkeypatch.setattr(time_plan, "_seconds_of_step", lambda *_: 0.1)
    monkeypatch.setattr(time_plan, "_seconds_of_row", lambda *_: 1e-12)
    monkeypatch.setattr(time_plan, "perf_counter", lambda: 0.0)
    recipe = replace(recipe_of("default", "values"), epochs=128, batch_size=128)
    part = bag_fit.Rows(np.zeros((1280, 1)), np.zeros(1280), None)
    limit = time_plan.Limit(budget)
    plan = time_plan.plan_of(limit, recipe, 4, 1, 3, lambda: (None, part, part))
    assert (plan.epochs, plan.n_networks) == (epochs, networks)
    assert min(plan.training_rows, 1280) == (training or 1280)


def test_no_limit():
    """Without a limit nothing is tried, and all rows are judged."""
    recipe = recipe_of("fast", "values")
    plan = time_plan.plan_of(time_plan.Limit(None), recipe, 4, 2, 3, None)
    assert (plan.epochs, plan.n_networks, plan.training_end) == (24, 4, np.inf)
    assert plan.judged_rows > 10**9


def test_time_limit_within_an_epoch(monkeypatch):
    """A fit ends at the limit though no epoch has ended; networks that have not begun are left
    out.
    """
    X, y = rows(3000)
    plan = time_plan.Plan(FOREVER, 3, 10**9, 100, 100, training_end=0.0)
    monkeypatch.setattr(bag_fit, "plan_of", lambda *_: plan)
    model = TabularRegressor(n_networks=3, random_state=0, n_threads=1).fit(X, y)
    assert [history.stopped for history in model.histories_] == ["max_time"]
    assert np.isnan(model.oof_prediction_).sum() == 2900
    assert np.isfinite(model.predict(X)).all()


def test_long_folds(monkeypatch):
    """The first rows of a long fold, in random order, choose the epoch; all are judged."""
    monkeypatch.setattr(bag_fit, "VALIDATION_ROWS", 50)
    X, y = rows(400)
    model = TabularRegressor(**QUICK).fit(X, y)
    assert np.isfinite(model.oof_prediction_).all()
    plan = time_plan.Plan(1, 1, 30, 60, 100)
    fold = np.arange(100)
    judged = bag_fit._judged(fold, plan, 3)
    assert len(judged) == len(set(judged)) == 60
    assert (np.diff(judged) < 0).any()
    np.testing.assert_array_equal(bag_fit._judged(fold[:50], plan, 3), fold[:50])


def test_fewer_training_rows(monkeypatch):
    """Each network is trained on as many rows as are planned, drawn from those of its own."""
    X, y = rows(400)
    plan = time_plan.Plan(2, 2, 90, 100, 100)
    monkeypatch.setattr(bag_fit, "plan_of", lambda *_: plan)
    seen = []

    def train(net, recipe, train, fold, stop, max_time):
        seen.append(train.X)
        return train_network(net, recipe, train, fold, stop, max_time)

    train_network = bag_fit.train_network
    monkeypatch.setattr(bag_fit, "train_network", train)
    TabularRegressor(**QUICK).fit(X, y)
    assert [len(one) for one in seen] == [90, 90]
    assert all(len(np.unique(one, axis=0)) == 90 for one in seen)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100, 101, 117])
def test_blocks_and_threads(n, regressor, monkeypatch):
    """The bits of a row do not depend on the other rows, the blocks or the threads."""
    X, _ = rows(120, seed=1)
    expected = np.concatenate([regressor.predict(X[i : i + 1]) for i in range(n)])
    monkeypatch.setattr(prediction, "BLOCK", 50)
    for n_threads in (1, 3):
        regressor.n_threads = n_threads
        np.testing.assert_array_equal(regressor.predict(X[:n]), expected)


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray, lambda X: X[::-1][::-1], lambda X: X.astype(np.float32).astype(float),
        lambda X: X.tolist(), lambda X: X.astype(object), np.ma.array,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2], lambda X: X.astype(">f8"),
    ],
)  # fmt: skip
def test_layouts(convert, regressor):
    """The bits do not depend on the layout and the type of the same numbers."""
    X = np.float32(rows(40, seed=1)[0]).astype(float)
    X[3, 2] = np.nan
    given = convert(X)
    if isinstance(given, np.ndarray):
        given.flags.writeable = False
    np.testing.assert_array_equal(regressor.predict(given), regressor.predict(X))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint64, np.longdouble])
def test_types_of_numbers(dtype, regressor):
    """Numbers of any type are those of float64."""
    X = np.arange(80).reshape(20, 4).astype(dtype)
    expected = regressor.predict(X.astype(np.float64))
    np.testing.assert_array_equal(regressor.predict(X), expected)


def test_frames():
    """A frame of numbers gives the bits of its columns one by one."""
    X, y = rows(60)
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.loc[::7, "b"] = np.nan
    model = TabularRegressor(**QUICK).fit(frame, y)
    expected = model.predict(dict(frame.items()))
    for other in (frame, frame.astype(object), frame.astype("Float64")):
        np.testing.assert_array_equal(model.predict(other), expected)
        np.testing.assert_array_equal(model.predict(other[:3]), expected[:3])


@pytest.mark.parametrize("n", [3, 60])
def test_infinity_is_refused(n, regressor):
    """Infinity is refused with its place; numbers near the largest are not."""
    X = np.array(rows(n)[0])
    X[1, 2] = 1e308
    X[2, 3] = 5e-324
    X[0, 0] = -1e308
    assert np.isfinite(regressor.predict(X)).all()
    X[2, 1] = -np.inf
    with pytest.raises(ValueError, match=r"column 1 of X must hold finite .* infinity in row 2"):
        regressor.predict(X)


def test_huge_and_tiny_columns():
    """Columns of numbers near the largest and the smallest of float64 are learnt from."""
    X, y = rows(120)
    X = np.column_stack([X[:, 0] * 1e307, X[:, 1] * 1e-307, X[:, 2]])
    model = TabularRegressor(**{**QUICK, "epochs": 60}).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.score(X, y) > 0.5


def test_copies_predict_alike(regressor):
    """A pickled estimator predicts to the same bits."""
    import pickle

    X, _ = rows(5, seed=2)
    again = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(again.predict(X), regressor.predict(X))


def test_changed_parameters(regressor):
    """Predictions follow parameters that are changed in place."""
    X, y = rows()
    model = TabularClassifier(**QUICK).fit(X, y > 0)
    model.predict(X[:2])
    for net in model.networks_:
        net.params[:] = 0
    np.testing.assert_array_equal(model.predict_proba(X[:2]), 0.5)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_and_lazy_frames(library, regressor):
    """Names that occur twice and lazy frames are refused by the estimators too."""
    X, y = rows(20)
    if library == "pandas":
        given, error, text = pd.DataFrame(X[:, :2], columns=["a", "a"]), ValueError, "'a' twice"
    else:
        polars = pytest.importorskip("polars")
        given, error, text = polars.LazyFrame({"a": X[:, 0]}), TypeError, "collect"
    with pytest.raises(error, match=text):
        TabularRegressor(**QUICK).fit(given, y)


def test_rows_of_one_kind_of_missing_values():
    """Each value of a row may be missing, also those of dates and categories."""
    X, y = rows(60, 2)
    frame = pd.DataFrame(
        {
            "x": X[:, 0], "kind": np.tile(["a", "b", "c"], 20),
            "day": pd.date_range("2024-01-01", periods=60, freq="25h"), "flag": X[:, 0] > 0,
        }
    )  # fmt: skip
    model = TabularRegressor(**QUICK).fit(frame, y)
    for name in frame:
        gap = frame[:1].astype({name: object}).assign(**{name: None})
        assert np.isfinite(model.predict(gap)).all()
    both = model.predict(pd.concat([frame[:1].astype(object).assign(kind=None), frame[1:]]))
    alone = model.predict(frame[:1].astype(object).assign(kind=None))
    np.testing.assert_array_equal(both[:1], alone)


MEMORY = """
import resource, sys
import numpy as np
from ffnn_fast.tabular import TabularRegressor
X = np.random.default_rng(0).normal(size=(200_000, 20))
scale = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
TabularRegressor(epochs=1, n_networks=2, n_threads=1).fit(X[:500], X[:500, 0]).predict(X[:5000])
before = peak()
model = TabularRegressor(epochs=1, n_networks=2, n_threads=1).fit(X, X[:, 0])
model.predict(X)
print((peak() - before) / X.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is not there")
def test_memory():
    """A fit and a prediction take a few copies of the table, in float32, beside it."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 5
