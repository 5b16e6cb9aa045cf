"""Blocks of rows of files: all rows once, in other orders, in bounded memory."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.memory_of_blocks import MEMORY, most_megabytes, needs_proc, write

from ffnn_fast import Network
from ffnn_fast._runtime import outputs_of_rows
from ffnn_fast.blocks import RowBlocks


@pytest.fixture
def files(tmp_path):
    """Three files of rows and two of targets: row i is (i, i + 1/2), its target i."""
    rows = np.arange(1000)[:, None] + np.array([0, 0.5])
    for folder, values, cuts in (("X", rows, [300, 301]), ("y", rows[:, 0].astype(int), [500])):
        (tmp_path / folder).mkdir()
        for i, part in enumerate(np.split(values, cuts)):
            np.save(tmp_path / folder / f"{i}.npy", part)
    return tmp_path


def in_small_blocks(blocks):
    """The same in blocks of 64 rows."""
    blocks.block_rows = 64
    return blocks


def passes(blocks):
    """The rows of a pass, and the sizes of its blocks."""
    parts = list(blocks)
    X, y = (np.concatenate([part[i] for part in parts]) for i in range(2))
    np.testing.assert_array_equal(X, y[:, None] + np.array([0, 0.5]))
    return y, [len(part[0]) for part in parts]


def test_each_pass_has_all_rows_in_another_order(files):
    blocks = in_small_blocks(RowBlocks(files / "X", files / "y", seed=0))
    assert blocks.n_rows == 1000
    first, sizes = passes(blocks)
    second, _ = passes(blocks)
    assert max(sizes) == 64
    assert len(sizes) == 16
    for found in (first, second):
        np.testing.assert_array_equal(np.sort(found), np.arange(1000))
    assert (first != second).mean() > 0.9
    assert np.ptp(first[:64]) > 200  # rows from far apart in one block
    same, _ = passes(in_small_blocks(RowBlocks(files / "X", files / "y", seed=0)))
    np.testing.assert_array_equal(same, first)


def test_without_shuffling_rows_come_as_they_lie(files):
    listed = [files / "X" / f"{i}.npy" for i in range(3)]
    blocks = in_small_blocks(RowBlocks(listed, files / "y", shuffle=False))
    np.testing.assert_array_equal(passes(blocks)[0], np.arange(1000))
    mapped = np.load(listed[0], mmap_mode="r")
    blocks = in_small_blocks(RowBlocks(mapped, np.arange(300), shuffle=False))
    np.testing.assert_array_equal(passes(blocks)[0], np.arange(300))


def test_row_groups_of_parquet_files(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for i in range(2):
        y = np.arange(500) + 500 * i
        table = pa.table({"a": y.astype(float), "label": y, "b": y + 0.5})
        parquet.write_table(table, tmp_path / f"{i}.parquet", row_group_size=50)
    blocks = in_small_blocks(RowBlocks.of_parquet(tmp_path, "label", seed=0))
    found, sizes = passes(blocks)
    assert sizes == [50] * 20
    np.testing.assert_array_equal(np.sort(found), np.arange(1000))
    assert np.ptp(found[:50]) == 49
    with pytest.raises(ValueError, match=r"no columns \['c'\]"):
        RowBlocks.of_parquet(tmp_path, "c")
    bad = pa.table({"a": [1.0, None], "t": ["x", "y"], "label": [0, 1]})
    parquet.write_table(bad, tmp_path / "bad.parquet")
    for columns, error, match in ((["a"], ValueError, "null"), (["t"], TypeError, "real numbers")):
        with pytest.raises(error, match=match):
            list(RowBlocks.of_parquet(tmp_path / "bad.parquet", "label", columns))


def test_training_on_blocks(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (4000, 8), dtype=np.uint8)
    X = X[np.argsort(X[:, 0] > X[:, 1])]  # by class: in this order little would be learned
    np.save(tmp_path / "X.npy", X)
    y = (X[:, 0] > X[:, 1]).astype(int)
    blocks = RowBlocks(tmp_path / "X.npy", y, seed=0)
    blocks.block_rows = 500
    net = Network([8, 16, 2], initializer=lambda o, i, rng: rng.normal(0, 0.01, (o, i)), seed=0)
    for _ in range(10):
        net.partial_fit(blocks, optimizer="adam", learning_rate=0.002)
    assert net.stream.t == 10 * sum(-(-min(500, 4000 - s) // 32) for s in range(0, 4000, 496))
    assert net.score(X, y) > 0.95


@pytest.mark.parametrize(
    ("X", "y", "error", "match"),
    [
        (np.zeros((3, 2)), np.zeros(4), ValueError, "as many rows, got 3 and 4"),
        (np.zeros(3), np.zeros(3), ValueError, "a row for each sample"),
        (np.array([["a"]]), np.zeros(1), TypeError, "real numbers"),
        (np.zeros((0, 2)), np.zeros(0), ValueError, "no rows"),
    ],
)
def test_refusals(X, y, error, match):
    with pytest.raises(error, match=match):
        RowBlocks(X, y)


def test_refusals_of_files(tmp_path):
    with pytest.raises(ValueError, match=r"no \.npy files"):
        RowBlocks(tmp_path, np.zeros(3))
    np.save(tmp_path / "0.npy", np.asfortranarray(np.zeros((3, 2))))
    with pytest.raises(ValueError, match="Fortran order"):
        RowBlocks(tmp_path, np.zeros(3))
    np.save(tmp_path / "0.npy", np.zeros((3, 2)))
    np.save(tmp_path / "1.npy", np.zeros((3, 4)))
    with pytest.raises(ValueError, match="rows of shape"):
        RowBlocks(tmp_path, np.zeros(6))
    whole = (tmp_path / "0.npy").read_bytes()
    for content, match in (
        (b"", "0.npy' must be a .npy file"),
        (whole[:-1], "cut short: 176 bytes"),
    ):
        (tmp_path / "0.npy").write_bytes(content)
        with pytest.raises(ValueError, match=match):
            RowBlocks(tmp_path / "0.npy", np.zeros(3))


def test_files_that_change_are_refused(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table({"x": np.arange(90.0), "y": np.arange(90)})
    parquet.write_table(table, tmp_path / "0.parquet", row_group_size=10)
    np.save(tmp_path / "0.npy", np.zeros((90, 1)))
    of_npy = RowBlocks(tmp_path, np.zeros(90), seed=0)
    of_parquet = RowBlocks.of_parquet(tmp_path, "y", seed=0)
    assert [len(list(blocks)) for blocks in (of_npy, of_parquet)] == [1, 1]
    np.save(tmp_path / "0.npy", np.zeros((90, 1), np.float32))
    parquet.write_table(table[:80], tmp_path / "0.parquet", row_group_size=40)
    for blocks in (of_npy, of_parquet):
        with pytest.raises(ValueError, match=r"'.*/0\..* has changed since .* to \d+ bytes"):
            list(blocks)


@needs_proc
def test_memory_is_bounded(tmp_path):
    """Files of 64 MB in blocks that take 8 MB at once."""
    write(tmp_path, np.float32)
    assert most_megabytes("partial_fit", tmp_path) < MEMORY + 4  # the allocator's share


def test_predictions_convert_rows_in_blocks(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", rng.integers(0, 256, (1001, 5), dtype=np.uint8))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    net = Network([5, 4, 3], seed=0)
    expected, labels = net.forward(X), net.predict(X)
    sizes, convert = [], outputs_of_rows.as_rows
    monkeypatch.setattr(outputs_of_rows, "BLOCK_BYTES", 100 * 5 * 4)
    monkeypatch.setattr(outputs_of_rows, "FEWEST", 1000)
    monkeypatch.setattr(
        outputs_of_rows,
        "as_rows",
        lambda X, spec, **more: sizes.append(len(X)) or convert(X, spec, **more),
    )
    np.testing.assert_array_equal(net.forward(X), expected)
    assert sizes == [100] * 9 + [101]
    np.testing.assert_array_equal(net.predict(X), labels)
    np.testing.assert_array_equal(net.predict_proba(X), expected)
    bad = np.array(X, dtype=np.float64)
    bad[700, 2] = np.nan
    with pytest.raises(ValueError, match="row 700, column 2"):
        net.forward(bad)


ROWS = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        ([], ValueError, "X must be an array, a path or a list of paths, got an empty one"),
        (None, TypeError, "a path or a list of paths, got None"),
        (ROWS.tolist(), TypeError, "got list of list"),
        ([ROWS, ROWS], TypeError, "got list of ndarray"),
        (["a.npy", 3], TypeError, "got list of int and str"),
        ({"a": ROWS}, TypeError, "a path or a list of paths"),
        (np.ma.masked_array(ROWS, ROWS > 3), ValueError, "masked"),
    ],
)
def test_what_is_no_array_and_no_path(X, error, match):
    with pytest.raises(error, match=match):
        RowBlocks(X, np.zeros(4))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        (([], "y"), ValueError, "paths must be a path or a list of paths, got an empty one"),
        ((None, "y"), TypeError, "paths must be a path or a list of paths, got None"),
        (("a.parquet", 3), TypeError, "target must be names of columns, got 3"),
        (("a.parquet", "y", "abc"), TypeError, "columns must be names of columns, got 'abc'"),
        (("a.parquet", ["y", 1]), TypeError, "target must be names of columns"),
    ],
)
def test_arguments_for_parquet(given, error, match):
    with pytest.raises(error, match=match):
        RowBlocks.of_parquet(*given)


@pytest.fixture
def groups(tmp_path):
    """A folder of two Parquet files of 500 rows: row i is (i, i + 1/2), its target i."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for i in range(2):
        y = np.arange(500) + 500 * i
        table = pa.table({"a": y.astype(float), "y": y, "b": y + 0.5})
        parquet.write_table(table, tmp_path / f"{i}.parquet", row_group_size=20)
    return tmp_path


def test_row_groups_are_read_by_several_threads_and_processes(groups):
    blocks = in_small_blocks(RowBlocks.of_parquet(groups, "y", seed=0))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: np.sort(passes(blocks)[0]), range(20))
        for y in found:
            np.testing.assert_array_equal(y, np.arange(1000))
    copy = pickle.loads(pickle.dumps(blocks))
    np.testing.assert_array_equal(passes(copy)[0], passes(blocks)[0])


def test_parquet_files_that_are_refused(groups):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (groups / "2.parquet").write_text("a,y")
    with pytest.raises(ValueError, match=r"2.parquet' cannot be read as a Parquet file"):
        RowBlocks.of_parquet(groups, "y")
    parquet.write_table(pa.table({"a": [1.0], "b": ["x"], "y": [1]}), groups / "2.parquet")
    with pytest.raises(TypeError, match=r"column 'b' of '.*2.parquet' must hold real numbers"):
        RowBlocks.of_parquet(groups, "y")
    RowBlocks.of_parquet(groups, "y", ["a"])
    for given, match in ((("y", []), "columns must name"), (([], ["a"]), "target must name")):
        with pytest.raises(ValueError, match=f"{match} at least one column, got none"):
            RowBlocks.of_parquet(groups, *given)
    with pytest.raises(ValueError, match="columns must name at least one column"):
        RowBlocks.of_parquet(groups / "0.parquet", ["a", "b", "y"])


def test_calls_other_than_fit_and_partial_fit_refuse_them():
    X = np.zeros((9, 3), np.float32)
    net, blocks = Network([3, 2], seed=0), RowBlocks(X, np.arange(9) % 2)
    for call in (lambda: net.loss(blocks, None), lambda: net.predict(blocks)):
        with pytest.raises(TypeError, match="X is RowBlocks, which only"):
            call()


def test_plans_divide_a_pass_between_processes(files):
    plans = [in_small_blocks(RowBlocks(files / "X", files / "y", seed=0)).plan() for _ in range(2)]
    parts = [block.read() for rank in range(2) for block in plans[rank][rank::2]]
    found = np.concatenate([y for _, y in parts])
    np.testing.assert_array_equal(np.sort(found), np.arange(1000))
    assert [block.n_rows for block in plans[0][::2]] == [
        len(y) for _, y in parts[: len(parts) // 2]
    ]
    blocks = in_small_blocks(RowBlocks(files / "X", files / "y", seed=0))
    state = blocks.rng.bit_generator.state
    in_order = blocks.plan(shuffle=False)
    np.testing.assert_array_equal(
        np.concatenate([block.read_targets()[0] for block in in_order]), np.arange(1000)
    )
    assert blocks.rng.bit_generator.state == state


def test_patterns_of_names(files):
    blocks = RowBlocks(files / "X" / "[01].npy", np.arange(301), shuffle=False)
    assert blocks.n_rows == 301
    np.testing.assert_array_equal(passes(blocks)[0], np.arange(301))
    with pytest.raises(ValueError, match=r"no \.npy files"):
        RowBlocks(files / "X" / "a*.npy", np.zeros(3))


def test_memory_for_rows():
    blocks = RowBlocks(np.zeros((10, 6)), np.zeros(10))
    needed = blocks.memory_for(50_000)
    assert RowBlocks(np.zeros((10, 6)), np.zeros(10), memory=needed).block_rows >= 50_000
    assert RowBlocks(np.zeros((10, 6)), np.zeros(10), memory=needed - 1).block_rows < 50_000


def test_arrays_of_version_2_of_the_npy_format(tmp_path):
    X = np.arange(12.0).reshape(6, 2)
    with open(tmp_path / "X.npy", "wb") as file:
        np.lib.format.write_array(file, X, version=(2, 0))
    blocks = RowBlocks([tmp_path / "X.npy"], np.arange(6), shuffle=False)
    np.testing.assert_array_equal(np.concatenate([part[0] for part in blocks]), X)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"pip install 'ffnn_fast\[parquet\]'"):
        RowBlocks.of_parquet(tmp_path / "t.parquet", "y")
