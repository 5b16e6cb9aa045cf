"""Cross-validation by ``ffnn-fast train --cv``."""

import re

import numpy as np
import pytest
from support.houses import PLAIN, here, prepared

from ffnn_fast import metrics
from ffnn_fast.cli import main
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.training import outcome
from ffnn_fast.cli.training.folds import folds, scores_table
from ffnn_fast.cli.training.training_table import read_training_table

__all__ = ["here"]  # a fixture
SHARED = ["train", "houses.csv", "--epochs", "2", "--no-report", "-o", "m"]


def table_of(*options, validates=False):
    _, parsed = parse(["train", "houses.csv", *options])
    return read_training_table("houses.csv", parsed, validates=validates)


def test_every_training_row_is_tested_once(here):
    found = table_of("--target", "price", validates=True)
    parts = folds(found, 4, 0)
    known = np.sort(np.concatenate([found.train, found.validation]))
    np.testing.assert_array_equal(np.sort(np.concatenate([p.test for p in parts])), known)
    for part in parts:
        whole = np.sort(np.concatenate([part.train, part.validation, part.test]))
        np.testing.assert_array_equal(whole, known)
        assert len(part.validation) == round(len(part.train) * 0.15 / 0.85)


def test_folds_of_classes(here):
    lines = (here / "houses.csv").read_text().splitlines()
    lines[1] = lines[1].replace("dear", "odd").replace("cheap", "odd")
    (here / "houses.csv").write_text("\n".join(lines))
    found = table_of("--target", "dear", "--test-fraction", "0")
    parts = folds(found, 5, 1)
    odd = np.flatnonzero(found.values[:, 0] == "odd")
    assert len(odd) == 1
    for part in parts:
        assert odd[0] in part.train
        share = (found.values[part.test] == "dear").mean()
        assert share == pytest.approx((found.values == "dear").mean(), abs=0.03)


def test_scores_table():
    found = [
        {"network": {"accuracy": 0.8, "f1": 0.5}, "line": {"accuracy": 0.5}},
        {"network": {"accuracy": 0.9}, "line": {"accuracy": 0.7}},
    ]
    assert scores_table(found) == [
        ("2-fold cross-validation", "accuracy", "F1 macro"),
        ("network", "0.8500 ± 0.0707", ""),
        ("line", "0.6000 ± 0.1414", ""),
    ]


def test_a_plain_model(here, capsys):
    options = [*PLAIN, "--target", "price", "--drop", "dear,weight", "--log", "log.csv"]
    assert main([*SHARED, *options]) == 0
    alone = (here / "m").read_bytes()
    assert main([*SHARED, *options, "--cv", "3"]) == 0
    shown = capsys.readouterr().out
    assert (here / "log.csv").read_text().count("\n") == 3
    found = re.search(r"3-fold cross-validation +R2 +RMSE +MAE\n +network (.*)\n +linear", shown)
    _, parsed = parse([*SHARED, *options, "--cv", "3"])
    whole = read_training_table("houses.csv", parsed, validates=True)
    errors = []
    for part in folds(whole, 3, 0):
        one = outcome._plain_of(part, parsed, lambda *_: None).evaluations[0]
        errors.append(metrics.rmse(one.truth, one.predicted))
    shown_rmse = f"{np.mean(errors):.6g} ± {np.std(errors, ddof=1):.6g}"
    assert shown_rmse in found[1]
    assert main(["info", "m"]) == 0
    assert f"RMSE {shown_rmse}" in capsys.readouterr().out
    rows = prepared("--log", "log.csv", "--cv", "3")
    assert len(rows.train) + len(rows.validation) == 160
    assert len(alone) < len((here / "m").read_bytes())


def test_a_tabular_model(here, capsys):
    pytest.importorskip("sklearn")
    fast = ["--preset", "fast", "--networks", "2", "--cv", "2", "--drop", "price,weight"]
    assert main([*SHARED, "--target", "dear", *fast]) == 0
    shown = capsys.readouterr().out
    number = r"\d\.\d{4} ± \d\.\d{4}"
    for name in ("network", "linear model", "most frequent class"):
        assert re.search(rf"^  {name} +{number} +{number} +{number} +{number}$", shown, re.M), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cv", "1"], "--cv must be"),
        (["--cv", "100"], "--cv 100 needs at least 200 rows to train on, got 160"),
        (["--cv", "2", "--start", "m"], "leave out --cv or --start"),
    ],
)
def test_refusals(here, capsys, options, message):
    assert main([*SHARED, *PLAIN, "--target", "price", *options]) == 2
    assert message in capsys.readouterr().err
