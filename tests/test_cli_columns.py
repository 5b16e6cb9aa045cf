"""Every column of a training table has a use, which is shown; what is ambiguous is one message."""

import re
import shlex

import numpy as np
import pytest
from support.refusals import refused
from support.tables import write_parquet

from ffnn_fast.cli import main
from ffnn_fast.cli.table import DEFAULT_MISSING, read_table
from ffnn_fast.cli.table_preprocessing import load_model
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.determining import determining_notes
from ffnn_fast.cli.training.examining import ColumnOptions, examine
from ffnn_fast.preprocessing import TargetEncoder

__all__ = ["refused"]  # a fixture
N = 60
TRAIN = ["train", "t.csv", "--target", "y", "-o", "m", "--model", "plain", "--epochs", "2"]


def columns():
    """A column of every kind, N rows."""
    rng = np.random.default_rng(0)
    days = np.datetime64("2013-01-05") + rng.integers(0, 900, N)
    return {
        "": [f"r{i}" for i in range(N)],
        "PassengerId": rng.permutation(N) + 100,
        "row": np.arange(1, N + 1),
        "size": [("NaN", "n/a", "null")[i % 3] if i < 40 else f"{i}.5" for i in range(N)],
        "odd": ["twelve" if i == 3 else i * i % 37 for i in range(N)],
        "child": rng.choice(["0", "1", "2", "3+"], N),
        "zone": [f"z{i % 25}" for i in range(N)],
        "iso": [str(day) for day in days],
        "us": [f"{day.astype(object):%m/%d/%Y}" for day in days],
        "left": [("unknown" if i % 10 == 4 else day) for i, day in enumerate(days)],
        "name": [f"Mr. {i}" for i in range(N)],
        "one": ["x"] * N,
        "none": [""] * N,
        "y": rng.normal(size=N).round(3),
    }


def write(path, table):
    rows = zip(*table.values(), strict=True)
    path.write_text("\n".join([",".join(table), *(",".join(map(str, row)) for row in rows)]) + "\n")


def uses_of(path, **options):
    """How each column of a file is used, and the problems."""
    options = {"missing": DEFAULT_MISSING, **options}
    uses, problems = examine(read_table(str(path)), ColumnOptions({"y": ""}, **options))
    return {use.name: (use.feature.use, use.feature.note) for use in uses}, problems


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "t.csv", columns())
    return tmp_path / "t.csv"


def test_uses(table):
    found, problems = uses_of(table)
    assert problems == []
    assert {name: use for name, (use, _) in found.items()} == {
        "1": "left out", "PassengerId": "left out", "row": "left out", "size": "number",
        "odd": "number", "child": "category", "zone": "category", "iso": "date", "us": "date",
        "left": "date", "name": "left out", "one": "left out", "none": "left out",
    }  # fmt: skip
    notes = {name: note for name, (_, note) in found.items()}
    assert notes["size"] == "40 missing"
    assert notes["odd"] == "'twelve' in 1 row taken as missing, 1 missing"
    assert notes["child"] == "4 levels, numbers and the words '3+'"
    assert notes["us"] == "year, month, weekday, elapsed, as month/day/year"
    assert "as ISO 8601, 'unknown' in 6 rows taken as missing, 6 missing" in notes["left"]
    assert notes["row"] == "numbers the rows; --use row keeps it"
    assert notes["name"] == "60 different texts in 60 rows; --use name keeps it"
    assert notes["one"] == "constant"
    assert notes["none"] == "no value is known"


def test_dates_whose_order_is_open(tmp_path):
    """The note has the order, and an option for the other one that is not offered in vain."""
    dates = {
        "open": [f"{1 + i % 12}/{1 + i // 12}/2021" for i in range(N)],
        "us": [f"{1 + i % 12}/{1 + i % 28}/2021" for i in range(N)],
        "words": ["soon" if i == 3 else f"{1 + i % 12}/{1 + i // 12}/2021" for i in range(N)],
        "y": range(N),
    }
    write(tmp_path / "t.csv", dates)
    notes = {name: note for name, (_, note) in uses_of(tmp_path / "t.csv")[0].items()}
    assert notes["open"].endswith("as month/day/year, --day-first takes the day first")
    assert notes["us"].endswith("as month/day/year")
    assert "as month/day/year, --day-first takes the day first, 'soon'" in notes["words"]
    notes = {
        name: note for name, (_, note) in uses_of(tmp_path / "t.csv", day_first=True)[0].items()
    }
    assert notes["open"].endswith("as day.month.year")
    assert "as day.month.year, 'soon'" in notes["words"]
    assert notes["us"].endswith("as month/day/year")


@pytest.mark.parametrize("model", ["plain", "tabular"])
def test_the_order_of_dates_is_that_of_the_training(tmp_path, monkeypatch, capsys, model):
    """The file to predict need not show it."""
    if model == "tabular":
        pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "t.csv",
        {
            "d": [f"{1 + i % 12}/{1 + i // 12}/2021" for i in range(N)],
            "y": [i % 12 for i in range(N)],
        },
    )
    write(tmp_path / "new.csv", {"d": ["1/2/2021"]})
    write(tmp_path / "day.csv", {"d": ["25/2/2021"]})
    train = ["train", "t.csv", "--target", "y", "-o", "m", "--no-report", "--seed", "0"]
    train += ["--model", model, "--task", "regression", "--epochs", "2"]
    write(tmp_path / "iso.csv", {"d": ["2021-02-01"]})
    for order, accepted in (["--day-first"], True), ([], False):
        assert main([*train, *order]) == 0
        answers = []
        for file in ("new.csv", "iso.csv"):
            capsys.readouterr()
            assert main(["predict", "m", file]) == 0
            answers.append(capsys.readouterr().out)
        assert (answers[0] == answers[1]) == accepted
        assert (main(["predict", "m", "day.csv"]) == 0) == accepted


def test_a_blank_name_is_that_of_a_row_number(tmp_path):
    table = {"": np.random.default_rng(0).permutation(N), "x": columns()["odd"], "y": range(N)}
    write(tmp_path / "t.csv", table)
    assert uses_of(tmp_path / "t.csv")[0]["1"][0] == "left out"


def test_a_counter_without_names(tmp_path):
    rows = [f"{i},{i * i % 37},{i % 3}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    found, _ = uses_of(tmp_path / "t.csv")
    assert [found[name][0] for name in "123"] == ["left out", "number", "number"]


def test_columns_that_are_kept(table):
    found, _ = uses_of(table, kept=("row", "name"), categorical=("odd",))
    assert [found[name][0] for name in ("row", "name", "odd")] == ["number", "category", "category"]


def test_columns_of_other_types_are_left_out(tmp_path):
    write_parquet(tmp_path / "t.parquet", {"x": [1, 5, 2], "path": [[1], [2], [3]], "y": [1, 2, 3]})
    found, problems = uses_of(tmp_path / "t.parquet")
    assert found["path"][0] == "left out"
    assert "list<" in found["path"][1]
    assert problems == []
    assert len(uses_of(tmp_path / "t.parquet", strict=True)[1]) == 1


def test_the_command_shows_every_column(table, capsys):
    assert main([*TRAIN, "--no-report"]) == 0
    shown = capsys.readouterr().out
    for name, (use, _) in uses_of(table)[0].items():
        assert f"\n  {name.ljust(11)}  {use}" in shown


def ambiguous():
    """Numbers and words, neither few."""
    rng = np.random.default_rng(1)
    numbers = [f"{v:.2f}" for v in rng.normal(size=N)]
    return [f"w{i}" if i % 4 == 0 else numbers[i] for i in range(N)]


def test_everything_ambiguous_is_one_message(refused, tmp_path):
    write(tmp_path / "t.csv", {**columns(), "a": ambiguous(), "b,c": ambiguous()})
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("b,c", '"b,c"'))
    message = refused(*TRAIN, "--drop", "no", "--categorical", "nor")
    assert "4 things to decide: (1) --drop: t.csv has no column 'no'" in message
    assert "(2) --categorical: t.csv has no column 'nor'" in message
    assert "(3) t.csv, column 'a' holds numbers in 45 rows and words such as 'w0', 'w4'" in message
    assert """--categorical '"b,c"' takes all as categories, --drop '"b,c"' leaves it""" in message


def hints(message):
    """The options that a message shows, as words of the command line."""
    words = shlex.split(message.replace("(", " ").replace(")", " ").replace("'a'", "a"))
    known = ("--missing", "--categorical", "--drop")
    return [[w, words[i + 1].strip(";,")] for i, w in enumerate(words) if w in known]


@pytest.mark.parametrize("few", [False, True])
def test_each_hint_of_a_refusal_works(refused, tmp_path, few):
    cells = ambiguous()
    if few:
        cells = [
            ("u", "v")[i % 2] if cell.startswith("w") else cell for i, cell in enumerate(cells)
        ]
        cells = [("u", "v")[i % 8 == 0] if i % 4 == 0 else cell for i, cell in enumerate(cells)]
    write(tmp_path / "t.csv", {**columns(), "a": cells})
    found = hints(refused(*TRAIN).partition("column 'a' ")[2])
    assert len(found) == 2 + few
    for hint in found:
        assert main([*TRAIN, "--no-report", *hint]) == 0


@pytest.mark.parametrize("option", ["--missing", "--categorical", "--drop"])
def test_each_hint_of_strict_works(refused, tmp_path, option):
    table = columns()
    write(tmp_path / "t.csv", {name: table[name] for name in ("row", "odd", "us", "y")})
    message = refused(*TRAIN, "--strict")
    assert "2 things to decide" in message
    odd = next(hint for hint in hints(message) if hint[0] == option)
    assert main([*TRAIN, "--no-report", "--strict", *odd, "--drop", "us"]) == 0


def test_rows_without_a_target_are_left_out(table, capsys):
    table.write_text(table.read_text() + ",,,,,,,,,,,,,\n" * 3)
    assert main([*TRAIN, "--no-report"]) == 0
    assert "note: left out 3 rows without a target\n" in capsys.readouterr().out
    assert (
        main([*TRAIN, "--no-report", "--strict", "--drop", "zone,iso,us,left,name,odd,1,child"])
        == 2
    )
    assert "the target is missing (3 such rows)" in capsys.readouterr().err


@pytest.mark.parametrize(("n", "advised"), [(10, True), (11, False)])
def test_the_option_that_takes_words_as_missing(table, n, advised, capsys):
    odd = [f"w{i % n}" if i % 3 == 0 else i * 7.5 for i in range(N)]
    write(table, {**columns(), "odd": odd})
    assert main([*TRAIN, "--no-report"]) == 2
    message = capsys.readouterr().err
    found = re.search(r"in 20: (--missing '[^']*')? ?.*--categorical odd", message)
    assert bool(found[1]) == advised
    assert main([*TRAIN, "--no-report", *shlex.split(found[1] or "--drop odd")]) == 0


def test_many_columns_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    numbers = {f"n{i}": rng.normal(size=N).round(3) for i in range(50)}
    levels = {f"c{i}": rng.choice(["u", "v"], N) for i in range(45)}
    write(tmp_path / "t.csv", {**numbers, **levels, "one": ["x"] * N, "y": numbers["n0"] + 1})
    assert main([*TRAIN, "--no-report"]) == 0
    shown = capsys.readouterr().out
    assert (
        "  c39     category  2 levels\n  and 56 more (number 50, category 5, left out 1); f"
        in shown
    )
    assert main(["info", "m"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in (*numbers, *levels))


class TestPlainModels:
    """The same treatment in a file that predicts from raw rows."""

    def test_dates_and_words_are_read_again(self, table, tmp_path, capsys):
        assert main([*TRAIN, "--no-report"]) == 0
        _, preprocessing = load_model("m")
        names = preprocessing.inputs.feature_names
        assert {"iso year", "iso elapsed", "us month", "child=3+"} <= set(names)
        assert main(["evaluate", "m", "t.csv"]) == 0
        capsys.readouterr()
        write(tmp_path / "new.csv", {**columns(), "us": ["2/1/2013"] * N, "y": [1.5] * N})
        assert main(["predict", "m", "new.csv"]) == 0
        write(tmp_path / "bad.csv", {**columns(), "us": ["1.2.2013"] * N})
        capsys.readouterr()
        assert main(["predict", "m", "bad.csv"]) == 2
        assert "'1.2.2013' is not a date as month/day/year" in capsys.readouterr().err

    def test_dates_of_iso_are_read_whatever_the_training_had(self, table, tmp_path, capsys):
        assert main([*TRAIN, "--no-report"]) == 0
        answers = []
        for dates in (
            ["2/13/2013"] * N,
            ["2013-02-13"] * N,
            ["2013-02-13", "2/13/2013"] * (N // 2),
        ):
            write(tmp_path / "new.csv", {**columns(), "us": dates})
            capsys.readouterr()
            answers.append((main(["predict", "m", "new.csv"]), *capsys.readouterr()))
        assert answers[0][:2] == answers[1][:2] != answers[2][:2]
        note = "note: us: dates as ISO 8601; those of the training are as month/day/year"
        assert [note in err for _, _, err in answers] == [False, True, False]
        assert answers[2][0] == 2
        assert "'2013-02-13' is not a date as month/day/year" in answers[2][2]

    def test_many_levels_are_pooled(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        zone = [f"z{i % 150}" if i < 450 else "z7" for i in range(500)]
        write(tmp_path / "t.csv", {"zone": zone, "y": np.arange(500) % 7})
        assert main([*TRAIN, "--no-report"]) == 0
        _, preprocessing = load_model("m")
        (column,) = preprocessing.inputs.columns
        assert len(column.levels) == 100
        assert "z7" in column.levels


def test_columns_that_tell_the_target(tmp_path):
    rng = np.random.default_rng(0)
    n = 200
    label, x = rng.integers(0, 2, n), rng.normal(size=n)
    told = {
        "alive": np.where(label, "yes", "no"), "dose": label + rng.random(n), "x": x,
        "sex": np.where(rng.random(n) < 0.9, label, 1 - label), "y": label,
    }  # fmt: skip
    write(tmp_path / "t.csv", told)
    uses, _ = examine(read_table(str(tmp_path / "t.csv")), ColumnOptions({"y": ""}))
    classes = TargetEncoders.of(TargetEncoder("y", "classification", ("0", "1")))
    notes = determining_notes(uses, np.arange(n), label[:, None], classes)
    assert ["'alive'" in notes[0], "'dose'" in notes[1], len(notes)] == [True, True, 2]
    write(tmp_path / "t.csv", {"cube": x**3, "group": label, "noisy": x + label, "y": x})
    uses, _ = examine(read_table(str(tmp_path / "t.csv")), ColumnOptions({"y": ""}))
    values = TargetEncoders.of(TargetEncoder("y", "regression"))
    (note,) = determining_notes(uses, np.arange(n), x[:, None], values)
    assert "column 'cube' alone determines the target" in note
    assert note.endswith("--drop cube")


class TestTargets:
    @pytest.mark.parametrize(
        ("y", "options", "task"),
        [
            (range(N), [], "regression"),
            ([i % 3 for i in range(N)], [], "3 classes"),
            ([i % 3 for i in range(N)], ["--loss", "poisson"], "regression"),
            ([i % 3 for i in range(N)], ["--output-activation", "exp"], "regression"),
            ([i % 3 for i in range(N)], ["--task", "regression"], "regression"),
        ],
    )
    def test_whole_numbers(self, table, capsys, y, options, task):
        write(table, {**columns(), "y": y})
        assert main([*TRAIN, "--no-report", *options]) == 0
        shown = capsys.readouterr().out
        assert f"target y ({task})" in shown
        taken = {"regression": "values", "3 classes": "classes"}[task]
        assert (f"whole numbers, which are taken as {taken}" in shown) == (not options)

    def test_a_class_of_the_test_file_alone(self, table, tmp_path, capsys):
        write(table, {**columns(), "y": [("u", "v")[i % 2] for i in range(N)]})
        write(tmp_path / "test.csv", {**columns(), "y": [("u", "w")[i % 2] for i in range(N)]})
        assert main([*TRAIN, "--no-report", "--test", "test.csv"]) == 0
        shown = capsys.readouterr().out
        assert "note: 30 rows of test.csv have a class that no training row has (w)" in shown
        accuracy = next(line for line in shown.splitlines() if line.startswith("  network "))
        assert float(accuracy.split()[1]) <= 0.5
