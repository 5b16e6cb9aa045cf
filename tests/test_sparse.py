"""Sparse rows: those of dense ones to rounding, in both engines, the same bits on any threads."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from support.cases import each
from support.problems import (
    DEFAULTS,
    HIDDEN,
    PAIRS,
    options_of,
    random_params,
    relative_error,
    twins,
)
from support.sparse_problems import sparse_problem, text_like

from ffnn_fast import Network, NetworkSpec
from ffnn_fast._model.sparse_rows import SparseRows, as_sparse_rows
from ffnn_fast.inputs import InputBlock
from ffnn_fast.losses import loss_of
from ffnn_fast.optimizers import OPTIMIZERS

pytestmark = pytest.mark.engine
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
SIZES = [(1, 2), (3, 1, 5), (41, 13, 3), (70, 33, 9, 4), (130, 67, 2)]


@pytest.mark.parametrize("half", [0, pytest.param(1, marks=pytest.mark.slow)])
@each(pair=PAIRS, kind=["dense", "labels"], dtype=["float32", "float64"])
def test_values_and_gradients(engine, half, pair, kind, dtype):
    """Each half has every pair of sizes, a kind of targets and a dtype, for every loss."""
    output, loss = pair
    rng = np.random.default_rng(len(output) + len(loss))
    options = options_of(output, loss)
    each = loss_of(loss).heads(**{**DEFAULTS.get(loss, {}), **options})
    first = (half + (kind == "labels") + (dtype == "float64")) % 2
    for *below, width in SIZES[first::2]:
        if width == 1 and (output == "softmax" or loss in ("cross_entropy", "hinge")):
            continue
        sizes = (*below, each * width)
        spec = NetworkSpec(sizes, "tanh", output, loss, dtype, 0.1, 0.01, options)
        rows, dense = sparse_problem(spec, 45, rng, kind, weighted=True)
        one, other = twins(spec, random_params(spec, rng), engine)
        tolerance = 10 * TOLERANCE[dtype]
        expected = one.forward(dense.X)
        for bound in (one, other):
            assert relative_error(bound.forward(rows.X), expected) < tolerance
            assert bound.loss(rows) == pytest.approx(one.loss(dense), rel=tolerance)
            value, grad = bound.loss_gradient(rows)
            assert value == pytest.approx(one.loss(dense), rel=tolerance)
            assert relative_error(grad, one.loss_gradient(dense)[1]) < tolerance


@pytest.mark.parametrize("activation", HIDDEN)
def test_activations_with_dropout(engine, activation):
    rng = np.random.default_rng(3)
    spec = NetworkSpec([41, 13, 7, 3], activation, dtype="float64", dropout=(0.3, 0.2, 0.1))
    rows, dense = sparse_problem(spec, 70, rng, "labels")
    one, other = twins(spec, random_params(spec, rng), engine)
    value, expected = one.loss_gradient(dense, mask=(5, 3))
    for bound in (one, other):
        found, grad = bound.loss_gradient(rows, mask=(5, 3))
        assert found == pytest.approx(value, rel=1e-12)
        assert relative_error(grad, expected) < 1e-11


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "rprop"])
@pytest.mark.parametrize("penalty", [{}, {"l2": 1e-2, "l1": [1e-3, 0]}, {"parametric": True}])
def test_fits_are_those_of_dense_rows(name, penalty):
    X, y = text_like()
    found = []
    for rows, engine in ((X, "compiled"), (X.toarray(), "compiled"), (X, "reference")):
        net = Network(
            [2000, 5, 3], seed=1, dtype="float64", engine=engine, dropout=[0.1, 0], **penalty
        )
        history = net.fit(rows, y, epochs=2, batch_size=32, optimizer=name, averaging="ema")
        found.append((net.params.copy(), history["loss"], history.average))
    for params, loss, average in found[1:]:
        np.testing.assert_allclose(found[0][0], params, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(found[0][1], loss, rtol=1e-9)
        np.testing.assert_allclose(found[0][2], average, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"clip_norm": 0.05},
        {"clip_value": 1e-3},
        {"max_norm": 0.5},
        {"frozen": [1]},
        {"rate_factors": {"biases": 0.5}},
        {"batch_size": 1},
        {"batch_size": None, "optimizer": "rprop"},
        {"validation_fraction": 0.2, "early_stopping": True},
    ],
)
def test_options_of_fits(options):
    X, y = text_like()
    nets = [Network([2000, 5, 3], seed=1, dtype="float64", l2=1e-3) for _ in range(2)]
    options = {"optimizer": "adam", "batch_size": 32, **options}
    for net, rows in zip(nets, (X, X.toarray()), strict=True):
        net.fit(rows, y, epochs=2, **options)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-7, atol=1e-10)


def test_batches_of_several_blocks():
    X, y = text_like(2500, 300)
    nets = [Network([300, 4, 3], seed=1, dtype="float64") for _ in range(2)]
    for net, rows in zip(nets, (X, X.toarray()), strict=True):
        net.fit(rows, y, epochs=2, batch_size=2100, optimizer="adam")
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"averaging": "ema"}])
def test_bits_do_not_depend_on_threads(dtype, options):
    X, y = text_like(500, 9000)
    found = []
    for n_threads in (1, 2, 5):
        net = Network([9000, 200, 3], seed=1, dtype=dtype, l2=1e-4, n_threads=n_threads)
        history = net.fit(X, y, epochs=2, batch_size=64, optimizer="adam", **options)
        value, grad = net.loss_gradient(X, y)
        found.append((net.params, history["loss"], net.forward(X), value, grad))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_outputs_do_not_depend_on_the_rows_beside():
    X, _ = text_like(200)
    net = Network([2000, 30, 3], seed=0)
    whole = net.forward(X)
    np.testing.assert_array_equal(net.forward(X[[7]]), whole[[7]])  # reads W_1 where it lies
    np.testing.assert_array_equal(net.forward(X[20:90]), whole[20:90])


def test_calls_do_not_change_bits(monkeypatch):
    """A fit in calls of one step each, and one in a single call."""
    X, y = text_like()
    nets = [Network([2000, 5, 3], seed=1, l2=1e-3) for _ in range(2)]
    nets[0].fit(X, y, epochs=2, batch_size=32, optimizer="adam")
    monkeypatch.setattr("ffnn_fast._runtime.durations.Durations.steps_within", lambda *_: 1)
    nets[1].fit(X, y, epochs=2, batch_size=32, optimizer="adam")
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize(
    "form", ["csr_array", "csr_matrix", "csc_array", "coo_matrix", "lil_array", "dok_array"]
)
def test_formats(form):
    X, y = text_like(60, 50)
    net = Network([50, 4, 3], seed=0)
    given = getattr(sparse, form)(X)
    np.testing.assert_array_equal(net.predict_proba(given), net.predict_proba(X))
    assert net.score(given, y) == net.score(X, y)


def test_entries_as_they_are_stored():
    """Unsorted and repeated entries, stored zeros, 64-bit indices; the matrix is not changed."""
    values = np.array([2.0, 0, 1, 4, 5])
    columns, starts = np.array([3, 0, 3, 2, 1], np.int64), np.array([0, 3, 3, 5], np.int64)
    X = sparse.csr_array((values, columns, starts), shape=(3, 4))
    rows = as_sparse_rows(X, 4, "float64")
    np.testing.assert_array_equal(rows.dense(), [[0, 0, 0, 3], [0, 0, 0, 0], [0, 5, 4, 0]])
    np.testing.assert_array_equal(rows.columns, [0, 3, 1, 2])
    np.testing.assert_array_equal(X.indices, columns)
    assert rows.columns.dtype == np.int32
    assert rows.starts.dtype == np.int64
    sorted_ones = sparse.csr_array(rows.dense())
    assert np.shares_memory(as_sparse_rows(sorted_ones, 4, "float64").values, sorted_ones.data)


def test_rows_by_index():
    X, _ = text_like(30, 20)
    rows, dense = as_sparse_rows(X, 20, "float64"), X.toarray()
    for which in (slice(3, 9), slice(None), slice(9, 3), np.array([5, 5, 0]), dense[:, 0] > 0):
        np.testing.assert_array_equal(rows[which].dense(), dense[which])
    assert np.shares_memory(rows[3:9].values, rows.values)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda X: X[:, :5], ValueError, r"shape \(n, 20\), got \(30, 5\)"),
        (lambda X: X[:0], ValueError, "no rows"),
        (lambda X: X.astype(complex), TypeError, "real numbers"),
        (lambda X: X * np.inf, ValueError, r"finite in float32, got inf in row 0, column 0"),
        (lambda X: X * 1e300, ValueError, "finite in float32"),
    ],
)
def test_refusals(change, error, match):
    X, _ = text_like(30, 20)
    X[0, 0] = 1.0
    net = Network([20, 3], seed=0)
    with pytest.raises(error, match=match):
        net.predict(change(sparse.csr_array(X)))


def test_where_rows_must_be_dense():
    X, y = text_like(30, 20)
    net = Network([20, 4, 3], seed=0)
    stepper = net.stepper(batch_size=30)
    for call in (net.jacobian, net.taylor, net.trace, lambda X: stepper.step(X, y)):
        with pytest.raises(TypeError, match="toarray"):
            call(X) if call != net.taylor else call(X, np.ones((30, 20)))
    with pytest.raises(TypeError, match="toarray"):
        Network([20, 4, 3], inputs=InputBlock(scale=True), seed=0).predict(X)


def test_partial_fit_and_step():
    X, y = text_like()
    nets = [Network([2000, 5, 3], seed=1, dtype="float64") for _ in range(2)]
    for net, rows in zip(nets, (X, X.toarray()), strict=True):
        for _ in range(2):
            net.partial_fit(rows, y, batch_size=32, optimizer="adam")
        net.partial_fit([(rows[:50], y[:50]), (rows[50:], y[50:])], batch_size=32)
        net.step(rows, y, learning_rate=0.1)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-8, atol=1e-11)


def test_partial_fit_in_chunks(monkeypatch):
    X, y = text_like()
    nets = [Network([2000, 5, 3], seed=1) for _ in range(2)]
    nets[0].partial_fit(X, y, batch_size=32, optimizer="adam")
    monkeypatch.setattr("ffnn_fast._training.partial_fit.CHUNK_BYTES", 40 * 4 * 70)
    nets[1].partial_fit(X, y, batch_size=32, optimizer="adam")
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


def test_divergence_names_the_layer():
    X, y = text_like()
    net = Network([2000, 5, 3], seed=1, activation="relu", loss="squared_error", output="identity")
    with pytest.warns(UserWarning, match=r"training diverged: .* layer \d"):
        net.fit(X * 1e15, np.eye(3)[y], epochs=3, batch_size=32, learning_rate=1e10)
    assert np.isfinite(net.params).all()


def test_memory_is_that_of_the_entries():
    """A dense copy of the rows would take 400 MB; θ takes 8 MB."""
    rng = np.random.default_rng(0)
    entries = (rng.random(10_000), (np.repeat(np.arange(100), 100), rng.integers(0, 10**6, 10_000)))
    X = sparse.csr_array(entries, (100, 1_000_000), dtype=np.float32)
    net = Network([1_000_000, 2, 2], seed=0)
    tracemalloc.start()
    net.fit(X, np.arange(100) % 2, epochs=2, batch_size=50, learning_rate=1.0)
    net.forward(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6


def test_sparse_rows_are_no_array():
    """Functions of NumPy must not make them an array of objects unseen."""
    rows = SparseRows(np.zeros(3, np.int64), np.zeros(0, np.int32), np.zeros(0), 4)
    assert rows.shape == (2, 4)
    assert rows.entries_per_row == 0


@pytest.mark.parametrize(
    ("part", "place", "value"),
    [("indptr", 1, 10**6), ("indptr", 2, 0), ("indices", 0, 99), ("indices", 0, -1)],
)
def test_indices_beyond_the_matrix_are_refused(part, place, value):
    """A matrix whose indices were changed by hand is refused before any loop reads it."""
    X = sparse.csr_matrix(np.arange(1.0, 13).reshape(4, 3))
    getattr(X, part)[place] = value
    with pytest.raises(ValueError, match="X is no valid sparse matrix"):
        Network([3, 2], seed=0).fit(X, [0, 1, 0, 1], epochs=1)
