"""Few rows are encoded cell by cell, to the bits of their columns."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from ffnn_fast._columns.frames import table_of  # noqa: E402
from ffnn_fast.tabular import TabularRegressor, _rows, _tabular_estimator  # noqa: E402
from ffnn_fast.tabular._inputs import TableInputs  # noqa: E402
from ffnn_fast.tabular._rows import few_rows  # noqa: E402

N = 60


def frame():
    """Columns of every kind, with gaps."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=N), "count": rng.integers(0, 9, N), "gaps": rng.normal(size=N),
            "town": rng.choice(["north", "south", "2024-01-01"], N), "code": rng.choice([1, 20], N),
            "flag": rng.random(N) < 0.5, "same": 1.0,
            "day": pd.Timestamp("1969-11-01 05:06:07") + pd.to_timedelta(7e7 * rng.random(N), "s"),
        }
    )  # fmt: skip
    data.loc[::7, "gaps"] = np.nan
    data.loc[1::7, "town"] = None
    data.loc[2::7, "day"] = pd.NaT
    return data


def inputs_of(data, most_one_hot=0):
    return TableInputs.fit(table_of(data), ("code",), True, most_one_hot)


def assert_as_by_column(inputs, X, by_place=False):
    """The cells of X give what its columns give."""
    found = few_rows(X, inputs, by_place)
    expected = inputs.transform(table_of(X))
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("most_one_hot", [0, 2, 9])
@pytest.mark.parametrize("n", [1, 2, 15])
def test_frames(n, most_one_hot):
    """Codes, ±1 and one-hot inputs, marks of missing numbers and parts of dates."""
    data = frame()
    inputs = inputs_of(data, most_one_hot)
    for start in range(0, N - n, 7):
        assert_as_by_column(inputs, data[start : start + n])


@pytest.mark.parametrize(
    "convert",
    [
        lambda data: data.astype(object), lambda data: data.convert_dtypes(),
        lambda data: data.astype({"x": "float32", "count": "Int8", "code": "category"}),
        lambda data: data.astype({"flag": int, "town": "category", "code": str}),
        lambda data: data.astype({"flag": "boolean", "day": "datetime64[ns]"}),
        lambda data: data.astype(dict.fromkeys(data, object)).assign(town=None, day=None),
        lambda data: data.assign(code=3.0, town="unknown", day=date(2024, 2, 29)),
        lambda data: data.assign(day=datetime(1950, 12, 31, 23, 59, 59, 999_999), x=0.0),
        lambda data: data.assign(x=data["x"].median(), count=np.nan, town="2024-01-01T00:00"),
        lambda data: data.assign(x=1e120, gaps=-1e140, code=2.5),
    ],
)  # fmt: skip
def test_types_of_cells(convert):
    """The same values in columns of other types."""
    data = convert(frame())
    for n in (0, 1, 2, 7, 20):
        assert_as_by_column(inputs_of(frame()), data[n : n + 1])


@pytest.mark.parametrize("library", ["dict", "polars"])
def test_other_tables(library):
    """Lists of columns in any order, and polars."""
    data = frame()
    inputs = inputs_of(data)
    for start in range(0, N, 7):
        part = data[start : start + 3]
        if library == "polars":
            given = pytest.importorskip("polars").from_pandas(part)
        else:
            given = {name: part[name].tolist() for name in reversed(part.columns)}
        assert_as_by_column(inputs, given)


@pytest.mark.parametrize("dtype", [float, np.float32, np.int16, object])
def test_arrays(dtype):
    """Arrays, whose columns have no names."""
    rng = np.random.default_rng(0)
    X = rng.integers(-3, 4, (N, 4)).astype(dtype)
    inputs = TableInputs.fit(table_of(X), ("1",))
    assert_as_by_column(inputs, X[:3], by_place=True)
    assert few_rows(X[:3], inputs, by_place=False) is None
    assert few_rows(X[:3, :2], inputs, by_place=True) is None
    assert few_rows(X[0], inputs, by_place=True) is None


@pytest.mark.parametrize(
    "change",
    [
        {"x": "1.5"}, {"x": np.inf}, {"x": 1e308}, {"x": True}, {"x": "text"},
        {"count": Decimal(2)}, {"x": np.longdouble(1)}, {"town": " north"}, {"town": ""},
        {"code": 2**60 + 1}, {"code": np.inf}, {"town": "-1e400"},
        {"town": date(2024, 1, 1)}, {"day": "2024-01-01"}, {"day": 3.0},
        {"day": datetime(2024, 1, 1, tzinfo=UTC)}, {"day": datetime(1, 1, 1)},
        {"day": np.datetime64("2024-01-01")}, {"gaps": 10**400}, {"flag": b"True"},
    ],
)  # fmt: skip
def test_what_is_read_by_column(change):
    """Cells that a column has to be read for; what is refused there stays refused."""
    cells = {name: [value] for name, value in frame().iloc[3].items()}
    cells |= {name: [value] for name, value in change.items()}
    assert few_rows(cells, inputs_of(frame()), by_place=False) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[data.columns[::-1]], lambda data: data.assign(more=1),
        lambda data: data.drop(columns="x"), lambda data: data[:0],
        lambda data: data.values.tolist(), lambda data: pd.concat([data] * 16),
        lambda data: {"x": [1.0]}, lambda data: data["x"],
        lambda data: {name: tuple(data[name]) for name in data},
        lambda data: {name: data[name].tolist() * (1 + (name == "x")) for name in data},
    ],
)  # fmt: skip
def test_tables_that_are_read_by_column(change):
    """Other columns, no rows, more rows, or other forms."""
    assert few_rows(change(frame()[:1]), inputs_of(frame()), by_place=False) is None


def test_estimators_take_that_path(monkeypatch):
    """One row, without a pass over the columns, has the prediction that it has among others."""
    data = frame()
    model = TabularRegressor("fast", n_networks=2, epochs=2, random_state=0).fit(data, data["x"])
    expected = model.predict(data)
    assert len(data) >= _rows.CHEAP_ROWS
    monkeypatch.setattr(_tabular_estimator, "table_of", None)
    for i in range(0, N, 7):
        assert model.predict(data[i : i + 1]) == expected[i]
