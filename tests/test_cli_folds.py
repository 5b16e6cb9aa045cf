"""Cross-validation by ``ffnn-fast train --cv``."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.houses import PLAIN, here, prepared

from ffnn_fast import metrics
from ffnn_fast.cli import main
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.evaluation.stored_scores import plain_scores, summarised_folds
from ffnn_fast.cli.training import outcome
from ffnn_fast.cli.training.folds import _by_time, folds, scores_table
from ffnn_fast.cli.training.training_table import read_training_table

__all__ = ["here"]  # a fixture
SHARED = ["train", "houses.csv", "--epochs", "2", "--no-report", "-o", "m"]


def parts_of(*options, file="houses.csv", validates=False):
    """The table, and its folds."""
    _, parsed = parse(["train", file, *options])
    found = read_training_table(file, parsed, validates=validates)
    return found, folds(found, parsed)


def test_every_training_row_is_tested_once(here):
    found, parts = parts_of("--target", "price", "--cv", "4", validates=True)
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
    options = ["--target", "dear", "--test-fraction", "0", "--cv", "5", "--seed", "1"]
    found, parts = parts_of(*options)
    odd = np.flatnonzero(found.values[:, 0] == "odd")
    assert len(odd) == 1
    for part in parts:
        assert odd[0] in part.train
        share = (found.values[part.test] == "dear").mean()
        assert share == pytest.approx((found.values == "dear").mean(), abs=0.03)


@pytest.fixture
def visits(tmp_path, monkeypatch):
    """Visits with days that occur three times, and groups, of which one has no name."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    day = np.datetime64("2021-03-01") + rng.permutation(90) // 3
    who = rng.choice(["ann", "bob", "cy", "di", "ed", "flo", ""], 90, p=[0.4, *[0.1] * 6])
    rows = [
        f"{v:.3f},{d},{w},{v * v:.4f},{'ab'[int(v > 0)]}"
        for v, d, w in zip(rng.normal(size=90), day, who, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["v,day,who,y,kind", *rows]) + "\n")
    return day, who


def known_of(found):
    return np.sort(np.concatenate([found.train, found.validation]))


@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("k", [2, 4])
def test_groups_are_not_divided(visits, k, validates):
    _, who = visits
    options = ["--target", "y", "--group-column", "who", "--cv", str(k)]
    found, parts = parts_of(*options, file="t.csv", validates=validates)
    tested = [set(who[part.test]) for part in parts]
    assert len(parts) == k
    assert sum(map(len, tested)) == len(set().union(*tested)) == len(set(who[known_of(found)]))
    np.testing.assert_array_equal(
        np.sort(np.concatenate([part.test for part in parts])), known_of(found)
    )
    for part, test in zip(parts, tested, strict=True):
        train, validation = set(who[part.train]), set(who[part.validation])
        assert not test & (train | validation)
        assert not train & validation
        np.testing.assert_array_equal(
            np.sort(np.concatenate([known_of(part), part.test])), known_of(found)
        )
    assert parts_of(*options, file="t.csv", validates=validates)[1][0].test.tolist() == list(
        parts[0].test
    )


@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("option", [["--time-column", "day"], ["--no-shuffle"]])
def test_earlier_rows_train_and_the_next_are_tested(visits, option, k, validates):
    options = ["--target", "y", *option, "--cv", str(k), "--test-fraction", "0.2"]
    found, parts = parts_of(*options, file="t.csv", validates=validates)
    time = visits[0] if "day" in option else np.arange(90)
    known = known_of(found)
    assert len(parts) == k
    before = known[:0]
    for part in parts:
        train, validation, test = (time[rows] for rows in (part.train, part.validation, part.test))
        assert len(validation) == (0 if not validates else pytest.approx(len(train) * 0.18, abs=3))
        assert train.max() < min([*validation, test.min()])
        assert max([train.max(), *validation]) < test.min()
        assert len(test) == pytest.approx(len(known) / (k + 1), abs=3)
        if len(before):  # what was trained on or tested before, and no more, trains
            np.testing.assert_array_equal(known_of(part), before)
        before = np.sort(np.concatenate([known_of(part), part.test]))
    np.testing.assert_array_equal(before, known)


def test_few_times_of_uneven_size():
    times = np.repeat([3, 1, 2, 5], [20, 1, 1, 2])
    found = [[times[rows] for rows in one] for one in _by_time(times, 3)]
    assert [(sorted(set(a)), sorted(set(b))) for a, b in found] == [
        ([1], [2]), ([1, 2], [3]), ([1, 2, 3], [5]),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [PLAIN, ["--preset", "fast", "--networks", "2"]])
@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            ["--time-column", "day"],
            "the parts follow each other by 'day', and each model is trained on the rows before "
            "the part that it is scored on; the first 24 rows, up to 2021-03-08, are never scored",
        ),
        (["--group-column", "who"], "the parts hold whole groups of 'who' (1, 4 groups)"),
    ],
)
def test_scores_over_parts_by_time_or_groups(visits, capsys, kind, option, sentence):
    pytest.importorskip("sklearn")
    command = ["train", "t.csv", "--target", "y", *option, "--cv", "2", "--epochs", "2", *kind]
    assert main([*command, "--drop", "kind", "-o", "m", "--report", "r.html"]) == 0
    shown = capsys.readouterr().out
    assert f"note: --cv 2: {sentence}" in shown
    found = [part.test for part in parts_of(*command[2:], file="t.csv")[1]]
    counts = re.findall(r"^fold \d of 2: .* (\d+) to score( \(\S+ to \S+\))?$", shown, re.M)
    assert [int(n) for n, _ in counts] == list(map(len, found))
    assert all(bool(times) == ("day" in option) for _, times in counts)
    spread = r"(\S+) ± (\S+)"
    row = re.search(rf"2-fold cross-validation.*\n  network +{spread} +{spread}", shown)
    page = Path("r.html").read_text()
    assert f"deviation over the folds; {sentence.replace(chr(39), '&#39;')}" in page
    assert f"{row[3]} ± {row[4]}" in page
    assert main(["evaluate", "m", "t.csv", "--json"]) == 0
    stored = json.loads(capsys.readouterr().out)["training"]
    judged = stored["cross_validation"]
    assert (judged["folds"], judged["parts"]) == (2, sentence)
    assert judged["scores"]["network"]["rmse"] == {"mean": float(row[3]), "std": float(row[4])}
    assert judged["scores"].keys() == stored["scores"].keys()
    assert stored["rows"].endswith("held-out rows")


def test_a_score_that_some_folds_lack():
    found = [
        {"network": {"accuracy": 0.8, "roc_auc": 0.5}},
        {"network": {"accuracy": 0.9}},
        {"network": {"accuracy": 1.0, "roc_auc": 0.7}},
    ]
    table = scores_table(found)
    assert table[1] == ("network", "0.9000 ± 0.1000", "0.6000 ± 0.1414 (2 folds)")
    stored = plain_scores(
        summarised_folds([("", table)], "") | {"R2 on the 4 held-out rows": "nan"}
    )
    auc = {"mean": 0.6, "std": 0.1414, "folds": 2}
    assert stored["cross_validation"]["scores"]["network"]["roc_auc"] == auc
    assert stored["scores"] == {"network": {"r2": None}}


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
    for part in folds(whole, parsed):
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
        (["--cv", "100"], "--cv 100 needs at least 200 rows to train on, got 160; use --cv 80"),
        (["--cv", "80", "--no-shuffle"], "at least 162 rows to train on, got 160; use --cv 79 at"),
        (["--cv", "2", "--start", "m"], "leave out --cv or --start"),
        (
            ["--cv", "7", "--group-column", "rooms"],
            "--cv 7 needs at least 7 groups of 'rooms' in the rows to train on, got 5; use --cv 5",
        ),
        (
            ["--cv", "9", "--time-column", "rooms"],
            "--cv 9 needs at least 10 different values of 'rooms' in the rows to train on, got 5; "
            "use --cv 4",
        ),
        (["--cv", "2", "--time-column", "dear"], "neither numbers nor dates of one format"),
    ],
)
def test_refusals(here, capsys, options, message):
    assert main([*SHARED, *PLAIN, "--target", "price", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [f"{i},{'ab'[i > 20]},{i % 3}" for i in range(40)],
            ["--time-column", "t", "--test-fraction", "0"],
            "--cv 2: part 1 leaves rows of the class 'a' only to train on; use another K, or leave",
        ),
        (
            [f"{i},{'ab'[i % 2]},{0 if i < 38 else i}" for i in range(40)],
            ["--group-column", "g", "--early-stopping", "3", "--test-fraction", "0"],
            "--cv 2: part 1 leaves no rows to validate on",
        ),
        (
            [f"{i},{'ab'[i % 2]},{i % 9 // 8}" for i in range(40)],
            ["--group-column", "g", "--test-fraction", "0.2"],
            "got 1; leave out --cv",
        ),
        (
            [f"{i if i != 5 else 'NA'},{'ab'[i % 2]},0" for i in range(40)],
            ["--time-column", "t"],
            "line 7, column 't': the value is missing, but --time-column needs it in every row",
        ),
    ],
)
def test_parts_that_cannot_be_trained(tmp_path, monkeypatch, capsys, rows, options, message):
    monkeypatch.chdir(tmp_path)
    lines = ["t,kind,g,v", *(f"{row},{i * i % 7}" for i, row in enumerate(rows))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    command = ["train", "t.csv", "--target", "kind", "--cv", "2", "--model", "plain", *options]
    assert main([*command, "-o", "m", "--no-report"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
