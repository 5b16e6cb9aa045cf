"""Weights of rows and classes of RowBlocks are those of all rows."""

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast.blocks import RowBlocks

N = 1000


def rows(seed=0):
    """Rows, rare targets, and weights of which some are 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 5))
    return X, (X[:, 0] > 0.5).astype(int), rng.random(N) * (rng.random(N) > 0.2)


def in_blocks(*arrays, size=130, shuffle=False):
    """Blocks of arrays, the last of which are the weights if there are three."""
    weight = arrays[2] if len(arrays) > 2 else None
    made = RowBlocks(*arrays[:2], sample_weight=weight, shuffle=shuffle, seed=0)
    made.block_rows = size
    return made


def network(outputs=2, **given):
    return Network([5, 8, outputs], **{"seed": 0, "dtype": "float64", **given})


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("class_weight", ["balanced", {1: 3.0}, None])
@pytest.mark.parametrize("outputs", [2, 1])
def test_the_fit_is_that_of_the_arrays(class_weight, outputs, weighted):
    X, y, w = rows()
    given = {} if outputs == 2 else {"output": "logistic"}
    arrays, net = network(outputs, **given), network(outputs, **given)
    options = {"epochs": 2, "batch_size": 16, "class_weight": class_weight}
    X_2, y_2, w_2 = rows(seed=1)
    expected = arrays.fit(
        X, y, shuffle=False, sample_weight=w if weighted else None,
        validation_data=(X_2, y_2, w_2), **options,
    )  # fmt: skip
    data = in_blocks(X, y, w) if weighted else in_blocks(X, y)
    history = net.fit(data, validation_data=in_blocks(X_2, y_2, w_2, size=300), **options)
    np.testing.assert_allclose(net.params, arrays.params, rtol=1e-8, atol=1e-10)
    for figure in ("loss", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(history[figure], expected[figure], rtol=1e-9)


def test_rows_keep_their_weights_when_they_are_shuffled():
    """Of the rows with another target the weights are 0."""
    X, y, _ = rows()
    wrong = np.arange(N) % 3 == 0
    given = {"epochs": 30, "optimizer": "adam", "learning_rate": 0.01}
    net, ignorant = network(), network()
    net.fit(in_blocks(X, np.where(wrong, 0, y), np.where(wrong, 0, 1), shuffle=True), **given)
    ignorant.fit(in_blocks(X, np.where(wrong, 0, y), shuffle=True), **given)
    assert net.score(X, y) > 0.97 > ignorant.score(X, y)


def test_partial_fit_scales_the_weights_of_each_block():
    X, y, w = rows()
    net, again = network(), network()
    net.partial_fit(in_blocks(X, y, w), batch_size=16)
    for start in range(0, N, 128):
        part = slice(start, start + 128)
        again.partial_fit(X[part], y[part], w[part], batch_size=16)
    np.testing.assert_array_equal(net.params, again.params)


def test_signed_weights_are_taken_as_they_are():
    X, _, w = rows()
    C = np.random.default_rng(2).normal(size=(N, 2))
    arrays, net = (network(loss="linear", output="softmax") for _ in range(2))
    arrays.fit(X, C, epochs=2, shuffle=False, sample_weight=w - 0.5, metrics=False)
    net.fit(in_blocks(X, C, w - 0.5), epochs=2, metrics=False)
    np.testing.assert_array_equal(net.params, arrays.params)


def test_a_column_of_parquet_files(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    X, y, w = rows()
    columns = {f"x{j}": X[:, j] for j in range(5)} | {"w": w, "y": y}
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=100)
    data = RowBlocks.of_parquet(tmp_path / "*.parquet", "y", sample_weight="w", shuffle=False)
    assert data.weighted
    assert data.n_inputs == 5
    assert [len(part) for part in data.plan()[0].read_targets()] == 2 * [N]
    arrays, net = network(), network()
    arrays.fit(X, y, epochs=2, shuffle=False, sample_weight=w)
    net.fit(data, epochs=2)
    np.testing.assert_allclose(net.params, arrays.params, rtol=1e-9)
    with pytest.raises(TypeError, match="sample_weight must be the name of a column, got 3"):
        RowBlocks.of_parquet(tmp_path, "y", sample_weight=3)
    with pytest.raises(ValueError, match=r"no columns \['v'\]"):
        RowBlocks.of_parquet(tmp_path, "y", sample_weight="v")


def test_weights_that_do_not_fit_are_refused():
    X, y, w = rows()
    with pytest.raises(ValueError, match="X and sample_weight must have as many rows, got 1000"):
        RowBlocks(X, y, sample_weight=w[:9])
    with pytest.raises(ValueError, match="sample_weight must have a row for each sample"):
        RowBlocks(X, y, sample_weight=w[:, None])
    net = network()
    before = net.params.copy()
    place = "^rows from 896 on: sample_weight must be "  # blocks have 128 rows
    for bad, match in (
        (np.where(np.arange(N) == 907, -1, w), f"{place}>= 0, got -1.0 in row 11"),
        (np.where(np.arange(N) == 907, np.nan, w), f"{place}finite in float64, got nan in row 11"),
        (0 * w, "sample_weight must have a positive and finite sum, got 0"),
    ):
        with pytest.raises(ValueError, match=match):
            net.fit(in_blocks(X, y, bad))
        with pytest.raises(ValueError, match=match.replace("sample_", "validation ")):
            net.fit(in_blocks(X, y), validation_data=in_blocks(X, y, bad))
    np.testing.assert_array_equal(net.params, before)
