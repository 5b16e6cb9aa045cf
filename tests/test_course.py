"""``ffnn-fast course``: the assignment's words, and what they do."""

import re
import sys

import numpy as np
import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.arguments.declaration import values_of
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.course import assignment, course_options
from ffnn_fast.cli.output import CommandError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images whose class is the row of the bright pixels, and noise."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 500), ("test", 100)):
        labels = rng.integers(0, 10, n)
        images = rng.integers(0, 120, (n, 10, 4), dtype=np.uint8)
        images[np.arange(n), labels] += 120
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez(tmp_path / "fashion_mnist.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(options=""):
    return parse(["course", *options.split()])[1]


def test_the_defaults_are_those_of_the_assignment():
    values = values_of(parsed())
    expected = {
        "dataset": "fashion_mnist", "epochs": 1, "batch_size": 4, "loss": "cross_entropy",
        "optimizer": "sgd", "learning_rate": None, "momentum": 0.5, "beta": 0.5, "beta1": 0.5,
        "beta2": 0.5, "epsilon": 1e-6, "weight_decay": 0.0, "weight_init": "random",
        "num_layers": 1, "hidden_size": 4, "activation": "sigmoid",
    }  # fmt: skip
    assert {name: values[name] for name in expected} == expected


def test_short_and_long_options_mean_the_same():
    short = "-d mnist -e 2 -b 8 -l mean_squared_error -o nag -lr 0.2 -m 0.9 -beta 0.8 -beta1 0.7"
    short += " -beta2 0.6 -eps 1e-8 -w_d 0.1 -w_i Xavier -nhl 3 -sz 16 -a ReLU -wp p -we e"
    long = "--dataset mnist --epochs 2 --batch_size 8 --loss mean_squared_error --optimizer nag "
    long += "--learning_rate 0.2 --momentum 0.9 --beta 0.8 --beta1 0.7 --beta2 0.6 --epsilon 1e-8 "
    long += "--weight_decay 0.1 --weight_init Xavier --num_layers 3 --hidden_size 16 "
    long += "--activation ReLU --wandb_project p --wandb_entity e"
    assert parsed(short) == parsed(long)


@pytest.mark.parametrize("optimizer", course_options.OPTIMIZERS)
def test_every_optimizer_takes_its_options(optimizer):
    args = parsed("-m 0.9 -beta 0.8 -beta1 0.7 -beta2 0.6 -eps 1e-7")
    rule = assignment._optimizer(optimizer, 0.3, args.training)
    given = {
        "sgd": (0.3,),
        "momentum": (0.3, 0.9),
        "nag": (0.3, 0.9),
        "rmsprop": (0.3, 0.8, 0.0, 1e-7),
        "adam": (0.3, 0.7, 0.6, 1e-7),
        "nadam": (0.3, 0.7, 0.6, 1e-7),
    }[optimizer]
    assert rule.hyper[: len(given)] == given
    assert rule.name == {"nag": "nesterov"}.get(optimizer, optimizer)


@pytest.mark.parametrize("loss", course_options.LOSSES)
@pytest.mark.parametrize("activation", course_options.ACTIVATIONS)
def test_it_learns(folder, capsys, loss, activation):
    options = f"-e 20 -b 4 -sz 16 -w_i Xavier -lr 0.1 -l {loss} -a {activation}"
    assert main(["course", *options.split()]) == 0
    output = capsys.readouterr().out
    assert "450 images to train on, 50 to validate, 100 to test" in output
    accuracy = float(re.search(r"test accuracy (\d\.\d+)", output)[1])
    assert accuracy > 0.6
    matrix = np.array([[int(x) for x in line.split()[1:]] for line in output.splitlines()[-10:]])
    assert matrix.sum() == 100
    assert np.trace(matrix) / 100 == accuracy


def test_no_hidden_layer_and_any_number(folder):
    for layers in (0, 3):
        assert main(["course", "-nhl", str(layers)]) == 0


def test_the_comparison(folder, capsys):
    pytest.importorskip("matplotlib")
    options = "--compare -e 3 -b 8 -sz 16 -m 0.9 -beta 0.9 -beta1 0.9 -beta2 0.99 --plot c.png"
    assert main(["course", *options.split()]) == 0
    output = capsys.readouterr().out
    for name, rate in assignment.USUAL_RATES.items():
        assert re.search(rf"^  {name} +{rate:g} ", output, re.MULTILINE)
    assert (folder / "c.png").read_bytes().startswith(b"\x89PNG")


def test_annealing_halves_the_rate_and_never_ends_an_epoch_worse(folder):
    args = parsed("-e 8 -b 8 -sz 16 -a tanh --anneal")
    images = assignment.load(str(folder), "fashion_mnist", 0)
    result = assignment.learn(images, args, "momentum", 2.0)
    losses, rates = ([r[key] for r in result.history] for key in ("val_loss", "learning_rate"))
    assert [record["epoch"] for record in result.history] == list(range(1, len(losses) + 1))
    assert losses == sorted(losses, reverse=True)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 2.0
    assert np.log2(2.0 / np.array(rates)) == pytest.approx(np.log2(2.0 / np.array(rates)).round())


def test_annealing_at_a_fitting_rate_is_the_plain_algorithm(folder):
    """Where no epoch is repeated the optimizer's state goes on from epoch to epoch."""
    args = parsed("-e 3 -b 8 -sz 16 -a tanh --anneal")
    images = assignment.load(str(folder), "fashion_mnist", 0)
    annealed = assignment.learn(images, args, "adam", 0.001)
    assert {record["learning_rate"] for record in annealed.history} == {0.001}
    plain = assignment.learn(images, parsed("-e 3 -b 8 -sz 16 -a tanh"), "adam", 0.001)
    assert annealed.history[-1]["val_loss"] == pytest.approx(plain.history[-1]["val_loss"], rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--data nowhere", "nowhere has no fashion_mnist: there is no such folder"),
        ("-d mnist", "has no mnist"),
        ("-o adagrad", "--optimizer must be one of sgd, momentum"),
        ("-m 1.5", "--momentum must be in [0, 1), got 1.5"),
        ("-sz 0", "--hidden_size must be at least 1, got 0"),
        ("--plot c.svg", "must end in .png"),
        ("-o sgd -lr 1e30 -a identity -w_i Xavier -l mean_squared_error -w_d 1e20", "diverged"),
    ],
)
def test_refusals(folder, capsys, options, message):
    assert main(["course", *options.split()]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_a_data_set_that_cannot_be_used(folder):
    (folder / "mnist.npz").write_bytes(b"no archive")
    with pytest.raises(CommandError):
        assignment.load(str(folder), "mnist", 0)
    few = np.zeros((9, 2, 2), np.uint8), np.arange(9)
    np.savez("mnist.npz", x_train=few[0], y_train=few[1], x_test=few[0], y_test=few[1])
    with pytest.raises(CommandError, match="9 training images; at least 10 are needed"):
        assignment.load(str(folder), "mnist", 0)


def test_a_picture_needs_matplotlib(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["course", "--plot", "c.png"]) == 2
    assert '--plot needs matplotlib: pip install "ffnn_fast[cli]"' in capsys.readouterr().err


def test_annealing_that_lowers_no_loss(folder, capsys):
    options = "--anneal -lr 1e-5 -a identity -w_i Xavier -w_d 1e20 -sz 1"
    assert main(["course", *options.split()]) == 2
    assert "no rate down to 1e-06 lowers the validation loss" in capsys.readouterr().err


def test_no_data_set_of_ten_classes(tmp_path):
    images, labels = np.zeros((20, 2, 2), np.uint8), np.arange(20)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(CommandError, match="in at most 10 classes"):
        assignment.load(str(tmp_path), "mnist", 0)
