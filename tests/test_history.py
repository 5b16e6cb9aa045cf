"""History: records, columns, slices, and its picture."""

import subprocess
import sys

import pytest
from support.fits import classes, network

from ffnn_fast import History
from ffnn_fast.history import register_plot


def test_columns_rows_and_slices():
    history = History([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "r2": 0.5}])
    assert history["loss"] == [2.0, 1.0]
    assert history["r2"] == [0.5]
    assert history[-1]["epoch"] == 2
    assert len(history[:1]) == 1
    assert history.keys() == ["epoch", "loss", "r2"]
    assert "loss 1" in repr(history)
    assert repr(History()) == "History(no epochs)"
    with pytest.raises(KeyError, match="recorded: epoch, loss, r2"):
        history["f1"]


def test_the_end_and_the_speed_of_a_fit_are_recorded():
    X, y = classes()
    net = network()
    history = net.fit(X, y, epochs=2)
    assert net.history is history
    assert history.stopped == "epochs"
    last = history[-1]
    assert last["samples_per_second"] == pytest.approx(200 / last["seconds"])


def test_it_is_plotted_by_the_plotting_package():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    X, y = classes()
    history = network().fit(X, y, epochs=3, validation_data=(X, y))
    ax = Figure().subplots()
    assert history.plot(ax=ax) is ax
    assert len(ax.get_lines()) == 2
    assert history.plot("accuracy", ax=Figure().subplots()).get_ylabel() == "accuracy"


def test_the_module_does_not_import_plotting():
    """`History.plot` is registered by the package, and imports plotting on its first call."""
    code = "import sys, ffnn_fast; ffnn_fast.History; print('ffnn_fast.plotting' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert printed.stdout.split() == [b"False"]


def test_another_function_may_plot(monkeypatch):
    monkeypatch.setattr(History, "_draw", History._draw)
    register_plot(lambda history, ax, metric: (len(history), ax, metric))
    assert History([{"epoch": 1}]).plot("r2", ax="axes") == (1, "axes", "r2")
