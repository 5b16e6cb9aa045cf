"""Whether line 1 names the columns, what stands above it, and the names as options give them."""

import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import read_table


def read(tmp_path, content, **options):
    path = tmp_path / "t.csv"
    path.write_text(content, "utf-8")
    return read_table(str(path), **options)


@pytest.mark.parametrize(
    ("content", "named", "names"),
    [
        ("0,1,2\n5,6,7\n8,9,10\n", ["2"], ("0", "1", "2")),
        ("0,1,2\n5,6,7\n8,9,10\n", ["0"], ("0", "1", "2")),
        ("5,6,2\n5,6,7\n8,9,10\n", ["2"], ("1", "2", "3")),  # the second column
        ("country,2019,2020\nF,1,2\nG,3,4\n", ["2020"], ("country", "2019", "2020")),
        ("country,2019,2020\nF,1,2\nG,3,4\n", ["country"], ("country", "2019", "2020")),
        ("country,2019,2020\nF,1,2\nG,3,4\n", ["3"], ("1", "2", "3")),
        ("a,1\nb,2\n", ["a"], ("a", "1")),
        ("x,y \n1,2\n", ["y"], ("x", "y ")),
    ],
)
def test_an_option_that_names_a_word_of_line_1(tmp_path, content, named, names):
    table = read(tmp_path, content, named=named)
    assert table.names == names
    assert bool(table.notes) == (not table.has_header)


@pytest.mark.parametrize(
    ("content", "has_header", "note"),
    [
        (
            "1,2\n3,4\n",
            False,
            "line 1 was taken for data, as its field '1' is a number; the columns",
        ),
        ("a,2019\nF,1\n", False, "its field '2019' is a number"),
        ('1;"2,5"\n3;4\n', False, "was taken for data"),
        ("x,y\nx,b\n", False, "'x' occurs again below it"),
        ("a,b\nu,v\n", True, "line 1 was taken for the names of the columns; use --header no if"),
        ("0,1,2\n3,4,5\n", True, "was taken for the names"),
        ("a,b\n1,v\n", True, None),
        ("p;q\n1,5 €;v\n", True, None),
    ],
)
def test_what_line_1_was_taken_for(tmp_path, content, has_header, note):
    table = read(tmp_path, content)
    assert table.has_header == has_header
    if note is None:
        assert table.notes == ()
    else:
        assert note in table.notes[0]
    for header in ("yes", "no"):
        assert read(tmp_path, content, header=header).notes == ()


def test_names_have_the_blanks_of_the_file(tmp_path):
    table = read(tmp_path, 'a , b,"c, d","e,f"\n1,2,3,4\n')
    assert table.names == ("a ", " b", "c, d", "e,f")
    assert [table.find(name) for name in ("a", "b", " b ", "c, d", "-1", "2")] == [
        "a ", " b", " b", "c, d", "e,f", " b"
    ]  # fmt: skip
    assert table.whole_names(["a", "e", "f", "c", "d"]) == ["a", "e,f", "c, d"]
    assert read(tmp_path, 'e,"e,f",f\n1,2,3\n').whole_names(["e", "f"]) == ["e", "f"]


def test_a_similar_name_is_suggested(tmp_path):
    table = read(tmp_path, "Median_Income,größe\n1,2\n")
    for given, meant in (
        ("median_incom", "Median_Income"),
        ("Größe", "größe"),
        ("grösse", "größe"),
    ):
        with pytest.raises(CommandError, match=f"no column '{given}'; did you mean '{meant}'"):
            table.find(given)
    with pytest.raises(CommandError, match="no column 'price'; its columns: Median_Income"):
        table.find("price")


def test_names_that_occur_again(tmp_path):
    table = read(tmp_path, "a,a.1,a,,a\n1,2,3,4,5\n")
    assert table.names == ("a", "a.1", "a.2", "4", "a.3")
    assert "several columns are called 'a'; the later ones are 'a.2', 'a.3'" in table.notes[0]


@pytest.mark.parametrize(
    ("content", "names", "line", "note"),
    [
        ("# made\n# 2020\na,b\n1,2\n", ("a", "b"), 4, "skipped the comment in its first lines"),
        ("# made\n\na,b\n1,2\n", ("a", "b"), 4, "skipped the comment"),
        ("# x,y\na,b\n1,2\n", ("a", "b"), 3, "skipped the comment"),
        ("# a,b\n1,2\n", ("a", "b"), 2, "line 1, which begins with #, names the columns"),
        ("# made\n#a,b\n1,2\n", ("a", "b"), 3, "skipped the comment"),
        ("#,b\n1,2\n", ("#", "b"), 2, "names the columns"),
        ("My table\n\na,b\n1,2\n", ("a", "b"), 4, "skipped the lines above the table ('My table')"),
        ("My table,,\n,,\na,b,c\n1,2,\n", ("a", "b"), 4, "the lines above the table ('My table')"),
        (",,\na,b,c\n1,2,\n", ("a", "b"), 3, "skipped the lines above the table ('blank')"),
        ('S,W B,\n\nDay,1.1.20,\n\n"a","b",c,d,e\n1,2,,,x\n1,2,,,y\n', ("a", "b"), 6, "'S W B'"),
        ("sep=;\na,b;c\n1;2\n", ("a,b", "c"), 3, None),
        (" a b \n 1  2\n", ("a", "b"), 2, None),
        ("a\tb c\n1\t2\n", ("a", "b c"), 2, None),
    ],
)
def test_lines_above_the_table(tmp_path, content, names, line, note):
    table = read(tmp_path, content)
    assert table.names[: len(names)] == names
    assert table.where(0).endswith(f", line {line}")
    assert [table.numbers(name, ())[0][:1].tolist() for name in names] == [[1], [2]]
    if note is None:
        assert table.notes == ()
    else:
        assert note in table.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("3,2,u,v\n" + "1,2,3,4,5,6,7\n" * 150, "line 1 has 4 fields, but all 150 rows below it"),
        ("a,b\n" + "1,2,3,4\n" * 3, "line 1 has 2 fields, but all 3 rows below it"),
        ("a,b\n\n" + "1,2,3,4\n" * 2 + "1,2,3\n", "line 3: 4 fields where line 1 has 2"),
    ],
)
def test_a_line_that_differs_from_all_below(tmp_path, content, message):
    with pytest.raises(CommandError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("a,,\n1,2,3\n4,5,6\n", ("a", "2", "3")),
        ("x,\na,b\n1,2\n", ("x", "2")),
        ("1,,\nu,v,w\nx,y,z\n", ("1", "2", "3")),
        ("x,,\ny,2,3\nz,4,5\n", ("x", "2", "3")),
        (",,\n,,\n,,\n", ("1", "2", "3")),
    ],
)
def test_lines_with_one_field_that_are_no_titles(tmp_path, content, names):
    table = read(tmp_path, content)
    assert table.names == names
    assert not any("skipped" in note for note in table.notes)


def test_row_names(tmp_path):
    table = read(tmp_path, 'a b\n"r1" 1 2\n"r2" 3 4\n"r3" 5 6\n')
    assert table.names == ("1", "a", "b")
    assert table.row_names == ("1",)
    assert "no name for the first column" in table.notes[0]
    assert read(tmp_path, ",a\n0,5\n1,6\n").row_names == ("1",)
    assert read(tmp_path, "Unnamed: 0,a\n0,5\n1,6\n").row_names == ("Unnamed: 0",)
    table = read(tmp_path, "a,b\n1,2,\n3,4,\n5,6,\n")
    assert (table.names, table.row_names) == (("a", "b"), ())
    assert "left out the empty field at the end of each line" in table.notes[0]


def test_columns_of_options_with_commas_and_blanks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},{i % 7},{i % 3},{2 * i}\n" for i in range(40))
    (tmp_path / "t.csv").write_text('id,"x, net",2019,y \n' + rows)
    options = ["-o", "m", "--epochs", "1", "--no-report", "--model", "plain"]
    assert main(["train", "t.csv", "--target", "y", "--drop", "id,x, net", *options]) == 0
    shown = capsys.readouterr().out
    assert "1 numeric and 0 categorical" in shown
    (tmp_path / "n.csv").write_text("2019,y\n1,2\n")
    assert main(["predict", "m", "n.csv", "--header", "yes"]) == 0
    assert main(["evaluate", "m", "t.csv", "--json"]) == 0
    assert main(["train", "t.csv", "--target", "2091", *options]) == 2
    assert (
        "line was taken for data: --header yes takes it for their names" in capsys.readouterr().err
    )
    assert main(["train", "t.csv", "--target", "2091", "--header", "yes", *options]) == 2
    assert "no column '2091'; did you mean '2019'" in capsys.readouterr().err
