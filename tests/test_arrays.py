"""Bad input is refused before any work, with what was given and what was expected."""

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast._model import arrays

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 2, 1])


@pytest.fixture
def net():
    return Network([3, 5, 3], seed=0)


def with_entry(value, row, column):
    bad = X.copy()
    bad[row, column] = value
    return bad


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        ([[1, 2, 3], [1, 2]], ValueError, "rectangular"),
        (X[:, :2], ValueError, r"\(n, 3\).*got \(4, 2\)"),
        (X[None], ValueError, r"got \(1, 4, 3\)"),
        (np.empty((0, 3)), ValueError, "no rows"),
        (with_entry(np.nan, 2, 1), ValueError, "nan in row 2 column 1|nan in row 2, column 1"),
        (with_entry(-np.inf, 3, 0), ValueError, "-inf in row 3"),
        (with_entry(1e300, 0, 2), ValueError, r"finite in float32, got 1e\+300 in row 0"),
        (X.astype(complex), TypeError, "complex128"),
        (np.array([["a", "b", "c"]]), TypeError, "text"),
        (with_entry(0, 0, 0).astype(object).astype(str).astype(object), TypeError, "text"),
        (None, TypeError, "object"),
        (5.0, ValueError, "X must have shape"),
    ],
)
def test_inputs(net, rows, error, match):
    for call in (net.forward, net.predict, lambda r: net.fit(r, Y)):
        with pytest.raises(error, match=match):
            call(rows)


def test_sparse_inputs_are_named(net):
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match="toarray"):
        net.jacobian(csr_array(X))


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        ([0, 1, 3, 1], ValueError, r"0\.\.2, got 3 in row 2"),
        ([0, -1, 0, 1], ValueError, "got -1 in row 1"),
        ([0, 1, 2], ValueError, r"one entry per row \(4\)"),
        ([0.0, 1.0, 2.0, 1.0], TypeError, "integer class labels"),
        (["a", "b", "c", "a"], TypeError, "text"),
        (np.eye(4), ValueError, r"\(4, 3\), got \(4, 4\)"),
        (np.eye(3)[Y] * 2, ValueError, r"\[0, 1\]"),
        (np.eye(3)[Y] * 0.5, ValueError, "sum to 1"),
        (np.where(np.eye(3)[Y] > 0, np.nan, 0), ValueError, "nan in row 0"),
        (np.zeros((4, 3, 1)), ValueError, "one entry per row"),
    ],
)
def test_targets(net, y, error, match):
    before = net.params.copy()
    for call in (net.fit, net.loss, net.gradient):
        with pytest.raises(error, match=match):
            call(X, y)
    np.testing.assert_array_equal(net.params, before)


def test_targets_of_regression():
    net = Network([3, 2], output="identity")
    with pytest.raises(ValueError, match=r"\(4, 2\), got \(4,\)"):
        net.fit(X, Y)
    with pytest.raises(ValueError, match="inf in row 1"):
        Network([3, 1], output="identity").fit(X, [0, np.inf, 0, 0])


def test_targets_of_binary_outputs():
    net = Network([3, 1], output="logistic", seed=0)
    assert np.isfinite(net.loss(X, [True, False, True, True]))
    with pytest.raises(ValueError, match=r"\[0, 1\].*got \[2.0\] in row 2"):
        net.fit(X, Y)


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        ([1, 1], "shape"),
        ([1, -1, 1, 1], "got -1.0 in row 1"),
        ([0, 0, 0, 0], "positive sum"),
        ([1, np.nan, 1, 1], "nan in row 1"),
    ],
)
def test_sample_weight(net, weight, match):
    with pytest.raises(ValueError, match=match):
        net.fit(X, Y, sample_weight=weight)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"batch_size": -1}, ValueError),
        ({"batch_size": True}, TypeError),
        ({"learning_rate": 0}, ValueError),
        ({"learning_rate": np.inf}, ValueError),
        ({"learning_rate": "fast"}, TypeError),
        ({"validation_data": X}, TypeError),
        ({"validation_data": (X, Y[:2])}, ValueError),
        ({"callbacks": [3]}, TypeError),
        ({"momentums": 0.9}, TypeError),
    ],
)
def test_options_of_fit(net, options, error):
    with pytest.raises(error):
        net.fit(X, Y, **options)


def unaligned(values):
    """A copy whose addresses are odd, as those of a column in a file may be."""
    copy = np.empty(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    copy[...] = values
    assert not copy.flags.aligned
    return copy


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 4])
def test_unaligned_arrays_count_as_others(dtype, n):
    rows, labels, weight = X[:n].astype(dtype), Y[:n], np.arange(1.0, 1 + n).astype(dtype)
    one, other = (Network([3, 5, 3], seed=0, dtype=dtype) for _ in range(2))
    assert (one.forward(unaligned(rows)) == other.forward(rows)).all()
    assert (one.forward(unaligned(rows)[0]) == other.forward(rows[0])).all()
    assert one.loss(unaligned(rows), unaligned(labels)) == other.loss(rows, labels)
    one.fit(unaligned(rows), unaligned(labels), sample_weight=unaligned(weight), epochs=2)
    other.fit(rows, labels, sample_weight=weight, epochs=2)
    one.partial_fit(unaligned(rows), unaligned(labels))
    other.partial_fit(rows, labels)
    assert (one.params == other.params).all()


def test_integers_and_lists_are_welcome(net):
    assert net.predict(X.astype(np.int16)).shape == (4,)
    assert net.predict(X.tolist()).shape == (4,)
    assert net.predict(np.asfortranarray(X)).shape == (4,)
    assert net.predict(X[::2]).shape == (2,)
    net.fit(X, Y.astype(np.uint8), epochs=1)


@pytest.mark.parametrize(
    ("heads", "y"), [((), [0.0, 2.0, np.nan]), ((2, 3), [[0.0, 1.0], [1.0, 2.0], [np.nan] * 2])]
)
def test_rows_without_a_missing_label_are_taken_as_rows_with_one(heads, y):
    """Labels that may be missing are floats, in every part of the rows."""
    X, y = np.eye(3), np.array(y)
    nets = [Network([3, 4, 5], heads=heads, missing_targets="ignore", seed=0) for _ in range(2)]
    chunks = [(X[:1], y[:1]), (X[1:2], y[1:2]), (X[2:], y[2:])]
    nets[0].partial_fit(X, y, batch_size=1)
    nets[1].partial_fit(iter(chunks), batch_size=1)
    np.testing.assert_array_equal(nets[1].params, nets[0].params)
    for wrong in (0.5, np.inf, 1e300):
        with pytest.raises((TypeError, ValueError), match="y must"):
            nets[0].loss(X[:2], np.where(y[:2] == 0, wrong, y[:2]))
    strict = Network([3, 4, 5], heads=heads, seed=0)
    with pytest.raises(TypeError, match="integer"):
        strict.loss(X[:2], y[:2])


@pytest.mark.parametrize("layout", ["C", "F"])
def test_long_arrays_are_converted_in_blocks(layout, monkeypatch):
    long = np.random.default_rng(0).normal(size=(101, 3)).copy(layout)
    whole = arrays._converted(long, "float32")
    monkeypatch.setattr(arrays, "BLOCK", 20)
    blocks = arrays._converted(long, "float32")
    assert blocks.flags.c_contiguous
    np.testing.assert_array_equal(blocks, whole, strict=True)
    np.testing.assert_array_equal(arrays._converted(long, None), long, strict=True)
