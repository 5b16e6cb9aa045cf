"""``ffnn-fast train`` holds out rows at random, by time, by groups, or in the order of the file."""

import numpy as np
import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.training.splitting import Arrangement
from ffnn_fast.cli.training.training_table import read_training_table

N = 60
DAYS = np.datetime64("2020-01-01") + np.random.default_rng(0).permutation(N) // 2
GROUPS = np.random.default_rng(1).choice(list("abcdefgh"), N)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    lines = [
        f"{i * i % 17},{d},{g},{i % 5 + 0.5}"
        for i, (d, g) in enumerate(zip(DAYS, GROUPS, strict=True))
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,day,who,y", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)


def table_of(*options, validates=True):
    options = parse(["train", "t.csv", "--target", "y", *options])[1]
    return read_training_table("t.csv", options, validates=validates)


def test_time_column_holds_out_the_last_rows():
    found = table_of("--time-column", "day")
    parts = [DAYS[rows] for rows in (found.train, found.validation, found.test)]
    assert [len(part) for part in parts] == [40, 8, 12]
    assert parts[0].max() < parts[1].min() <= parts[1].max() < parts[2].min()
    assert (np.diff(parts[0]).astype(int) >= 0).all()
    assert "note: the test and validation rows are the last by 'day'" in found.notes
    assert table_of("--time-column", "a").test.tolist() != found.test.tolist()


@pytest.mark.parametrize("option", [["--day-first"], []])
def test_the_order_of_day_and_month_decides_which_rows_are_last(tmp_path, option):
    days = [(1 + i % 12, 1 + i // 12) for i in range(N)]
    lines = [f"{i * i % 17},{a}/{b}/2021,{i % 5 + 0.5}" for i, (a, b) in enumerate(days)]
    (tmp_path / "t.csv").write_text("\n".join(["a,day,y", *lines]) + "\n")
    found = table_of("--time-column", "day", *option)
    order = sorted(range(N), key=lambda i: days[i][::-1] if option else days[i])
    assert sorted(found.test) == sorted(order[-12:])


def test_group_column_keeps_groups_together():
    found = table_of("--group-column", "who")
    groups = [set(GROUPS[rows]) for rows in (found.train, found.validation, found.test)]
    assert all(groups)
    assert sum(map(len, groups)) == 8
    assert 1 <= len(found.test) <= 12
    assert any("of the 8 groups of 'who'" in note for note in found.notes)
    use = {use.name: use.feature for use in found.uses}
    assert (use["who"].use, use["who"].note) == ("left out", "--group-column")
    kept = table_of("--group-column", "who", "--use", "who")
    assert {use.name: use.feature.use for use in kept.uses}["who"] == "category"


def test_no_shuffle_holds_out_the_end_of_the_file():
    found = table_of("--no-shuffle")
    rows = np.concatenate([found.train, found.validation, found.test])
    assert rows.tolist() == list(range(N))
    assert len(found.test) == 12
    assert "note: the test and validation rows are the last of the file" in found.notes


def test_equal_times_stay_together():
    held = Arrangement(times=np.array([1, 1, 2, 2, 2, 2, 2, 3, 3, 3])).hold_out
    rng = np.random.default_rng(0)
    for fraction, first in ((0.0, 10), (0.1, 7), (0.3, 7), (0.4, 7), (0.7, 2), (0.9, 2)):
        train, test = held(10, fraction, rng, None)
        assert len(train) == first, fraction
        assert np.concatenate([train, test]).tolist() == list(range(10))
    same = Arrangement(times=np.zeros(4)).hold_out(4, 0.5, rng, None)
    assert [len(part) for part in same] == [4, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--group-column", "who", "--time-column", "day"], "contradict each other"),
        (["--group-column", "who", "--no-shuffle"], "contradict each other"),
        (["--group-column", "y"], "--group-column names the target 'y'"),
        (["--time-column", " y"], "--time-column names the target 'y'"),
        (["--group-column", "whom"], "--group-column: t.csv has no column 'whom'; did you mean"),
        (["--time-column", "dy"], "has no column 'dy'; did you mean 'day'?"),
        (["--time-column", "who"], "neither numbers nor dates of one format, but"),
        (["--time-column", "day", "--missing", "2020-01-03"], "needs it in every row"),
    ],
)
def test_refusals(options, message, capsys):
    assert main(["train", "t.csv", "--target", "y", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_tabular_model_knows_no_class_that_only_later_rows_have(tmp_path, capsys):
    pytest.importorskip("sklearn")
    kind = np.where(np.arange(N) < N - 6, np.where(np.arange(N) % 2, "x", "y"), "late")
    lines = [f"{i % 7},{i},{k}" for i, k in enumerate(kind)]
    (tmp_path / "late.csv").write_text("\n".join(["a,t,kind", *lines]) + "\n")
    fast = ["--preset", "fast", "--epochs", "1", "--networks", "2", "--no-report"]
    command = ["train", "late.csv", "--target", "kind", "--time-column", "t", "-o", "M", *fast]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "note: the folds that choose and calibrate the bag are blocks of time by 't'" in shown
    assert "note: 6 rows of late.csv have a class that no training row has (late)" in shown
    assert main(["predict", "M", "late.csv", "--proba"]) == 0
    head, *rows = capsys.readouterr().out.split()
    assert head == "x,y"
    assert len(rows) == N


@pytest.mark.parametrize(
    ("option", "given"), [("--time-column", "day"), ("--group-column", "who"), ("--drop", "day")]
)
def test_the_folds_of_a_tabular_model_are_of_times_or_groups(option, given, monkeypatch, capsys):
    tabular = pytest.importorskip("ffnn_fast.tabular")
    seen = {}

    def fit(self, X, y, weight, **others):
        seen.update(others, n=len(y))
        raise ValueError("no fit")

    monkeypatch.setattr(tabular.TabularRegressor, "fit", fit)
    assert main(["train", "t.csv", "--target", "y", option, given, "-o", "M", "--no-report"]) == 2
    assert "no fit" in capsys.readouterr().err
    name = {"--time-column": "times", "--group-column": "groups"}.get(option)
    assert seen.keys() == {"n", name} - {None}
    if name:
        assert len(seen[name]) == seen["n"]
        assert name == "groups" or (np.diff(seen[name]).astype(int) >= 0).all()


def test_one_time_only_leaves_random_folds(tmp_path, capsys):
    pytest.importorskip("sklearn")
    lines = [f"{i % 7},{2020 + i // 30},{i % 5 + 0.5}" for i in range(60)]
    (tmp_path / "two.csv").write_text("\n".join(["a,t,y", *lines]) + "\n")
    fast = ["--preset", "fast", "--epochs", "1", "--networks", "2", "--no-report"]
    command = ["train", "two.csv", "--target", "y", "--time-column", "t", "-o", "M"]
    assert main([*command, "--test-fraction", "0.5", *fast]) == 0
    assert "note: all training rows have one value of 't'" in capsys.readouterr().out


@pytest.mark.parametrize("solver", ["l-bfgs-b", "levenberg_marquardt"])
def test_no_shuffle_beside_a_solver_holds_out_the_end(solver, capsys):
    command = ["train", "t.csv", "--target", "y", "--no-shuffle", "--solver", solver, "-o", "M"]
    assert main([*command, "--epochs", "2", "--hidden", "2", "--no-report"]) == 0
    shown = capsys.readouterr().out
    assert "note: the test rows are the last of the file" in shown
    assert "solving  iteration " in shown
    assert "epoch" not in shown
