"""Several targets of one model: ``--target a --target b``, in all commands (multi-output)."""

import json
import re

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from support.buildings import (
    CLASSES,
    MODELS,
    PLAIN,
    VALUES,
    N,
    buildings,
    column,
    folder,
    here,
    predicted,
    run,
    trained,
    write,
)
from support.html_page import Page

from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.trained_models import load_trained
from ffnn_fast.cli.training.training_table import read_training_table

__all__ = ["folder", "here", "trained"]  # fixtures


def table_below(shown, title):
    """The scores by model of the table below a title, by name."""
    lines = shown.split(f"\n  {title}\n", 1)[1].splitlines()
    heads = re.split(r" {2,}", lines[0].strip())[1:]
    found = {}
    for line in lines[1:]:
        if not line.strip():
            break
        name, *cells = re.split(r" {2,}", line.strip())
        found[name] = dict(zip(heads, map(float, cells), strict=False))
    return found


@pytest.mark.parametrize("model", MODELS)
class TestValues:
    def test_scores_are_those_of_scikit_learn_for_each_target(self, trained, model, capsys):
        name, _ = trained(model, VALUES)
        found = json.loads(run(capsys, "evaluate", name, "new.csv", "--json"))
        given, columns = predicted(capsys, name, "new.csv"), buildings(1)
        assert list(given) == ["heating", "cooling"]
        assert [one["target"] for one in found["targets"]] == ["heating", "cooling"]
        scores = []
        for one in found["targets"]:
            truth = column(columns, one["target"], float)
            values = np.array(given[one["target"]], float)
            own = one["scores"]
            assert own["r2"] == pytest.approx(metrics.r2_score(truth, values), rel=1e-5)
            rmse = metrics.root_mean_squared_error(truth, values)
            assert own["rmse"] == pytest.approx(rmse, rel=1e-4)
            mae = metrics.mean_absolute_error(truth, values)
            assert own["mae"] == pytest.approx(mae, rel=1e-4)
            scores.append(own["r2"])
        assert found["mean"]["scores"]["r2"] == pytest.approx(np.mean(scores))
        assert "rmse" not in found["mean"]["scores"]  # units differ
        assert found["rows"] == N

    def test_train_shows_each_target(self, trained, model):
        _, shown = trained(model, VALUES)
        assert "targets heating, cooling (regression)" in shown
        note = "note: left out 3 rows in which a target is missing (heating in 2, cooling in 2)"
        assert note in shown
        heating, cooling = (table_below(shown, one) for one in ("heating", "cooling"))
        mean = table_below(shown, "mean over the targets")
        models = ["network", "linear model", "gradient boosting", "mean of the training rows"]
        assert [*heating] == [*cooling] == [*mean] == models
        for one in models:
            expected = (heating[one]["R2"] + cooling[one]["R2"]) / 2
            assert mean[one]["R2"] == pytest.approx(expected, abs=1.01e-4)
        assert "heating: size of the errors" in shown

    def test_baselines_are_those_of_scikit_learn(self, trained, model):
        """Each is fitted to the training rows, for each target alone."""
        _, shown = trained(model, VALUES)
        X, others, y, truth = split_rows(model, VALUES)
        for t, target in enumerate(("heating", "cooling")):
            found = table_below(shown, target)
            for name, kind in (
                ("linear model", Ridge(alpha=1.0)),
                ("mean of the training rows", DummyRegressor()),
            ):
                score = kind.fit(X, y[:, t]).score(others, truth[:, t])
                assert found[name]["R2"] == pytest.approx(score, abs=1e-4), (target, name)
            boosted = HistGradientBoostingRegressor(random_state=0, early_stopping=False)
            score = boosted.fit(X, y[:, t]).score(others, truth[:, t])
            assert found["gradient boosting"]["R2"] == pytest.approx(score, abs=0.02)

    def test_info_and_report(self, trained, model, capsys):
        name, _ = trained(model, VALUES)
        shown = run(capsys, "info", name)
        assert re.search(r"^target heating: .*\ntarget cooling: ", shown, re.MULTILINE)
        assert "cooling: R2 on the 25 held-out rows" in shown
        pytest.importorskip("jinja2")
        with open(f"{name}.html", encoding="utf-8") as file:
            page = Page(file.read())
        words = " ".join(page.words)
        for section in ("Predictions: heating", "Predictions: cooling", "heating: scores"):
            assert section in words
        assert "mean over the targets: scores" in words
        pictures = [one["alt"] for one in page.named("img")]
        assert "heating: predicted against actual" in pictures
        assert "cooling: residuals" in pictures
        assert page.open == []

    def test_evaluate_shows_the_scores_of_the_training_again(self, trained, model, capsys):
        pytest.importorskip("matplotlib")
        name, of_training = trained(model, VALUES)
        shown = run(capsys, "evaluate", name, "new.csv", "--report", f"{name}.png")
        again = shown.split("in training", 1)[1]
        assert table_below(f"\n  cooling\n{again.split('  cooling', 1)[1][1:]}", "cooling") == (
            table_below(of_training, "cooling")
        )
        shown = run(capsys, "evaluate", name, "t.csv", code=2)
        assert "line 5: the target 'heating' is missing (3 such rows)" in shown
        shown = run(capsys, "evaluate", name, "t.csv", "--drop-missing-target")
        assert shown.startswith("note: left out 3 rows in which a target is missing (heating in 2,")

    def test_kept_columns(self, trained, model, capsys):
        name, _ = trained(model, VALUES)
        found = predicted(capsys, name, "new.csv", "--keep", "side,cooling")
        assert list(found) == ["side", "cooling", "heating", "cooling predicted"]
        shown = run(capsys, "predict", name, "new.csv", "-o", "p.csv")
        assert shown == f"{N} predictions of heating, cooling in p.csv\n"
        message = "--proba is for classes, but 'heating' and 'cooling' have values"
        assert message in run(capsys, "predict", name, "new.csv", "--proba", code=2)


def split_rows(model, targets):
    """Inputs of training and of held-out rows, and their targets, as a test computes them."""
    _, options = parse(["train", "t.csv", *targets, *MODELS[model]])
    found = read_training_table("t.csv", options, validates=model == "plain")
    table = buildings(0, gaps=True)
    X = np.stack([column(table, one, float) for one in ("area", "height", "floor")], axis=1)
    side = column(table, "side")
    X = np.column_stack([X, side == "north", side == "south"])[found.rows]
    train = X[found.train]
    X = (X - train.mean(axis=0)) / train.std(axis=0)
    known = [column([table[0], *(table[1 + row] for row in found.rows)], name) for name in
             targets[1:4:2]]  # fmt: skip
    y = np.stack(known, axis=1)
    if targets is VALUES:
        y = y.astype(float)
    return X[found.train], X[found.test], y[found.train], y[found.test]


@pytest.mark.parametrize("model", MODELS)
class TestClasses:
    def test_scores_are_those_of_scikit_learn_for_each_target(self, trained, model, capsys):
        name, _ = trained(model, CLASSES)
        found = json.loads(run(capsys, "evaluate", name, "new.csv", "--json"))
        labels = predicted(capsys, name, "new.csv")
        shares = predicted(capsys, name, "new.csv", "--proba")
        assert list(labels) == ["grade", "state"]
        assert list(shares) == ["grade A", "grade B", "grade C", "state hot", "state mild"]
        for one in found["targets"]:
            target, own = one["target"], one["scores"]
            truth = column(buildings(1), target)
            assert own["accuracy"] == metrics.accuracy_score(truth, labels[target])
            expected = metrics.f1_score(truth, labels[target], average="macro")
            assert own["f1"] == pytest.approx(expected)
            proba = np.stack([shares[f"{target} {c}"] for c in one["classes"]], 1).astype(float)
            np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
            loss = metrics.log_loss(truth, proba / proba.sum(axis=1, keepdims=True))
            assert own["log_loss"] == pytest.approx(loss, rel=1e-3)
            matrix = metrics.confusion_matrix(truth, labels[target], labels=one["classes"])
            assert one["confusion_matrix"] == matrix.tolist()
        accuracies = [one["scores"]["accuracy"] for one in found["targets"]]
        assert found["mean"]["scores"]["accuracy"] == pytest.approx(np.mean(accuracies))
        assert "roc_auc" in found["targets"][1]["scores"]
        assert "roc_auc" not in found["mean"]["scores"]  # one target alone has it

    def test_baselines_are_those_of_scikit_learn(self, trained, model):
        _, shown = trained(model, CLASSES)
        X, others, y, truth = split_rows(model, CLASSES)
        for t, target in enumerate(("grade", "state")):
            found = table_below(shown, target)
            # Softmax of k outputs: W and -W of two classes are penalised half as much as W alone.
            C = 2.0 if target == "state" else 1.0
            for name, kind, near in (
                ("linear model", LogisticRegression(C=C), 2e-3),
                ("most frequent class", DummyClassifier(strategy="prior"), 1e-4),
                (
                    "gradient boosting",
                    HistGradientBoostingClassifier(random_state=0, early_stopping=False),
                    0.05,
                ),
            ):
                kind.fit(X, y[:, t])
                loss = metrics.log_loss(truth[:, t], kind.predict_proba(others))
                assert found[name]["log loss"] == pytest.approx(loss, abs=near), (target, name)

    def test_train_info_and_report(self, trained, model, capsys):
        name, shown = trained(model, CLASSES)
        assert "targets grade (3 classes), state (2 classes)" in shown
        assert "state: confusion matrix: a row for each" in shown
        info = run(capsys, "info", name)
        assert "\ntarget grade: 3 classes: A, B, C\ntarget state: 2 classes: hot, mild\n" in info
        pytest.importorskip("jinja2")
        with open(f"{name}.html", encoding="utf-8") as file:
            words = " ".join(Page(file.read()).words)
        assert "Calibration: state" in words
        assert "grade, state, from t.csv" in words

    def test_classes_that_only_other_rows_have(self, trained, model, here, capsys):
        name, _ = trained(model, CLASSES)
        rows = buildings(1)
        rows[1][6], rows[2][7], rows[3][7] = "D", "cold", "HOT"
        write(here / "odd.csv", rows)
        shown = run(capsys, "evaluate", name, "odd.csv")
        assert "note: state: read HOT as hot" in shown
        for target, other in (("grade", "D"), ("state", "cold")):
            assert (
                f"note: 1 rows of odd.csv have a class of {target} that no training row has "
                f"({other}); they count as errors"
            ) in shown
        found = json.loads(run(capsys, "evaluate", name, "odd.csv", "--json"))
        assert [one["classes"] for one in found["targets"]] == [
            ["A", "B", "C", "D"], ["hot", "mild", "cold"],
        ]  # fmt: skip
        shown = run(capsys, "train", "t.csv", *CLASSES, *MODELS[model], "--test", "odd.csv",
                    "-o", "x", "--no-report")  # fmt: skip
        assert "1 rows of odd.csv have a class of grade that no training row has (D)" in shown


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


@pytest.mark.parametrize("change", ["drop", "swap", "values"])
def test_damaged_files(here, trained, capsys, change):
    """The description of the table must be that of the model, target by target."""
    from ffnn_fast.cli.tabular_layout import TABLE_KEY

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
    from dataclasses import replace

    from ffnn_fast.cli.table_preprocessing import KEY

    model = load_trained(trained("plain", VALUES)[0])
    plain = json.loads(model.layout.baselines)
    change(plain)
    layout = replace(model.layout, baselines=json.dumps(plain))
    path = tmp_path / "m"
    model.network.save(path, extra={KEY: layout.to_json()})
    assert "must be those of 2 targets" in run(capsys, "evaluate", path, "new.csv", code=2)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("targets", [VALUES, CLASSES], ids=["values", "classes"])
@pytest.mark.parametrize("to", ["c", "onnx"])
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
