"""Network.predictor: the same ŷ, no allocation, safe against arrays that do not fit."""

import sys
import tracemalloc

import numpy as np
import pytest

from ffnn_fast import Network


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


def test_one_sample_may_be_a_vector():
    net = Network([3, 4, 2], seed=0)
    x, out = np.ones(3, np.float32), np.empty(2, np.float32)
    net.predictor()(x, out)
    np.testing.assert_allclose(out, net.forward(x), rtol=1e-6)


def test_calls_allocate_nothing():
    net = Network([8, 64, 64, 4], seed=0)
    predict, x, out = net.predictor(), np.ones(8, np.float32), np.empty(4, np.float32)
    predict(x, out)
    blocks = sys.getallocatedblocks()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for _ in range(1000):
        predict(x, out)
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    grown = [s for s in after.compare_to(before, "filename") if "ffnn" in str(s.traceback)]
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
        ([1.0, 2.0, 3.0], None),
        (np.ones(6, np.float32)[::2], None),
        (np.ones(3, np.float32), np.ones(3, np.float32)),
        (np.ones(3, np.float32), np.ones(2)),
        (np.ones(3, np.float32), np.broadcast_to(np.float32(1), 2)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x, out):
    with pytest.raises(ValueError, match="C-contiguous float32"):
        Network([3, 2], seed=0, engine="compiled").predictor()(x, out)


def test_rows_must_be_positive():
    with pytest.raises(ValueError, match="n_rows"):
        Network([3, 2]).predictor(0)
