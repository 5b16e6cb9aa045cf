"""`fit` on RowBlocks: the fit of arrays in the order of the passes, with a block in memory."""

import os
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest
from conftest import TOLERANCES
from support.fits import StopAt

from ffnn_fast import Averaging, CheckpointError, DivergedWarning, EarlyStopping, Network, fit_many
from ffnn_fast.blocks import RowBlocks
from ffnn_fast.callbacks import Callback
from ffnn_fast.metrics import METRICS, Metric
from ffnn_fast.schedules import OneCycle, ReduceOnPlateau

N = 1000
TIMES = ("seconds", "samples_per_second")


def rows(n=N, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def blocks(size=160, n=N, **given):
    """Blocks of so many rows."""
    made = RowBlocks(*rows(n), **{"seed": 7, **given})
    made.block_rows = size
    return made


def network(**given):
    return Network([5, 8, 2], **{"seed": 0, **given})


def figures(history):
    """The records without times."""
    return [{name: v for name, v in record.items() if name not in TIMES} for record in history]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("given", [{}, {"dropout": 0.2}, {"dtype": "float64"}])
def test_an_epoch_has_the_bits_of_a_pass_of_partial_fit(engine, given):
    net, passes = network(engine=engine, **given), network(engine=engine, **given)
    history = net.fit(blocks(), epochs=3, batch_size=16, optimizer="adam")
    data = blocks()
    losses = [passes.partial_fit(data, batch_size=16, optimizer="adam") for _ in range(3)]
    np.testing.assert_array_equal(net.params, passes.params)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)


def test_both_engines_agree():
    found = []
    for engine in ("compiled", "reference"):
        net = network(engine=engine, dtype="float64")
        history = net.fit(blocks(), epochs=2, batch_size=48, validation_data=blocks(300))
        found.append((net.params, [history[name] for name in ("loss", "val_loss", "accuracy")]))
    for of_compiled, of_reference in zip(*found, strict=True):
        np.testing.assert_allclose(of_compiled, of_reference, rtol=TOLERANCES["float64"])


@pytest.mark.parametrize("size", [50, 160, N])
@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 48},
        {"batch_size": 1, "optimizer": "adam"},
        {"batch_size": 48, "drop_last": True, "learning_rate": OneCycle(0.1)},
        {"batch_size": 7, "averaging": "ema", "clip_norm": 0.1},
        {"batch_size": 32, "averaging": Averaging("swa", start=2), "metrics": False},
    ],
)
def test_unshuffled_it_is_the_fit_of_the_arrays(size, given):
    """Batches span blocks, so that the steps are the same whatever the blocks."""
    X, y = rows()
    arrays, net = network(), network()
    validation = rows(300, seed=1)
    expected = arrays.fit(X, y, epochs=3, shuffle=False, validation_data=validation, **given)
    data = RowBlocks(*validation, shuffle=True)
    data.block_rows = 70
    history = net.fit(blocks(size, shuffle=False), epochs=3, validation_data=data, **given)
    np.testing.assert_array_equal(net.params, arrays.params)
    for ours, theirs in zip(figures(history), figures(expected), strict=True):
        assert ours.keys() == theirs.keys()
        if size < N:
            ours.pop("accuracy", None)
        for name, value in ours.items():
            assert value == pytest.approx(theirs[name], rel=1e-6), name


def test_metrics_are_means_over_the_blocks_after_their_steps():
    net, again = network(), network()
    history = net.fit(blocks(), epochs=2, batch_size=16, metrics=["f1"])
    data, expected = blocks(), []
    for _ in range(2):
        found = []
        for X, y in data:
            again.partial_fit(X, y, batch_size=16)
            found.append(len(X) * METRICS["f1"].function(y, again.predict(X)))
        expected.append(sum(found) / N)
    np.testing.assert_allclose(history["f1"], expected, rtol=1e-12)


def test_metrics_count_the_rows_that_are_left_out():
    """The last of 62 batches leaves out 8 of the 40 rows of the last block."""
    count = Metric("count", lambda truth, prediction: float(len(truth)))
    given = {"epochs": 1, "batch_size": 16, "drop_last": True, "metrics": [count]}
    history = network().fit(blocks(shuffle=False), **given)
    assert history["count"] == [(6 * 160**2 + 40**2) / 1000]


def test_metrics_of_validation_blocks_are_those_of_all_their_rows():
    X, y = rows(300, seed=1)
    data = RowBlocks(X, X[:, 0] + 0.1 * y)
    data.block_rows = 64
    net = Network([5, 8, 1], output="identity", seed=0)
    history = net.fit(blocks(), epochs=2, validation_data=data)
    assert history["val_r2"][-1] == pytest.approx(net.score(X, X[:, 0] + 0.1 * y), rel=1e-6)
    assert history["val_loss"][-1] == pytest.approx(net.loss(X, X[:, 0] + 0.1 * y), rel=1e-6)


class Recorder(Callback):
    def __init__(self):
        self.steps = []

    def on_batch_begin(self, fit, rows):
        self.steps.append((fit.epoch, fit.t, len(rows)))


def test_callbacks_and_schedules_count_steps_of_all_rows():
    net, recorder, rates = network(), Recorder(), []
    stopping = EarlyStopping("val_loss", patience=2)
    history = net.fit(
        blocks(170), epochs=40, batch_size=64, optimizer="adam", callbacks=[recorder],
        learning_rate=ReduceOnPlateau(0.1, patience=0, monitor="val_accuracy"),
        early_stopping=stopping, validation_data=rows(300, seed=1),
    )  # fmt: skip
    assert 2 < len(history) < 40
    assert "val_loss has not improved" in history.stopped
    assert len(set(history["learning_rate"])) > 1
    of_one = [step for step in recorder.steps if step[0] == 2]
    assert [t for _, t, _ in of_one] == list(range(16, 32))
    assert sorted(size for *_, size in of_one) == [N - 15 * 64] + 15 * [64]
    net.fit(
        blocks(170), epochs=3, batch_size=64, learning_rate=OneCycle(0.1),
        callbacks=[lambda record: rates.append(record["learning_rate"])],
    )  # fmt: skip
    arrays = network()
    expected = arrays.fit(*rows(), epochs=3, batch_size=64, learning_rate=OneCycle(0.1))
    assert rates == expected["learning_rate"]


class StopInMetric:
    """A metric of which one call is interrupted."""

    def __init__(self, call):
        self.left = call

    def __call__(self, truth, predicted):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return float(np.mean(truth == predicted))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch", [1, 4, 11, 25, 42, 63])
def test_a_resumed_fit_has_the_bits_of_one_without_a_break(batch, shuffle, tmp_path):
    given = {"epochs": 4, "batch_size": 48, "optimizer": "adam", "validation_data": blocks(333)}
    given |= {"early_stopping": EarlyStopping("accuracy", patience=9)}
    unbroken, net = network(dropout=0.1), network(dropout=0.1)
    expected = unbroken.fit(blocks(130, shuffle=shuffle), **given)
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        net.fit(blocks(130, shuffle=shuffle), checkpoint=path, callbacks=[StopAt(batch)], **given)
    resumed, data = network(dropout=0.1), blocks(130, shuffle=shuffle, seed=99)
    history = resumed.fit(data, checkpoint=path, resume=True, **given)
    np.testing.assert_array_equal(resumed.params, unbroken.params)
    assert figures(history) == figures(expected)
    reference = blocks(130, shuffle=shuffle)
    for _ in range(4):
        reference.plan()
    assert data.rng.bit_generator.state == reference.rng.bit_generator.state
    assert resumed.rng.bit_generator.state == unbroken.rng.bit_generator.state


@pytest.mark.parametrize("call", [1, 2, 8, 9])
def test_metrics_cut_short_are_computed_when_the_fit_resumes(call, tmp_path):
    path, unbroken = tmp_path / "checkpoint", network()
    given = {"epochs": 2, "batch_size": 48}
    expected = unbroken.fit(blocks(130), metrics=[Metric("m", StopInMetric(0))], **given)
    with pytest.raises(KeyboardInterrupt):
        network().fit(
            blocks(130), metrics=[Metric("m", StopInMetric(call))], checkpoint=path, **given
        )
    net = network()
    history = net.fit(blocks(130), metrics=[Metric("m", StopInMetric(0))], resume=path, **given)
    np.testing.assert_array_equal(net.params, unbroken.params)
    assert figures(history) == figures(expected)


@pytest.mark.parametrize("number", [1, 2, 5, 11])
def test_ctrl_c_while_a_block_is_read(number, tmp_path):
    """The signal arrives while the thread reads the block; the main one waits or trains."""
    given, path = {"epochs": 2, "batch_size": 48, "optimizer": "adam"}, tmp_path / "checkpoint"
    unbroken, net, resumed = network(), network(), network()
    expected = unbroken.fit(blocks(130), **given)
    data, reads = blocks(130), []
    read = data._rows.read

    def interrupted(start, end):
        reads.append(start)
        if len(reads) == 1 + 8 * number:  # the first row, then 8 segments of each block
            os.kill(os.getpid(), signal.SIGINT)
        return read(start, end)

    data._rows.read = interrupted
    history = net.fit(data, checkpoint=path, on_interrupt="return", **given)
    assert history.stopped == "interrupted"
    assert np.isfinite(net.params).all()
    found = resumed.fit(blocks(130), resume=path, **given)
    np.testing.assert_array_equal(resumed.params, unbroken.params)
    assert figures(found) == figures(expected)
    assert not [thread for thread in threading.enumerate() if "blocks" in thread.name]


def test_a_checkpoint_of_other_blocks_is_refused(tmp_path):
    path = tmp_path / "checkpoint"
    network().fit(blocks(130), epochs=2, checkpoint=path)
    for data in (blocks(140), blocks(130, shuffle=False)):
        with pytest.raises(CheckpointError, match="other options"):
            network().fit(data, epochs=3, resume=path)
    with pytest.raises(CheckpointError, match=r"other options \(blocks\)"):
        network().fit(*rows(), epochs=3, resume=path)
    with pytest.raises(KeyboardInterrupt):
        network().fit(blocks(130), checkpoint=path, callbacks=[StopAt(10)])
    with pytest.raises(CheckpointError, match="other metrics, in the middle of an epoch"):
        network().fit(blocks(130), resume=path, metrics=["f1"])


def test_row_groups_of_parquet_files_of_any_size(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    X, y = rows()
    cuts = [0, 3, 200, 410, 415, 900, N]
    for i, (start, end) in enumerate(pairwise(cuts)):
        columns = {f"x{j}": X[start:end, j] for j in range(5)}
        parquet.write_table(pa.table({**columns, "y": y[start:end]}), tmp_path / f"{i}.parquet")

    def made(**given):
        return RowBlocks.of_parquet(tmp_path / "?.parquet", "y", **given)

    arrays, net = network(), network()
    arrays.fit(X, y, epochs=2, batch_size=64, shuffle=False, class_weight="balanced")
    data = made(shuffle=False)
    data.block_rows = 100  # less than some groups
    net.fit(data, epochs=2, batch_size=64, class_weight="balanced")
    np.testing.assert_array_equal(net.params, arrays.params)
    unbroken, path = network(), tmp_path / "checkpoint"
    for data in (first := made(seed=3)), (second := made(seed=3)), (third := made(seed=3)):
        data.block_rows = 100
    unbroken.fit(first, epochs=3, batch_size=64)
    for stop in (2, 20):
        with pytest.raises(KeyboardInterrupt):
            network().fit(
                second, epochs=3, batch_size=64, checkpoint=path, callbacks=[StopAt(stop)]
            )
        resumed = network()
        resumed.fit(third, epochs=3, batch_size=64, resume=path)
        np.testing.assert_array_equal(resumed.params, unbroken.params)
        second.rng.bit_generator.state = made(seed=3).rng.bit_generator.state


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_fit_that_diverges_stops_before_that_step(engine):
    X, y = rows()
    y = y.astype(float)
    X[600:] *= 1e4
    nets = [
        Network([5, 8, 1], activation="relu", output="identity", seed=0, engine=engine)
        for _ in range(2)
    ]
    data = RowBlocks(X, y, shuffle=False)
    data.block_rows = 130
    messages = []
    for net, given in zip(nets, [(X, y), (data,)], strict=True):
        with pytest.warns(DivergedWarning) as caught:
            history = net.fit(*given, epochs=4, batch_size=16, shuffle=False, learning_rate=0.5)
        assert history.stopped == "diverged"
        messages.append(str(caught[0].message))
    assert messages[0] == messages[1]
    assert np.isfinite(nets[0].params).all()
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


def test_time_limits_end_a_fit_within_an_epoch(monkeypatch):
    monkeypatch.setattr("ffnn_fast._training.loop.CHUNK", 1e-9)
    net = network()
    history = net.fit(blocks(), epochs=100, batch_size=1, max_time=1e-9)
    assert history.stopped == "max_time"
    assert len(history) == 0


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"y": np.zeros(N)}, TypeError, "leave y out"),
        ({"sample_weight": np.ones(N)}, ValueError, r"make RowBlocks\(X, y, sample_weight=...\)"),
        ({"rows": [1]}, ValueError, "does not take rows"),
        ({"validation_rows": [1]}, ValueError, "give validation_data"),
        ({"validation_fraction": 0.1}, ValueError, "give validation_data"),
        ({"derivatives": (np.zeros((N, 2, 5)), 1.0)}, ValueError, "does not take derivatives"),
        ({"shuffle": False}, ValueError, r"RowBlocks\(..., shuffle=False\)"),
        ({"batch_size": None}, ValueError, r"batch of 1000 rows.*blocks of 160 rows.*memory=1\)"),
        ({"batch_size": 161}, ValueError, "give batch_size=160 or less"),
        ({"class_weight": {5: 1.0}}, ValueError, "labels that no row has"),
        (
            {"class_weight": {0: 0, 1: 0}},
            ValueError,
            "class_weight must have a positive and finite",
        ),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"validation_data": RowBlocks(np.zeros((3, 4)), np.zeros(3))}, ValueError, "validation X"),
        ({"early_stopping": True}, ValueError, "'val_loss' is not recorded"),
    ],
)
def test_what_blocks_do_not_go_with_is_refused_before_the_start(given, error, match):
    net, data = network(), blocks()
    before, state = net.params.copy(), data.rng.bit_generator.state
    with pytest.raises(error, match=match):
        net.fit(data, **given)
    np.testing.assert_array_equal(net.params, before)
    assert data.rng.bit_generator.state == state


def test_rows_that_do_not_fit_are_refused():
    net = network()
    with pytest.raises(ValueError, match=r"X must have shape \(n, 5\)"):
        net.fit(RowBlocks(np.zeros((9, 3)), np.zeros(9, int)))
    with pytest.raises(TypeError, match="fit needs y, unless X is RowBlocks"):
        net.fit(np.zeros((9, 5)))
    with pytest.raises(TypeError, match="a fit on RowBlocks also takes RowBlocks; got RowBlocks"):
        net.fit(*rows(), validation_data=blocks())
    with pytest.raises(TypeError, match=r"only Network.fit and Network.partial_fit take"):
        fit_many([net], blocks(), None)
    for call in (net.minimize, net.find_learning_rate, net.score, net.gradient):
        with pytest.raises(TypeError, match=r"its blocks one by one: for X, y in blocks"):
            call(blocks(), None)
    X, y = rows()
    X[900, 2] = np.nan
    parts = RowBlocks(X, y, seed=0)
    parts.block_rows = 160
    for given in ({}, {"validation_data": parts}):
        prefix = "validation " if given else ""
        with pytest.raises(
            ValueError,
            match=rf"^{prefix}rows from 900 on: X must be finite .* in row 0, column 2",
        ):
            net.fit(blocks() if given else parts, epochs=1, **given)
    assert np.isfinite(net.params).all()
    X[900, 2], y[170] = 0, 9
    match = r"^rows from 160 on: y must be class labels 0\.\.1, got 9 in row 10"
    with pytest.raises(ValueError, match=match):
        net.fit(parts, class_weight="balanced", epochs=1)
