"""What ``ffnn-fast train`` offers is what training offers: an option gives the same parameters."""

import json
import math

import numpy as np
import pytest
from support.houses import here, prepared, train

from ffnn_fast import Network
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.cli.training.building import NEVER, RATE
from ffnn_fast.optimizers import SGD, Adam, AdamW, NAdam
from ffnn_fast.schedules import (
    Constant,
    Cosine,
    CosLog,
    FlatCosine,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    WarmUp,
)

__all__ = ["here"]  # a fixture
EPOCHS = 12
BATCHES = 5  # of an epoch: 136 rows train, 32 at a time


def small(n_inputs, n_outputs=1, **options):
    """A network as the command makes one with ``--hidden 8``."""
    given = {"activation": "silu", "output": "identity", "l2": 1e-4, "seed": 0, **options}
    return Network([n_inputs, 8, n_outputs], **given)


PEAK = 0.01  # of values


def defaults(rows, epochs, rate=PEAK):
    """The arguments of `Network.fit` where no option is given."""
    X, y = rows.X[rows.validation].astype(np.float32), rows.y[rows.validation]
    decay = round((100 / len(rows.train)) ** 2, 3)
    return {
        "optimizer": AdamW(weight_decay=min(decay, 2.0)), "epochs": epochs,
        "learning_rate": OneCycle(rate), "validation_data": (X, y),
        "early_stopping": EarlyStopping(patience=NEVER),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--validation-fraction", "0"], {"validation_data": None, "early_stopping": None}),
        (["--batch-size", "all"], {"batch_size": None}),
        (["--no-shuffle"], {"shuffle": False}),
        (["--learning-rate", "0.02"], {"learning_rate": OneCycle(0.02)}),
        (
            ["--optimizer", "adam:beta_1=0.8,epsilon=1e-6"],
            {"optimizer": Adam(beta_1=0.8, epsilon=1e-6), "learning_rate": OneCycle(0.001)},
        ),
        (
            ["--optimizer", "nadam", "--schedule", "constant"],
            {"optimizer": NAdam(), "learning_rate": Constant(0.002)},
        ),
        (["--optimizer", "sgd"], {"optimizer": SGD(), "learning_rate": OneCycle(RATE)}),
        (["--schedule", "step:every=3,factor=0.5"], {"learning_rate": StepDecay(PEAK, 3, 0.5)}),
        (["--schedule", "cosine:minimum=0.001"], {"learning_rate": Cosine(PEAK, EPOCHS, 0.001)}),
        (
            ["--schedule", "cosine:per=step"],
            {"learning_rate": Cosine(PEAK, EPOCHS * BATCHES, per="step")},
        ),
        (["--schedule", "one-cycle"], {"learning_rate": OneCycle(PEAK, EPOCHS * BATCHES)}),
        (["--schedule", "cos-log"], {"learning_rate": CosLog(PEAK, total=EPOCHS * BATCHES)}),
        (
            ["--schedule", "flat-cosine:per=epoch,flat=0.4"],
            {"learning_rate": FlatCosine(PEAK, 0.4, EPOCHS, per="epoch")},
        ),
        (["--schedule", "cosine:per=fit"], {"learning_rate": Cosine(PEAK)}),
        (["--schedule", "one-cycle:per=fit,rise=0.2"], {"learning_rate": OneCycle(PEAK, rise=0.2)}),
        (
            ["--schedule", "step:per=fit,every=0.5"],
            {"learning_rate": StepDecay(PEAK, 0.5, per="fit")},
        ),
        (
            ["--warm-up", "0.2:per=fit", "--schedule", "constant"],
            {"learning_rate": WarmUp(PEAK, 0.2, per="fit")},
        ),
        (
            ["--warm-up", "20:start=0.1", "--schedule", "constant"],
            {"learning_rate": WarmUp(PEAK, 20, 0.1)},
        ),
        (
            ["--schedule", "plateau:patience=1,monitor=loss"],
            {"learning_rate": ReduceOnPlateau(PEAK, "loss", patience=1)},
        ),
        (["--clip-value", "0.01"], {"clip_value": 0.01}),
        (["--clip-norm", "0.05"], {"clip_norm": 0.05}),
        (["--max-norm", "0.3"], {"max_norm": 0.3}),
        (["--averaging", "ema:decay=0.9"], {"averaging": Averaging("ema", decay=0.9)}),
        (["--averaging", "swa:start=3"], {"averaging": Averaging("swa", start=3)}),
        (["--frozen", "1"], {"frozen": [1]}),
        (["--tol", "0.5"], {"tol": 0.5}),
        (
            ["--early-stopping", "1:monitor=loss,restore_best=false"],
            {"early_stopping": EarlyStopping("loss", 1, restore_best=False)},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_of_training(here, options, expected):
    got = train("--hidden", "8", "--epochs", str(EPOCHS), *options)
    rows = prepared(*options)
    X, y = rows.X[rows.train].astype(np.float32), rows.y[rows.train]
    net = small(2)
    net.fit(X, y, **{**defaults(rows, EPOCHS), **expected})
    np.testing.assert_array_equal(got.params, net.params)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--activation", "relu"], {"activation": "relu"}),
        (["--dropout", "0.2"], {"dropout": 0.2}),
        (["--dropout", "0.1,0.3"], {"dropout": (0.1, 0.3)}),
        (["--l2", "0.01,0"], {"l2": (0.01, 0.0)}),
        (["--l1", "0.001", "--l2", "0"], {"l1": 0.001, "l2": 0.0}),
        (["--initializer", "lecun_normal"], {"initializer": "lecun_normal"}),
        (["--dtype", "float64"], {"dtype": "float64"}),
        (["--seed", "3"], {"seed": 3}),
        (["--engine", "reference"], {"engine": "reference"}),
        (["--loss", "huber:delta=0.5"], {"loss": "huber", "loss_options": {"delta": 0.5}}),
        (["--loss", "log-cosh", "--threads", "2"], {"loss": "log_cosh"}),
        (["--matmul", "blas"], {"matmul": "blas"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_of_the_network(here, options, expected):
    got = train("--hidden", "8", "--epochs", "3", *options)
    rows = prepared(*options)
    net = small(2, **expected)
    X, y = rows.X[rows.train].astype(net.spec.dtype), rows.y[rows.train]
    net.fit(X, y, **defaults(rows, 3))
    assert got.spec == net.spec
    np.testing.assert_array_equal(got.params, net.params)


def test_layers_of_their_own(here):
    got = train("--hidden", "9,5,3", "--activation", "relu,tanh,sigmoid", "--epochs", "1")
    assert got.spec.layer_sizes == (2, 9, 5, 3, 1)
    assert got.spec.activations == ("relu", "tanh", "logistic")
    assert train("--hidden", "none", "--epochs", "1").spec.layer_sizes == (2, 1)


def test_solvers(here, capsys):
    names = ["levenberg_marquardt:damping=0.01", "l-bfgs-b:maxcor=5", "CG".lower()]
    losses = []
    for name in names:
        options = ["--solver", name, "--epochs", "60", "--hidden", "4", "--dtype", "float64"]
        net = train(*options)
        rows = prepared("--solver", "bfgs")
        losses.append(net.loss(rows.X[rows.train], rows.y[rows.train]))
    assert max(losses) < 0.03
    assert "solving  iteration" in capsys.readouterr().out
    net = small(2, dtype="float64")
    net.levenberg_marquardt(rows.X[rows.train], rows.y[rows.train], max_iterations=3)
    got = train("--solver", "levenberg_marquardt", "--epochs", "3", "--hidden", "8",
                "--dtype", "float64")  # fmt: skip
    np.testing.assert_array_equal(got.params, net.params)


def test_options_of_levenberg_marquardt(here):
    rows, net = prepared("--solver", "bfgs"), small(2, dtype="float64")
    net.levenberg_marquardt(
        rows.X[rows.train], rows.y[rows.train], max_iterations=3, frozen=[1], n_starts=2,
        quasi_newton_steps=1,
    )  # fmt: skip
    got = train("--solver", "levenberg_marquardt:n_starts=2,quasi_newton_steps=1", "--frozen", "1",
                "--epochs", "3", "--hidden", "8", "--dtype", "float64")  # fmt: skip
    np.testing.assert_array_equal(got.params, net.params)


def test_weights_of_rows_and_classes(here, monkeypatch):
    seen = []
    fit = Network.fit
    monkeypatch.setattr(
        Network,
        "fit",
        lambda net, X, y, **given: seen.append((y, given)) or fit(net, X, y, **given),
    )
    train("--weights", "weight", "--class-weight", "dear=3", "--epochs", "1", target="dear",
          drop="price")  # fmt: skip
    train("--class-weight", "balanced", "--epochs", "1", target="dear", drop="price,weight")
    rows = prepared("--weights", "weight", target="dear", drop="price")
    assert rows.preprocessing.inputs.feature_names == ["size", "rooms"]
    (y, given), (y_2, balanced) = seen
    np.testing.assert_array_equal(
        given["sample_weight"], rows.weight[rows.train] * np.where(y == 1, 3, 1)
    )
    by_class = [balanced["sample_weight"][y_2 == label].sum() for label in (0, 1)]
    assert by_class[0] == pytest.approx(by_class[1]) == pytest.approx(len(y_2) / 2)


def test_nothing_is_chosen_by_the_rows_that_judge(here, monkeypatch, capsys):
    seen = []
    fit = Network.fit
    monkeypatch.setattr(
        Network,
        "fit",
        lambda net, X, y, **given: seen.append((X, given)) or fit(net, X, y, **given),
    )
    train("--early-stopping", "2", "--epochs", "30")
    train("--schedule", "plateau", "--epochs", "2")
    train("--epochs", "2")
    train("--epochs", "2", "--validation-fraction", "0")
    assert [len(X) for X, _ in seen] == [136, 136, 136, 160]
    assert [len(given["validation_data"][0]) for _, given in seen] == [24, 24, 24, 40]
    rows = prepared("--early-stopping", "2")
    sets = [set(rows.train), set(rows.validation), set(rows.test)]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 200
    assert "24 to validate, 40 held out" in capsys.readouterr().out


def test_rows_of_another_file_judge(here, capsys):
    lines = (here / "houses.csv").read_text().splitlines()
    (here / "test.csv").write_text("\n".join([lines[0], *lines[151:]]))
    (here / "houses.csv").write_text("\n".join(lines[:151]))
    train("--test", "test.csv", "--epochs", "40")
    assert "128 rows to train on, 22 to validate, 50 held out" in capsys.readouterr().out
    rows = prepared("--test", "test.csv")
    assert sorted([*rows.train, *rows.validation]) == list(range(150))
    assert rows.test.tolist() == list(range(150, 200))


def test_resume_ends_with_the_same_bits(here):
    options = ["--schedule", "constant", "--checkpoint", "run.ckpt", "--checkpoint-every", "2"]
    options += ["--epochs"]
    train(*options, "4")
    resumed = train(*options, "9", "--resume")
    for path in here.glob("run.ckpt*"):
        path.unlink()
    np.testing.assert_array_equal(resumed.params, train(*options, "9").params)


def test_start_from_a_model(here, capsys):
    train("--epochs", "5", "--hidden", "8", "--activation", "relu")
    (here / "m.safetensors").rename(here / "first.safetensors")
    before = Network.load("first.safetensors")
    net = train("--start", "first.safetensors", "--epochs", "3", "--frozen", "1")
    assert net.spec == before.spec
    np.testing.assert_array_equal(net.weights[0], before.weights[0])
    assert (net.weights[1] != before.weights[1]).any()
    net.save("bare.safetensors")
    train("--start", "bare.safetensors", code=2)
    train("--start", "first.safetensors", "--hidden", "9", code=2)
    train("--start", "first.safetensors", target="dear", code=2)
    errors = capsys.readouterr().err.splitlines()
    assert "first.safetensors predicts 'price', not 'dear'" in errors[2]
    assert "bare.safetensors has no preprocessing of tables" in errors[0]
    assert "--start determines the network: leave out --hidden" in errors[1]


def test_records(here, capsys):
    pytest.importorskip("tensorboardX")
    train("--epochs", "4", "--log", "log.csv", "--metrics", "r2,mae", "--diagnostics")
    head, *rows = (here / "log.csv").read_text().splitlines()
    assert len(rows) == 4
    assert {"loss", "val_loss", "mae", "val_r2", "dead_units_1"} <= set(head.split(","))
    assert "mae 0." in capsys.readouterr().out
    train("--epochs", "4", "--log", "log.jsonl", "--tensorboard", "board")
    lines = (here / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]
    assert list((here / "board").iterdir())


def test_find_a_learning_rate(here, capsys):
    train("--learning-rate", "find", "--epochs", "2", "--hidden", "8")
    rows = prepared()
    X, y = rows.X[rows.train].astype(np.float32), rows.y[rows.train]
    optimizer = defaults(rows, 2)["optimizer"]
    rate = small(2).find_learning_rate(X, y, optimizer=optimizer, rng=0).suggestion
    assert f"learning rate {rate:.3g}, found by a trial" in capsys.readouterr().out
    assert math.isfinite(rate)


def test_rows_and_columns_that_are_left_out_are_named(here, capsys):
    table = (here / "houses.csv").read_text().splitlines()
    lines = [f"{line},7" for line in table]
    lines[0] = f"{table[0]},floors"
    for row in (3, 8):
        size, rooms, _, *rest = lines[row].split(",")
        lines[row] = ",".join([size, rooms, "?", *rest])
    (here / "houses.csv").write_text("\n".join(lines) + "\n")
    train("--epochs", "1", "--drop-missing-target")
    shown = capsys.readouterr().out
    assert "houses.csv: 134 rows to train on, 24 to validate, 40 held out" in shown
    assert "note: left out 2 rows without a target\n" in shown
    assert "  floors  left out  constant (7)\n" in shown
