"""Numbers as people write them: the style of a whole column, and what is left a text."""

import json

import numpy as np
import pytest

from ffnn_fast.cli import main
from ffnn_fast.cli.table import (
    DEFAULT_MISSING,
    PLAIN,
    NumberMarks,
    NumberStyle,
    coded_texts,
    read_table,
)
from ffnn_fast.cli.training.column_types import target_column

AUTO = NumberMarks()


def read(tmp_path, content, **options):
    path = tmp_path / "t.csv"
    path.write_text(content, "utf-8")
    return read_table(str(path), **options)


def column(tmp_path, cells, other=None, delimiter=";", **options):
    """The numbers of a column of these cells, or None if a cell is none, and the table."""
    other = other or range(len(cells))
    rows = "".join(f"{cell}{delimiter}{o}\n" for cell, o in zip(cells, other, strict=True))
    table = read(tmp_path, f"a{delimiter}b\n{rows}", **options)
    values, bad = table.numbers("a", DEFAULT_MISSING)
    return (None if bad.any() else values.tolist()), table


@pytest.mark.parametrize(
    ("cells", "expected", "note"),
    [
        (["1,5", "-0,25", "3"], [1.5, -0.25, 3], "decimal comma (1,5 is 1.5)"),
        (["1,5e3", "2,0E-1"], [1500, 0.2], "decimal comma"),
        (["1.234,50", "12", "1.000.000"], [1234.5, 12, 1e6], "decimal comma, thousands separated"),
        (["1,234.5", "12", "1,000,000"], [1234.5, 12, 1e6], "thousands separated by ','"),
        (["1'234.5", "7"], [1234.5, 7], 'separated by "\'"'),
        (["1’234", "7"], [1234, 7], 'separated by "\'"'),
        (["1 234,5", "7"], [1234.5, 7], "thousands separated by ' '"),
        (["1\u202f234,5", "1\u00a0000"], [1234.5, 1000], "thousands separated by ' '"),
        (["$1,234.50", "$7", "-$2", "$-3"], [1234.5, 7, -2, -3], "sign '$'"),
        (["1.234,50 €", "7,00 €"], [1234.5, 7], "sign '€'"),
        (["EUR 5", "EUR 6.5"], [5, 6.5], "sign 'EUR'"),
        (["37%", "4.5 %", "0"], [37, 4.5, 0], "sign '%' (37% is 37)"),
        (["12.3 kg", "4 kg", "n/a"], [12.3, 4, None], "unit 'kg'"),
        (["12 km/h", "7.5km/h"], [12, 7.5], "unit 'km/h'"),
        (["20 °C", "-3 °C"], [20, -3], "unit '°C'"),
        (["(5.25)", "7"], [-5.25, 7], "negative ones in parentheses"),
        (["($1,000.50)", "$7"], [-1000.5, 7], "sign '$', negative ones in parentheses"),
        (["−5", "7"], [-5, 7], "typographic minus"),
    ],
)  # fmt: skip
def test_styles(tmp_path, cells, expected, note):
    values, table = column(tmp_path, cells)
    wanted = [np.nan if value is None else value for value in expected]
    np.testing.assert_array_equal(values, wanted)
    (found,) = (text for text in table.notes if text.startswith("note: a: "))
    assert note in found


@pytest.mark.parametrize(
    "cells",
    [
        ["1,2,3", "4,5,6"],  # lists
        ["12 kg", "4 lb"],  # two units
        ["12 kg", "4"],  # a unit that is not everywhere
        ["$5", "€6"],
        ["2 rooms", "studio"],
        ["(1)", "(2)"],  # numbered
        ["192.168.1.1", "10.0.0.1"],
        ["01.02.2020", "03.04.2021"],
        ["10:30", "11:45"],
        ["1-5", "6-10"],
        ["+49 123 456", "+49 555 777"],
        ["1.2.3", "1.2.4"],
        ["A1", "A2"],
        ["1st", "2nd"],
        ["1/2", "3/4"],
    ],
)
def test_what_is_no_number(tmp_path, cells):
    values, table = column(tmp_path, cells)
    assert values is None
    assert table.styles == {}
    assert table.texts("a", ()).tolist() == cells


def test_plain_numbers_need_no_note(tmp_path):
    for cells in (["1.5", "1.234"], ["1.234", "5.678"], ["007", "1e5"]):
        values, table = column(tmp_path, cells, delimiter=",")
        assert values == [float(cell) for cell in cells]
        assert (table.notes, table.styles) == ((), {})


@pytest.mark.parametrize(
    ("cells", "other", "delimiter", "expected", "advice"),
    [
        (['"1,234"', '"5,678"'], None, ",", [1234, 5678], "use --decimal ,"),
        (["1,234", "5,678"], None, ";", [1.234, 5.678], "use --decimal ."),
        (["1,234", "5,678"], ["0,5", "2,25"], ";", [1.234, 5.678], "use --decimal ."),
        (["1,234", "5,678"], ["0.5", "2.25"], ";", [1234, 5678], "use --decimal ,"),
        (["1,234", "5,6"], None, "\t", [1.234, 5.6], ""),
        (["1,234", "1234"], None, "\t", [1.234, 1234], ""),
        (["1,234", "0,678"], None, "\t", [1.234, 0.678], ""),
        (["1.234", "5.678"], ["0,5", "2,25"], ";", [1234, 5678], "use --decimal ."),
        (["1.234", "5.67"], ["0,5", "2,25"], ";", [1.234, 5.67], None),
    ],
)
def test_marks_that_may_be_either(tmp_path, cells, other, delimiter, expected, advice):
    values, table = column(tmp_path, cells, other, delimiter)
    assert values == expected
    notes = [note for note in table.notes if note.startswith("note: a: ")]
    if advice is None:
        assert notes == []
    else:
        assert advice in notes[0]
        assert advice or "use --decimal" not in notes[0]


def test_marks_that_are_given(tmp_path):
    for cells, marks, expected in (
        (["1,234", "5,678"], NumberMarks(","), [1.234, 5.678]),
        (["1,234", "5,678"], NumberMarks("."), [1234, 5678]),
        (["1.234", "5.678"], NumberMarks(","), [1234, 5678]),
        (["1.234", "5.678"], NumberMarks(",", "none"), [1.234, 5.678]),
        (["1.5", "2.5"], NumberMarks(","), [1.5, 2.5]),
        (["1'234", "5'678"], NumberMarks("auto", "'"), [1234, 5678]),
        (["1'234", "5'678"], NumberMarks("auto", "none"), None),
    ):
        values, _ = column(tmp_path, cells, delimiter="\t", marks=marks)
        assert values == expected, (cells, marks)


def test_words_for_missing_values_do_not_hide_numbers(tmp_path):
    words = [*DEFAULT_MISSING, ""]
    values, table = column(tmp_path, [*words, "1.5", "2"], delimiter=",")
    assert np.isnan(values[:-2]).all()
    assert values[-2:] == [1.5, 2.0]
    assert table.missing("a", DEFAULT_MISSING).sum() == len(words)
    found, bad = table.numbers("a", ["NA"])  # the others are words then
    assert bad.sum() == len(words) - 2
    assert np.isfinite(found).sum() == 2


def test_a_cell_among_styled_ones_is_named(tmp_path):
    values, table = column(tmp_path, ["1,5", "2,5", "x", "3,5"])
    assert values is None
    _, bad = table.numbers("a", DEFAULT_MISSING)
    assert bad.tolist() == [False, False, True, False]
    with pytest.raises(Exception, match=r"line 4, .*'x' is not a number, as the others .*comma"):
        table.check_cells("a", bad, DEFAULT_MISSING, "")


@pytest.mark.parametrize("cells", [["0,4", "0,5"] * 10, ["37%", "40%"] * 10, ["$1", "$2"] * 10])
def test_amounts_are_no_classes(tmp_path, cells):
    _, table = column(tmp_path, cells)
    assert target_column(table, "a", "auto", DEFAULT_MISSING).task == "regression"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1.2M", "$900K", "$5"], [1.2e6, 9e5, 5]),
        (["$3.3M", "$7M"], [3.3e6, 7e6]),
        (["3.4k", "2bn", "0"], [3400, 2e9, 0]),
        (["$1,200K", "$3.5bn", "0"], [1.2e6, 3.5e9, 0]),
        (["€ 3,4 Mn", "€ 500 k"], [3.4e6, 5e5]),
        (["-$1.2M", "($3K)"], [-1.2e6, -3e3]),
    ],
)
def test_amounts_with_k_and_m(tmp_path, cells, expected):
    values, table = column(tmp_path, cells)
    assert values == expected
    style = table.styles["a"]
    assert "K, M and B as thousands, millions and billions" in style.described()
    assert NumberStyle.from_dict(json.loads(json.dumps(style.to_dict()))) == style
    assert target_column(table, "a", "auto", DEFAULT_MISSING).task == "regression"
    assert np.isnan(style.value("oops"))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["12M", "15M"], [12, 15]),  # a unit, perhaps megabytes
        (["3.4k", "2bn", "7"], None),
        (["$1.2M", "€3M"], None),
        (["36B", "34C"], None),
        (["$3M", "oops"], None),
        (["1.2e3K", "3M"], None),
        (["5 kg", "3 k"], None),
    ],
)
def test_letters_that_are_no_factors(tmp_path, cells, expected):
    values, table = column(tmp_path, cells)
    assert values == expected
    assert "a" not in table.styles or not table.styles["a"].scaled


def test_files_of_before_have_no_factors():
    plain = NumberStyle(",", ".").to_dict()
    assert "scaled" not in plain
    assert NumberStyle.from_dict(plain) == NumberStyle(",", ".")
    with pytest.raises(ValueError, match="entries"):
        NumberStyle.from_dict(plain | {"scaled": 1})


def test_classes_with_a_unit_keep_their_names(tmp_path):
    _, table = column(tmp_path, ["4WD", "2WD"] * 10)
    found = target_column(table, "a", "auto", DEFAULT_MISSING)
    assert found.task == "classification"
    assert set(found.values) == {"4WD", "2WD"}


def test_the_style_of_the_training_table_holds_for_others(tmp_path):
    _, table = column(tmp_path, ["1.234,5", "7"])
    style = table.styles["a"]
    assert NumberStyle.from_dict(style.to_dict()) == style
    for cells, other, expected in (
        (["1.234"], None, [1234]),
        (["1,234"], None, [1.234]),
        (["1.5"], ["0.25"], [1.5]),  # another program wrote the file with points
        (["1.234"], ["0.25"], [1.234]),
    ):
        rows = "".join(f"{a}\t{b}\n" for a, b in zip(cells, other or [1], strict=True))
        found, bad = read(tmp_path, f"a\tb\n{rows}").numbers("a", (), style)
        assert (found.tolist(), bad.any()) == (expected, False), cells
    for damaged in ({}, [], {**style.to_dict(), "decimal": 3}, {**style.to_dict(), "decimal": "x"}):
        with pytest.raises(ValueError, match="style of numbers"):
            NumberStyle.from_dict(damaged)


@pytest.mark.parametrize(
    ("cells", "noted"),
    [
        (["0.1", "0.25"], True),
        (["1", "2"], True),
        (["0.1 ‰", "0.25 ‰"], True),
        (["0.1 %", "0.25 %"], False),
        (["0", "0"], False),
        (["NA", ""], False),
    ],
)
@pytest.mark.parametrize("few", [10_000, 1])
def test_numbers_without_the_sign_of_the_training_are_noted(
    tmp_path, monkeypatch, cells, noted, few
):
    monkeypatch.setattr(coded_texts, "FEW", few)
    style = NumberStyle(suffix="%")
    rows = "".join(f"{cell}\tx\n" for cell in cells)
    table = read(tmp_path, f"a\tb\n{rows}")
    table.numbers("a", DEFAULT_MISSING, style)
    other = "'‰', not" if "‰" in cells[0] else "no"
    note = f"note: a: the numbers have {other} '%', as those of the training have; they are taken"
    assert any(one.startswith(note) for one in table.notes) == noted


@pytest.mark.parametrize("kind", ["plain", "tabular"])
def test_a_model_reads_both_spellings_alike(tmp_path, monkeypatch, capsys, kind):
    if kind == "tabular":
        pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, kg, wet = rng.normal(10, 3, 80).round(3), rng.integers(1, 90, 80), rng.integers(0, 2, 80)
    y = (2 * x + kg / 10 + 5 * wet).round(3)
    rows = list(zip(x, kg, wet, y, strict=True))
    written = [
        f"{a:.3f};{k} kg;{('FALSE', 'TRUE')[w]};{b:.3f}".replace(".", ",") for a, k, w, b in rows
    ]
    plain = [f"{a:.3f},{k},{('false', 'true')[w]},{b:.3f}" for a, k, w, b in rows]
    for name, header, lines in (("a.csv", "x;kg;wet;y", written), ("b.csv", "x,kg,wet,y", plain)):
        (tmp_path / name).write_text("\n".join([header, *lines]))
    options = ["--target", "y", "-o", "m", "--no-report", "--model", kind]
    options += ["--epochs", "2"] if kind == "plain" else ["--max-time", "20"]
    assert main(["train", "a.csv", *options]) == 0
    assert "note: kg: numbers with decimal comma, unit 'kg'" in capsys.readouterr().out
    answers = []
    for name in ("a.csv", "b.csv"):
        assert main(["predict", "m", name]) == 0
        shown = capsys.readouterr()
        answers.append(shown.out)
        assert main(["evaluate", "m", name, "--json"]) == 0
        answers.append(capsys.readouterr().out)
    assert "true as TRUE" in shown.err
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]


@pytest.mark.parametrize(
    ("levels", "known", "expected"),
    [
        (["TRUE", "FALSE"], ("True", "False"), ["True", "False"]),
        (["yes", "no"], ("t", "f"), ["t", "f"]),
        (["1", "0"], ("True", "False"), ["True", "False"]),
        (["yes", "no", "maybe"], ("True", "False"), ["yes", "no", "maybe"]),
        (["yes"], ("True", "False", "other"), ["yes"]),
        (["yes"], ("True", "TRUE", "False"), ["yes"]),
        (["2.50", "2"], ("2.5", "2.0"), ["2.5", "2.0"]),
        (["02"], ("2",), ["02"]),
    ],
)
def test_texts_of_other_programs(tmp_path, levels, known, expected):
    table = read(tmp_path, "a,b\n" + "".join(f"{level},1\n" for level in levels), header="yes")
    assert table.texts("a", (), known).tolist() == expected


def test_one_spelling_of_truth_in_a_file(tmp_path):
    table = read(tmp_path, "a,b\nTRUE,1\nTrue,2\nfalse,3\nTrue,4\n")
    assert table.texts("a", ()).tolist() == ["True", "True", "false", "True"]
    assert table.notes == ("note: a: read TRUE as True",)
    values, bad = table.numbers("a", (), truths=True)
    assert values.tolist() == [1, 1, 0, 1]
    assert not bad.any()
    assert table.numbers("a", ())[1].all()


def test_a_plain_style():
    assert PLAIN.is_plain
    assert PLAIN.described() == ""
    with pytest.raises(ValueError, match="no style of numbers has"):
        NumberStyle(".", ".")
