"""Large texts: columns held as numbers or codes, and the same by NumPy as by Python."""

import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import DEFAULT_MISSING, byte_text, coded_texts, read_table, sources, text
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


@pytest.fixture
def made(monkeypatch):
    """Whether NumPy made the columns of each table that was read; pieces and blocks are small."""
    found = []

    def noted(*arguments):
        found.append(byte_text.add_with_numpy(*arguments))
        return found[-1]

    monkeypatch.setattr(text, "add_with_numpy", noted)
    for module, name, value in (
        (coded_texts, "FEW", 50), (byte_text, "PIECE", 5000), (byte_text, "ROWS", 10),
        (byte_text, "FIRST_ROWS", 60), (text, "BLOCK", 64),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    return lambda: bool(found) and found[-1] is not None


def outcome(path, large, monkeypatch, **options):
    """The contents of a table, or the message that refuses it."""
    monkeypatch.setattr(byte_text, "LARGE", large)
    try:
        return contents(read_table(path, **options))
    except CommandError as error:
        return str(error)


@pytest.mark.parametrize("extra", [None, "broken", "quoted"])
@pytest.mark.parametrize("seed", range(4))
def test_numpy_reads_the_same(tmp_path, monkeypatch, made, seed, extra):
    path = written(tmp_path / "t.csv", random.Random(seed), extra)
    expected = outcome(path, 1 << 30, monkeypatch)
    assert not made()
    assert outcome(path, 0, monkeypatch) == expected
    assert made() == (extra != "broken")  # such rows are left to Python


def quoted(content):
    """A text with quotes around each field."""
    lines = content.splitlines()
    return b"".join(b'"%b"\n' % line.replace(b",", b'","') for line in lines)


VARIANTS = {  # whether NumPy reads it, and the change
    "windows": (True, lambda content: content.replace(b"\n", b"\r\n")),
    "both": (True, lambda content: content.replace(b"\n", b"\r\n", 300)),
    "mac": (False, lambda content: content.replace(b"\n", b"\r")),
    "bom": (True, lambda content: b"\xef\xbb\xbf" + content),
    "no last break": (True, lambda content: content.rstrip(b"\n")),
    "blank lines": (False, lambda content: content.replace(b"\n", b"\n\n", 5)),
    "blank end": (False, lambda content: content + b"\n\n"),
    "comment": (True, lambda content: b"# comment\n" + content),
    "no header": (True, lambda content: content.split(b"\n", 1)[1]),
    "bom, no header": (True, lambda content: b"\xef\xbb\xbf" + content.split(b"\n", 1)[1]),
    "blanks": (False, lambda content: content.replace(b",", b", ")),
    "latin": (True, lambda content: content.replace("Å".encode(), b"\xc5")),
    "semicolons": (True, lambda content: content.replace(b",", b";")),
    "decimal commas": (True, lambda c: c.replace(b",", b";").replace(b".", b",")),
    "all quoted": (True, lambda content: quoted(content.replace(b'"p,""q"""', b"p"))),
    "ragged": (False, lambda content: content.replace(b"\n", b",1\n", 400).replace(b",1", b"", 9)),
    "one more": (False, lambda content: content + b"1,2,3,4,5,6,7\n1,2\n"),
    "inches": (False, lambda content: content + b'1,2,3,5" pipe,6" pipe,7\n'),
    "quote": (False, lambda content: content + b'1,2,3,4,"x" y,7\n'),
    "single quotes": (False, lambda content: content + b'1,2,3,4,"x"y",7"\n'),
    "open quote": (False, lambda content: content + b'1,2,3,4,"x,7\n'),
    "long": (True, lambda content: content + b"1,2,3,4,y,%b\n" % (b"x" * 100)),
    "one column": (True, lambda content: content.replace(b",", b"x").replace(b'"', b"")),
    "tabs": (True, lambda content: content.replace(b",", b"\t")),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_lines(tmp_path, monkeypatch, made, name):
    by_numpy, change = VARIANTS[name]
    path = written(tmp_path / "t.csv", random.Random(1))
    (tmp_path / "t.csv").write_bytes(change((tmp_path / "t.csv").read_bytes()))
    options = {"fewest": 1, "delimiter": ","} if name == "one column" else {}
    for encoding in ("auto", "utf-8") if name != "latin" else ("auto", "latin-1"):
        options["encoding"] = encoding
        expected = outcome(path, 1 << 30, monkeypatch, **options)
        assert outcome(path, 0, monkeypatch, **options) == expected
        assert made() == by_numpy


@pytest.mark.parametrize("cell", ['5" pipe', '"x" y', '"x"y"'])
def test_odd_quotes_in_few_rows(tmp_path, monkeypatch, made, cell):
    """All rows wait for those that show columns of numbers, and are taken apart at the end."""
    monkeypatch.setattr(byte_text, "FIRST_ROWS", 10**6)
    path = written(tmp_path / "t.csv", random.Random(1))
    with (tmp_path / "t.csv").open("a") as file:
        file.write(f"1,2,3,4,{cell},{cell}\n")
    expected = outcome(path, 1 << 30, monkeypatch, delimiter=",", header="yes")
    assert outcome(path, 0, monkeypatch, delimiter=",", header="yes") == expected
    assert not made()


CELLS = [
    *("0", "-0", "-", "", "", "7", "007", "+5", "1.5", "-1.50", ".5", "5.", ".", "-.5", "1..2"),
    *("1.2.3", "--1", "1-2", "1e-05", "1E400", "123456789012345", "1234567890123456", "1_0"),
    *("0.000000000000001", "9007199254740993", "99999999.99999999", "NA", "nan", "inf"),
    *("1,5", "1,", ",5", "1.234,5", "\u0661", "12 kg", "5 %", "Å", "abcdefgh", "abcdefghi"),
    *("x" * 63, "x" * 64, "x" * 65, "é" * 32, '"q"', '"q""r"', '""', '"1.5"', '" 2 "', '"a;b"'),
    *('"a', 'b"', 'c"d', " 3", "4 ", "\t", "\r", "\n", "\r\n", "\v", "\x1f"),
]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize(
    "seed", [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 60))]
)
def test_any_cells(tmp_path, monkeypatch, made, seed, delimiter):
    rng = random.Random(seed)
    monkeypatch.setattr(coded_texts, "FEW", rng.choice([3, 5, 20, 10**4]))
    monkeypatch.setattr(byte_text, "PIECE", rng.choice([200, 1000, 5000]))
    monkeypatch.setattr(byte_text, "FIRST_ROWS", rng.choice([5, 60]))
    monkeypatch.setattr(byte_text, "FEW_TEXTS", rng.choice([5, 100]))
    monkeypatch.setattr(text, "BLOCK", rng.choice([16, 64]))
    width, odd = rng.randint(2, 5), rng.choice([0.002, 0.05])
    pools = [rng.sample(CELLS, rng.randint(1, 6)) for _ in range(width)]
    usual = [rng.choice(["{:.3f}", "{:.0f}", "{:g}", "{}", "w{:.0f}"]) for _ in range(width)]
    mark = "," if delimiter == ";" and rng.random() < 0.5 else "."
    lines = [delimiter.join("abcde"[:width])]
    for _ in range(rng.randint(5, 400)):
        cells = [one.format(rng.gauss(0, 100)).replace(".", mark) for one in usual]
        cells = [
            rng.choice(pool) if rng.random() < odd else cell
            for pool, cell in zip(pools, cells, strict=True)
        ]
        lines.append(delimiter.join(cells))
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", "utf-8", newline="")
    options = {"delimiter": delimiter, "header": "yes"}
    expected = outcome(str(tmp_path / "t.csv"), 1 << 30, monkeypatch, **options)
    assert outcome(str(tmp_path / "t.csv"), 0, monkeypatch, **options) == expected


def test_many_columns(tmp_path, monkeypatch, made):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 200)).round(5)
    rows = "\n".join(",".join(map(repr, row)) for row in values.tolist())
    (tmp_path / "t.csv").write_text(",".join(f"c{k}" for k in range(200)) + f"\n{rows}\n")
    monkeypatch.setattr(byte_text, "LARGE", 0)
    table = read_table(str(tmp_path / "t.csv"))
    assert made()
    for k in range(200):
        np.testing.assert_array_equal(table.numbers(f"c{k}", ())[0], values[:, k])


@pytest.mark.parametrize(("cell", "n_inferred"), [("-0.5", 0), ("007", 0), ("x", 1)])
def test_the_first_rows_show_columns_of_numbers(tmp_path, monkeypatch, made, cell, n_inferred):
    """Only of columns with other cells among these the style is inferred from texts, and of none
    with zeros that are part of a name.
    """
    monkeypatch.setattr(byte_text, "LARGE", 0)
    inferred = []

    def noted(texts, *arguments):
        inferred.append(texts)
        return coded_texts.PLAIN

    monkeypatch.setattr(coded_texts, "infer_style", noted)
    rows = "".join(f"{i / 8},{cell if i == 41 else i / 8}\n" for i in range(1, 1001))
    (tmp_path / "t.csv").write_text(f"a,b\n{rows}900.5,x\n")
    cells = read_table(str(tmp_path / "t.csv")).cells
    assert made()
    assert len(inferred) == n_inferred
    assert isinstance(cells["a"], np.ndarray)
    assert [cells["b"][row] for row in (0, 1, 40, 1000)] == ["0.125", "0.25", cell, "x"]


@pytest.mark.parametrize("piece", range(20, 500, 16))
def test_blocks_decide_wherever_pieces_end(tmp_path, monkeypatch, made, piece):
    """A column goes over to numbers after whole blocks of rows only, and by its texts."""
    for module, name, value in (
        (coded_texts, "FEW", 5), (text, "BLOCK", 20), (byte_text, "PIECE", piece),
        (byte_text, "FIRST_ROWS", 1), (byte_text, "ROWS", 1),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    rows = [
        (
            f"{i}.50" if i < 12 else f"w{i}",
            f"{i}.50" if i != 15 else "007.50",
            f'"{i % 4}.50"' if i % 3 else f"{i % 4}.50",
            f"{i}.50" if i > 25 else "",
            f"{i}.50" if i < 19 else f"w{i}",
        )
        for i in range(39)
    ]
    (tmp_path / "t.csv").write_text("a,b,c,d,e\n" + "".join(",".join(row) + "\n" for row in rows))
    expected = outcome(str(tmp_path / "t.csv"), 1 << 30, monkeypatch)
    assert outcome(str(tmp_path / "t.csv"), 0, monkeypatch) == expected
    assert made()
    spelled = {name: [texts[5], texts[26]] for name, (_, _, texts) in expected[0].items()}
    assert spelled == {
        "a": ["5.50", "w26"],
        "b": ["5.50", "26.50"],
        "c": ["1.50", "2.50"],
        "d": [None, "26.5"],
        "e": ["5.5", "w26"],
    }


def test_different_texts_with_equal_slots(monkeypatch):
    """Places in the table of known cells are shared, and the cells are still told apart."""
    monkeypatch.setattr(byte_text, "FACTORS", np.array([1, 0, 0], np.uint64))
    words = np.array([[5, 3, 9, 3], [0, 0, 1, 1]], np.uint64)
    known = byte_text._KnownCells()
    known.add(words[:1, :2], ["five", "three"])
    codes, others = known.find(words)
    assert (codes[:2].tolist(), others.tolist()) == ([0, 1], [2, 3])
    known.add(words[:, 2:], ["9 1", "3 1"])
    codes, others = known.find(words)
    assert (codes.tolist(), others.tolist()) == ([0, 1, 2, 3], [])


def test_errors_name_the_line_whoever_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(byte_text, "LARGE", 0)
    path = tmp_path / "t.csv"
    rows = "".join(f"{i},x\n" for i in range(5000))
    path.write_text(f"a,b\n{rows}1,2,3\n{rows}")
    with pytest.raises(CommandError, match="line 5002: 3 fields where line 1 has 2"):
        read_table(str(path))
    path.write_text(f'a,b\n{rows}1,"2\n{rows}')
    with pytest.raises(CommandError, match=r"line 5002: (the row does not end|field larger)"):
        read_table(str(path))


def test_many_columns_keep_fewer_texts(tmp_path, monkeypatch, made):
    monkeypatch.setattr(coded_texts, "FEWEST", 5)
    monkeypatch.setattr(coded_texts, "FEW_IN_ALL", 250)
    for width, is_number in ((5, False), (12, True), (40, True)):  # 50, 20 and 6 texts a column
        path = tmp_path / f"{width}.csv"
        rows = [[f"{(i * (k + 1)) % 41}.5" for k in range(width)] for i in range(100)]
        text_of = "\n".join(",".join(row) for row in rows)
        path.write_text(",".join(f"c{k}" for k in range(width)) + f"\n{text_of}\n")
        by_numpy = outcome(str(path), 2, monkeypatch)
        assert made()
        assert by_numpy == outcome(str(path), 1 << 30, monkeypatch)
        table = read_table(str(path))
        assert isinstance(table.cells["c0"], np.ndarray) == is_number
        np.testing.assert_array_equal(table.numbers("c1", ())[0], [float(row[1]) for row in rows])


@pytest.mark.parametrize("large", [0, 1 << 30])
def test_columns_of_many_rows(tmp_path, monkeypatch, large):
    monkeypatch.setattr(byte_text, "LARGE", large)
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
    assert builder.decimal == "."
    builder.add(["7", "NA", " 8 ", "", "9007199254740993"])
    builder.add_numbers(np.array([1.0, 0.0]), np.array([1]), [""])
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
