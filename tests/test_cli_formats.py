"""Formats of tables besides CSV: each read, or named for what it is."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import sys
import zipfile

import numpy as np
import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import DEFAULT_MISSING, read_table

CSV = b"a,b\n1,x\n2.5,\n"


def read(tmp_path, content, **options):
    (tmp_path / "t").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(str(tmp_path / "t"), **options)


def check_table(table):
    """Columns a: 1, 2.5 and b: x, missing."""
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.numbers("a", DEFAULT_MISSING)[0], [1, 2.5])
    assert table.texts("b", DEFAULT_MISSING).tolist() == ["x", None]


def zipped(**entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, entry)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        bz2.compress(CSV),
        lzma.compress(CSV),
        gzip.compress(CSV, mtime=0),
        zipped(t=CSV),
        zipped(t=gzip.compress(CSV, mtime=0)),
        zipped(**{"folder/": b"", "folder/t.csv": CSV, "__MACOSX/t.csv": b""}),
        zipped(**{"folder/t.csv": CSV, ".DS_Store": b"x", "folder/.hidden/.x": b"y"}),
        zipped(**{"t.csv": CSV, "README.md": b"about", "LICENSE": b"free", "t.names": b"a, b"}),
        '{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n',
        '{"a": 1, "b": "x"}\n\n{"a": 2.5}\n',
        '[{"a": 1, "b": "x"}, {"a": 2.5}]',
        '{"a": [1, 2.5], "b": ["x", null]}',
        '{"a": {"0": 1, "1": 2.5}, "b": {"0": "x", "1": null}}',
        '{"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2.5, null]]}',
        '{"schema": {}, "data": [{"a": 1, "b": "x"}, {"a": 2.5, "b": null}]}',
        "% about\n@RELATION r\n@attribute a NUMERIC\n@ATTRIBUTE 'b' {x,y}\n\n@data\n1,x\n2.5, ?\n",
        "@relation r\n@attribute a real\n@attribute b string\n@data\n1,'x'\n2.5,?\n% end\n",
        "\ufeffa\tb\r\n1\tx\r\n2.5\t\r\n",
        "a,b\r1,x\r2.5,\r",
        "a,b\n1,x\n2.5,\n".encode("utf-16"),
        "a,b\n1,x\n2.5,\n".encode("utf-16-le"),
        "a,b\n1,x\n2.5,\n".encode("utf-16-be"),
        "a,b\n1,x\n2.5,\n".encode("utf-32"),
    ],
    ids=[
        *(
            "bzip2",
            "xz",
            "gzip",
            "zip",
            "zip of gzip",
            "zip with folders",
            "hidden files",
            "zip with others",
        ),
        "JSON lines",
        *("JSON lines, blank line", "JSON records", "JSON columns", "JSON index", "JSON split"),
        *("JSON table", "ARFF", "ARFF strings", "BOM and tabs", "CR", "UTF-16 BOM", "UTF-16-LE"),
        *("UTF-16-BE", "UTF-32"),
    ],
)
def test_the_same_table(tmp_path, content):
    table = read(tmp_path, content)
    check_table(table)
    assert table.notes == ()


def saved(*sheets):
    """An Excel file of the sheets s0, s1, ..., as rows of cells."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for place, rows in enumerate(sheets):
        sheet = book.create_sheet(f"s{place}")
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("sheet", ["s2", "S2 ", "3", "-1"])
def test_sheets_by_name_and_number(tmp_path, sheet):
    (tmp_path / "t").write_bytes(saved([["x", "y"], [1, 2]], [], [["a", "b"], [1, "x"], [2.5, ""]]))
    table = read_table(f"{tmp_path}/t", sheet=sheet)
    check_table(table)
    assert not any("sheets" in note for note in table.notes)


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("s1", "the sheet s1 of .* has no cells"),
        ("s4", "has no sheet 's4'; its sheets: s0, s1"),
        ("3", "has no sheet '3'; its sheets"),
        ("0", "has no sheet '0'"),
        ("-3", "has no sheet '-3'"),
    ],
)
def test_refused_sheets(tmp_path, sheet, message):
    (tmp_path / "t").write_bytes(saved([["x", "y"], [1, 2]], []))
    with pytest.raises(CommandError, match=message):
        read_table(f"{tmp_path}/t", sheet=sheet)


def test_sheets_of_other_formats(tmp_path):
    (tmp_path / "t").write_text("a,b\n1,2\n")
    with pytest.raises(CommandError, match="--sheet 1 applies to Excel files only"):
        read_table(f"{tmp_path}/t", sheet="1")


def test_sheets_of_a_command(tmp_path, monkeypatch, capsys):
    rows = [["a", "y"], *([i * 7 % 40, i * 0.3] for i in range(40))]
    (tmp_path / "t.xlsx").write_bytes(saved([["notes", "more"], ["x", "y"]], rows))
    monkeypatch.chdir(tmp_path)
    options = ["--model", "plain", "--epochs", "1", "--no-report", "-o", "M"]
    assert main(["train", "t.xlsx", "--target", "y", *options]) == 2
    others = "t.xlsx has the sheets s0, s1; the first one was read; --sheet takes another"
    assert f"no column 'y'; its columns: notes, more; {others}" in capsys.readouterr().err
    assert main(["train", "t.xlsx", "--sheet", "s1", "--target", "y", *options]) == 0
    assert main(["evaluate", "M", "t.xlsx", "--sheet", "2", "--json"]) == 0
    assert main(["predict", "M", "t.xlsx", "--sheet", "-1", "-o", "p.csv"]) == 0
    capsys.readouterr()
    for command, lacks in (("predict", "the column a"), ("evaluate", "the target, column y")):
        assert main([command, "M", "t.xlsx"]) == 2
        shown = capsys.readouterr().err
        assert f"t.xlsx lacks {lacks}; it has: notes, more; {others}" in shown
    (tmp_path / "t.xlsx").write_bytes(saved([["notes"], ["x"]], rows))
    assert main(["train", "t.xlsx", "--target", "y", *options]) == 2
    shown = capsys.readouterr().err
    assert f"only one column, but inputs and a target are needed; {others}" in shown
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 41


def test_excel(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    rows = [["a", "b"], [1, "x"], [2.5, None]]
    table = read(tmp_path, saved(rows))
    check_table(table)
    assert table.where(1) == f"{tmp_path}/t, row 3"
    table = read(tmp_path, saved([], [["Report of 2020"], [], *rows], rows))
    check_table(table)
    assert "has the sheets s1, s2; the first one was read; --sheet takes another" in table.notes[0]
    assert "skipped the rows above row 3" in table.notes[1]
    day = datetime.datetime(2020, 1, 2)
    typed = [
        ["day", "at", "fits", "n"],
        [day, day.replace(hour=3), True, "#N/A"],
        [day, day, None, 7],
    ]
    table = read(tmp_path, saved(typed))
    assert table.texts("day", ()).tolist() == ["2020-01-02"] * 2
    assert table.texts("at", ())[0] == "2020-01-02T03:00:00"
    assert table.texts("fits", ()).tolist() == ["True", None]
    np.testing.assert_array_equal(table.numbers("n", ())[0], [np.nan, 7])
    table = read(tmp_path, saved([[1, 2], [3, 4]]))
    assert (table.names, table.has_header) == (("1", "2"), False)
    with pytest.raises(CommandError, match="has no cells"):
        read(tmp_path, saved([]))
    with pytest.raises(CommandError, match="only one column"):
        read(tmp_path, saved([["a"], [1]]))
    whole = saved(rows)
    with pytest.raises(CommandError, match="damaged"):
        read(tmp_path, whole[: len(whole) // 2])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(CommandError, match=r'needs openpyxl: pip install "ffnn_fast\[excel\]"$'):
        read(tmp_path, whole)


def test_json_values(tmp_path):
    records = [
        {"flag": True, "n": 2**60 + 1, "mixed": 1, "deep": [1], "half": None},
        {"flag": False, "n": 3, "mixed": "x", "deep": None, "half": 0.5},
    ]
    table = read(tmp_path, json.dumps(records))
    assert table.texts("flag", ()).tolist() == ["True", "False"]
    assert table.texts("n", ()).tolist() == [str(2**60 + 1), "3"]
    assert table.texts("mixed", ()).tolist() == ["1", "x"]
    np.testing.assert_array_equal(table.numbers("half", ())[0], [np.nan, 0.5])
    assert table.unusable == {"deep": "list"}
    for content, message in (
        ("[1, 2]", "is JSON, but not a table"),
        ('{"a": [1], "b": [1, 2]}', "is JSON, but not a table"),
        ('{"a": 1}\n{"a": ', "line 2 is no valid JSON"),
        ('{"a": ', "is no valid JSON"),
    ):
        with pytest.raises(CommandError, match=message):
            read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "named", "names"),
    [
        ({"0": {"a": 1, "b": "u"}, "1": {"a": 2, "b": "v"}}, (), ["a", "b"]),  # rows
        ({"x": {"a": 1, "b": "u"}, "y": {"a": 2, "b": "v"}}, ("b",), ["a", "b"]),
        ({"a": {"0": 1, "1": 2}, "b": {"0": "u", "1": "v"}}, (), ["a", "b"]),  # columns
        ({"a": {"x": 1, "y": 2}, "b": {"x": "u", "y": "v"}}, (), ["a", "b"]),
        ({"0": {"0": 1, "1": 2}, "1": {"0": "u", "1": "v"}}, (), ["0", "1"]),
        ({"0": {"0": 1, "1": 2}, "1": {"0": "u", "1": "v"}}, ("1",), ["0", "1"]),
    ],
)
def test_objects_of_json_by_row_and_by_column(tmp_path, content, named, names):
    (tmp_path / "t").write_text(json.dumps(content))
    table = read_table(f"{tmp_path}/t", named=named)
    assert list(table.names) == names
    assert table.numbers(names[0], ())[0].tolist() == [1, 2]
    assert table.texts(names[1], ()).tolist() == ["u", "v"]


def test_an_array_of_numpy(tmp_path):
    content = io.BytesIO()
    np.save(content, np.array([[1, 2], [3, 4]]))
    table = read(tmp_path, content.getvalue())
    assert table.names == ("1", "2")
    content = io.BytesIO()
    np.save(content, np.array([(1, "x")], [("a", int), ("b", "U3")]))
    assert read(tmp_path, content.getvalue()).texts("b", ()).tolist() == ["x"]
    content = io.BytesIO()
    np.save(content, np.array([{}]), allow_pickle=True)
    with pytest.raises(CommandError, match="a pickled one"):
        read(tmp_path, content.getvalue())


def test_index_of_a_data_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1, 2]}, index=pandas.Index(["r", "s"], name="key"))
    frame.to_parquet(tmp_path / "t")
    assert read_table(str(tmp_path / "t")).row_names == ("key",)


def database(tmp_path):
    with sqlite3.connect(tmp_path / "d") as connection:
        connection.execute("create table t(a)")
    return (tmp_path / "d").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%PDF-1.4\n1", "t is a PDF document"),
        (b"r\x01\x01\x00\x03\x00", "t is a Stata file"),
        (b"ARROW1\0\0", "t is an Arrow or Feather file"),
        (b"\n<!DOCTYPE html><html>", "t is an HTML page"),
        (b"<html><body>", "t is an HTML page"),
        (b"<?xml version='1.0'?><a/>", "t is an XML file"),
        (pickle.dumps([1]), "t is a pickle, which is never loaded"),
        (database, "t is an SQLite database"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), r"t is an Excel file of the old format \(.xls\)"),
        (b"\x89HDF\r\n", "t is an HDF5 file"),
        (b"\x28\xb5\x2f\xfd123", "compressed by Zstandard"),
        (b"\x89PNG\r\n", "t is a picture"),
        (b"1 1:0.5 3:2\n-1 2:1\n", "sparse table in the format of LIBSVM"),
        (bytes(range(1, 32)) * 9, "a binary file of an unknown format"),
        (zipped(**{"a.csv": CSV, "b.csv": CSV}), "holds 2 files"),
        (zipped(a=CSV, b=CSV), "holds 2 files, of which one table must be unpacked: a, b"),
        (zipped(**{"word/document.xml": b""}), "t is a Word document"),
        (zipped(mimetype=b"application/vnd.oasis"), "an OpenDocument file"),
        (zipped(t=zipped(a=CSV)), "a zip file in a zip file"),
        (lzma.compress(CSV)[:-9], "damaged or incomplete xz file"),
        (b"a,b\n1,\0\n", "contains NUL bytes"),
        (b"@relation r\n@attribute a\n", "line 2: an attribute needs a name and a type"),
        (b"@relation r\n@attribute a relational\n", "relational attributes are not read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_table(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").write_bytes(content(tmp_path) if callable(content) else content)
    with pytest.raises(CommandError, match=message):
        read_table("t")


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [("cp1252", "é€", "Windows-1252"), ("latin-1", "\x81é", "Latin-1")],
)
def test_other_encodings(tmp_path, encoding, text, shown):
    content = f"a,b\n1,x\n2,{text}\n".encode(encoding)
    table = read(tmp_path, content)
    assert table.texts("b", ()).tolist() == ["x", text]
    assert (
        f"is not UTF-8 (line 3: byte {content[10]:#04x}) and was read as {shown}" in table.notes[0]
    )
    assert read(tmp_path, content, encoding=encoding).notes == ()
    with pytest.raises(CommandError, match=r"line 3: byte .* is not utf-8; use --encoding"):
        read(tmp_path, content, encoding="utf-8")
    assert read(tmp_path, content, encoding="cp437").texts("b", ())[1] != text
    for given, message in (("klingon", "is not known"), ("base64", "no encoding of texts")):
        with pytest.raises(CommandError, match=message):
            read(tmp_path, content, encoding=given)


def test_a_byte_at_a_border_of_pieces(tmp_path, monkeypatch):
    from ffnn_fast.cli.table import encodings

    monkeypatch.setattr(encodings, "PIECE", 7)
    content = "a,b\n" + "".join(f"{i},é€{'x' * (i % 5)}\n" for i in range(50))
    assert read(tmp_path, content).notes == ()
    with pytest.raises(CommandError, match="line 52: byte 0xe2 is not utf-8"):
        read(tmp_path, content.encode() + b"1,\xe2\x82", encoding="utf-8")
    table = read(tmp_path, content.encode() + b"1,\xe9\n")
    assert "line 52: byte 0xe9" in table.notes[0]


def test_one_column(tmp_path):
    table = read(tmp_path, 'a\n1\n""\n3\n\n', fewest=1)
    np.testing.assert_array_equal(table.numbers("a", ())[0], [1, np.nan, 3])
    assert read(tmp_path, "1\n2\n", fewest=1).names == ("1",)
    with pytest.raises(CommandError, match="has only one column"):
        read(tmp_path, "a\n1\n2\n")


def test_quoting(tmp_path):
    for content in (
        'a,b\n"x, ""y""",1\n',
        'a,b\n"x, \\"y\\"",1\n"z",2\n',
        "a,b\n'x, \"y\"',1\n'z, w',2\n",
        'a, b\n"x, ""y""", 1\n',
    ):
        assert read(tmp_path, content).texts("a", ())[0] == 'x, "y"', content
    assert read(tmp_path, 'a;b\n5" pipe;1\n6" pipe;2\n').texts("a", ())[0] == '5" pipe'


def test_every_line_of_another_length_is_named(tmp_path):
    content = "a,b,c\n1,2,3\n1,2\n4,5,6\n1,2,3,4\n\n1\n"
    with pytest.raises(CommandError) as caught:
        read(tmp_path, content)
    assert "line 3: 2 fields where line 1 has 3; lines of other lengths: 5 (4), 7 (1)" in str(
        caught.value
    )
    with pytest.raises(CommandError, match="and 480 more; correct these lines"):
        read(tmp_path, "a,b\n" + "1,2\n" * 500 + "1\n" * 500)
