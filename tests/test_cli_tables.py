"""Every format holds the same table: text, Parquet, npz, gzipped or not, in a file or piped."""

import gzip
import io
import sys
import zipfile

import numpy as np
import pytest
from support.tables import N, a_table, write_csv, write_npz, write_parquet

from ffnn_fast import Network
from ffnn_fast.cli import main
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import read_table
from ffnn_fast.cli.table_preprocessing import KEY, TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.column_types import target_column
from ffnn_fast.cli.training.examining import ColumnOptions, examine, used
from ffnn_fast.preprocessing import TableEncoder, TargetEncoder

WORDS = ("NA", "?")


def input_columns(table, without, categorical):
    """The typed columns of a table by name, as the plain model takes them."""
    options = ColumnOptions(dict.fromkeys(without, ""), categorical, missing=WORDS, strict=True)
    uses, problems = examine(table, options)
    assert not problems
    return {feature.name: values for feature, _, values in used(uses)}


def write_model(path, table, target="kind", categorical=("zone",)):
    """A model file with the preprocessing that this table gives, its network not trained."""
    found = target_column(table, target, "classification", WORDS)
    raw = input_columns(table, {target}, categorical)
    inputs = TableEncoder.fit(raw)
    classes = TargetEncoder.fit(target, found.values, found.task)
    preprocessing = TablePreprocessing(
        table.has_header, table.names, WORDS, inputs, TargetEncoders.of(classes)
    )
    net = Network([len(inputs.feature_names), 8, len(classes.classes)], seed=1)
    net.save(path, extra={KEY: preprocessing.to_json()})
    return preprocessing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same table in every format."""
    folder = tmp_path_factory.mktemp("tables")
    write_csv(folder / "t.csv", a_table())
    write_csv(folder / "t.tsv", a_table(), "\t")
    write_npz(folder / "t.npz", a_table())
    write_parquet(folder / "t.parquet", a_table())
    for name in ("t.csv", "t.parquet", "t.npz"):
        with gzip.open(folder / f"{name}.packed", "wb") as file:
            file.write((folder / name).read_bytes())
    return folder


FILES = ["t.csv", "t.tsv", "t.parquet", "t.npz", "t.csv.packed", "t.parquet.packed", "t.npz.packed"]


def test_a_model_of_one_format_predicts_the_same_from_the_others(folder, capsysbinary):
    fitted, answers = [], {}
    for name in ("t.csv", "t.parquet", "t.npz"):
        model = str(folder / f"{name}.safetensors")
        fitted.append(write_model(model, read_table(str(folder / name))))
        for other in FILES:
            assert main(["predict", model, str(folder / other), "--proba"]) == 0
            answers[name, other] = capsysbinary.readouterr().out
    assert fitted[0].inputs == fitted[1].inputs == fitted[2].inputs
    assert fitted[0].targets == fitted[1].targets == fitted[2].targets
    assert fitted[0].targets.each[0].classes == ("1", "2", "3")
    levels = [getattr(column, "levels", None) for column in fitted[0].inputs.columns]
    assert ("1", "2", "3", "4", None) in levels
    assert len(set(answers.values())) == 1
    assert len(answers["t.csv", "t.npz"].splitlines()) == N + 1


def test_whole_numbers_that_another_program_wrote_with_a_point(folder, tmp_path, capsysbinary):
    columns = {**a_table(), "zone": [v if v is None else float(v) for v in a_table()["zone"]]}
    write_csv(tmp_path / "t.csv", columns)
    assert ",2.0," in (tmp_path / "t.csv").read_text("utf-8")
    answers = set()
    for table in (folder / "t.parquet", tmp_path / "t.csv"):
        model = str(tmp_path / "m.safetensors")
        write_model(model, read_table(str(table)))
        for other in (folder / "t.csv", folder / "t.npz", tmp_path / "t.csv"):
            assert main(["predict", model, str(other), "--proba"]) == 0
            answers.add(capsysbinary.readouterr().out)
    assert len(answers) == 1


@pytest.mark.parametrize("name", FILES)
def test_columns(folder, name):
    table = read_table(str(folder / name))
    assert (len(table), table.has_header, table.names) == (N, True, tuple(a_table()))
    for column, expected in a_table().items():
        texts = table.texts(column, WORDS)
        assert texts.tolist() == [None if v is None else str(v) for v in expected]
        if column in ("size", "zone", "count", "kind"):
            numbers, bad = table.numbers(column, WORDS)
            wanted = np.array([np.nan if v is None else v for v in expected], dtype=float)
            np.testing.assert_array_equal(numbers, wanted)
            assert not bad.any()


class Piped:
    """Standard input that holds these bytes."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("name", ["t.csv.packed", "t.npz", "t.parquet"])
def test_standard_input(folder, name, tmp_path, monkeypatch, capsysbinary):
    model = str(folder / "model.safetensors")
    write_model(model, read_table(str(folder / "t.csv")))
    assert main(["predict", model, str(folder / name)]) == 0
    expected = capsysbinary.readouterr().out
    monkeypatch.setattr(sys, "stdin", Piped((folder / name).read_bytes()))
    assert main(["predict", model, "-"]) == 0
    assert capsysbinary.readouterr().out == expected


def test_train_from_standard_input(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Piped((folder / "t.parquet.packed").read_bytes()))
    options = ["--target", "kind", "--categorical", "zone", "--epochs", "1", "-o", "m.safetensors"]
    options += ["--model", "plain"]
    assert main(["train", "-", *options]) == 0
    assert "standard input: " in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", Piped(b"a,kind\n1,2\n3\n"))
    assert main(["train", "-", *options]) == 2
    assert "standard input, line 3: 1 field" in capsys.readouterr().err


def test_text_needs_no_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("t.csv", "t.csv.packed", "t.npz"):
        assert len(read_table(str(folder / name))) == N
    with pytest.raises(CommandError, match=r'needs pyarrow: pip install "ffnn_fast\[parquet\]"$'):
        read_table(str(folder / "t.parquet"))


def test_a_column_without_use_may_be_dropped(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_parquet("t.parquet", {**a_table(), "path": [[i, i] for i in range(N)]})
    options = ["--target", "kind", "--epochs", "1", "-o", "m.safetensors"]
    assert main(["train", "t.parquet", *options, "--strict"]) == 2
    assert "column 'path' is of type list<" in capsys.readouterr().err
    table = read_table("t.parquet")
    assert table.find("path") == table.find("-1") == "path"
    assert set(input_columns(table, {"kind", "path"}, ())) == set(a_table()) - {"kind"}
    write_csv("t.csv", a_table())
    write_model("model.safetensors", read_table("t.csv"))
    assert main(["predict", "model.safetensors", "t.parquet"]) == 0


def test_whole_numbers_that_float64_would_round_keep_their_digits(tmp_path):
    first = 2**60
    ids = [first + i % 3 for i in range(N)]
    write_npz(tmp_path / "t.npz", {"x": list(range(N)), "id": ids})
    table = read_table(str(tmp_path / "t.npz"))
    found = target_column(table, "id", "classification", WORDS)
    assert set(found.values) == {str(first), str(first + 1), str(first + 2)}
    np.testing.assert_array_equal(table.numbers("id", WORDS)[0], np.array(ids, dtype=float))


def test_npz(tmp_path):
    path = tmp_path / "t.npz"
    images = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    days = np.array(["2020-01-01", "NaT", "2020-01-03", "2020-01-04"], "M8[s]")
    np.savez(path, pixel=images, y=np.array([True, False, True, True]), day=days)
    table = read_table(str(path))
    assert table.names == (*(f"pixel_{k}" for k in range(1, 7)), "y", "day")
    for k in range(6):
        values, bad = table.numbers(f"pixel_{k + 1}", WORDS)
        np.testing.assert_array_equal(values, images.reshape(4, 6)[:, k])
        assert not bad.any()
    assert table.texts("y", WORDS).tolist() == ["True", "False", "True", "True"]
    assert table.texts("day", WORDS).tolist() == ["2020-01-01", None, "2020-01-03", "2020-01-04"]
    names = np.array(["a", "b"])
    np.savez(path, X=np.ones((4, 2)), y=np.arange(4), feature_names=names)
    assert read_table(str(path)).names == ("a", "b", "y")
    np.savez(path, X=np.ones((2, 3)), feature_names=names)
    assert read_table(str(path)).names == ("X_1", "X_2", "X_3", "feature_names")


def saved(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def stored(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def zipped(**entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, entry)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: saved(x=np.ones(3), y=np.ones((4, 2))), r"lengths differ: x 3, y 4"),
        (lambda: saved(x=np.ones(3), y=np.float64(1)), r"x 3, y \(a single value\)"),
        (saved, "holds no arrays"),
        (lambda: saved(x=np.array([[1], None], dtype=object)), "holds no arrays"),
        (lambda: saved(x=np.ones(0), y=np.ones(0)), "has no rows"),
        (
            lambda: saved(x=np.ones((3, 1)), x_1=np.ones(3)),
            "more than one column named 'x_1'; rename one$",
        ),
        (
            lambda: zipped(**{"x.npy": stored(np.ones(3)), "a": "1,2"}),
            "a zip file, but its entry 'a' is not an array",
        ),
        (lambda: zipped(a="1,2", b="3,4"), "holds 2 files, of which one .* unpacked: a, b"),
        (
            lambda: zipped(**{"x.npy": stored(np.ones(3)).replace(b"<f8", b"<x8")}),
            "damaged .*'<x8'",
        ),
        (lambda: saved(x=np.ones(3))[:100], "damaged or incomplete npz file"),
        (lambda: b"PAR1" + 100 * b"-", "incomplete Parquet file: its end is missing"),
        (lambda: b"PAR1" + 100 * b"-" + b"PAR1", "t is damaged, or a Parquet file that pyarrow"),
        (lambda: gzip.compress(b"a,b\n1,2\n")[:-3], "damaged or incomplete gzip file"),
        (lambda: b"\x1f\x8b" + 50 * b"-", "damaged or incomplete gzip file"),
        (lambda: gzip.compress(b""), "t is empty"),
    ],
)
def test_files_that_are_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").write_bytes(content())
    with pytest.raises(CommandError, match=message):
        read_table("t")


def test_typed_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = np.array([{}, 1, 2, 3], dtype=object)
    np.savez("t.npz", x=[1.5, -999, np.inf, np.nan], y=[3, 4, 5, 6], z=pickled, c=np.ones(4) * 1j)
    table = read_table("t.npz")
    assert table.missing("x", ["-999"]).tolist() == [False, True, False, True]
    values, bad = table.numbers("x", ["-999", "inf"])
    np.testing.assert_array_equal(values, [1.5, np.nan, np.nan, np.nan])
    assert not bad.any()
    with pytest.raises(
        CommandError, match=r"t.npz, row 3, column 'x': 'inf' is not finite; .*NA,i"
    ):
        table.check_cells("x", table.numbers("x", ["NA"])[1], ["NA"], "")
    assert table.texts("x", ["-999"]).tolist() == ["1.5", None, "inf", None]
    for name, kind in (("z", "object, which would need unpickling"), ("c", "complex128")):
        with pytest.raises(CommandError, match=f"column '{name}' is of type {kind}, neither"):
            table.numbers(name, WORDS)


@pytest.mark.parametrize("name", ["t.parquet", "t.npz", "t.npz.packed"])
def test_options_of_text_are_for_text(folder, name):
    path = str(folder / name)
    with pytest.raises(
        CommandError, match=r"--header no applies to text .* is a (Parquet|npz) file"
    ):
        read_table(path, header="no")
    with pytest.raises(CommandError, match="--delimiter ; applies to text"):
        read_table(path, delimiter=";")
    assert read_table(path, header="yes").names == read_table(path, assumed="no").names


def test_a_model_without_names_goes_by_position(folder, tmp_path, capsysbinary):
    write_csv(tmp_path / "t.csv", a_table())
    lines = (tmp_path / "t.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "t.csv").write_text("".join(lines[1:]), "utf-8")
    model = str(tmp_path / "m.safetensors")
    write_model(model, read_table(str(tmp_path / "t.csv")), "6", ("3",))
    assert main(["predict", model, str(tmp_path / "t.csv")]) == 0
    expected = capsysbinary.readouterr().out
    assert main(["predict", model, str(folder / "t.parquet")]) == 0
    assert capsysbinary.readouterr().out == expected
