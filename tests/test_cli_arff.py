"""ARFF files, dense and sparse ones."""

import numpy as np
import pytest

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import read_table


def read(tmp_path, content, **options):
    (tmp_path / "t").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(str(tmp_path / "t"), **options)


def test_arff_values(tmp_path):
    head = "@relation r\n@attribute 'a b' numeric\n@attribute c {'it''s', \"x, y\"}\n@data\n"
    table = read(tmp_path, head + "1,\"x, y\"\n2,'it\\'s'\n3,'?'\n")
    assert table.names == ("a b", "c")
    assert table.texts("c", ()).tolist() == ["x, y", "it's", "?"]
    assert table.where(0).endswith("line 5")
    for rows, message in (
        ("1\n", "line 5: 1 fields, but there are 2 attributes"),
        ("1,'x\n", "line 5: a quote is not closed|2 attributes"),
        ("", "a header but no rows"),
    ):
        with pytest.raises(CommandError, match=message):
            read(tmp_path, head + rows)


def test_sparse_arff(tmp_path):
    head = (
        "@relation r\n@attribute a real\n@attribute 'b b' {'x y', z, \"q,r\"}\n"
        "@attribute c INTEGER\n@data\n"
    )
    rows = "{}\n{0 1.5, 2 -3}\n{ 1 z }\n{1 'x y',2 ?}\n{0 ?, 1 \"q,r\"}\n2,z,7\n"
    table = read(tmp_path, head + rows)
    nan = np.nan
    np.testing.assert_array_equal(table.numbers("a", ())[0], [0, 1.5, 0, 0, nan, 2])
    np.testing.assert_array_equal(table.numbers("c", ())[0], [0, -3, 0, nan, 0, 7])
    assert table.texts("b b", ()).tolist() == ["x y", "x y", "z", "x y", "q,r", "z"]
    for row, message in (
        ("{3 1}", "line 6: '{3 1}' is no sparse row of 3 columns"),
        ("{0 1", "is no sparse row"),
        ("{0}", "is no sparse row"),
        ("{0 1 'x'}", "is no sparse row"),
        ("{0 1}, {5}", "is no sparse row"),
        ("{x 1}", "is no sparse row"),
    ):
        with pytest.raises(CommandError, match=message):
            read(tmp_path, head + row + "\n")
    head = "@relation r\n@attribute a real\n@attribute t string\n@data\n"
    assert read(tmp_path, head + "{0 2,1 'a'}\n").texts("t", ()).tolist() == ["a"]
    with pytest.raises(CommandError, match="line 5: column 1, from 0, holds texts or dates"):
        read(tmp_path, head + "{0 2}\n")
