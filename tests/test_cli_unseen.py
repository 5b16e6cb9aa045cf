"""What differs from the training rows is noted, columns are copied, numbers have their digits."""

import csv
import io

import numpy as np
import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.evaluation.digits import rounded
from ffnn_fast.cli.unseen import ranges_from_dict, ranges_of, unseen_notes

ROWS = [
    f"{i:03d},{i % 7},{'north' if i % 2 else 'south'},{2000 + i % 7 + i % 2}" for i in range(40)
]
NEW = 'ID,a,town,y,"x,y"\n007,3,north,1,A\n008,99,East,2,b\n009,-9,True,3,1.50\n010,,,4,\n'
PLAIN = ["--model", "plain", "--hidden", "none", "--epochs", "2"]
TABULAR = ["--preset", "fast", "--epochs", "1", "--networks", "2"]


def train(kind, *options):
    if kind is TABULAR:
        pytest.importorskip("sklearn")
    common = ["t.csv", "--target", "y", "--task", "regression", "-o", "M", "--no-report"]
    assert main(["train", *common, *kind, *options]) == 0


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("\n".join(["ID,a,town,y", *ROWS]) + "\n")
    (tmp_path / "new.csv").write_text(NEW)
    monkeypatch.chdir(tmp_path)


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("kind", [PLAIN, TABULAR], ids=["plain", "tabular"])
def test_unseen_values_are_noted_on_standard_error(kind, capsys):
    train(kind)
    expected = (
        "note: column a: 2 of 4 rows (50 %) are far outside the training range 0 to 6\n"
        "note: column town: 2 of 4 rows (50 %) have a category unknown to the model (East, True)\n"
    )
    for command in ("predict", "evaluate"):
        capsys.readouterr()
        assert main([command, "M", "new.csv"]) == 0
        shown = capsys.readouterr()
        assert sorted(shown.err.splitlines()) == sorted(expected.splitlines())
        assert "note" not in shown.out
        assert main([command, "M", "t.csv"]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [PLAIN, TABULAR], ids=["plain", "tabular"])
def test_keep_copies_columns(kind, capsys):
    train(kind)
    capsys.readouterr()
    assert main(["predict", "M", "new.csv", "--keep", "ID,y", "--keep", '"x,y"']) == 0
    head, *rows = rows_of(capsys.readouterr().out)
    assert head == ["ID", "y", "x,y", "y predicted"]
    assert [row[0] for row in rows] == ["007", "008", "009", "010"]
    assert [row[2] for row in rows] == ["A", "b", "1.50", ""]
    assert main(["predict", "M", "new.csv", "--keep", "x,y"]) == 0  # a name, though unquoted
    assert rows_of(capsys.readouterr().out)[0] == ["x,y", "y"]
    assert main(["predict", "M", "new.csv", "--keep", "Id"]) == 2
    assert "has no column 'Id'; did you mean 'ID'?" in capsys.readouterr().err


def test_numbers_have_the_digits_of_their_dtype(capsys):
    for dtype, fewest, most in (("float32", 1, 12), ("float64", 13, 17)):
        train(PLAIN, "--dtype", dtype)
        capsys.readouterr()
        assert main(["predict", "M", "t.csv"]) == 0
        numbers = capsys.readouterr().out.split()[1:]
        digits = max(len(number.replace(".", "").lstrip("-0")) for number in numbers)
        assert fewest <= digits <= most, dtype


def test_rounded_values_give_the_same_outputs():
    rng = np.random.default_rng(0)
    z = rng.normal(size=500).astype(np.float32)
    for mean, scale in ((0.0, 1.0), (0.0, 1e-9), (1.6e9, 3600.0), (-5.0, 1e12), (1e6, 1e-3)):
        values = mean + scale * z.astype(np.float64)
        found = rounded(values, "float32", mean, scale)
        shown = np.minimum(1, np.abs(values) / scale).astype(np.float32)
        step = np.spacing(np.maximum(np.abs(z), shown))
        assert (np.abs(found - values) <= 0.5001 * step * scale + np.spacing(np.abs(values))).all()
        if not mean:
            assert ((found / scale).astype(np.float32) == z).all()
    assert rounded(np.float32([0.1, 1e-6]), "float32").tolist() == [0.1, 1e-6]
    shortest = [float(str(one)) for one in z]
    assert rounded(z, "float32").tolist() == shortest
    assert np.isnan(rounded(np.array([np.nan, np.inf]), "float32")[0])
    assert rounded(np.array([1 / 3]), "float64").tolist() == [1 / 3]


def test_ranges():
    columns = {"a": np.array([1.0, np.nan, 3.0]), "b": np.array([np.nan]), "c": np.array([None])}
    assert ranges_of(columns) == {"a": (1.0, 3.0)}
    assert unseen_notes({"a": np.array([0.0, 4.0])}, {}, {"a": (1.0, 3.0)}) == []
    assert len(unseen_notes({"a": np.array([0.0, 4.1])}, {}, {"a": (1.0, 3.0)})) == 1
    assert ranges_from_dict({"a": [1, 3.0]}) == {"a": (1.0, 3.0)}
    for bad in ([], {"a": 1}, {"a": [1]}, {"a": ["1", 2]}, {"a": [True, 2]}):
        with pytest.raises(ValueError, match="ranges"):
            ranges_from_dict(bad)


@pytest.mark.parametrize("kind", [PLAIN, TABULAR], ids=["plain", "tabular"])
def test_words_of_truth_are_numbers_only_where_training_had_0_and_1(kind, tmp_path, capsys):
    rows = [f"{i % 2},{i / 7},{i % 2 + i / 100}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["flag,size,y", *rows]) + "\n")
    train(kind)
    found = []
    for rows in ("1,2.5\n0,3.5", "yes,2.5\nno,3.5"):
        (tmp_path / "new.csv").write_text(f"flag,size\n{rows}\n")
        capsys.readouterr()
        assert main(["predict", "M", "new.csv"]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    for command, table in (
        ("predict", "flag,size\n1,yes\n"),
        ("evaluate", "flag,size,y\n1,2,yes\n"),
    ):
        (tmp_path / "new.csv").write_text(table)
        assert main([command, "M", "new.csv"]) == 2
        assert "'yes' is not a number" in capsys.readouterr().err
