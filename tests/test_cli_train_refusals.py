"""What ``ffnn-fast train`` refuses once the table is read: options and columns that do not fit."""

import sys

import pytest
from support.refusals import CLASSES, GOOD, refused, train

from ffnn_fast.cli import main

__all__ = ["refused"]  # a fixture


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output-activation", "tanh"], "--output-activation is for regression, but 'y' has cl"),
        (["--loss", "poisson"], "--loss poisson is for regression, but 'y' has classes"),
        (["--loss", "quantile"], "--loss quantile is for regression, but 'y' has classes"),
        (["--class-weight", "w=2"], "--class-weight: there is no class 'w'; classes: u, v"),
        (["--class-weight", "u=-1"], "the weight of class 'u' in --class-weight must be a finite"),
        (["--solver", "levenberg_marquardt"], "needs a regression network with"),
        (["--validation-fraction", "0", "--schedule", "plateau"], "need validation rows: give a"),
        (["--loss", "cross_entropy:label_smoothing=2"], "label_smoothing of cross_entropy must be"),
    ],
)
def test_options_of_classification(refused, tmp_path, options, message):
    (tmp_path / "data.csv").write_text(CLASSES)
    assert message in refused(*train(*options))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("-1", "line 2, column 'w': a weight must be a number >= 0, got -1"),
        ("", "line 2, column 'w': a weight must be a number >= 0, got nothing"),
        ("x", "line 2, column 'w': 'x' is not a number"),
        ("0", "data.csv: all weights in column 'w' are 0"),
    ],
)
def test_weights_of_rows(refused, tmp_path, weight, message):
    rows = [f"{i * 7 % 40},{i * 0.3:.1f},{weight if i == 0 else 0}" for i in range(40)]
    (tmp_path / "data.csv").write_text("\n".join(["a,y,w", *rows]))
    assert message in refused(*train("--weights", "w"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            ("optimizer", "adam"),
            ("learning-rate", "0.1"),
            ("schedule", "cosine"),
            ("warm-up", "5"),
        ),
        *(("early-stopping", "3"), ("tol", "0.1"), ("max-time", "9"), ("averaging", "ema")),
        *(("clip-value", "1"), ("clip-norm", "1"), ("max-norm", "1")),
        *(("metrics", "mae"), ("log", "l.csv"), ("tensorboard", "board"), ("checkpoint", "c")),
        *(("diagnostics", None), ("finish-on-interrupt", None)),
        ("validation-fraction", "0.1"),
    ],
)
def test_options_of_steps_beside_a_solver(refused, tmp_path, option, value):
    (tmp_path / "data.csv").write_text(GOOD)
    given = [f"--{option}", *([value] if value else [])]
    message = f"--{option} is for training by steps, not for --solver"
    assert message in refused(*train("--solver", "bfgs", *given))


def test_frozen_layers_beside_a_solver_of_scipys(refused, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    message = (
        "--frozen is for training by steps or --solver levenberg_marquardt, not for --solver bfgs"
    )
    assert message in refused(*train("--solver", "bfgs", "--frozen", "1"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("hidden", "none"), ("activation", "relu"), ("output-activation", "exp"), ("l2", "0")),
        *(("l1", "0"), ("loss", "huber"), ("dropout", "0"), ("initializer", "zeros")),
        ("dtype", "float32"),
    ],
)
def test_options_of_the_network_beside_a_start(refused, tmp_path, option, value):
    (tmp_path / "data.csv").write_text(GOOD)
    assert main(train("--epochs", "1", "--no-report")) == 0
    message = f"--start determines the network: leave out --{option}"
    start = ["--start", "m.safetensors", f"--{option}", value]
    assert message in refused(*train("-o", "n.safetensors", *start))


def test_without_tensorboard(refused, tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text(GOOD)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert "tensorboardX" in refused(*train("--tensorboard", "board", "--no-report"))


def test_without_held_out_rows_the_training_rows_are_evaluated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(GOOD)
    shares = ["--test-fraction", "0", "--validation-fraction", "0"]
    assert main(train("--epochs", "1", "--no-report", *shares)) == 0
    shown = capsys.readouterr().out
    assert "on the 40 training rows" in shown
    assert "warning" not in shown


def test_one_row_to_train_on(refused, tmp_path):
    (tmp_path / "data.csv").write_text("a,y\n5,1\n6,2\n7,3.5\n")
    message = refused(*train("--validation-fraction", "0.5", "--test-fraction", "0"))
    assert "data.csv leaves 1 row to train on" in message
