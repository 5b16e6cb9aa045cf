"""Names of other libraries, options given twice, and hints that can be run as they are printed."""

import re
import shlex

import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.training.fitting import _in_words


@pytest.mark.parametrize("given", ["size in\nm", "size in m", " size  in m"])
def test_names_with_line_breaks(tmp_path, monkeypatch, capsys, given):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i * i % 13},{i * 7 % 5},{i % 6 + 0.5}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f'"a\nb","size in\nm","y\nz"\n{rows}')
    command = ["train", "t.csv", "--model", "plain", "--epochs", "1", "--no-report", "-o", "m"]
    assert main([*command, "--target", "y z", "--drop", given]) == 0
    shown = capsys.readouterr().out
    assert "\n  a b        number\n  size in m  left out  --drop\n" in shown
    assert main(["predict", "m", "t.csv"]) == 0
    assert capsys.readouterr().out.startswith('"y\nz"\n')


def options_of(*given):
    return parse(["train", "t.csv", "--target", "y", *given])[1]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *(("mse", "squared_error"), ("MAE", "absolute"), ("ce", "cross_entropy")),
        *(("BCE", "binary_cross_entropy"), ("mean_squared_error", "squared_error")),
    ],
)
def test_losses(given, meant):
    assert options_of("--loss", given).network.loss.name == meant


def test_activations_and_optimizers():
    found = options_of("--activation", "ReLU,swish", "--optimizer", "nag:momentum=0.8")
    assert found.network.activation == ("relu", "silu")
    assert found.training.optimizer.name == "nesterov"
    assert options_of("--optimizer", "Adam").training.optimizer.name == "adam"
    assert options_of("--solver", "lbfgs").training.solver.name == "l_bfgs_b"


def test_names_of_course_agree_with_train():
    found = parse(["course", "-o", "nesterov", "-l", "mse", "-a", "relu"])[1]
    assert (found.training.optimizer, found.network.loss) == ("nag", "mean_squared_error")
    assert found.network.activation == "ReLU"
    assert parse(["course", "-a", "logistic"])[1].network.activation == "sigmoid"


def test_misprints_are_not_taken():
    with pytest.raises(CommandError, match="did you mean 'adam'"):
        options_of("--optimizer", "adan")


@pytest.mark.parametrize(
    "given",
    [
        ["--epochs", "3", "--epochs", "4"],
        ["-o", "a", "--output", "b"],
        ["--weights", "a", "--weights", "b"],
        ["--config", "a.toml", "--config", "b.toml"],
    ],
)
def test_single_values_given_twice(given):
    with pytest.raises(CommandError, match="takes one"):
        options_of(*given)


def test_lists_and_switches_may_be_repeated():
    found = options_of("--drop", "a", "--drop", '"b,c"', "--strict", "--strict")
    assert (found.columns.drop, found.columns.strict) == (("a", "b,c"), True)
    weights = options_of("--class-weight", '"a,b=2"', "--class-weight", "c=3").columns.class_weight
    assert weights == {"a,b": 2.0, "c": 3.0}
    with pytest.raises(CommandError, match="got both"):
        options_of("--class-weight", "balanced", "--class-weight", "c=3")


def test_help_marks_what_is_required(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "the column to predict, required without --start" in shown


def test_reasons_of_scipy_are_words():
    assert _in_words("STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT").startswith("the maximum")
    assert _in_words("CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL").startswith("converged")
    assert _in_words("another reason") == "another reason"


CASES = {  # a table, and options of train
    "strict words": ("a,b c,y\n1,2,3.5\n2,odd,4\n3,4,5.5\n4,5,6\n5,6,7\n", ["--strict"]),
    "strict target": ("a,y\n1,1.5\n2,\n3,2.5\n4,3.5\n5,0.5\n", ["--strict"]),
    "many words": (
        'k,"x,y",y\n' + "".join(f"{i % 4},{i if i % 3 else f'w{i}'},{i}.5\n" for i in range(40)),
        [],
    ),
    "no names": ("".join(f"{i * 7 % 40},{i % 7},{i}.5\n" for i in range(40)), []),
    "names": ("a,b,Y z\n1,2,3.5\n2,3,4\n3,4,5.5\n4,5,6\n5,6,7.5\n", ["--drop", "B"]),
}
HINT = re.compile(r"(--[a-z-]+(?: (?:'[^']*'|\"[^\"]*\"|[^\s,;:)]+(?:,[^\s;:)]+)*))?)")


@pytest.mark.parametrize("case", CASES)
def test_every_hint_of_a_refusal_runs(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, given = CASES[case]
    (tmp_path / "t.csv").write_text(text)
    target = "Y z" if "Y z" in text else "y"
    command = ["train", "t.csv", "--target", target, "--no-report", "-o", "M", *given]
    command += ["--model", "plain", "--hidden", "none", "--epochs", "1"]
    assert main(command) == 2
    message = capsys.readouterr().err
    if meant := re.search(r"did you mean '([^']*)'", message):
        hints = [["--drop", meant.group(1)]]
        command = [one for one in command if one not in ("--drop", "B")]
    else:
        hints = [shlex.split(one) for one in HINT.findall(message)]
        hints = [hint[:1] if hint[0] == "--drop-missing-target" else hint for hint in hints]
    if case == "no names":  # --header yes is for a first line that has names
        hints = [hint for hint in hints if hint[0] == "--target" and len(hint) == 2]
        command = [one for one in command if one not in ("--target", "y")]
    assert hints
    for hint in hints:
        assert main([*command, *hint]) == 0, (hint, capsys.readouterr().err)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_table_in_place_of_the_model(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{i * 0.5}\n" for i in range(9)))
    assert main([command, "t.csv", "M"]) == 2
    message = capsys.readouterr().err
    assert "t.csv is no model file, as ffnn-fast train writes it; the model is the first" in message
