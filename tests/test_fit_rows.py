"""Fits on some rows by their indices: nothing is copied, and the bits are those of a copy."""

import numpy as np
import pytest

from ffnn_fast import Network

FIGURES = {"seconds", "samples_per_second"}


def data(rng, n=120, outputs=3):
    X = rng.normal(size=(n, 5)).astype(np.float32)
    return X, rng.integers(0, outputs, n)


def network(engine="compiled", matmul="auto"):
    return Network([5, 7, 3], seed=1, engine=engine, matmul=matmul, n_threads=1, dropout=0.1)


def figures(history):
    return [{k: v for k, v in record.items() if k not in FIGURES} for record in history]


def assert_same(one, other):
    assert np.array_equal(one.params, other.params)
    assert figures(one.history) == figures(other.history)


@pytest.mark.parametrize(
    "backend", [("compiled", "own"), ("compiled", "blas"), ("reference", "own")]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": None},
        {"batch_size": 1, "shuffle": False},
        {"validation_fraction": 0.2, "early_stopping": True},
        {"class_weight": "balanced", "diagnostics": True},
    ],
    ids=str,
)
def test_rows_have_the_bits_of_a_copy(rng, backend, options):
    X, y = data(rng)
    rows = rng.integers(0, len(X), 70)  # some of them twice
    ours, theirs = network(*backend), network(*backend)
    ours.fit(X, y, rows=rows, epochs=2, rng=3, **options)
    theirs.fit(X[rows], y[rows], epochs=2, rng=3, **options)
    assert_same(ours, theirs)


def test_rows_with_weights_and_validation_rows(rng):
    X, y = data(rng)
    weight = rng.random(len(X))
    order = rng.permutation(len(X))
    rows, held = order[:80], order[80:]
    ours, theirs = network(), network()
    ours.fit(X, y, rows=rows, validation_rows=held, sample_weight=weight, epochs=2)
    theirs.fit(
        X[rows], y[rows], validation_data=(X[held], y[held], weight[held]),
        sample_weight=weight[rows], epochs=2,
    )  # fmt: skip
    assert_same(ours, theirs)
    assert "val_accuracy" in ours.history[0]


def test_a_mask_of_bools_names_rows(rng):
    X, y = data(rng)
    mask = rng.random(len(X)) < 0.5
    ours, theirs = network(), network()
    ours.fit(X, y, rows=mask, epochs=2)
    theirs.fit(X, y, rows=np.flatnonzero(mask), epochs=2)
    assert_same(ours, theirs)


def test_derivatives_with_rows(rng):
    X, rows = rng.normal(size=(40, 2)), rng.integers(0, 40, 30)
    y, slopes = X[:, 0] * X[:, 1], X[:, ::-1].copy()
    ours, theirs = (
        Network([2, 6, 1], output="identity", dtype="float64", seed=0) for _ in range(2)
    )
    ours.fit(X, y, rows=rows, derivatives=(slopes, 0.5), epochs=2)
    theirs.fit(X[rows], y[rows], derivatives=(slopes[rows], 0.5), epochs=2)
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rows": [0.5]}, TypeError, "vector of integers"),
        ({"rows": [[1]]}, TypeError, "vector of integers"),
        ({"rows": [True, False]}, TypeError, r"\(120,\) bools"),
        ({"rows": np.empty(0, int)}, ValueError, "at least one row"),
        ({"rows": np.zeros(120, bool)}, ValueError, "at least one row"),
        ({"rows": [0, 120]}, ValueError, "in 0..119, got 120"),
        ({"rows": [-1]}, ValueError, "in 0..119, got -1"),
        ({"validation_rows": [120]}, ValueError, "validation_rows must be in 0..119"),
        (
            {"validation_rows": [1], "validation_fraction": 0.1}, ValueError,
            "validation_rows or validation_fraction, not both",
        ),
        ({"rows": [3], "validation_fraction": 0.1}, ValueError, "at least 2 rows"),
    ],
)  # fmt: skip
def test_refusals(rng, options, error, message):
    X, y = data(rng)
    net = network()
    before = net.params.copy()
    with pytest.raises(error, match=message):
        net.fit(X, y, **options)
    assert np.array_equal(net.params, before)


def test_no_copy_of_the_rows(rng):
    """A fit on an index vector takes little more memory than one on all rows."""
    import tracemalloc

    X = rng.normal(size=(20_000, 100)).astype(np.float32)
    y = X[:, 0]
    rows = np.arange(0, len(X), 2)
    net = Network([100, 4, 1], output="identity", seed=0, n_threads=1)
    net.fit(X, y, epochs=1)
    tracemalloc.start()
    try:
        net.fit(X, y, rows=rows, validation_rows=rows + 1, epochs=1)
        assert tracemalloc.get_traced_memory()[1] < X.nbytes / 8
    finally:
        tracemalloc.stop()
