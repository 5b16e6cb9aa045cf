"""Options from a file are the options themselves; what is given on the command line comes first."""

import json

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast.cli import main

TOML = """
data = "houses.csv"
target = "price"
output = "m.safetensors"
no-report = true
no_shuffle = false

[network]
hidden = [8, 4]
activation = ["relu", "tanh"]
loss = {name = "quantile", quantiles = [0.1, 0.9]}
dropout = [0.0, 0.1, 0.2]

[training]
epochs = 6
optimizer = {name = "adam", beta_1 = 0.8}
learning-rate = 0.01
warm_up = {steps = 5, start = 0.5}

[stopping]
early_stopping = {epochs = 2, monitor = "loss"}
"""
OPTIONS = [
    *("houses.csv", "--target", "price", "-o", "m.safetensors", "--no-report"),
    *("--hidden", "8,4", "--activation", "relu,tanh", "--loss", "quantile:quantiles=0.1/0.9"),
    *("--dropout", "0,0.1,0.2", "--epochs", "6", "--optimizer", "adam:beta_1=0.8"),
    *("--learning-rate", "0.01", "--warm-up", "5:start=0.5", "--early-stopping", "2:monitor=loss"),
]


@pytest.fixture(autouse=True)
def _houses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    rows = [f"{s:.1f},{1000 * s:.0f}" for s in rng.uniform(40, 200, 60)]
    (tmp_path / "houses.csv").write_text("\n".join(["size,price", *rows]))


def trained(*options):
    assert main(["train", *options]) == 0
    return Network.load("m.safetensors")


def test_a_file_of_options_is_those_options(tmp_path):
    expected = trained(*OPTIONS)
    (tmp_path / "run.toml").write_text(TOML)
    got = trained("--config", "run.toml")
    assert got.spec == expected.spec
    np.testing.assert_array_equal(got.params, expected.params)


def test_json(tmp_path):
    plain = {
        "data": "houses.csv",
        "target": "price",
        "output": "m.safetensors",
        "no-report": True,
        "epochs": 3,
        "checkpoint": None,
        "training": {"learning_rate": 0.02},
        "model": "plain",
    }
    (tmp_path / "run.JSON").write_text(json.dumps(plain))
    got = trained("--config", "run.JSON")
    expected = trained(*OPTIONS[:6], "--epochs", "3", "--learning-rate", "0.02")
    np.testing.assert_array_equal(got.params, expected.params)


def test_the_former_name_of_a_group(tmp_path):
    """Files may have the table [model] for [network]."""
    expected = trained(*OPTIONS)
    (tmp_path / "run.toml").write_text(TOML.replace("[network]", "[model]"))
    np.testing.assert_array_equal(trained("--config", "run.toml").params, expected.params)


def test_the_command_line_comes_first(tmp_path):
    (tmp_path / "run.toml").write_text(TOML.replace("houses.csv", "nowhere.csv"))
    got = trained("--hidden", "5", "--activation", "relu", "--config", "run.toml", "houses.csv",
                  "--dropout", "0")  # fmt: skip
    assert got.spec.layer_sizes == (1, 5, 2)
    assert got.spec.loss == "quantile"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.toml", "epochs = 0", "run.toml: epochs must be at least 1, got 0"),
        ("run.toml", "epochs = ", "run.toml is no valid TOML: Invalid value (at "),
        ("run.toml", "epoch = 3", "run.toml: unknown option 'epoch'; did you mean 'epochs'?"),
        ("run.toml", "[layers]\nhidden = 3", "run.toml: unknown option 'layers'"),
        (
            "run.toml",
            "hidden = [[3]]",
            "run.toml: each value of hidden must be an integer, got [3]",
        ),
        ("run.toml", "config = 'a.toml'", "run.toml: a configuration file cannot name another"),
        (
            "run.toml",
            "optimizer = {name = 'adam', beta = 1}",
            "run.toml: optimizer adam: unknown setting 'beta'",
        ),
        ("run.json", "[1]", "run.json must hold an object of options, got list"),
        ("run.json", "{", "run.json is no valid JSON: Expecting property name"),
        ("run.toml", "\xff", "run.toml is no valid TOML: 'utf-8' codec"),
        ("run.csv", "a,b", "run.csv is no valid TOML, as JSON needs a name in .json: Expected"),
        ("run.toml", "epochs = 3", "train needs a table"),
        ("run.toml", "data = 'houses.csv'", "train needs --target"),
        ("none.toml", None, "none.toml: No such file"),
    ],
)
def test_refusals(tmp_path, capsys, name, text, message):
    if text is not None:
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    before = sorted(tmp_path.iterdir())
    assert main(["train", "--config", name]) == 2
    output = capsys.readouterr().err
    assert output.startswith(f"ffnn-fast: error: {message}")
    assert output.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
