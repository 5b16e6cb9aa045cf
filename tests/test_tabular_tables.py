"""Tables of any library become the same columns; what cannot be a column is refused."""

import datetime
import decimal
import fractions
import warnings

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
from ffnn_fast._columns import frames as tables  # noqa: E402

NAT = np.datetime64("NaT")


def frame(n=12):
    """A data frame with a column of every kind, each with a missing value where it can have one."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "float": np.r_[np.nan, rng.normal(size=n - 1)],
            "int": rng.integers(0, 9, n),
            "nullable": pd.array([None, *range(n - 1)], dtype="Int64"),
            "bool": rng.random(n) < 0.5,
            "text": [None, *rng.choice(["a", "b"], n - 1)],
            "category": pd.Categorical([None, *rng.choice(["u", "v"], n - 1)]),
            "time": [pd.NaT, *pd.date_range("2024-02-28", periods=n - 1, freq="25h")],
        }
    )


EXPECTED = {
    "float": "f", "int": "f", "nullable": "f", "bool": "O", "text": "O", "category": "O",
    "time": "M",
}  # fmt: skip


def assert_same(a, b):
    """Two columns are equal, missing values too."""
    assert a.dtype == b.dtype
    if a.dtype.kind == "f":
        np.testing.assert_array_equal(a, b)
    else:
        missing = np.isnat(a) if a.dtype.kind == "M" else np.equal(a, None)
        other = np.isnat(b) if b.dtype.kind == "M" else np.equal(b, None)
        np.testing.assert_array_equal(missing, other)
        np.testing.assert_array_equal(a[~missing], b[~missing])


def test_kinds_of_columns():
    """Each column has the kind of what it holds, and its missing values."""
    table = tables.table_of(frame())
    assert {name: values.dtype.kind for name, values in table.columns.items()} == EXPECTED
    assert np.isnan(table.columns["float"][0])
    assert np.isnan(table.columns["nullable"][0])
    assert table.columns["text"][0] is None
    assert table.columns["category"][0] is None
    assert np.isnat(table.columns["time"][0])
    assert set(table.columns["bool"]) == {"False", "True"}
    assert table.n_rows == 12
    assert table.named


@pytest.mark.parametrize("library", ["polars", "pyarrow", "mapping"])
def test_libraries_agree(library):
    """The same table of another library gives the same columns."""
    data = frame()
    if library == "polars":
        other = pytest.importorskip("polars").from_pandas(data)
    elif library == "pyarrow":
        other = pytest.importorskip("pyarrow").Table.from_pandas(data)
    else:
        other = {name: data[name].tolist() for name in data}
    expected, found = tables.table_of(data), tables.table_of(other)
    assert list(found.columns) == list(expected.columns)
    for name, values in expected.columns.items():
        assert_same(found.columns[name], values)


def test_times_with_zone():
    """Times with a zone are those of UTC."""
    times = pd.DataFrame({"t": pd.to_datetime(["2024-01-01T00:30+01:00", None])})
    (column,) = tables.table_of(times).columns.values()
    assert column[0] == np.datetime64("2023-12-31T23:30")
    assert np.isnat(column[1])


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1.5", " 2 ", "-3e2"], "f"), (["1", "x"], "O"), (["2024-01-01", "2024-01-02"], "M"),
        (["2024-01-01T10:00", ""], "M"), (["", " ", None], "f"), (["inf", "nan"], "O"),
        (["1_000", "2"], "O"), (["20240101", "20240102"], "f"),
    ],
)  # fmt: skip
def test_texts(texts, kind):
    """Texts are numbers or times only if all known ones are."""
    column = tables.column_of(np.array(texts, dtype=object), "column")
    assert column.dtype.kind == kind


def test_values_of_texts():
    """Numbers written as texts have their values, and blanks are missing."""
    column = tables.column_of(np.array(["1.5", " ", "-3e2"], dtype=object), "column")
    np.testing.assert_array_equal(column, [1.5, np.nan, -300])


@pytest.mark.parametrize(
    "values",
    [
        np.array([b"a", "Köln".encode(), b"\xff"]), [b"a", "Köln".encode(), b"\xff"],
        [b"a", "Köln", b"\xff"],
    ],
)  # fmt: skip
def test_bytes(values):
    """Bytes are texts in UTF-8; what is none is written as escapes."""
    assert tables.column_of(values, "column").tolist() == ["a", "Köln", "\\xff"]


CATEGORIES = {
    "pandas": lambda: pd.DataFrame({"c": pd.Categorical([10, None, 2, 10])}),
    "polars": lambda: pytest.importorskip("polars").DataFrame({"c": ["10", None, "2", "10"]}).cast(
        pytest.importorskip("polars").Categorical
    ),
    "pyarrow": lambda: pytest.importorskip("pyarrow").table(
        {"c": pytest.importorskip("pyarrow").array([10, None, 2, 10]).dictionary_encode()}
    ),
}  # fmt: skip


@pytest.mark.parametrize("library", CATEGORIES)
def test_categories_of_numbers(library):
    """A column whose type is that of categories is one, though its values are numbers."""
    (column,) = tables.table_of(CATEGORIES[library]()).columns.values()
    assert column.tolist() == ["10", None, "2", "10"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 2.5], [1, np.nan, 2.5]),
        ([decimal.Decimal("1.5"), decimal.Decimal("NaN")], [1.5, np.nan]),
        ([fractions.Fraction(1, 4), 2], [0.25, 2]), ([10**20, 1], [1e20, 1]),
        (["1.5", float("nan"), None, " "], [1.5, np.nan, np.nan, np.nan]),
        (pd.array([1, None], dtype="Int64"), [1, np.nan]),
        (pd.array([1.5, None], dtype="Float32"), [1.5, np.nan]),
        ([datetime.timedelta(seconds=3), None], [3, np.nan]),
        (np.array([3, "NaT"], "m8[s]"), [3, np.nan]),
    ],
)  # fmt: skip
def test_numbers(values, expected):
    """Numbers of every type as float64, NaN where they are missing."""
    if isinstance(values, list) and isinstance(values[0], datetime.timedelta):
        values = pd.Series(values)
    np.testing.assert_array_equal(tables.column_of(values, "column"), expected)


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ([10**400, 1], ValueError, "finite numbers, got 1000"),
        ([decimal.Decimal("sNaN")], ValueError, "finite numbers, got Decimal"),
        ([decimal.Decimal("1e400")], ValueError, "infinity in row 0"),
        (np.array([np.longdouble("1e400")]), ValueError, "infinity in row 0"),
        (["1", "1e999"], ValueError, "infinity in row 1"),
        ([[1, 2], [3, 4]], TypeError, "of type list"),
        ([{}, {}], TypeError, "of type dict"),
        (2.5, TypeError, "got 2.5; for one row give a list"),
        ("north", TypeError, "got 'north'; for one row give a list"),
        (None, TypeError, "got None"),
    ],
)
def test_refused_values(values, error, text):
    """Values beyond float64 and cells that hold several values are refused, without a warning."""
    if isinstance(values, np.ndarray) and np.isinf(values).any():
        pytest.skip("longdouble is float64 here")
    with pytest.raises(error, match=text):
        tables.column_of(values, "column")


def test_lazy_frame_is_refused():
    """A lazy frame is refused with what to do."""
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"X\.collect\(\)"):
        tables.table_of(polars.LazyFrame({"a": [1]}))


def test_masked_entries_are_missing():
    """A masked entry is missing, whatever is beneath."""
    column = tables.column_of(np.ma.array([1.0, 2.0], mask=[False, True]), "column")
    np.testing.assert_array_equal(column, [1.0, np.nan])


@pytest.mark.parametrize("values", [[True, False], [1, 2], [1.0, np.nan], [np.float32(1), 2]])
def test_objects(values):
    """Python's numbers in an object array are numbers; bools are a category."""
    column = tables.column_of(np.array(values, dtype=object), "column")
    assert column.dtype.kind == ("O" if values[0] is True else "f")


@pytest.mark.parametrize(
    ("X", "error", "text"),
    [
        ([[1.0, np.inf]], ValueError, "column 1 of X must hold finite numbers .* row 0"),
        (np.zeros(3), ValueError, "two-dimensional"),
        (np.zeros((2, 2), complex), TypeError, "dtype complex128"),
        (np.array([[object()]]), TypeError, "of type object"),
        ({"a": [1], "b": [1, 2]}, ValueError, "one length"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "distinct names, got 'a' twice"),
    ],
)
def test_refusals(X, error, text):
    """What is no table is refused with what it is."""
    with pytest.raises(error, match=text):
        tables.table_of(X)


def test_sparse_is_refused():
    """A sparse matrix is refused with what to do."""
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="toarray"):
        tables.table_of(sparse.eye_array(3).tocsr())


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("01", "1"), (1.0, "1"), ("1.0", "1"), (1, "1"), ("2.50", "2.5"), (2.5, "2.5"),
        (np.float32(7), "7"), ("A", "A"), ("True", "True"), (True, "True"), (None, None),
        (np.nan, None), (NAT, None), ("2020-01-01", "2020-01-01T00:00:00.000000"),
        (np.datetime64("2020-01-01"), "2020-01-01T00:00:00.000000"),
        ("2020-01-01T10:00+04:30", "2020-01-01T05:30:00.000000"),
        ("2020/01/01 10:00:01.5-0800", "2020-01-01T18:00:01.500000"),
        ("2020-01-01 10+01", "2020-01-01T09:00:00.000000"),
        ("2020-01-01 10:00 +01:00", "2020-01-01 10:00 +01:00"),
        ("2020-01-01 10:00+25:00", "2020-01-01 10:00+25:00"),
    ],
)  # fmt: skip
def test_levels(value, level):
    """A value has one level, whether its column came as numbers, times, texts or a mixture."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tables.level_of(value) == level


def test_objects_of_times():
    """Times with zones are those of UTC, without a warning; times of day are refused by name."""
    zoned = datetime.datetime(2024, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    column = tables.column_of([zoned, None], "column 'x'")
    assert column[0] == np.datetime64("2023-12-31T23:00")
    with pytest.raises(TypeError, match="column 'x' of X must hold"):
        tables.column_of([datetime.time(1)], "column 'x'")
