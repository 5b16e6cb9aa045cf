"""Simple models beside the network: in `train`, stored in the model, shown by `evaluate`."""

import re

import numpy as np
import pytest
from support.houses import here

pytest.importorskip("sklearn")

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from ffnn_fast.cli import main
from ffnn_fast.cli.evaluation.stored_scores import stored_scores, summarised
from ffnn_fast.cli.training import simple_models
from ffnn_fast.cli.training.simple_models import EncodedRows
from ffnn_fast.preprocessing import TableEncoder

__all__ = ["here"]  # a fixture
PLAIN = ["train", "houses.csv", "--hidden", "4", "--epochs", "2", "--no-report", "-o", "m"]
PRICE = [*PLAIN, "--target", "price", "--drop", "dear,weight"]
DEAR = [*PLAIN, "--target", "dear", "--drop", "price,weight"]


def run(capsys, *args):
    assert main([str(one) for one in args]) == 0
    return capsys.readouterr().out


def rows_named(shown, name):
    return [line.split()[len(name.split()) :] for line in shown.splitlines() if name in line]


@pytest.mark.parametrize("common", [PRICE, DEAR])
def test_each_is_scored_like_the_network_and_stored(here, capsys, common):
    shown = run(capsys, *common, "--baseline", "linear", "--baseline", "hgb")
    for name in ("linear model", "gradient boosting"):
        assert [len(row) for row in rows_named(shown, f"  {name} ")] == [4 if common is DEAR else 3]
    later = run(capsys, "evaluate", "m", "houses.csv")
    assert "in training, on the 40 held-out rows" in later
    for name in ("network", "linear model", "gradient boosting"):
        assert rows_named(shown, f"  {name} ") == rows_named(later, f"  {name} ")[-1:], name


def test_none_and_a_choice(here, capsys):
    shown = run(capsys, *PRICE, "--baseline", "none")
    assert "model  " in shown
    assert not re.search("linear model|mean of the training rows", shown)
    assert "in training" not in run(capsys, "evaluate", "m", "houses.csv")
    shown = run(capsys, *PRICE, "--baseline", "hgb")
    assert "linear model" not in shown
    assert "mean of the training rows" in shown


def test_refusals(here, capsys, monkeypatch):
    for options, message in (
        (["--baseline", "none,hgb"], "--baseline none excludes others"),
        (["--baseline", "forest"], "forest"),
    ):
        assert main([*PRICE, *options]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*PRICE, "--baseline", "hgb"]) == 2
    assert 'pip install "ffnn_fast[sklearn]"' in capsys.readouterr().err


def test_a_class_that_only_the_test_rows_have(here, capsys):
    (here / "few.csv").write_text(
        "size,rooms,dear\n90,2,cheap\n150,3,dear\n100,4,odd\n60,1,cheap\n"
    )
    shown = run(capsys, *DEAR, "--test", "few.csv", "--baseline", "linear,hgb")
    assert [len(row) for row in rows_named(shown, "  gradient boosting ")] == [3]
    assert "warning: no" not in shown


def test_a_failing_baseline_is_a_note(here, capsys, monkeypatch):
    def fail(*args):
        raise MemoryError("too many rows")

    monkeypatch.setattr(simple_models, "logistic_regression", fail)
    shown = run(capsys, *DEAR, "--baseline", "linear,hgb")
    assert "\nnote: no linear model: too many rows\n" in shown
    assert rows_named(shown, "  gradient boosting ")
    monkeypatch.setattr(simple_models, "WIDEST", 1)
    shown = run(capsys, *DEAR)
    assert "note: no linear model: 2 inputs are more than 1\n" in shown
    assert (here / "m").exists()


def encoded(y, n_classes):
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=90), "b": rng.choice(["x", "y", "z"], 90).astype(object)}
    columns["a"][::7] = np.nan
    inputs = TableEncoder.fit(columns)
    X = inputs.transform(columns)
    return columns, EncodedRows(X[:60], y[:60], X[60:], inputs, n_classes)


def test_boosting_takes_categories_as_such():
    y = np.random.default_rng(1).normal(size=90)
    columns, rows = encoded(y, 0)
    codes = np.searchsorted(["x", "y", "z"], columns["b"].astype(str))
    missing = np.isnan(columns["a"])
    filled = np.where(missing, 0, rows.inputs.columns[0].transform(columns["a"])[:, 0])
    X = np.column_stack([filled, missing, codes])
    model = HistGradientBoostingRegressor(
        random_state=0, early_stopping=False, categorical_features=[2]
    ).fit(X[:60], y[:60])
    np.testing.assert_array_equal(simple_models.boosted(rows).predicted, model.predict(X[60:]))


def test_boosting_of_classes_that_some_rows_lack():
    y = np.random.default_rng(1).integers(0, 2, 90) * 2
    _, rows = encoded(y, 4)
    found = simple_models.boosted(rows)
    assert found.proba.shape == (30, 4)
    assert (found.proba[:, [1, 3]] == 0).all()
    assert set(found.predicted) <= {0, 2}
    X, is_category = simple_models.with_codes(rows.X, rows.inputs)
    model = HistGradientBoostingClassifier(
        random_state=0, early_stopping=False, categorical_features=is_category
    ).fit(X, rows.y)
    others, _ = simple_models.with_codes(rows.others, rows.inputs)
    np.testing.assert_array_equal(found.proba[:, [0, 2]], model.predict_proba(others))


def test_a_random_part_of_many_rows(monkeypatch):
    monkeypatch.setattr(simple_models, "MOST_ROWS", 20)
    part = simple_models.some_rows(100)
    assert len(set(part)) == 20
    assert part.max() > 60
    np.testing.assert_array_equal(simple_models.some_rows(20), np.arange(20))


def test_stored_scores():
    table = [
        ("on the 4 held-out rows", "accuracy", "F1 macro"),
        ("network", "0.5", "0.4"),
        ("most frequent class", "0.25", ""),
    ]
    summary = {"seed": "0"} | summarised([("", table)])
    expected = [(f"in training, {table[0][0]}", *table[0][1:]), *table[1:]]
    assert stored_scores(summary, [""]) == [("", expected)]
    assert stored_scores(summarised([("", table[:2])]), [""]) == []
