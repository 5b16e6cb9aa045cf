"""Learning curves show what a history recorded."""

import sys

import pytest

from ffnn_fast.history import History
from ffnn_fast.plotting import learning_curve

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure

HISTORY = History(
    [
        {"epoch": 1, "loss": 2.0, "r2": 0.1, "val_loss": 2.5},
        {"epoch": 2, "loss": 1.0, "r2": 0.4, "val_loss": 1.5},
        {"epoch": 3, "loss": 0.5, "r2": 0.6, "val_loss": 1.0},
    ]
)


def test_curves_on_given_axes():
    ax = Figure().subplots()
    assert learning_curve(HISTORY, ax) is ax
    assert ax.get_ylabel() == "loss"
    assert ax.get_xlabel() == "epoch"
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert drawn == {
        "training": [[1, 2.0], [2, 1.0], [3, 0.5]],
        "validation": [[1, 2.5], [2, 1.5], [3, 1.0]],
    }


def test_another_metric():
    ax = learning_curve(HISTORY, Figure().subplots(), "r2")
    assert ax.get_ylabel() == "R²"
    assert [line.get_label() for line in ax.get_lines()] == ["training"]


def test_records_of_any_kind():
    records = tuple({key: v for key, v in record.items() if key != "epoch"} for record in HISTORY)
    drawn, same = (
        [line.get_xydata().tolist() for line in learning_curve(given).get_lines()]
        for given in (records, HISTORY)
    )
    assert drawn == same
    (line,) = learning_curve([{"loss": 3.0}, {"rate": 1.0}, {"loss": 1.0}]).get_lines()
    assert line.get_xydata().tolist() == [[1, 3.0], [3, 1.0]]


def test_one_epoch_is_a_point():
    line = learning_curve(HISTORY[:1], Figure().subplots()).get_lines()[0]
    assert line.get_marker() == "o"


def test_new_axes():
    ax = learning_curve(HISTORY)
    assert len(ax.get_lines()) == 2
    assert isinstance(ax.figure, Figure)


def test_unknown_metric():
    with pytest.raises(ValueError, match="no 'accuracy'; recorded: epoch, loss, r2, val_loss"):
        learning_curve(HISTORY, Figure().subplots(), "accuracy")
    with pytest.raises(ValueError, match="recorded: nothing"):
        learning_curve(History(), Figure().subplots())


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[plot\]"'):
        learning_curve(HISTORY)
