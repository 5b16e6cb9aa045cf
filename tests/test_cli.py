"""The real command, run as a person would: it learns, predicts the same again, and explains."""

import contextlib
import csv
import importlib.metadata
import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
from importlib.resources import files

import numpy as np
import pytest
from support.processes import output_at_end

from ffnn_fast import Network, __version__
from ffnn_fast.cli import doctor, main
from ffnn_fast.datasets import load_digits

COMMAND = [sys.executable, "-W", "error", "-m", "ffnn_fast"]
PLAIN, TABULAR = ("--model", "plain"), ("--model", "tabular")


def run(*args, cwd):
    """Run the command in this process; returns what it wrote to standard output."""
    out, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        code = main([*map(str, args)])
    out.seek(0)
    shown = out.read()
    assert code == 0, f"{args}\n{shown}\n{errors.getvalue()}"
    assert errors.getvalue() == ""
    return shown


def run_process(*args, cwd, code=0):
    """Run the command as a process; returns what it wrote to standard output."""
    ran = subprocess.run(
        [*COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, f"{args}\n{ran.stdout}\n{ran.stderr}"
    assert code or ran.stderr == ""
    return ran.stdout


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def score(shown, name):
    """The figures of a line of a table that a command showed."""
    line = re.search(rf"^  {re.escape(name)}.*$", shown, re.MULTILINE)[0]
    return [float(figure) for figure in re.findall(r"-?\d+\.\d+(?:e[+-]?\d+)?", line)]


@pytest.fixture
def people(tmp_path):
    """A table of people with numbers, texts, missing values, and whether they are tall."""
    rng = np.random.default_rng(3)
    height = rng.normal(170, 10, 300)
    shoe = height / 4 + rng.normal(0, 0.5, 300)
    rows = [["shoe size", "city", "age", "tall"]]
    for h, s in zip(height, shoe, strict=True):
        city = "Gent, east" if rng.random() < 0.5 else "Århus"
        age = "?" if rng.random() < 0.1 else str(rng.integers(18, 80))
        rows.append([f"{s:.2f}", city, f" {age}", "yes" if h > 170 else "no"])
    write_csv(tmp_path / "people.csv", rows)
    return tmp_path


@pytest.fixture
def prices(tmp_path):
    """A table without a header: two numbers, and a value of thousands that depends on them."""
    rng = np.random.default_rng(4)
    X = rng.uniform(0, 10, (200, 2)).round(3)
    y = (3000 * X[:, 0] - 500 * X[:, 1] + 20_000).round(1)
    write_csv(tmp_path / "prices.csv", [[*row, value] for row, value in zip(X, y, strict=True)])
    return tmp_path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_process("demo", "--out", "out", cwd=folder)


@pytest.mark.slow  # CI runs the same by the README's first command too
def test_demo_beats_its_baselines(demo):
    _, shown = demo
    assert score(shown, "network 64-128-128-10")[0] >= 0.96
    assert score(shown, "network 5-16-1")[0] >= score(shown, "ridge regression")[0] > 0.6
    assert len(re.findall(r"gradient check .* ok$", shown, re.MULTILINE)) == 2
    assert "digits  epoch 40/40  loss" in shown
    timings = re.findall(r"^  1 row a step +([\d.]+) (\w+) +([\d.]+) (\w+) +([\d.]+)", shown, re.M)
    assert len(timings) == 2


def test_demo_fails_where_too_little_was_learnt(capsys):
    assert main(["demo", "--only", "movies", "--epochs", "1"]) == 1
    assert "FAILED: movies: the network does not beat its baseline" in capsys.readouterr().out


def test_demo_leaves_models_that_predict(demo):
    folder, _ = demo
    data = files("ffnn_fast").joinpath("_dataset_files")
    assert {path.name for path in (folder / "out").iterdir()} == {
        *("digits.safetensors", "digits.png", "movies.safetensors", "movies.png")
    }
    digits = load_digits()
    table = np.column_stack([digits.X, digits.y])
    np.savetxt(folder / "digits.csv", table, fmt="%d", delimiter=",")
    (folder / "movies.csv").write_bytes(data.joinpath("fandango_score_comparison.csv").read_bytes())
    run("predict", "out/digits.safetensors", "digits.csv", "-o", "labels.csv", cwd=folder)
    labels = [row[0] for row in read_csv(folder / "labels.csv")[1:]]
    truth = map(str, digits.y)
    assert np.mean([a == b for a, b in zip(labels, truth, strict=True)]) > 0.99
    shown = run("predict", "out/movies.safetensors", "movies.csv", cwd=folder)
    ratings = np.array([float(line) for line in shown.split()[1:]])
    assert ratings.shape == (146,)
    assert 2 < ratings.min() < ratings.max() < 5.5


def test_train_writes_model_and_report(people):
    options = ["--target", "tall", "--epochs", "60", *PLAIN]
    shown = run_process("train", "people.csv", *options, "-o", "tall.safetensors", cwd=people)
    network, baseline = score(shown, "network")[0], score(shown, "most frequent class")[0]
    assert network > 0.85 > baseline
    assert "missing values become the mean" in shown
    assert "2 numeric and 1 categorical columns make 5 inputs" in shown
    assert (people / "tall.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    info = run("info", "tall.safetensors", cwd=people)
    assert f"written by ffnn_fast {__version__}" in info
    assert repr(Network.load(people / "tall.safetensors")) in info
    for fact in ("classes: no, yes", "Gent, east, Århus", "missing marked", "rows 204", "NA, NaN"):
        assert fact in info, info


def test_predict_from_raw_rows(people):
    options = ["--target", "-1", "--no-report", "--epochs", "5", "--seed", "7", *PLAIN]
    run("train", "people.csv", *options, "-o", "m.safetensors", cwd=people)
    shown = run_process("predict", "m.safetensors", "people.csv", cwd=people)
    rows = read_csv(people / "people.csv")
    shuffled = [[row[2], "extra", row[1], row[0]] for row in rows]  # no target, another order
    write_csv(people / "new.csv", shuffled)
    output = run("predict", "m.safetensors", "new.csv", "-o", "out.csv", cwd=people)
    assert output == "300 predictions of tall in out.csv\n"
    assert (people / "out.csv").read_text("utf-8") == shown
    run("predict", "m.safetensors", "new.csv", "--proba", "-o", "p.csv", cwd=people)
    names, *values = read_csv(people / "p.csv")
    probability = np.array(values, dtype=float)
    assert names == ["no", "yes"]
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)
    assert [names[i] for i in probability.argmax(axis=1)] == shown.split()[1:]


def test_the_reported_score_is_that_of_the_predictions(prices):
    options = ["--target", "3", "--test-fraction", "0", "--validation-fraction", "0"]
    options += ["--dtype", "float64", "--epochs", "60"]
    outputs = ["-o", "m.safetensors", "--report", "curve.png"]
    shown = run("train", "prices.csv", *options, *outputs, cwd=prices)
    assert "on the 200 training rows" in shown
    r2, rmse, _ = score(shown, "network")
    assert r2 > 0.99
    truth = np.array([float(row[2]) for row in read_csv(prices / "prices.csv")])
    predicted = run("predict", "m.safetensors", "prices.csv", cwd=prices).split()
    assert predicted[0] == "3"
    error = np.array(predicted[1:], dtype=float) - truth
    assert rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert {path.name for path in prices.iterdir()} == {"prices.csv", "m.safetensors", "curve.png"}
    without = [row[:2] for row in read_csv(prices / "prices.csv")]
    write_csv(prices / "new.csv", without)
    assert run("predict", "m.safetensors", "new.csv", cwd=prices).split() == predicted


@pytest.mark.parametrize(
    ("loss", "network_says"),
    [("binary_cross_entropy", "logistic"), ("squared_error", "softmax")],
)
def test_losses(people, loss, network_says, capsys, monkeypatch):
    monkeypatch.chdir(people)
    options = ["--target", "tall", "--no-report", "--epochs", "30", "--loss", loss]
    assert main(["train", "people.csv", *options, "-o", "m.safetensors"]) == 0
    shown = capsys.readouterr().out
    assert network_says in shown
    assert score(shown, "network")[0] > 0.8
    assert main(["predict", "m.safetensors", "people.csv", "--proba", "-o", "p.csv"]) == 0
    assert np.array(read_csv("p.csv")[1:], dtype=float).shape == (300, 2)


def test_california_housing(shared_data, tmp_path):
    data = shared_data / "california-housing" / "housing.csv"
    options = ["--target", "median_house_value", "--epochs", "4", "--no-report", *PLAIN]
    shown = run("train", data, *options, "-o", "m.safetensors", cwd=tmp_path)
    assert score(shown, "network")[0] > score(shown, "linear model")[0] > 0.6
    predicted = run("predict", "m.safetensors", data, cwd=tmp_path).split()[1:]
    truth = np.array([float(row[8]) for row in read_csv(data)[1:]])
    error = np.array(predicted, dtype=float) - truth
    assert 1 - (error**2).mean() / truth.var() > 0.7


@pytest.mark.slow
def test_adult(shared_data, tmp_path):
    data = shared_data / "adult"
    options = ["--target", "15", "--epochs", "4", "--hidden", "32", "--no-report"]
    shown = run("train", data / "adult-train.csv", *options, "-o", "m.safetensors", cwd=tmp_path)
    assert "6 numeric and 8 categorical columns" in shown
    predicted = run("predict", "m.safetensors", data / "adult-test.csv", cwd=tmp_path).split()[1:]
    rows = [row for row in read_csv(data / "adult-test.csv") if len(row) == 15]
    truth = [row[14].strip().rstrip(".") for row in rows]
    assert np.mean([a == b for a, b in zip(predicted, truth, strict=True)]) > 0.83


def test_doctor(tmp_path):
    shown = run_process("doctor", cwd=tmp_path)
    for fact in (__version__, "ISA level", "BLAS", "threads", "CPU features", "pyarrow"):
        assert fact in shown
    assert re.search(r"compiled against reference engine: .* ok$", shown, re.MULTILINE)


def test_doctor_names_the_extra_of_what_is_not_installed(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert doctor._version("onnx", "onnx") == 'not installed: pip install "ffnn_fast[onnx]"'


def test_help_and_version(capsys):
    for args in (["--help"], *([name, "--help"] for name in ("demo", "train", "predict", "info"))):
        with pytest.raises(SystemExit, match="0"):
            main(args)
        assert "usage: ffnn-fast" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"ffnn_fast {__version__}\n"


def test_a_bar_on_a_terminal(prices):
    ours, theirs = pty.openpty()
    options = ["--target", "3", "--epochs", "30", "--no-report", "-o", "m.safetensors", *PLAIN]
    command = [*COMMAND, "train", "prices.csv", *options]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    ran = subprocess.Popen(command, cwd=prices, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # how Linux says that the other side has closed
        pass
    os.close(ours)
    assert ran.wait() == 0
    assert "30/30" in shown.decode()
    assert "training: 100%|" in shown.decode()
    assert "held-out" in shown.decode()


@pytest.mark.parametrize("model", [PLAIN, TABULAR], ids=["plain", "tabular"])
def test_interrupt(people, model):
    options = ["--target", "tall", "--epochs", "1000000", "-o", "m.safetensors", *model]
    command = [*COMMAND, "train", "people.csv", *options]
    ran = subprocess.Popen(
        command, cwd=people, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ran.stdout.readline()
    ran.send_signal(signal.SIGINT)
    _, output = output_at_end(ran)
    assert (ran.returncode, output) == (130, "ffnn-fast: error: interrupted\n")
    assert [path.name for path in people.iterdir()] == ["people.csv"]


def test_interrupt_and_finish(people):
    options = ["--target", "tall", "--epochs", "1000000", "-o", "m.safetensors", "--no-report"]
    options += ["--schedule", "constant"]
    command = [*COMMAND, "train", "people.csv", *options, "--finish-on-interrupt", "--log", "l.csv"]
    ran = subprocess.Popen(command, cwd=people, stdout=subprocess.PIPE, text=True)
    log = people / "l.csv"
    while not (log.exists() and log.read_text().count("\n") > 2):  # under way
        assert ran.poll() is None
        time.sleep(0.02)
    ran.send_signal(signal.SIGINT)
    shown, _ = output_at_end(ran)
    assert ran.returncode == 0
    assert "; interrupted" in shown
    assert score(shown, "network")[0] > 0.8
    assert (people / "m.safetensors").exists()


def test_a_reader_that_goes_away(people):
    run(
        "train",
        "people.csv",
        "--target",
        "4",
        "-o",
        "m.st",
        "--no-report",
        "--epochs",
        "1",
        *PLAIN,
        cwd=people,
    )
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "predict", "m.st", "people.csv"]
    ran = subprocess.run(
        command, cwd=people, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, "")
