"""Bad input ends in one line that says what to do, exit code 2, and no file."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from support.refusals import CLASSES, GOOD, refused, train

from ffnn_fast import Network
from ffnn_fast.cli import main
from ffnn_fast.cli.arguments.name_lists import join_names
from ffnn_fast.cli.table import DEFAULT_MISSING
from ffnn_fast.cli.table_preprocessing import KEY, TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

__all__ = ["refused"]  # a fixture


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,y\n1,2,3\n4,5\n", "line 3: 2 fields where line 1 has 3"),
        ("a,b,y\n1,2,3\n\n4,5,6,7\n", "line 4: 4 fields where line 1 has 3"),
        ('a,b,y\n"1\n2",2,3\n4,5\n', "line 4: 2 fields"),
        ('a,y\n1,2\n3,"4\n5,6\n', "line 3: the row does not end; is a double quote not closed?"),
        (f"a,y\n1,2\n{'3' * 200_000},4\n", "line 3: field larger than field limit (131072)"),
        ("", "data.csv is empty"),
        (" \n\n", "data.csv is empty"),
        ("a,b,y\n", "a header but no rows"),
        ("a\n1\n2\n", "has only one column"),
        ("a,y\n1,1.5\ninf,2\n3,4\n", "line 3, column 'a': 'inf' is not finite"),
        ("a,y\n1,1.5\n2,2\ngone,4\n", "line 4, column 'a': 'gone' is not a number; if it marks a "
         f"missing value, use --missing '{join_names([*DEFAULT_MISSING, 'gone'])}'"),
        ("a,y\n1,1.5\n2,-Infinity\n3,4\n", "line 3, column 'y': '-Infinity' is not finite"),
        ("a,y\n1,1.5\n2,1e999\n3,4\n", "line 3, column 'y': '1e999' is not finite"),
        ("a,y\n1,1.5\n2,3\nx y,4\n", "line 4, column 'a': 'x y' is not a number"),
        ("a,y\n1,1.5\n2, ?\n3,4\n", "line 3: the target is missing (1 such rows)"),
        ("a,y\n1,u\n2,u\n3,u\n", "target 'y' has one class only (u)"),
        ("a,y\n1,7.5\n2,7.5\n3,7.5\n", "target 'y' has one value only (7.5)"),
        ("a,y\n5,1\n5,2.5\n5,3\n", "no input column is left (a: constant (5))"),
        ("a,y\n5,1\n", "no input column is left (a: constant (5))"),
        ("a,x\n1,2\n3,4\n", "no column 'y'; its columns: a, x"),
        ("1,2\n3,4\n", "no column 'y'; its columns: 1, 2"),
        ("y,x\n" + "".join(f"n{i},{i}\n" for i in range(30)), "30 classes in 30 rows"),
        ("x,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(30)), "leave it out with --drop x"),
        ("a,y\n1,2\0\n", "NUL bytes"),
    ],
)  # fmt: skip
def test_tables(refused, tmp_path, content, message):
    (tmp_path / "data.csv").write_bytes(content.encode("latin-1"))
    assert message in refused(*train("--strict"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--epochs", "1.5"], "--epochs must be an integer, got '1.5'"),
        (["--batch-size", "x"], "--batch-size must be an integer, got 'x' (or the word all)"),
        (["--learning-rate", "0"], "--learning-rate must be a finite number > 0, got 0"),
        (["--learning-rate", "nan"], "--learning-rate must be a finite number > 0, got nan"),
        (["--learning-rate", "1e9"], "try a smaller --learning-rate"),
        (["--l2", "-1"], "--l2 must be a finite number >= 0, got -1"),
        (["--hidden", "8,0"], "each value of --hidden must be at least 1, got 0"),
        (
            ["--hidden", "8,x"],
            "must be an integer, got 'x' (or the word none)",
        ),
        (["--activation", "swirl"], "--activation must be one of identity, logistic"),
        (["--activation", "relu,relu,relu"], "one activation per hidden layer (2), got 3"),
        (["--dropout", "1"], "--dropout must be in [0, 1), got 1"),
        (["--dropout", "0.1,0.1"], "one dropout rate for each of h_0 to h_2 (3), got 2"),
        (["--initializer", "best"], "--initializer must be one of auto, glorot_uniform"),
        (["--optimizer", "best"], "--optimizer must be one of sgd, momentum"),
        (
            ["--optimizer", "adam:beta=1"],
            "unknown setting 'beta'; its settings: beta_1, beta_2",
        ),
        (["--optimizer", "adam:beta_1=2"], "beta_1 must be in [0, 1), got 2"),
        (["--optimizer", "sgd:x=1"], "--optimizer sgd: unknown setting 'x'; it has none"),
        (
            ["--warm-up", "0.1"],
            "--warm-up (a number of steps) must be an integer, got '0.1'; a share of the fit is "
            "written 0.1:per=fit",
        ),
        (
            ["--warm-up", "20:per=fit"],
            "--warm-up (a share of the fit) must be in (0, 1], got 20",
        ),
        (["--schedule", "one-cycle:per=fit,total=2"], "total, a share of the fit, must be in"),
        (["--schedule", "step:every=0"], "every must be at least 1, got 0"),
        (
            ["--schedule", "step:every=often"],
            "step: every must be a number, got 'often'",
        ),
        (["--warm-up", "0"], "--warm-up (a number of steps) must be at least 1, got 0"),
        (
            ["--early-stopping", "soon"],
            "(a number of epochs) must be an integer, got 'soon'",
        ),
        (["--early-stopping", "5", "--validation-fraction", "0"], "need validation rows"),
        (["--validation-fraction", "0.001"], "--validation-fraction 0.001 of"),
        (["--test-fraction", "0.001"], "--test-fraction 0.001 of"),
        (["--early-stopping", "5:monitor=3"], "monitor must be the name of a figure, got 3"),
        (["--early-stopping", "5:monitor=val_f1"], "'val_f1' is not recorded"),
        (["--averaging", "ema:decay=2"], "decay must be in (0, 1), got 2"),
        (["--frozen", "9"], "the network has layers 1 to 3, got [9] in frozen"),
        (["--clip-norm", "0"], "--clip-norm must be a finite number > 0, got 0"),
        (["--max-time", "0"], "--max-time must be a finite number > 0, got 0"),
        (["--metrics", "auc"], "--metrics: a metric must be one of accuracy"),
        (["--loss", "huber:delta=-1"], "delta must be a number in [1e-06, 1e+06], got -1"),
        (["--loss", "hinge"], "for classification, but 'y' has values"),
        (
            ["--class-weight", "balanced"],
            "is for classification, but 'y' has values",
        ),
        (
            ["--class-weight", "heavy"],
            "must be balanced, or weights of classes such as",
        ),
        (["--weights", "z"], "no column 'z'"),
        (["--weights", "b"], "column 'b': 'u' is not a number"),
        (["--solver", "newton"], "--solver must be one of levenberg_marquardt"),
        (
            ["--solver", "bfgs", "--batch-size", "3"],
            "--batch-size is for training by steps",
        ),
        (["--solver", "bfgs:speed=3"], "Unknown solver options: speed"),
        (["--solver", "levenberg_marquardt", "--loss", "huber"], "needs a regression network with"),
        (["--log", "run.txt"], "--log must end in .csv or .jsonl, got run.txt"),
        (["--resume"], "--resume needs a --checkpoint"),
        (["--checkpoint-every", "3"], "--checkpoint-every needs a --checkpoint"),
        (
            ["--checkpoint-every", "0s"],
            "the seconds of --checkpoint-every must be",
        ),
        (["--checkpoint", "no/run.ckpt"], "there is no folder no"),
        (["--test", "none.csv"], "none.csv: No such file"),
        (["--test", "data.csv", "--report", "data.csv"], "must end in .html or .png"),
        (["--start", "none.safetensors"], "none.safetensors: No such file"),
        (["--threads", "0"], "--threads must be at least 1, got 0"),
        (["--dtype", "float16"], "--dtype must be one of float32, float64; got 'float16'"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--test-fraction", "1"], "--test-fraction must be in [0, 1), got 1"),
        (["--delimiter", "ab"], "--delimiter must be one character or 'tab'"),
        (["--delimiter", ";"], "has only one column"),
        (["--loss", "cross_entropy"], "for classification, but 'y' has values"),
        (["--task", "classification"], "40 classes in 40 rows"),
        (["--drop", "z"], "no column 'z'; its columns: a, b, y"),
        (["--drop", "y"], "--drop names the target"),
        (["--drop", "a,b"], "no input column is left"),
        (["--categorical", "z"], "no column 'z'"),
        (["--header", "no"], "no column 'y'; its columns: 1, 2, 3"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--epoch", "3"], "unrecognized arguments: --epoch 3; did you mean '--epochs'?"),
        (["--report", "p.png", "--no-report"], "contradict each other"),
        (["--report", "p.gif"], "a report must end in .html or .png, got p.gif"),
        (["-o", "m.html"], "-o m.html is the name of the report, too; choose another, or give --r"),
        (["-o", "no/m.safetensors"], "no/m.safetensors: there is no folder no"),
        (["-o", "."], "not a regular file"),
        (["-o", os.devnull], "not a regular file"),
        (["-o", "data.csv"], "the command needs that file"),
    ],
)
def test_options(refused, tmp_path, options, message):
    (tmp_path / "data.csv").write_text(GOOD)
    assert message in refused(*train(*options))


def test_loss_for_two_classes(refused, tmp_path):
    (tmp_path / "data.csv").write_text(CLASSES.replace("4,u", "4,w"))
    assert "needs two classes, but 'y' has 3" in refused(*train("--loss", "binary_cross_entropy"))


def test_usage(refused, tmp_path):
    assert "COMMAND" in refused()
    assert "invalid choice: 'fly'" in refused("fly")
    assert "--target" in refused("train", "data.csv", "-o", "m.safetensors")
    assert "data.csv: No such file" in refused(*train())
    (tmp_path / "data.csv").mkdir()
    assert "data.csv: Is a directory" in refused(*train())
    assert "--only must be one of digits, movies; got 'cats'" in refused("demo", "--only", "cats")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(refused, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "permission denied" in refused(*train("-o", "closed/m.safetensors"))


def test_without_matplotlib(refused, tmp_path, monkeypatch, capsys):
    (tmp_path / "data.csv").write_text(GOOD)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "a report needs matplotlib" in refused(*train("--report", "p.png"))
    assert "matplotlib" in refused("demo", "--out", ".")
    assert main(train("--epochs", "2")) == 0
    assert "note: no report without matplotlib" in capsys.readouterr().out
    assert not (tmp_path / "m.html").exists()


def test_what_is_unexpected(refused, tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text(GOOD)

    def fail(*args, **kwargs):
        raise RuntimeError("two\nlines")

    def run_out(*args, **kwargs):
        raise MemoryError("of 3 TiB")

    monkeypatch.setattr(Network, "fit", run_out)
    assert "not enough memory: of 3 TiB" in refused(*train(), code=1)
    monkeypatch.setattr(Network, "fit", fail)
    assert "unexpected RuntimeError: two lines; run again" in refused(*train(), code=1)
    with pytest.raises(RuntimeError):
        main(["--debug", *train()])


@pytest.fixture
def model(tmp_path):
    """A function that saves a classifier of a number and a word; returns its preprocessing."""
    inputs = TableEncoder((NumericColumn("a", 1.0, 2.0), CategoricalColumn("b", ("u", "v"))))
    target = TargetEncoder("y", "classification", ("no", "yes"))
    preprocessing = TablePreprocessing(
        True, ("a", "b", "y"), ("NA",), inputs, TargetEncoders.of(target)
    )
    net = Network([3, 4, 2], seed=0)

    def save(extra=None):
        text = preprocessing.to_json() if extra is None else extra
        net.save(tmp_path / "m.safetensors", extra={KEY: text} if text else None)
        return json.loads(preprocessing.to_json())

    return save


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,y\n1,no\n", "lacks the column b; it has: a, y"),
        ("a,b,y\n1,u,no\nx,u,no\n", "line 3, column 'a': 'x' is not a number"),
        ("a,b,y\n1,u,no\n1e300,u,no\n", "line 3: the value of 'a' is too far"),
        ("a,b,y\n1,u\n", "line 2: 2 fields"),
        ("a,b,y\n", "no rows"),
    ],
)
def test_rows_to_predict(refused, tmp_path, model, content, message):
    model()
    (tmp_path / "data.csv").write_text(content)
    assert message in refused("predict", "m.safetensors", "data.csv", "-o", "out.csv")


def test_unknown_columns_and_levels_are_no_error(tmp_path, model, capsys):
    model()
    (tmp_path / "data.csv").write_text("c,b,a\n9,w,NA\n")
    assert main(["predict", f"{tmp_path}/m.safetensors", f"{tmp_path}/data.csv"]) == 0
    assert capsys.readouterr().out in ("y\nno\n", "y\nyes\n")


def test_columns_by_position(refused, tmp_path, model):
    model()
    (tmp_path / "data.csv").write_text("1,u,no,7\n")
    message = refused("predict", "m.safetensors", "data.csv", "--header", "no")
    assert "has 4 columns; without column names, the model expects the 3 columns" in message


def forged(plain, path, value):
    """`plain` with the entry at `path` replaced."""
    *way, last = path
    place = plain
    for step in way:
        place = place[step]
    place[last] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 2),
        (["header"], "yes"),
        (["columns"], ["a", 3]),
        (["columns"], ["a", "b"]),
        (["missing"], "NA"),
        (["summary"], []),
        (["more"], 1),
        (["inputs", "columns"], []),
        (["inputs", "columns", 0, "scale"], float("nan")),
        (["inputs", "columns", 0, "marks_missing"], True),
        (["inputs", "columns", 1, "levels"], ["u", "u"]),
        (["target", "classes"], ["no", "yes", "maybe"]),
        (["target", "task"], "regression"),
    ],
)
def test_forged_preprocessing(refused, tmp_path, model, path, value):
    model(extra=forged(model(), path, value))
    (tmp_path / "data.csv").write_text("a,b\n1,u\n")
    for command in (["info", "m.safetensors"], ["predict", "m.safetensors", "data.csv"]):
        assert "has a bad 'preprocessing' entry" in refused(*command)


def test_preprocessing_of_one_target_beside_several_heads(refused, tmp_path, model):
    preprocessing = forged(model(), ["target", "classes"], ["no", "yes", "maybe", "never"])
    Network([3, 4, 4], heads=(2, 2), seed=0).save(
        tmp_path / "m.safetensors", extra={KEY: preprocessing}
    )
    assert "4 outputs (classification) in 2 heads" in refused("info", "m.safetensors")


@pytest.mark.parametrize("extra", ["{", "[]", "3", "[" * 100_000])
def test_preprocessing_that_is_none(refused, model, extra):
    model(extra=extra)
    assert "has a bad 'preprocessing' entry" in refused("info", "m.safetensors")


def test_models_without_preprocessing(refused, tmp_path, model, capsys):
    model(extra="")
    (tmp_path / "data.csv").write_text("a,b\n1,u\n")
    assert "use Network.load" in refused("predict", "m.safetensors", "data.csv")
    assert main(["info", "m.safetensors"]) == 0
    assert "no preprocessing" in capsys.readouterr().out


def test_damaged_models(refused, tmp_path, model):
    model()
    whole = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "data.csv").write_text("a,b\n1,u\n")
    for part in (whole[:-5], whole[:100], b"", b"a,b\n1,2\n"):
        (tmp_path / "m.safetensors").write_bytes(part)
        assert "not a complete safetensors file" in refused("info", "m.safetensors")
        assert "not a complete safetensors file" in refused("predict", "m.safetensors", "data.csv")
    assert "m2.safetensors: No such file" in refused("info", "m2.safetensors")


def test_regressors_have_no_probabilities(refused, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    assert main(train("--epochs", "1", "--no-report")) == 0
    assert "--proba is for classes" in refused("predict", "m.safetensors", "data.csv", "--proba")
    message = refused("predict", "m.safetensors", "data.csv", "-o", "data.csv")
    assert "the command needs that file" in message


def test_one_line_from_the_real_command(tmp_path):
    (tmp_path / "data.csv").write_text("a,y\n1,2\n3\n")
    command = [sys.executable, "-m", "ffnn_fast", *train()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("ffnn-fast: error: data.csv, line 3: 1 field")
    assert np.array_equal(os.listdir(tmp_path), ["data.csv"])


def test_a_file_that_may_not_be_written(refused, tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text(GOOD)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    message = refused(*train("-o", "m.safetensors"))
    assert "cannot write m.safetensors: permission denied" in message
