"""Several targets: held-out rows, folds, options of the plain model, files, and exports."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import metrics
from support.buildings import (
    CLASSES,
    MODELS,
    PLAIN,
    VALUES,
    buildings,
    column,
    folder,
    here,
    predicted,
    run,
    table_below,
    trained,
    write,
)

from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.table_preprocessing import KEY
from ffnn_fast.cli.tabular_layout import TABLE_KEY
from ffnn_fast.cli.trained_models import load_trained

__all__ = ["folder", "here", "trained"]  # fixtures


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("targets", [VALUES, CLASSES], ids=["values", "classes"])
class TestRows:
    """Which rows train, and which are held out."""

    def test_cross_validation(self, here, model, targets, capsys):
        fast = ("--preset", "fast", "--epochs", "1", "--networks", "2")
        options = PLAIN if model == "plain" else fast
        shown = run(capsys, "train", "t.csv", *targets, *options, "--cv", "2", "-o", "x",
                    "--no-report", "--baseline", "linear")  # fmt: skip
        assert shown.count("2-fold cross-validation") == 3
        lines = shown.split("2-fold cross-validation")
        number = r"-?\d+\.\d{4} ± \d\.\d{4}"
        means = []
        for part in lines[1:]:
            found = re.search(rf"\n  linear model +({number})", part)
            means.append(float(found[1].split()[0]))
        assert means[2] == pytest.approx(np.mean(means[:2]), abs=1.01e-4)
        info = run(capsys, "info", "x")
        assert f"{targets[1]}: 2-fold cross-validation, network" in info

    @pytest.mark.parametrize(
        ("options", "note"),
        [
            (["--time-column", "floor"], "rows are the last by 'floor'"),
            (["--group-column", "floor"], "of the 8 groups of 'floor'"),
            (["--test-fraction", "0.4"], "on the {0.4} held-out rows"),
            (["--test-fraction", "0"], ", 0 held out;"),
        ],
    )
    def test_splits(self, here, model, targets, options, note, capsys):
        fast = ("--preset", "fast", "--epochs", "1", "--networks", "2")
        given = ("--model", "plain", "--epochs", "1") if model == "plain" else fast
        shown = run(capsys, "train", "t.csv", *targets, *given, *options, "-o", "x", "--no-report")
        rows = 127 if targets is VALUES else 130
        assert note.replace("{0.4}", str(round(0.4 * rows))) in shown


def test_order_of_the_file(here, capsys):
    shown = run(capsys, "train", "t.csv", *VALUES, *PLAIN, "--no-shuffle", "-o", "x", "--no-report")
    assert "rows are the last of the file" in shown


class TestPlain:
    """Options of the plain model."""

    @pytest.mark.parametrize(
        ("loss", "names"),
        [
            ("huber", ["heating", "cooling"]),
            ("gaussian_nll", [
                "heating", "heating deviation", "cooling", "cooling deviation",
            ]),
            ("quantile:quantiles=0.1/0.5", [
                "heating 0.1", "heating 0.5", "cooling 0.1", "cooling 0.5",
            ]),
        ],
    )  # fmt: skip
    def test_losses_of_values(self, here, loss, names, capsys):
        options = ("--loss", loss, "--hidden", "8", "--epochs", "150", "-o", "x", "--no-report")
        shown = run(capsys, "train", "t.csv", *VALUES, "--model", "plain", *options)
        found = predicted(capsys, "x", "new.csv")
        assert list(found) == names
        middle = {"quantile:quantiles=0.1/0.5": " 0.5"}.get(loss, "")
        for target in ("heating", "cooling"):
            truth = column(buildings(1), target, float)
            values = np.array(found[f"{target}{middle}"], float)
            assert metrics.r2_score(truth, values) > 0.5, target
            assert "within 90%" in shown or loss != "gaussian_nll"
        network = load_trained("x").network
        if "quantile" in loss:
            raw = network.forward(
                load_trained("x").layout.matrix(load_trained("x").layout.read("new.csv"))
            )
            scale = load_trained("x").layout.targets.each[1].scale
            low = np.array(found["cooling 0.1"], float)
            gap = np.array(found["cooling 0.5"], float) - low
            np.testing.assert_allclose(gap, scale * (raw[:, 3] - raw[:, 2]), atol=1e-3)

    @pytest.mark.parametrize("solver", ["levenberg_marquardt", "l_bfgs_b"])
    def test_solvers(self, here, solver, capsys):
        options = ("--solver", solver, "--hidden", "3", "--epochs", "30", "--model", "plain")
        shown = run(capsys, "train", "t.csv", *VALUES, *options, "-o", "x", "--no-report")
        assert table_below(shown, "heating")["network"]["R2"] > 0.8

    @pytest.mark.slow
    def test_continued(self, here, trained, capsys):
        name, _ = trained("plain", VALUES)
        start = ("--start", name, "--epochs", "1", "-o", "x", "--no-report")
        shown = run(capsys, "train", "t.csv", *start)
        assert "targets heating, cooling (regression)" in shown
        run(capsys, "train", "t.csv", *start, "--target", "cooling", "--target", "heating")
        shown = run(capsys, "train", "t.csv", *start, "--target", "heating", code=2)
        assert f"{name} predicts 'heating, cooling', not 'heating'" in shown

    def test_resumed(self, here, capsys):
        options = (*CLASSES, *PLAIN, "--no-report", "--checkpoint", "c")
        run(capsys, "train", "t.csv", *options, "-o", "x1")
        whole = (here / "x1").read_bytes()
        run(capsys, "train", "t.csv", *options, "-o", "x1", "--resume")
        assert (here / "x1").read_bytes() == whole


def test_files_of_options(here, capsys):
    run(capsys, "train", "t.csv", *VALUES, *PLAIN, "-o", "x", "--no-report")
    expected = (here / "x").read_bytes()
    settings = {
        "target": ["heating", 6], "drop": ["grade", "state"], "model": "plain", "epochs": 8,
        "hidden": [6], "output": "x", "no-report": True, "data": "t.csv",
    }  # fmt: skip
    (here / "run.json").write_text(json.dumps(settings))
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (here / "run.toml").write_text("\n".join(lines))
    for name in ("run.json", "run.toml"):
        (here / "x").unlink()
        run(capsys, "train", "--config", name)
        assert (here / "x").read_bytes() == expected
    found = parse(["train", "--config", "run.toml", "--target", "a,b", "--target", "c"])[1]
    assert found.target == ("a,b", "c")  # the command line overrides, and splits at no comma


def test_a_table_without_names(here, capsys):
    rows = [row[:6] for row in buildings(0)[1:]]
    write(here / "plain.csv", rows)
    write(here / "inputs.csv", [row[:4] for row in rows[:5]])
    write(here / "odd.csv", [row[:5] for row in rows[:5]])
    run(capsys, "train", "plain.csv", "--target", "5", "--target", "-1", *PLAIN, "-o", "x",
        "--no-report")  # fmt: skip
    assert predicted(capsys, "x", "inputs.csv").keys() == {"5", "6"}
    shown = run(capsys, "predict", "x", "odd.csv", code=2)
    assert "or the 4 without the targets (columns 5, 6)" in shown


@pytest.mark.slow
@pytest.mark.parametrize("change", ["drop", "swap", "values"])
def test_damaged_files(here, trained, capsys, change):
    """The description of the table must be that of the model, target by target."""
    name, _ = trained("tabular", CLASSES)
    model = load_trained(name)
    plain = json.loads(model.layout.to_json())
    assert isinstance(plain["target"], list)
    if change == "drop":
        plain["target"].pop()
    elif change == "swap":
        plain["target"].reverse()
    else:
        plain["target"] = [{**one, "task": "regression", "classes": []} for one in plain["target"]]
    model.estimator.save("forged", extra={TABLE_KEY: json.dumps(plain)})
    assert "bad 'table' entry: its targets or classes are not" in run(
        capsys, "predict", "forged", "new.csv", code=2
    )


@pytest.mark.parametrize(
    "change", [lambda p: p["constant"].pop(), lambda p: p["linear"].append({})]
)
def test_damaged_baselines(here, trained, capsys, change, tmp_path):
    model = load_trained(trained("plain", VALUES)[0])
    plain = json.loads(model.layout.baselines)
    change(plain)
    layout = replace(model.layout, baselines=json.dumps(plain))
    path = tmp_path / "m"
    model.network.save(path, extra={KEY: layout.to_json()})
    assert "must be those of 2 targets" in run(capsys, "evaluate", path, "new.csv", code=2)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("targets", [VALUES, CLASSES], ids=["values", "classes"])
@pytest.mark.parametrize("to", [pytest.param("c", marks=pytest.mark.slow), "onnx"])
def test_export(here, trained, capsys, model, targets, to):
    if to == "onnx":
        pytest.importorskip("onnx")
    name, _ = trained(model, targets)
    shown = run(capsys, "export", name, "--to", to, "-o", f"m.{to}")
    assert "FAILED" not in shown
    first, second = targets[1], targets[3]
    assert re.search(rf"targets +{first}, {second}\n", shown)
    if to == "onnx":
        assert re.search(r"difference +\d\.\de-\d\d of the largest output  ok\n", shown)
        expected = "label_1 (n) text" if targets is CLASSES else "value (n, 2) float64"
        assert expected in shown
    elif model == "plain":
        header = (here / "m.h").read_text()
        assert (f"y[1]: {second}" if targets is VALUES else f"y[3], ...: {second}, 0 = ") in header
