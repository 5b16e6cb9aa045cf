"""``ffnn-fast train``: targets of dates and of many classes, and tables of few rows."""

import re
import warnings

import numpy as np
import pytest

from ffnn_fast.cli import main

FAST = ["--no-report", "--epochs", "1", "-o", "M"]
N = 60


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(target, n=N):
    """A table whose target is given for each row."""
    lines = [f"{i * 7919 % 101},{i % 7},{target(i)}" for i in range(n)]
    with open("t.csv", "w") as file:
        print("a,b,y", *lines, sep="\n", file=file)


def train(*options):
    return main(["train", "t.csv", "--target", "y", *FAST, *options])


def day(i):
    return np.datetime64("2020-01-30") + i


@pytest.mark.parametrize("date", [day, lambda i: f"{i + 1}.1.2020", lambda i: f"1/{i + 1}/2020"])
def test_few_dates_are_classes_with_a_note(date, capsys):
    write(lambda i: date(i % 3))
    assert train("--model", "plain") == 0
    shown = capsys.readouterr().out
    assert "target y (3 classes)" in shown
    assert "note: the target 'y' holds dates (" in shown
    assert "each of which is taken as a class" in shown
    assert train("--model", "plain", "--task", "classification") == 0
    assert "holds dates" not in capsys.readouterr().out


@pytest.mark.parametrize("options", [(), ("--task", "regression"), ("--loss", "mae")])
def test_many_dates_are_refused_with_advice_that_works(options, capsys):
    write(day)
    assert train(*options) == 2
    message = capsys.readouterr().err
    assert "target 'y' holds dates (ISO 8601), which are not values" in message
    assert "--task" not in message
    write(lambda i: day(i).astype(int))  # replaced by numbers, such as days
    assert train("--model", "plain", *options) == 0


@pytest.mark.parametrize("distinct", [5, 21, 30, 31, 60])
def test_the_other_task_is_noted_where_it_is_possible(distinct, capsys):
    """Where half of the rows or fewer are as many classes."""
    write(lambda i: i % distinct)
    assert train("--model", "plain") == 0
    shown = capsys.readouterr().out
    assert f"has {distinct} different whole numbers, which are taken as" in shown
    found = re.search(r"different whole numbers.*; (--task \S+) takes", shown)
    assert bool(found) == (distinct <= N / 2)
    if found:
        assert train("--model", "plain", *found[1].split()) == 0


@pytest.mark.parametrize(("distinct", "advised"), [(9, True), (40, False)])
def test_a_word_among_values_is_advised_to_be_a_class_if_it_can(distinct, advised, capsys):
    write(lambda i: "odd" if i == 7 else i % distinct + 0.5)
    assert train("--model", "plain") == 2
    message = capsys.readouterr().err
    assert "'odd' is not a number; if it marks a missing value, use --missing" in message
    assert ("use --task classification" in message) == advised
    assert train("--model", "plain", "--task", "classification") == (0 if advised else 2)


@pytest.mark.slow
def test_no_warnings_of_other_packages(recwarn, capsys):
    """Of 31 classes in 48 training rows scikit-learn warns in each linear model of the bag."""
    pytest.importorskip("sklearn")
    write(lambda i: f"k{i // 2}")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert train("--networks", "2", "--baseline", "linear,hgb", "--cv", "2") == 0
    assert not recwarn.list
    assert "Warning" not in capsys.readouterr().err


@pytest.mark.parametrize("model", ["plain", "tabular"])
@pytest.mark.parametrize("target", [lambda i: i * 1.5, lambda i: "xy"[i % 2]])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_of_few_rows_none_are_held_out(n, target, model, capsys):
    if model == "tabular":
        pytest.importorskip("sklearn")
    write(target, n)
    few = ["--networks", "2"] if model == "tabular" else []
    assert train("--model", model, *few) == 0
    shown = capsys.readouterr().out
    assert f"note: no rows are held out, as {n} rows are too few" in shown
    assert f"on the {n} training rows" in shown
    assert train("--model", "plain", "--test-fraction", "0") == 0
    assert "no rows are held out" not in capsys.readouterr().out
    assert main(["train", "t.csv", "--start", "M", "-o", "N", "--no-report", "--epochs", "1"]) == 0
    assert "no rows are held out" in capsys.readouterr().out


def test_only_a_fraction_that_was_given_is_refused(capsys):
    write(lambda i: i * 1.5, 2)
    assert train("--model", "plain", "--test-fraction", "0.2") == 2
    assert "--test-fraction 0.2 of 2 rows comes to no row" in capsys.readouterr().err
    write(lambda i: i * 1.5, 6)
    assert train("--model", "plain") == 0
    assert "t.csv: 5 rows to train on, 1 held out" in capsys.readouterr().out
    write(lambda i: i * 1.5, 3)
    assert train("--model", "plain", "--test-fraction", "0.4") == 0
    assert "t.csv: 2 rows to train on, 1 held out" in capsys.readouterr().out


def test_rows_of_both_classes_are_followed_beside_a_class_that_only_they_have(capsys):
    """Of one logistic output, which has two classes."""
    write(lambda i: "ab"[i % 3 > 1])
    rows = ["a,b,y", *(f"{i},{i % 7},{'ab'[i % 3 > 1]}" for i in range(20)), "1,2,c"]
    with open("test.csv", "w") as file:
        print(*rows, sep="\n", file=file)
    options = ["--loss", "binary_cross_entropy", "--validation-fraction", "0", "--log", "l.csv"]
    assert train(*options, "--test", "test.csv") == 0
    with open("l.csv") as file:
        head, last = (line.split(",") for line in file.read().split())
    followed = float(last[head.index("val_accuracy")])
    shown = capsys.readouterr().out
    (accuracy,) = re.findall(r"^  network +(\S+)", shown, re.MULTILINE)
    assert 0 < followed < 1
    assert followed * 20 / 21 == pytest.approx(float(accuracy), abs=1e-4)


def test_rows_of_one_time_are_not_held_out(capsys):
    write(lambda i: i * 1.5)
    with open("t.csv") as file:
        head, *lines = file.read().split()
    with open("t.csv", "w") as file:
        print(head + ",t", *(f"{line},7" for line in lines), sep="\n", file=file)
    assert train("--model", "plain", "--time-column", "t") == 0
    assert "note: no rows are held out, as all rows must stay together" in capsys.readouterr().out
