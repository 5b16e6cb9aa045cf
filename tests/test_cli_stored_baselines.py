"""``ffnn-fast evaluate`` scores the simple models of the training, too."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ffnn_fast import ModelFileError
from ffnn_fast.cli import main, stored_baselines
from ffnn_fast.cli.stored_baselines import LinearModel, StoredBaselines
from ffnn_fast.cli.table_layout import BASELINES
from ffnn_fast.cli.trained_models import load_trained
from ffnn_fast.cli.training import outcome, simple_models
from ffnn_fast.cli.training.simple_models import stored_models

N = 80
MODELS = [["--model", "plain", "--epochs", "2"], ["--preset", "fast", "--epochs", "1"]]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Rows with numbers, missing ones, categories and dates, to train on and to evaluate."""
    rng = np.random.default_rng(0)
    for name, n in (("t.csv", N), ("new.csv", 30)):
        a, b = rng.normal(size=n), rng.choice(["u", "v", ""], n)
        day = np.datetime64("2020-01-01") + rng.integers(0, 900, n)
        y = (a + (b == "u") + rng.normal(0, 0.1, n)).round(3)
        lines = [
            f"{x if i % 9 else ''},{c},{d},{v},{'yes' if v > 0.3 else 'no'}"
            for i, (x, c, d, v) in enumerate(zip(a, b, day, y, strict=True))
        ]
        (tmp_path / name).write_text("\n".join(["a,b,day,y,k", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)


def train(target, model, *options):
    if "--preset" in model:
        pytest.importorskip("sklearn")
    other = "k" if target == "y" else "y"
    common = ["--target", target, "--drop", other, "--no-report", "-o", "M"]
    assert main(["train", "t.csv", *common, *model, *options]) == 0


def table(shown, after):
    """The rows of the table whose first line begins with `after`, by model."""
    lines = shown.partition(f"  {after}")[2].splitlines()
    rows = {}
    for line in lines[1:]:
        if not line.strip():
            break
        rows[line[:28].split("  ")[1]] = line.split()[-3:]
    return rows


@pytest.mark.parametrize("target", ["y", "k"])
@pytest.mark.parametrize("model", MODELS)
def test_the_same_rows_have_the_same_scores_as_in_training(target, model, capsys):
    train(target, model, "--test", "new.csv")
    trained = table(capsys.readouterr().out, "on the 30 held-out rows")
    assert main(["evaluate", "M", "new.csv"]) == 0
    shown = capsys.readouterr().out
    assert table(shown, "on 30 rows of new.csv") == trained
    assert table(shown, "in training, on the 30 held-out rows") == trained
    assert len(trained) == 3


@pytest.mark.parametrize("model", MODELS)
def test_other_rows(model, capsys):
    train("y", model)
    capsys.readouterr()
    assert main(["evaluate", "M", "new.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["baselines"].keys() == {"linear model", "mean of the training rows"}
    y = np.genfromtxt("new.csv", delimiter=",", skip_header=1, usecols=3)
    mean = float(StoredBaselines.from_json(load_trained("M").layout.baselines, (0,)).constants[0])
    rmse = found["baselines"]["mean of the training rows"]["rmse"]
    assert rmse == pytest.approx(np.sqrt(np.mean((y - mean) ** 2)))
    assert found["baselines"]["linear model"]["r2"] > 0.5


@pytest.mark.parametrize("target", ["y", "k"])
@pytest.mark.parametrize("model", MODELS)
def test_boosted_trees_score_other_rows(target, model, capsys):
    pytest.importorskip("sklearn")
    train(target, model, "--test", "new.csv", "--baseline", "linear,hgb")
    trained = table(capsys.readouterr().out, "on the 30 held-out rows")
    assert main(["evaluate", "M", "new.csv"]) == 0
    assert table(capsys.readouterr().out, "on 30 rows of new.csv") == trained
    assert main(["evaluate", "M", "t.csv", "--json"]) == 0  # better on the rows of the training
    found = json.loads(capsys.readouterr().out)
    score, least = ("r2", 0.85) if target == "y" else ("f1", 0.9)
    assert found["baselines"]["gradient boosting"][score] > least
    held_out = found["training"]["scores"]["gradient boosting"][score]
    first, *_ = trained["gradient boosting"]
    assert held_out == float(first)


def test_trees_that_are_not_stored_have_the_scores_of_the_training_only(capsys, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(simple_models, "exported", lambda model, k: None)
    train("y", MODELS[0], "--baseline", "hgb")
    capsys.readouterr()
    assert main(["evaluate", "M", "new.csv"]) == 0
    shown = capsys.readouterr().out
    assert "gradient boosting" not in table(shown, "on 30 rows of new.csv")
    assert "gradient boosting" in table(shown, "in training, on the 16 held-out rows")
    assert main(["evaluate", "M", "new.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "gradient boosting" not in found["baselines"]
    assert found["training"]["rows"] == "the 16 held-out rows"
    assert "gradient boosting" in found["training"]["scores"]


def test_trees_that_differ_are_not_stored(monkeypatch):
    pytest.importorskip("sklearn")
    whole = simple_models.exported

    def shifted(model, k):
        found = whole(model, k)
        return replace(found, start=found.start + 1e-3)

    monkeypatch.setattr(simple_models, "exported", shifted)
    train("y", MODELS[0], "--baseline", "hgb")
    assert StoredBaselines.from_json(load_trained("M").layout.baselines, (0,)).trees is None


def test_a_baseline_that_is_better_is_a_warning(capsys):
    train("y", ["--model", "plain", "--epochs", "1", "--learning-rate", "1e-9"])
    capsys.readouterr()
    assert main(["evaluate", "M", "new.csv"]) == 0
    shown = capsys.readouterr().out
    found = table(shown, "on 30 rows of new.csv")
    mine, theirs = (found[name][1] for name in ("network", "linear model"))
    warning = "warning: on the 30 rows of new.csv the network is worse than the linear model: RMSE"
    assert f"{warning} {mine} against {theirs}\n" in shown


def test_an_interruption_after_the_model_was_written(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(outcome.Outcome, "baselines", interrupted)
    options = ["--model", "plain", "--epochs", "1", "--no-report"]
    assert main(["train", "t.csv", "--target", "y", "-o", "M", *options]) == 130
    shown = capsys.readouterr().err
    assert shown.endswith("note: the model was written before: M\nffnn-fast: error: interrupted\n")
    assert load_trained("M").layout.targets.names == ("y",)


def test_none_and_too_large_ones(capsys, monkeypatch):
    train("y", MODELS[0], "--baseline", "none")
    assert not load_trained("M").layout.baselines
    monkeypatch.setattr(outcome, "MOST", 3)
    train("y", MODELS[0])
    capsys.readouterr()
    assert main(["evaluate", "M", "new.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["baselines"].keys() == {"mean of the training rows"}


@pytest.mark.parametrize("model", MODELS)
def test_long_tables_are_encoded_in_pieces(model, monkeypatch):
    train("k", model)
    trained = load_trained("M")
    columns = trained.layout.typed(trained.layout.read("new.csv"))
    whole = stored_models(trained, columns, 30)
    monkeypatch.setattr(stored_baselines, "PIECE", 7)
    parts = stored_models(trained, columns, 30)
    assert np.allclose(whole["linear model"][0].proba, parts["linear model"][0].proba, rtol=1e-12)


def test_damaged_ones_are_refused(monkeypatch):
    train("k", MODELS[0])
    trained = load_trained("M")
    columns = trained.layout.typed(trained.layout.read("new.csv"))
    good = json.loads(trained.layout.baselines)

    def with_linear(**changes):
        return good | {"linear": good["linear"] | changes}

    d = len(good["linear"]["centre"])
    for bad in (
        [], {}, good | {"constant": 1.0}, good | {"constant": [{}, 1]}, good | {"linear": 3},
        good | {"constant": [float("nan"), 1.0]}, good | {"encoding": 1}, good | {"encoding": "{}"},
        with_linear(W=[[1.0, 2.0]]), with_linear(spread=[0.0] * d), with_linear(classes=False),
        with_linear(b=[float("inf"), 0.0]), with_linear(centre="x"),
    ):  # fmt: skip
        object.__setattr__(trained.layout, BASELINES, json.dumps(bad))
        with pytest.raises(ModelFileError, match="baselines in the model file are damaged"):
            stored_models(trained, columns, 30)
    object.__setattr__(trained.layout, BASELINES, "{")
    with pytest.raises(ModelFileError, match="damaged"):
        stored_models(trained, columns, 30)


def test_probabilities_of_far_values():
    model = LinearModel(np.zeros(1), np.ones(1), np.array([[1.0, -1.0]]), np.zeros(2), classes=True)
    proba = model(np.array([[0.0], [1e300], [-1e300]]))
    assert np.allclose(proba, [[0.5, 0.5], [1, 0], [0, 1]])
