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
    VALUES,
    N,
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
from support.html_page import Page

from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.training.training_table import read_training_table

__all__ = ["folder", "here", "trained"]  # fixtures


@pytest.mark.parametrize("model", MODELS)
class TestValues:
    def test_scores_are_those_of_scikit_learn_for_each_target(self, trained, model, capsys):
        name, shown = trained(model, VALUES)
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
            in_training = one["training"]["scores"]
            assert in_training.keys() == {"network", *one["baselines"]}
            of_training = table_below(shown, one["target"])
            for name, figures in in_training.items():
                assert figures["r2"] == of_training[name]["R2"]
        assert found["mean"]["scores"]["r2"] == pytest.approx(np.mean(scores))
        mean = table_below(shown, "mean over the targets")
        in_training = found["mean"]["training"]["scores"]
        assert in_training["linear model"]["r2"] == mean["linear model"]["R2"]
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

    @pytest.mark.slow
    def test_evaluate_shows_the_scores_of_the_training_again(self, trained, model, capsys):
        pytest.importorskip("matplotlib")
        name, of_training = trained(model, VALUES)
        shown = run(capsys, "evaluate", name, "new.csv", "--report", f"{name}.png")
        again = shown.split("in training", 1)[1]
        assert table_below(f"\n  cooling\n{again.split('  cooling', 1)[1][1:]}", "cooling") == (
            table_below(of_training, "cooling")
        )
        shown = run(capsys, "evaluate", name, "t.csv")
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
                f"note: 1 row of odd.csv has a class of {target} that no training row has "
                f"({other}); it counts as an error"
            ) in shown
        found = json.loads(run(capsys, "evaluate", name, "odd.csv", "--json"))
        assert [one["classes"] for one in found["targets"]] == [
            ["A", "B", "C", "D"], ["hot", "mild", "cold"],
        ]  # fmt: skip
        shown = run(capsys, "train", "t.csv", *CLASSES, *MODELS[model], "--test", "odd.csv",
                    "-o", "x", "--no-report")  # fmt: skip
        assert "1 row of odd.csv has a class of grade that no training row has (D)" in shown
