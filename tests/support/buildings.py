"""Loads of buildings: a table with two targets of values and two of classes, and its models."""

import csv
import re

import numpy as np
import pytest

from ffnn_fast.cli import main

N = 130
TABULAR = ("--preset", "fast", "--epochs", "3", "--networks", "2")
PLAIN = ("--model", "plain", "--epochs", "8", "--hidden", "6")
MODELS = {"tabular": TABULAR, "plain": PLAIN}
VALUES = ("--target", "heating", "--target", "cooling", "--drop", "grade,state")
CLASSES = ("--target", "grade", "--target", "state", "--drop", "heating,cooling")


def buildings(seed, gaps=False):
    """Loads of buildings: heating and cooling are values, grade and state classes."""
    rng = np.random.default_rng(seed)
    area, height = rng.uniform(50, 300, N).round(1), rng.uniform(2, 5, N).round(2)
    side = rng.choice(["north", "south"], N)
    heating = (0.1 * area + 3 * height + 2 * (side == "north") + rng.normal(0, 1, N)).round(2)
    cooling = (300 - area + 20 * height + rng.normal(0, 5, N)).round(1)
    grade = np.select([heating < 22, heating < 32], ["A", "B"], "C")
    state = np.where(cooling > 190, "hot", "mild")
    floor = rng.integers(0, 8, N)
    columns = [area, height, side, floor, heating, cooling, grade, state]
    rows = [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
    if gaps:
        rows[3][4] = rows[8][4] = rows[8][5] = rows[11][5] = ""
    names = ["area", "height", "side", "floor", "heating", "cooling", "grade", "state"]
    return [names, *rows]


def write(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def column(rows, name, kind=str):
    place = rows[0].index(name)
    return np.array([kind(row[place]) for row in rows[1:]])


def run(capsys, *args, code=0):
    """Run the command; returns what it wrote."""
    assert main([str(one) for one in args]) == code
    shown = capsys.readouterr()
    return shown.err if code else shown.out


def predicted(capsys, *args):
    """The columns that predict writes, by name."""
    rows = list(csv.reader(run(capsys, "predict", *args).splitlines()))
    return dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multi_output")
    write(folder / "t.csv", buildings(0, gaps=True))
    write(folder / "new.csv", buildings(1))
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained(here, capsys):
    """A function that trains a model once; returns its file and what train wrote."""

    def train(model, targets):
        name = f"{model}-{targets[1]}"
        log = here / f"{name}.log"
        if not log.exists():
            shown = run(capsys, "train", "t.csv", *targets, *MODELS[model], "-o", name,
                        "--baseline", "linear,hgb")  # fmt: skip
            log.write_text(shown)
        return name, log.read_text()

    return train


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
