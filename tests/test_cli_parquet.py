"""Parquet: each of its types as cells of a table, and a sentence for every damage."""

import datetime
import decimal
import io

import numpy as np
import pytest
from support.tables import a_table

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.parquet import read_parquet

WORDS = ("NA", "?")


def typed_columns():
    pyarrow = pytest.importorskip("pyarrow")
    day, moment = datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5)
    price = [decimal.Decimal("1.10"), None, decimal.Decimal("3.00")]
    array = pyarrow.array
    return {  # what is stored, and the cells or the type that come out
        "byte": (array([1, 2, 255], pyarrow.uint8()), [1.0, 2.0, 255.0]),
        "whole": (array([1, None, -3], pyarrow.int64()), [1.0, np.nan, -3.0]),
        "huge": (array([2**64 - 1, 1, 2**53 + 1], pyarrow.uint64()),
                 ["18446744073709551615", "1", "9007199254740993"]),
        "gappy": (array([2**60 + 1, None, -5]), ["1152921504606846977", "", "-5"]),
        "half": (array(np.array([0.5, 1, 2], "f2")), [0.5, 1.0, 2.0]),
        "single": (array([0.5, None, 2], pyarrow.float32()), [0.5, np.nan, 2.0]),
        "price": (array(price), [1.1, np.nan, 3.0]),
        "none": (array([None, None, None]), [np.nan, np.nan, np.nan]),
        "flag": (array([True, None, False]), ["True", "", "False"]),
        "text": (array([" a, b ", None, ""]), ["a, b", "", ""]),
        "long": (array(["x", None, "y"], pyarrow.large_string()), ["x", "", "y"]),
        "code": (array(["p", None, "q"]).dictionary_encode(), ["p", "", "q"]),
        "number": (array([7, None, 8]).dictionary_encode(), [7.0, np.nan, 8.0]),
        "day": (array([day, None, day]), ["2020-01-02", "", "2020-01-02"]),
        "moment": (array([moment, None, moment.replace(second=0)]),
                   ["2020-01-02T03:04:05", "", "2020-01-02T03:04"]),
        "zoned": (array([moment, None, moment], pyarrow.timestamp("ms", tz="Europe/Berlin")),
                  ["2020-01-02T03:04:05", "", "2020-01-02T03:04:05"]),
        "list": (array([[1], [2], None]), None),
        "record": (array([{"a": 1}, None, {"a": 2}]), None),
        "bytes": (array([b"a", None, b"c"]), None),
        "time": (array([datetime.time(1), None, datetime.time(2)]), None),
    }  # fmt: skip


def stored_parquet(columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    stored = io.BytesIO()
    files.write_table(pyarrow.table(columns), stored)
    return stored.getvalue()


def test_types_of_parquet():
    table = read_parquet("t", stored_parquet({k: a for k, (a, _) in typed_columns().items()}))
    for name, (_, expected) in typed_columns().items():
        if expected is None:
            with pytest.raises(CommandError, match=f"column '{name}' is of type .*--drop {name}"):
                table.texts(name, WORDS)
        else:
            wanted = np.array(expected, dtype=object if isinstance(expected[-1], str) else float)
            np.testing.assert_array_equal(table.cells[name], wanted)
            assert table.cells[name].dtype == wanted.dtype


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        (b"zone", b"z\xff\xffe"),  # a name that is not UTF-8
        (b'the "old" town', b'the "old" t\xffwn'),  # a text that is not UTF-8
        (b"kind", b"size"),  # two columns of one name, or of one with another's type
    ],
)
def test_damaged_parquet_files(whole, damaged):
    stored = stored_parquet(a_table())
    assert whole in stored
    with pytest.raises(
        CommandError, match=r"^t is damaged, or a Parquet file that pyarrow|named 's"
    ):
        read_parquet("t", stored.replace(whole, damaged))


def test_no_damage_to_a_parquet_file_is_a_traceback():
    stored = stored_parquet({k: array for k, (array, _) in typed_columns().items()})
    rng, refused = np.random.default_rng(3), 0
    for _ in range(300):
        damaged = bytearray(stored)
        for place in rng.integers(4, len(stored) - 4, rng.integers(1, 20)):
            damaged[place] = rng.integers(256)
        try:
            read_parquet("t", bytes(damaged))
        except CommandError:
            refused += 1
    assert refused > 100
    with pytest.raises(CommandError):
        read_parquet("t", stored[:40] + stored[90:])


def written_parquet(**options):
    """A table of several types, with options of the writer."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    stored = io.BytesIO()
    columns = {k: array for k, (array, _) in typed_columns().items()}
    files.write_table(pyarrow.table(columns), stored, **options)
    return stored.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none", "use_dictionary": False, "write_statistics": False},
        {"compression": "gzip", "data_page_version": "2.0", "write_page_checksum": True},
        {"compression": "zstd", "store_schema": False},
    ],
)
def test_cut_and_shifted_parquet_files(options):
    """Bytes lost within, an end glued to a half, and single bits of the footer."""
    stored, rng, refused = written_parquet(**options), np.random.default_rng(5), 0
    footer = len(stored) - 8 - int.from_bytes(stored[-8:-4], "little")
    for _ in range(100):
        start, end = np.sort(rng.integers(4, len(stored) - 8, 2))
        flipped = bytearray(stored)
        flipped[rng.integers(footer, len(stored) - 4)] ^= 1 << int(rng.integers(8))
        for damaged in (stored[:start] + stored[end:], stored[:end] + b"PAR1", bytes(flipped)):
            try:
                read_parquet("t", damaged)
            except CommandError as error:
                refused += 1
                assert len(str(error)) < 2000  # noqa: PT017
    assert refused > 200
