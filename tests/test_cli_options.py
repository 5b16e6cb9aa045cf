"""Options are one object for each command, which the command line, TOML and JSON fill alike."""

import dataclasses
import json
import math

import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.arguments import value_types as types
from ffnn_fast.cli.arguments.config_files import read_config
from ffnn_fast.cli.arguments.declaration import all_declarations, build, groups, values_of
from ffnn_fast.cli.arguments.name_lists import join_names, split_names
from ffnn_fast.cli.arguments.named_settings import Choice, Count
from ffnn_fast.cli.command_line import COMMANDS, load_command, parse
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.training.train_options import TrainOptions

TRUE = ([], True, True)  # words on the command line, the value in a file, the option's value
EXAMPLES = {  # of every option of train
    "data": (["houses.csv"], "houses.csv", "houses.csv"),
    "target": (["price, net"], "price, net", ("price, net",)),
    "output": (["m.safetensors"], "m.safetensors", "m.safetensors"),
    "model": (["plain"], "plain", "plain"),
    "header": (["yes"], "yes", "yes"),
    "delimiter": ([";"], ";", ";"),
    "encoding": (["cp1252"], "cp1252", "cp1252"),
    "sheet": (["Sheet 2"], "Sheet 2", "Sheet 2"),
    "decimal": ([","], ",", ","),
    "thousands": (["none"], "none", "none"),
    "missing": (["none,'-'"], ["none", "'-'"], ("none", "'-'")),
    "drop_missing_target": TRUE,
    "task": (["regression"], "regression", "regression"),
    "categorical": (['"a,b",c'], ["a,b", "c"], ("a,b", "c")),
    "drop": (["2,x"], [2, "x"], ("2", "x")),
    "use": (['"a,b",id'], ["a,b", "id"], ("a,b", "id")),
    "day_first": TRUE,
    "strict": TRUE,
    "weights": (["-1"], -1, "-1"),
    "class_weight": (['yes=2,"a,b=0.5"'], {"yes": 2, "a,b": 0.5}, {"yes": 2.0, "a,b": 0.5}),
    "test": (["test.csv"], "test.csv", "test.csv"),
    "test_fraction": (["0.25"], 0.25, 0.25),
    "validation_fraction": (["0"], 0, 0.0),
    "cv": (["5"], 5, 5),
    "preset": (["fast"], "fast", "fast"),
    "networks": (["2"], 2, 2),
    "hidden": (["8,4"], [8, 4], (8, 4)),
    "activation": (["relu,tanh"], ["relu", "tanh"], ("relu", "tanh")),
    "output_activation": (["exp"], "exp", "exp"),
    "loss": (
        ["quantile:quantiles=0.1/0.9"],
        {"name": "quantile", "quantiles": [0.1, 0.9]},
        Choice("quantile", {"quantiles": (0.1, 0.9)}),
    ),
    "dropout": (["0.1,0,0.5"], [0.1, 0, 0.5], (0.1, 0.0, 0.5)),
    "l2": (["1"], 1, 1.0),
    "l1": (["0.5,0"], [0.5, 0], (0.5, 0.0)),
    "initializer": (["zeros"], "zeros", "zeros"),
    "dtype": (["float64"], "float64", "float64"),
    "start": (["a.safetensors"], "a.safetensors", "a.safetensors"),
    "epochs": (["7"], 7, 7),
    "batch_size": (["ALL"], "all", "all"),
    "optimizer": (
        ["adam:beta-1=0.8,epsilon=1e-6"],
        {"name": "adam", "beta_1": 0.8, "epsilon": 1e-6},
        Choice("adam", {"beta_1": 0.8, "epsilon": 1e-6}),
    ),
    "learning_rate": (["1"], 1, 1.0),
    "schedule": (["one-cycle"], "one-cycle", Choice("one_cycle")),
    "warm_up": (["5:start=0.5"], {"steps": 5, "start": 0.5}, Count(5, {"start": 0.5})),
    "solver": (
        ["l-bfgs-b:maxcor=5"],
        {"name": "l-bfgs-b", "maxcor": 5},
        Choice("l_bfgs_b", {"maxcor": 5}),
    ),
    "clip_value": (["2"], 2, 2.0),
    "clip_norm": (["0.5"], 0.5, 0.5),
    "max_norm": (["3"], 3.0, 3.0),
    "averaging": (["ema:decay=0.9"], "ema:decay=0.9", Choice("ema", {"decay": 0.9})),
    "frozen": (["1,2"], [1, 2], (1, 2)),
    "no_shuffle": TRUE,
    "seed": (["3"], 3, 3),
    "early_stopping": (
        ["4:restore_best=false,monitor=loss"],
        {"epochs": 4, "restore_best": False, "monitor": "loss"},
        Count(4, {"restore_best": False, "monitor": "loss"}),
    ),
    "tol": (["1e-3"], 1e-3, 1e-3),
    "max_time": (["2m"], "120s", 120.0),
    "checkpoint": (["run.ckpt"], "run.ckpt", "run.ckpt"),
    "checkpoint_every": (["60s"], "60s", types.CheckpointInterval(None, 60.0)),
    "resume": TRUE,
    "finish_on_interrupt": TRUE,
    "report": (["r.html"], "r.html", "r.html"),
    "no_report": TRUE,
    "baseline": (["linear,hgb"], ["linear", "hgb"], ("linear", "hgb")),
    "metrics": (["r2,mae"], ["r2", "mae"], ("r2", "mae")),
    "log": (["log.csv"], "log.csv", "log.csv"),
    "tensorboard": (["board"], "board", "board"),
    "diagnostics": TRUE,
    "time_column": (["day"], "day", "day"),
    "group_column": (["2"], 2, "2"),
    "threads": (["2"], 2, 2),
    "engine": (["reference"], "reference", "reference"),
    "matmul": (["blas"], "blas", "blas"),
}
DECLARED = all_declarations(TrainOptions)


def words(name):
    """An example as it is typed."""
    given, _, _ = EXAMPLES[name]
    return given if DECLARED[name].positional else [f"--{name.replace('_', '-')}", *given]


def toml(value):
    """A value as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {toml(v)}' for key, v in value.items())}}}"
    return json.dumps(value)


def from_file(tmp_path, text, suffix="toml"):
    """The options of train from a file with this text alone."""
    path = tmp_path / f"run.{suffix}"
    path.write_text(text)
    return parse(["train", "--config", str(path)])[1]


def test_every_option_has_an_example():
    assert EXAMPLES.keys() == DECLARED.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_command_line_toml_and_json_give_the_same_object(tmp_path, name):
    _, value, expected = EXAMPLES[name]
    _, typed = parse(["train", *words(name)])
    assert typed == build(TrainOptions, {name: expected})
    got = values_of(typed)[name]
    assert repr(got) == repr(expected)  # 1 is not 1.0
    if name not in ("header", "missing"):
        assert typed != TrainOptions()
    assert from_file(tmp_path, f"{name} = {toml(value)}") == typed
    assert from_file(tmp_path, f"{name.replace('_', '-')} = {toml(value)}") == typed
    assert from_file(tmp_path, json.dumps({name: value}), "json") == typed


def test_all_options_at_once(tmp_path):
    """In the tables of their groups, from a file; and one after the other on the command line."""
    arguments = [word for name in EXAMPLES for word in words(name)]
    _, typed = parse(["train", *arguments])
    sections = {"": {f.name for f in dataclasses.fields(TrainOptions)} & EXAMPLES.keys()}
    sections |= {name: all_declarations(kind) for name, kind in groups(TrainOptions).items()}
    lines = []
    for section, names in sections.items():
        lines += [f"[{section}]"] if section else []
        lines += [f"{name} = {toml(EXAMPLES[name][1])}" for name in names]
    assert from_file(tmp_path, "\n".join(lines)) == typed
    assert values_of(typed) == {name: value for name, (_, _, value) in EXAMPLES.items()}


def test_no_group_has_the_name_of_an_option():
    """Else a file could not hold both."""
    assert not groups(TrainOptions).keys() & DECLARED.keys()


def test_the_command_line_overrides_a_file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('epochs = 5\ndrop = ["a", "b"]\nhidden = [3]\n[training]\nseed = 7\n')
    _, options = parse(["train", "--drop", "c", "--config", str(path), "--seed", "1"])
    assert options == build(TrainOptions, {"epochs": 5, "drop": ("c",), "hidden": (3,), "seed": 1})


def test_options_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainOptions().training.seed = 1


def test_names_with_commas():
    for given in (["--drop", '"a,b", c'], ["--drop", '"a,b"', "--drop", "c"]):
        assert parse(["train", *given])[1].columns.drop == ("a,b", "c")
    names = ["a,b", 'say "x"', "c d", "in two\nlines", "in\r\ntwo"]
    assert split_names(join_names(names)) == names
    assert split_names("in two\nlines, c") == ["in two\nlines", "c"]
    assert split_names("") == split_names(" , ") == []


def test_a_column_whose_name_holds_a_comma(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i * 7 % 40},{i % 7},{3 * i}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(['a,"b,c","y,z"', *rows]))
    (tmp_path / "run.toml").write_text('drop = ["b,c"]')
    common = ["train", "t.csv", "--target", "y,z", "-o", "m", "--epochs", "1", "--no-report"]
    common += ["--model", "plain"]
    for given in (["--drop", '"b,c"'], ["--config", "run.toml"]):
        assert main([*common, *given]) == 0
        assert "1 numeric and 0 categorical" in capsys.readouterr().out


def test_the_advice_about_a_column_can_be_followed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i},n{i},{3 * i}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(['a,"b,c",y', *rows]))
    assert main(["train", "t.csv", "--target", "y", "-o", "m", "--strict"]) == 2
    assert """leave it out with --drop '"b,c"'""" in capsys.readouterr().err
    rows[7] = '7,n7,"1,x"'
    (tmp_path / "t.csv").write_text("\n".join(['a,"b,c",y', *rows]))
    assert main(["train", "t.csv", "--target", "y", "-o", "m", "--strict"]) == 2
    assert """leave it out with --drop '"b,c"'""" in capsys.readouterr().err
    rows = [f"{i * 7 % 40},{i},{3 * i}" for i in range(40)]
    rows[7] = '7,"1,x",7'
    (tmp_path / "t.csv").write_text("\n".join(['a,"b,c",y', *rows]))
    assert main(["train", "t.csv", "--target", "y", "-o", "m", "--strict"]) == 2
    assert """,.,"1,x"'""" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = '3'", "epochs must be an integer, got '3'"),
        ("epochs = 3.0", "epochs must be an integer, got 3.0"),
        ("epochs = true", "epochs must be an integer, got True"),
        ("no-report = 'yes'", "no-report must be True or False, got 'yes'"),
        ("output = 3", "output must be a string, got 3"),
        ("target = 1.5", "target must be the name or the number of a column, got 1.5"),
        ("header = true", "header must be one of auto, yes, no; got True"),
        ("l2 = '0'", None),
        ("l2 = 'x'", "l2 must be a number, got 'x'"),
        ("seed = 2.5", "seed must be an integer, got 2.5"),
        ("l2 = []", "l2 must be one value, or one for each layer, got none"),
        ("l2 = [0, -1]", "each value of l2 must be a finite number >= 0, got -1"),
        ("l2 = nan", "l2 must be a finite number >= 0, got nan"),
        ("drop = 3", "drop must be a list, got 3"),
        ("drop = [1.5]", "each value of drop must be the name or the number of a column, got 1.5"),
        ("drop = '\"a'", "drop: names are separated by commas and quoted as in CSV"),
        ("metrics = [1]", "each value of metrics must be a string, got 1"),
        ("hidden = 3", "hidden must be a list, got 3 (or the word none)"),
        ("batch_size = 0", "batch_size must be at least 1, got 0 (or the word all)"),
        ("learning_rate = 'fast'", "learning_rate must be a number, got 'fast' (or the word find)"),
        ("class_weight = 2", "class_weight must be 'balanced' or a table of weights by class"),
        ("class_weight = {a = -1}", "the weight of class 'a' in class_weight must be a finite"),
        ("checkpoint_every = 1.5", "checkpoint_every must be an integer, got 1.5"),
        ("optimizer = 3", "optimizer must be a name, or a table with the key name; got 3"),
        ("optimizer = {beta_1 = 1}", "optimizer must be a name, or a table with the key name"),
        ("optimizer = 'adam:beta_1'", "optimizer: settings are written key=value, got 'beta_1'"),
        (
            "optimizer = {name = 'adam', beta_1 = '1'}",
            "optimizer adam: beta_1 must be a number, got '1'",
        ),
        (
            "early_stopping = {epochs = 1, restore_best = 1}",
            "early_stopping: restore_best must be True or False, got 1",
        ),
        ("warm_up = {start = 1}", "warm_up must be a number of steps, or a table with the key st"),
        ("warm_up = '5:start'", "warm_up: settings are written key=value, got 'start'"),
        ("warm_up = 1.5", "warm_up (a number of steps) must be an integer, got 1.5"),
        ("leaning_rate = 1", "unknown option 'leaning_rate'; did you mean 'learning_rate'?"),
        ("[check_points]\nresume = true", "unknown option 'check_points'; did you mean 'checkp"),
        ("[training]\nepoch = 1", "unknown option 'epoch'; did you mean 'epochs'?"),
        ("xyzzy = 1", "unknown option 'xyzzy'"),
        ("epochs = 1\n[training]\nepochs = 2", "epochs is given twice"),
        ("no-report = true\nno_report = true", "no_report is given twice"),
    ],
)
def test_types_in_a_file_are_checked(tmp_path, text, message):
    """With the file, the key and what was expected; compound options also take their text."""
    path = tmp_path / "run.toml"
    path.write_text(text)
    if message is None:
        assert read_config(str(path), TrainOptions) == {"l2": 0.0}
        return
    with pytest.raises(CommandError) as caught:
        read_config(str(path), TrainOptions)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_number_in_a_file_needs_no_table(tmp_path):
    got = from_file(tmp_path, "early_stopping = 3\nwarm_up = {steps = 2}\ncheckpoint_every = 4")
    assert got == build(
        TrainOptions,
        {
            "early_stopping": Count(3),
            "warm_up": Count(2),
            "checkpoint_every": types.CheckpointInterval(4, None),
        },
    )


def test_a_null_is_an_option_that_is_not_given(tmp_path):
    assert from_file(tmp_path, '{"epochs": null, "seed": 2}', "json") == build(
        TrainOptions, {"seed": 2}
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--leaning-rate", "1"], "did you mean '--learning-rate'?"),
        (["course", "--epoch", "1"], "did you mean '--epochs'?"),
        (["info", "m", "n"], "unrecognized arguments: n (see ffnn-fast info --help)"),
        (["predict", "m"], "the following arguments are required: data"),
        (["demo", "--seed"], "argument --seed: expected one argument"),
    ],
)
def test_unknown_and_missing_arguments(arguments, message):
    with pytest.raises(CommandError) as caught:
        parse(arguments)
    assert message in str(caught.value)


REQUIRED = {"predict": ["m", "t"], "evaluate": ["m", "t"], "export": ["m"], "info": ["m"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_without_options_every_command_has_its_defaults(name):
    command, options = parse([name, *REQUIRED.get(name, ())])
    assert command is load_command(name)
    given = dict(zip(("model", "data"), REQUIRED.get(name, ()), strict=False))
    assert options == build(command.options, given)
    assert values_of(options).keys() == all_declarations(command.options).keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_default_passes_its_own_check(name):
    """A default and a value that is given are of one type."""
    command, options = parse([name, *REQUIRED.get(name, ())])
    for key, declared in all_declarations(command.options).items():
        value = values_of(options)[key]
        if value is not None:
            assert repr(declared.kind.check(value, key)) == repr(value)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option(name, capsys):
    with pytest.raises(SystemExit):
        parse([name, "--help"])
    shown = capsys.readouterr().out
    for key, declared in all_declarations(load_command(name).options).items():
        flags = declared.flags or (key if declared.positional else f"--{key.replace('_', '-')}",)
        assert all(flag in shown for flag in flags)
    assert "{default}" not in shown
    assert "SUPPRESS" not in shown


def test_numbers_are_finite():
    for text in ("inf", "nan", "-inf"):
        with pytest.raises(ValueError, match="must be a finite number"):
            types.Number(0).check(types.Number(0).from_text(text, "x"), "x")
    assert types.Number(0).check(0, "x") == 0.0
    assert math.isclose(types.Number(0, 1).check(0.5, "x"), 0.5)
