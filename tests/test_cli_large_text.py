"""Large texts: columns held as numbers or codes, and the same by pyarrow as by Python."""

import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import DEFAULT_MISSING, arrow_text, coded_texts, read_table, sources, text
from ffnn_fast.cli.table.coded_texts import CodedTexts, ColumnBuilder

KINDS = {
    "number": lambda rng: f"{rng.gauss(0, 5):.3f}",
    "whole": lambda rng: str(rng.randint(0, 10**6)),
    "word": lambda rng: rng.choice(["a", "b", "c d", " x"]),
    "empty": lambda rng: "",
    "odd": lambda rng: rng.choice(["NA", "nan", "inf", "1e999", "1_000", "9" * 25, "Å", " 3.5 "]),
    "quoted": lambda rng: '"p,""q"""',
    "broken": lambda rng: '"two\nlines"',
}
MIXES = [
    {"number": 1},
    {"whole": 1},
    {"number": 0.9, "empty": 0.1},
    {"number": 0.9, "odd": 0.05, "empty": 0.05},
    {"word": 0.9, "quoted": 0.1},
    {"whole": 0.5, "word": 0.5},
]


def written(path, rng, extra=None):
    """A table with a column of each mix; `extra` is a kind in a few cells of the last one."""
    mixes = [*MIXES[:-1], {**MIXES[-1], **({extra: 0.01} if extra else {})}]
    lines = [",".join(f"c{k}" for k in range(len(mixes)))]
    for _ in range(700):
        kinds = [rng.choices(list(mix), list(mix.values()))[0] for mix in mixes]
        lines.append(",".join(KINDS[kind](rng) for kind in kinds))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def contents(table):
    found = {}
    for name in table.names:
        values, bad = table.numbers(name, DEFAULT_MISSING)
        texts = table.texts(name, ()).tolist()
        found[name] = (values.tobytes(), bad.tolist(), texts)
    return found, table.lines.tolist(), table.notes


@pytest.mark.parametrize("extra", [None, "broken", "quoted"])
@pytest.mark.parametrize("seed", range(4))
def test_pyarrow_reads_the_same(tmp_path, monkeypatch, seed, extra):
    pytest.importorskip("pyarrow")
    path = written(tmp_path / "t.csv", random.Random(seed), extra)
    monkeypatch.setattr(coded_texts, "FEW", 50)
    monkeypatch.setattr(arrow_text, "PIECE", 5000)
    made = []

    def noted(*arguments):
        made.append(arrow_text.add_with_arrow(*arguments))
        return made[-1]

    monkeypatch.setattr(text, "add_with_arrow", noted)
    expected = contents(read_table(path))
    monkeypatch.setattr(arrow_text, "LARGE", 0)
    found = contents(read_table(path))
    assert (not made or made[-1] is None) == (extra == "broken")  # such rows are left to Python
    assert found == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.rstrip(b"\n"),
        lambda content: content.replace(b"\n", b"\n\n", 5),
        lambda content: content + b"\n\n",
        lambda content: b"# comment\n" + content,
        lambda content: content.split(b"\n", 1)[1],
        lambda content: content.replace(b",", b", "),
        lambda content: content.replace("Å".encode(), b"\xc5"),
    ],
)
def test_variants_of_lines(tmp_path, monkeypatch, change):
    pytest.importorskip("pyarrow")
    path = written(tmp_path / "t.csv", random.Random(1))
    (tmp_path / "t.csv").write_bytes(change((tmp_path / "t.csv").read_bytes()))
    monkeypatch.setattr(coded_texts, "FEW", 50)
    expected = contents(read_table(path))
    monkeypatch.setattr(arrow_text, "LARGE", 0)
    assert contents(read_table(path)) == expected


def test_errors_name_the_line_whoever_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow_text, "LARGE", 0)
    path = tmp_path / "t.csv"
    rows = "".join(f"{i},x\n" for i in range(5000))
    path.write_text(f"a,b\n{rows}1,2,3\n{rows}")
    with pytest.raises(CommandError, match="line 5002: 3 fields where line 1 has 2"):
        read_table(str(path))
    path.write_text(f'a,b\n{rows}1,"2\n{rows}')
    with pytest.raises(CommandError, match=r"line 5002: (the row does not end|field larger)"):
        read_table(str(path))


@pytest.mark.parametrize("with_arrow", [True, False])
def test_columns_of_many_rows(tmp_path, monkeypatch, with_arrow):
    if with_arrow:
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(arrow_text, "LARGE", 0)
    else:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    n = 30_000
    rng = np.random.default_rng(0)
    x, code = rng.normal(size=n).round(6), rng.integers(0, 3, n)
    cells = enumerate(zip(x, code, strict=True))
    lines = [f"{a},{'uvw'[c]},{i:07},{i / 8 if i % 9 else ''}\n" for i, (a, c) in cells]
    (tmp_path / "t.csv").write_text("x,word,name,eighth\n" + "".join(lines))
    table = read_table(str(tmp_path / "t.csv"))
    assert isinstance(table.cells["x"], np.ndarray)  # numbers, not a text for each cell
    np.testing.assert_array_equal(table.numbers("x", ())[0], x)
    word = table.cells["word"]
    assert (word.codes.dtype, sorted(word.levels)) == (np.int8, ["u", "v", "w"])
    assert table.texts("name", ())[12] == "0000012"  # zeros that are part of a name
    eighths = np.where(np.arange(n) % 9, np.arange(n) / 8, np.nan)
    np.testing.assert_array_equal(table.numbers("eighth", ())[0], eighths)
    assert table.lines[-1] == n + 1


def test_later_cells_of_another_kind(tmp_path):
    builder = ColumnBuilder(few=5)
    builder.add(["0.5", "1.5", "2.5", "3", "4", "5"])
    assert builder.takes_numbers
    builder.add(["7", "NA", " 8 ", "", "9007199254740993"])
    builder.add_numbers(np.array([1.0, 0.0]), np.array([False, True]))
    builder.add_coded(np.array([0, 1, 0]), ["x", "2.25"])
    column = builder.finish()
    assert isinstance(column, CodedTexts)
    assert column.tolist() == [
        *("0.5", "1.5", "2.5", "3", "4", "5", "7", "NA", "8", "", "9007199254740993"),
        *("1", "", "x", "2.25", "x"),
    ]
    assert column[10] == "9007199254740993"  # float64 would round it
    assert column[8] == "8"


@pytest.mark.parametrize(
    ("cells", "style"),
    [(["1,5", "2,5", "3,5", "4,5"], "decimal comma"), (["1 %", "2 %", "3 %", "4 %"], "sign '%'")],
)
def test_many_numbers_of_a_style(tmp_path, monkeypatch, cells, style):
    monkeypatch.setattr(coded_texts, "FEW", 3)
    monkeypatch.setattr(text, "BLOCK", 4)
    rows = "".join(f"{cell};1\n" for cell in [*cells, *cells, "NA"])
    (tmp_path / "t.csv").write_text(f"a;b\n{rows}")
    table = read_table(str(tmp_path / "t.csv"))
    values, bad = table.numbers("a", DEFAULT_MISSING)
    wanted = [float(cell.rstrip(" %").replace(",", ".")) for cell in cells]
    np.testing.assert_array_equal(values, [*wanted, *wanted, np.nan])
    assert not bad.any()
    assert style in table.notes[0]


def test_numbers_with_a_later_comma(tmp_path, monkeypatch):
    monkeypatch.setattr(coded_texts, "FEW", 5)
    monkeypatch.setattr(text, "BLOCK", 8)
    rows = "".join(f"{i};1\n" for i in range(20)) + "1,5;1\n"
    (tmp_path / "t.csv").write_text(f"a;b\n{rows}")
    values, bad = read_table(str(tmp_path / "t.csv")).numbers("a", DEFAULT_MISSING)
    assert values.tolist() == [*range(20), 1.5]
    assert not bad.any()


def test_the_progress_of_reading_a_large_file(monkeypatch, capsys):
    """On a terminal: each percent once, and nothing is left at the end."""
    source = SimpleNamespace(name="t.csv", size=1000)
    monkeypatch.setattr(sources, "SHOWN", 1000)
    with sources.shown_progress(source) as progress:
        progress.show(500)
    assert capsys.readouterr().err == ""  # no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with sources.shown_progress(source) as progress:
        for done in (0, 500, 504, 1000):
            progress.show(done)
    shown = capsys.readouterr().err
    assert [part.strip() for part in shown.split("\r") if part.strip()] == [
        f"reading t.csv: {percent} %" for percent in (0, 50, 100)
    ]
    assert shown.endswith(f"\r{' ' * 23}\r")
