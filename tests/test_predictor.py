"""Network.predictor: the same ŷ, no allocation, safe against arrays that do not fit."""

import gc
import pickle
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

import ffnn_fast
from ffnn_fast import Network, NetworkSpec
from ffnn_fast._runtime.settings import Settings

PACKAGE = str(Path(ffnn_fast.__file__).parent)


@pytest.fixture(params=["compiled", "reference"])
def engine(request):
    return request.param


@pytest.mark.parametrize("n_rows", [1, 2, 5, 40])
@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_equals_forward(engine, n_rows, output, dtype, rtol):
    net = Network([8, 13, 7, 3], output=output, dtype=dtype, seed=0, engine=engine)
    predict = net.predictor(n_rows)
    X = np.random.default_rng(0).normal(size=(n_rows, 8)).astype(dtype)
    out = np.empty((n_rows, 3), dtype)
    assert predict(X, out) is out
    np.testing.assert_allclose(out, net.forward(X), rtol=rtol, atol=rtol)
    net.params[:] *= 0.5
    np.testing.assert_allclose(predict(X), net.forward(X), rtol=rtol, atol=rtol)


def test_each_call_without_out_returns_an_array_of_its_own(engine, dtype):
    net = Network([3, 4, 2], dtype=dtype, seed=0, engine=engine)
    predict, X = net.predictor(2), np.random.default_rng(0).normal(size=(3, 2, 3)).astype(dtype)
    results = [predict(rows) for rows in X]
    for rows, found in zip(X, results, strict=True):
        assert (found.shape, found.dtype.name, found.flags.owndata) == ((2, 2), dtype, True)
        np.testing.assert_allclose(found, net.forward(rows), rtol=1e-6)
    assert not any(np.shares_memory(results[0], other) for other in results[1:])
    assert not hasattr(predict, "out")


@pytest.mark.parametrize("method", ["RK45", "Radau", "LSODA"])
def test_a_solver_may_keep_what_it_is_given(engine, method):
    """SciPy's solvers keep f of earlier steps beside that of the current one."""
    from scipy.integrate import solve_ivp

    net = Network([2, 16, 2], output="identity", dtype="float64", seed=0, engine=engine)
    predict, copy = net.predictor(), np.ascontiguousarray  # some y are columns of an array
    by_predictor = solve_ivp(lambda t, y: predict(copy(y))[0], (0, 2), [0.3, -0.2], method=method)
    by_forward = solve_ivp(lambda t, y: net.forward(y), (0, 2), [0.3, -0.2], method=method)
    assert by_predictor.nfev == by_forward.nfev
    np.testing.assert_allclose(by_predictor.y, by_forward.y, rtol=1e-9)


def test_one_sample_may_be_a_vector():
    net = Network([3, 4, 2], seed=0)
    x, out = np.ones(3, np.float32), np.empty(2, np.float32)
    net.predictor()(x, out)
    np.testing.assert_allclose(out, net.forward(x), rtol=1e-6)


def test_calls_allocate_nothing():
    gc.collect()  # not in the middle, where it would free what other tests have left
    net = Network([8, 64, 64, 4], seed=0)
    predict, x, out = net.predictor(), np.ones(8, np.float32), np.empty(4, np.float32)
    predict(x, out)
    blocks = sys.getallocatedblocks()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for _ in repeat(None, 1000):  # which makes no numbers
        predict(x, out)
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    # What the engine allocates counts for the line that calls it.
    compared = after.compare_to(before, "filename")
    grown = [s for s in compared if s.traceback[0].filename.startswith((__file__, PACKAGE))]
    assert sum(s.size_diff for s in grown) == 0
    assert abs(sys.getallocatedblocks() - blocks) < 200


def test_a_call_runs_no_python_function():
    predict = Network([8, 64, 64, 4], seed=0, engine="compiled").predictor()
    x, out, calls = np.ones(8, np.float32), np.empty(4, np.float32), []
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    predict(x, out)
    sys.setprofile(None)
    assert [event for event in calls if event == "call"] == []


@pytest.mark.parametrize(
    ("x", "out"),
    [
        (np.ones(4, np.float32), None),
        (np.ones(3), None),
        (np.ones(3, np.float32).astype(">f4"), None),
        (np.frombuffer(b"\0" * 13, np.float32, 3, 1), None),
        (np.ones(3, np.float32), 5),
        ([1.0, 2.0, 3.0], None),
        (np.ones(6, np.float32)[::2], None),
        (np.ones(3, np.float32), np.ones(3, np.float32)),
        (np.ones(3, np.float32), np.ones(2)),
        (np.ones(3, np.float32), np.broadcast_to(np.float32(1), 2)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x, out):
    messages = []
    for engine in ("compiled", "reference"):
        predict = Network([3, 2], seed=0, engine=engine).predictor()
        with pytest.raises(ValueError, match="C-contiguous float32") as error:
            predict(x, out)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert ("not aligned" in messages[0]) == (isinstance(x, np.ndarray) and not x.flags.aligned)


@pytest.mark.parametrize("matrix", [True, False])
def test_arrays_of_any_shape_that_have_the_elements_fit(engine, matrix):
    net = Network([3, 2], seed=0, engine=engine)
    x, out = np.ones((2, 3), np.float32), np.empty((2, 2), np.float32)
    x.flags.writeable = False
    assert net.predictor(2)(x if matrix else x.ravel(), out if matrix else out.ravel()).size == 4


ROW = np.array([0.5, -1.5, 2.0], np.float32)


@pytest.mark.parametrize("given", ["float32", "float64"])
@pytest.mark.parametrize("row", [ROW, ROW[None]], ids=["vector", "matrix"])
def test_a_finite_row_is_predicted_as_forward_does(engine, dtype, given, row):
    net = Network([3, 4, 2], dtype=dtype, seed=0, engine=engine)
    X = row.astype(given) + np.finfo(given).eps
    found = net.predictor().of_row(X)
    assert (found.shape, found.dtype) == ((1, 2), dtype)
    expected = net.forward(np.vstack([X.reshape(1, 3)] * 2).astype(dtype))[:1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert net.forward(X).tobytes() == found.tobytes()


@pytest.mark.parametrize(
    "X",
    [
        [0.5, -1.5, 2.0],
        ROW.astype(int),
        ROW.astype(np.float16),
        ROW.astype(">f4"),
        ROW[:2],
        np.repeat(ROW, 2)[::2],
        ROW[:, None],
        ROW[None, None],
        np.float32(1),
        np.ma.array(ROW, mask=[1, 0, 0]),
        ROW.view(np.recarray),
        np.full(3, np.nan, np.float32),
        ROW * np.float32(np.inf),
        ROW.astype(float) * 1e300,
    ],
)
def test_what_is_no_finite_row_as_it_is_gives_none(engine, X):
    net = Network([3, 2], seed=0, engine=engine)
    assert net.predictor().of_row(X) is None


def test_no_row_for_several(engine):
    with pytest.raises(ValueError, match="a row does not fit"):
        Network([1, 2], seed=0, engine=engine).predictor(2).of_row(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            np.array([1.0, 1e300, 0.0]),
            r"finite in float32, got 1e\+300 in row 0, column 1",
        ),
        (np.array([[1, np.nan, 0]]), "got nan in row 0, column 1"),
        (np.zeros((3, 1)), r"X must have shape \(n, 3\) or \(3,\), got \(3, 1\)"),
    ],
)
def test_rows_that_do_not_fit_are_described(engine, X, message):
    net = Network([3, 2], seed=0, engine=engine)
    for call in (net.forward, net.predict, net.predict_proba):
        with pytest.raises(ValueError, match=message):
            call(X)


def test_predictors_that_are_kept_follow_the_parameters():
    net = Network([3, 4, 2], seed=0)
    before = net.forward(ROW)
    net.params[:] *= 0.5
    after, alike = net.forward(ROW), Network.from_params(net.spec, net.params)
    assert not np.array_equal(before, after)
    for copy in (alike, deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(copy.forward(ROW), after)
        copy.params[:] = 0
        np.testing.assert_array_equal(copy.forward(ROW), [0.5, 0.5])
    np.testing.assert_array_equal(net.forward(ROW), after)


def test_threads_predict_rows_at_the_same_time():
    net = Network([8, 64, 64, 4], seed=0)
    X = np.random.default_rng(0).normal(size=(64, 8))
    expected = [net.forward(x) for x in X]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(net.forward, list(X) * 20))
    np.testing.assert_array_equal(found, expected * 20)


def test_parameters_of_another_length_are_refused_by_both_twins():
    messages = []
    for engine in ("compiled", "reference"):
        bound = Settings(engine).bind(NetworkSpec((3, 2)), np.zeros(7, np.float32))
        with pytest.raises(ValueError, match="params does not fit") as error:
            bound.predictor(1)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_rows_must_be_positive():
    with pytest.raises(ValueError, match="n_rows"):
        Network([3, 2]).predictor(0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_more_jacobians_than_an_array_can_hold_are_refused(engine):
    net = Network([8, 8], output="identity", seed=0, engine=engine)
    with pytest.raises(ValueError, match="fit no array"):
        net.predictor(2**61, jacobian=True)


def test_messages_state_what_was_given(engine):
    predict = Network([3, 2], seed=0, engine=engine).predictor()
    with pytest.raises(ValueError, match=r"; got float64 \(3,\) and float32 \(1, 2\)$"):
        predict(np.ones(3))
    with pytest.raises(ValueError, match=r"; got list and"):
        predict([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"; got float32 \(3,\) not C-contiguous and"):
        predict(np.ones(6, np.float32)[::2])
    fixed = np.broadcast_to(np.float32(1), (1, 2))
    with pytest.raises(ValueError, match=r"and float32 \(1, 2\) not C-contiguous read-only$"):
        predict(np.ones(3, np.float32), fixed)
