"""Callbacks: which hooks are called when, and what the logs and the bar write."""

import csv
import io
import json
import re
import sys
import threading

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import Checkpoint
from ffnn_fast.callbacks import Callback, CSVLog, FitView, JSONLog, ProgressBar


class CallLog(Callback):
    """A record of the calls of every hook."""

    def __init__(self):
        self.calls = []

    def on_train_begin(self, fit):
        self.calls.append("train begin")

    def on_epoch_begin(self, fit):
        self.calls.append(f"epoch {fit.epoch} begin")

    def on_batch_begin(self, fit, rows):
        self.calls.append(f"{len(rows)} rows")

    def on_batch_end(self, fit, loss):
        self.calls.append(f"step {fit.t}")
        assert np.isfinite(loss)

    def on_epoch_end(self, fit, record):
        assert fit.history[-1] is record
        self.calls.append("epoch end")

    def on_train_end(self, fit):
        self.calls.append("train end")


def test_hooks_come_in_order():
    X, y = classes(50)
    log = CallLog()
    network().fit(X, y, epochs=2, callbacks=[log])
    assert log.calls == [
        "train begin",
        *("epoch 1 begin", "32 rows", "step 1", "18 rows", "step 2", "epoch end"),
        *("epoch 2 begin", "32 rows", "step 3", "18 rows", "step 4", "epoch end"),
        "train end",
    ]


def test_hooks_for_batches_change_no_bit():
    X, y = classes()
    logged, alone = network(), network()
    logged.fit(X, y, callbacks=[CallLog()], optimizer="adam")
    alone.fit(X, y, optimizer="adam")
    np.testing.assert_array_equal(logged.params, alone.params)


def test_only_hooks_for_batches_cut_epochs():
    assert CallLog().per_batch
    assert not ProgressBar().per_batch


def test_a_callback_may_stop_the_fit():
    class Enough(Callback):
        def on_epoch_end(self, fit, record):
            if record["epoch"] == 3:
                fit.stop("enough")

    class AtOnce(Callback):
        def on_batch_end(self, fit, loss):
            fit.stop("at once")

    X, y = classes()
    assert len(network().fit(X, y, callbacks=[Enough()])) == 3
    net = network()
    assert len(net.fit(X, y, callbacks=[AtOnce()])) == 0
    assert net.history.stopped == "at once"


def test_what_a_callable_adds_is_kept():
    X, y = classes()
    history = network().fit(X, y, epochs=2, callbacks=[lambda record: record.update(more=1.5)])
    assert history["more"] == [1.5, 1.5]


@pytest.mark.parametrize("log", [CSVLog, JSONLog])
def test_logs(tmp_path, log):
    X, y = classes()
    path, net = tmp_path / "log", network()
    net.fit(X, y, epochs=2, callbacks=[log(path)], checkpoint=tmp_path / "fit")
    checkpoint = Checkpoint(tmp_path / "fit")
    history = net.fit(X, y, epochs=4, callbacks=[log(path), checkpoint], resume=True)
    with open(path, newline="") as file:
        if log is CSVLog:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        else:
            rows = [json.loads(line) for line in file]
    assert rows == history.records


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def a_wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


def bar_lines(file, epochs=40, **fit):
    X, y = classes()
    bar = ProgressBar(file, description="digits")
    network().fit(X, y, epochs=epochs, callbacks=[bar], **fit)
    return file.getvalue().splitlines()


def test_the_bar_is_a_few_lines_where_there_is_no_terminal():
    X, y = classes()
    lines = bar_lines(io.StringIO(), validation_data=(X, y))
    assert len(lines) == 10
    number = r"\d+\.\d{4}"
    both = rf"{number} \(held-out {number}\)"
    assert re.fullmatch(rf"digits  epoch 40/40  loss {both}  accuracy {both}  \d+\.\d s", lines[-1])


def test_scheduled_hyperparameters_are_not_on_the_lines():
    file = io.StringIO()
    bar = ProgressBar(file)
    bar.start(1)
    bar.show({"epoch": 1, "loss": 0.5, "weight_decay": 0.02, "dropout": 0.1, "val_loss": 0.7})
    bar.close()
    pattern = r"epoch 1/1  loss 0\.5000 \(held-out 0\.7000\)  \d+\.\d s\n"
    assert re.fullmatch(pattern, file.getvalue())


def test_a_fit_that_is_stopped_has_a_line_for_its_last_epoch():
    def stop(record):
        if record["epoch"] == 6:
            raise KeyboardInterrupt

    X, y = classes()
    written = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        network().fit(X, y, epochs=40, callbacks=[ProgressBar(written), stop])
    assert [line.split()[1] for line in written.getvalue().splitlines()] == ["4/40", "6/40"]


def test_the_bar_is_drawn_on_a_terminal():
    pytest.importorskip("tqdm")
    file, threads = Terminal(), threading.active_count()
    last = bar_lines(file, epochs=4)[-1].rpartition("\r")[2]
    assert re.search(
        r"digits: 100%\|█+\| 4/4 \[.*epoch/s, loss \d\.\d{4}  accuracy \d\.\d{4}", last
    )
    assert file.getvalue().endswith("\n")
    assert threading.active_count() == threads


def test_the_bar_of_a_resumed_fit_begins_where_that_ended(tmp_path):
    pytest.importorskip("tqdm")
    X, y = classes()
    network().fit(X, y, epochs=3, checkpoint=tmp_path / "fit")
    file = Terminal()
    checkpoint = Checkpoint(tmp_path / "fit")
    network().fit(X, y, epochs=4, callbacks=[ProgressBar(file), checkpoint], resume=True)
    drawn = file.getvalue()
    assert " 3/4 " in drawn
    assert " 1/4 " not in drawn
    assert " 4/4 " in drawn.splitlines()[-1]


def test_the_bar_of_a_notebook_is_a_bar():
    pytest.importorskip("tqdm")
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    assert "| 4/4 [" in bar_lines(stream(), epochs=4)[-1]


def test_without_tqdm_a_terminal_has_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.delitem(sys.modules, "tqdm.auto", raising=False)
    lines = bar_lines(Terminal())
    assert len(lines) == 10
    assert all(line.startswith("digits  epoch ") for line in lines)


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    from ffnn_fast.tensorboard import TensorBoard

    X, y = classes()
    network().fit(X, y, epochs=2, validation_data=(X, y), callbacks=[TensorBoard(tmp_path / "b")])
    (file,) = (tmp_path / "b").iterdir()
    content, found, at = file.read_bytes(), [], 0
    while at < len(content):  # length (8), its checksum (4), the event, its checksum (4)
        length = int.from_bytes(content[at : at + 8], "little")
        event = Event.FromString(content[at + 12 : at + 12 + length])
        found += [(value.tag, event.step) for value in event.summary.value]
        at += 12 + length + 4
    assert {("loss/train", 1), ("loss/val", 2), ("accuracy/val", 1)} <= set(found)


def test_without_tensorboard(monkeypatch):
    from ffnn_fast.tensorboard import TensorBoard

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[tensorboard\]"'):
        TensorBoard("b")


def test_a_callback_sees_a_fit_by_the_protocol():
    """Every attribute of `FitView`, without the class that has them."""
    seen = []

    class Reader(Callback):
        def on_epoch_end(self, fit, record):
            seen.append((fit.epoch, fit.epochs, fit.t, fit.learning_rate, len(fit.history)))
            assert fit.params is net.params

    X, y = classes(64)
    net = network()
    net.fit(X, y, epochs=2, learning_rate=0.25, callbacks=[Reader()])
    assert seen == [(1, 2, 2, 0.25, 1), (2, 2, 4, 0.25, 2)]
    names = {name for name in vars(FitView) if not name.startswith("_")}
    assert names == {"epoch", "epochs", "history", "learning_rate", "params", "stop", "t"}
