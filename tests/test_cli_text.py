"""Delimited text: one pass over its rows, texts as they stand there, and what is a number."""

import numpy as np
import pytest
from support.tables import write_csv

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import coded_texts, read_table, text
from ffnn_fast.cli.training.column_types import target_column

WORDS = ("NA", "?")


@pytest.mark.parametrize(
    ("cells", "known", "expected"),
    [
        (["3.0", "x", ""], ("3", "x"), ["3", "x", None]),
        (["3", "03", "4"], ("3.0", "4"), ["3.0", "03", "4"]),
        (["3", "3.0", "-3"], ("3", "3.0", "-3.0", None), ["3", "3.0", "-3.0"]),
    ],
)
def test_whole_numbers_are_known_by_both_spellings(tmp_path, cells, known, expected):
    write_csv(tmp_path / "t.csv", {"a": cells, "b": [1, 2, 3]})
    table = read_table(str(tmp_path / "t.csv"), header="yes")
    assert table.texts("a", WORDS, known).tolist() == expected


def test_what_a_number_is(tmp_path):
    numbers = ["1", "+5.", ".5", "-1e5", "1E+3", "00012", "9" * 30, "1e-400"]
    others = ["1_000", "1e", "nun", "-nan", "0x10", "1,2,3", "True", "٣", "1 00", "inf", "1e400"]
    write_csv(tmp_path / "t.csv", {"n": [*numbers, "x"], "one": [0] * 9})
    values, bad = read_table(str(tmp_path / "t.csv")).numbers("n", WORDS)
    np.testing.assert_array_equal(values[:-1], [float(v) for v in numbers])
    assert bad.tolist() == [False] * 8 + [True]
    for other in others:
        write_csv(tmp_path / "t.csv", {"n": ["1", other], "one": [0, 0]})
        values, bad = read_table(str(tmp_path / "t.csv"), "yes").numbers("n", WORDS)
        assert bad.tolist() == [False, True], other
        assert not np.isfinite(values[1])


def test_rows_of_text_in_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(coded_texts, "FEW", 50)
    monkeypatch.setattr(text, "BLOCK", 64)
    rng = np.random.default_rng(0)
    kinds = ["plain", " padded ", "a,b", 'say "x"', "two\nlines", "", "1.5", "Å"]
    rows = [[kinds[k] for k in rng.integers(0, len(kinds), 3)] + [str(i)] for i in range(1000)]
    write_csv(tmp_path / "t.csv", dict(zip("abcd", zip(*rows, strict=True), strict=True)))
    table = read_table(str(tmp_path / "t.csv"))
    for name, column in zip("abcd", zip(*rows, strict=True), strict=True):
        assert table.texts(name, ()).tolist() == [cell.strip() or None for cell in column]
    begins = 2 + np.cumsum([0, *(1 + "".join(row).count("\n") for row in rows[:-1])])
    np.testing.assert_array_equal(table.lines, begins)
    assert table.where(7) == f"{tmp_path}/t.csv, line {begins[7]}"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n \n"])
def test_the_last_row(tmp_path, end):
    path = tmp_path / "t.csv"
    path.write_bytes(f'\ufeffa,y\n1,2\n3,"4"{end}'.encode())
    assert read_table(str(path)).cells["y"].tolist() == ["2", "4"]
    for last in ('3,"4', '"', '3,"', '"3,4'):
        path.write_text(f"a,y\n1,2\n{last}{end}")
        with pytest.raises(CommandError, match="line 3: the row does not end; is a double quote"):
            read_table(str(path))
    path.write_text('"",\n""')
    assert read_table(str(path), "no").cells["1"].tolist() == [""]
    path.write_text('""\n ')
    with pytest.raises(CommandError, match="is empty"):
        read_table(str(path))


def test_the_header_that_a_model_expects(tmp_path):
    path = str(tmp_path / "t.csv")
    write_csv(path, {"a": ["a", "u"], "b": ["v", "b"]})
    assert read_table(path).names == ("1", "2")
    assert read_table(path, assumed="yes").names == ("a", "b")
    assert read_table(path, "no", assumed="yes").names == ("1", "2")
    write_csv(path, {"a": [1, 2], "b": [3, 4]})
    assert read_table(path, assumed="no").names == ("1", "2")


def test_classes_that_are_numbers(tmp_path):
    write_csv(tmp_path / "t.csv", {"y": ["1", "1.0", "2", "2"], "x": [1, 2, 3, 4]})
    found = target_column(read_table(str(tmp_path / "t.csv")), "y", "classification", WORDS)
    assert found.values.tolist() == ["1", "1", "2", "2"]
    huge = [str(2**60), str(2**60 + 1)] * 2
    write_csv(tmp_path / "t.csv", {"y": huge, "x": [1, 2, 3, 4]})
    found = target_column(read_table(str(tmp_path / "t.csv")), "y", "classification", WORDS)
    assert found.values.tolist() == huge


def test_tabs_and_runs_of_blanks(tmp_path):
    """Blanks and a tab separate fields where each row has numbers between blanks."""
    path = tmp_path / "t.data"
    path.write_text('18.0   8   ?\t"ford torino"\n15.0   4   97.\t"vw"\n')
    assert read_table(str(path)).cells["1"].tolist() == ["18.0", "15.0"]
    assert read_table(str(path)).cells["4"].tolist() == ["ford torino", "vw"]
    path.write_text("18.0 8\tford torino\n15.0 4\tvw\n")  # blanks do not split evenly
    assert read_table(str(path)).cells["1"].tolist() == ["18.0 8", "15.0 4"]
    path.write_text("size\tnote\n3\t2 rooms\n4\t1 room\n")
    assert read_table(str(path)).cells["note"].tolist() == ["2 rooms", "1 room"]


def test_a_column_without_values_has_no_words(tmp_path):
    """An empty column of numbers is missing, and no note tells of words for 1 and 0."""
    (tmp_path / "t.csv").write_text("x,k\n,u\n,v\n")
    table = read_table(str(tmp_path / "t.csv"))
    values, bad = table.numbers("x", WORDS, truths=True)
    assert np.isnan(values).all()
    assert not bad.any()
    assert not any("as in training" in note for note in table.notes)


@pytest.mark.parametrize(
    "content",
    [
        '"a,b"\n"1,x"\n"2.5,"\n',
        '"a,""b"""\r\n"1,""x"""\r\n"2.5,"\r\n',
        'a;b\n"1;x"\n"2.5;"\n',
    ],
)
def test_lines_that_are_quoted_as_a_whole(tmp_path, content):
    """The advice works as printed."""
    path = tmp_path / "t"
    path.write_bytes(content.encode())
    with pytest.raises(CommandError, match='remove the " at both ends of each line'):
        read_table(str(path))
    assert len(read_table(str(path), delimiter="tab", fewest=1).names) == 1
    bare = [line.strip().removeprefix('"').removesuffix('"') for line in content.splitlines()]
    path.write_text("\n".join(line.replace('""', '"') for line in bare))
    table = read_table(str(path))
    np.testing.assert_array_equal(table.numbers("a", WORDS)[0], [1, 2.5])
    assert table.texts("b", WORDS).tolist() == ["x", None]
    (tmp_path / "t").write_text('a\n"x, y"\n"z, w"\n')
    plain = read_table(str(tmp_path / "t"), "yes", fewest=1)
    assert plain.texts("a", ())[1] == "z, w"
