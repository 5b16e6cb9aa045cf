"""Columns of a table as inputs: RealMLP's encoding, dates, categories and what is left out."""

import json

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from ffnn_fast._columns.features import date_parts, fit_features  # noqa: E402
from ffnn_fast._columns.frames import table_of  # noqa: E402
from ffnn_fast.tabular._inputs import TableInputs  # noqa: E402
from ffnn_fast.tabular._robust_scale import RobustScale, smooth_clip  # noqa: E402


def uses(columns):
    """How each column is used."""
    return {feature.name: feature.use for feature in fit_features(table_of(pd.DataFrame(columns)))}


def test_robust_scale():
    """(v − median) / (q75 − q25), then the clip of the paper."""
    values = np.array([0.0, 1, 2, 3, 100])
    x = (values - 2) / 2
    expected = x / np.sqrt(1 + (x / 3) ** 2)
    np.testing.assert_allclose(RobustScale.fit(values).transform(values)[:, 0], expected)
    assert np.abs(smooth_clip(np.array([-1e300, 1e300]))).max() <= 3


@pytest.mark.parametrize(
    ("values", "scale"), [([0, 0, 0, 0, 0, 0, 4], 0.5), ([1, 1, 1], 0.0), ([0, 1, 2], 1.0)]
)
def test_scale_of_few_values(values, scale):
    """Equal quartiles leave 2 / (max − min), and equal values 0."""
    assert RobustScale.fit(np.array(values, float)).scale == scale


def test_missing_numbers():
    """A missing number counts as the median, with a mark beside it."""
    scale = RobustScale.fit(np.array([1.0, np.nan, 3.0]))
    np.testing.assert_allclose(scale.transform(np.array([np.nan, 2.0])), [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    "time", ["2024-02-29T23:30", "1969-12-31T01:00", "2000-01-01T00:00", "2023-06-05T12:00"]
)
def test_date_parts(time):
    """The parts of a date are those of pandas."""
    stamp = pd.Timestamp(time)
    parts = date_parts(np.array([time, "NaT"], "datetime64[us]"), np.datetime64("2000-01-01", "us"))
    assert parts["year"][0] == stamp.year
    assert parts["month"][0] == stamp.month
    assert parts["weekday"][0] == stamp.weekday()
    assert parts["hour"][0] == stamp.hour + stamp.minute / 60
    assert parts["elapsed"][0] == (stamp - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1)
    assert all(np.isnan(values[1]) for values in parts.values())


def test_what_is_left_out():
    """Constant columns, row numbers and texts that are all different are left out."""
    n = 40
    rng = np.random.default_rng(0)
    found = uses(
        {
            "x": rng.normal(size=n), "one": np.ones(n), "": np.arange(n)[::-1],
            "Unnamed: 0": rng.permutation(n), "PassengerId": rng.permutation(n) + 100,
            "count": np.arange(5, n + 5), "order": rng.permutation(n),
            "name": [f"name {i}" for i in range(n)], "empty": [None] * n,
            "grid": [1.5 * i for i in range(n)], "letter": rng.choice(list("abc"), n),
            "paid": rng.permutation(n),
        }
    )  # fmt: skip
    out = {name for name, use in found.items() if use == "left out"}
    assert out == {"one", "", "Unnamed: 0", "PassengerId", "count", "name", "empty"}
    assert found["letter"] == "category"


def test_no_column():
    """A table without a usable column is refused with the reasons."""
    with pytest.raises(ValueError, match=r"no column of X can be used .*constant"):
        uses({"a": [1, 1, 1]})


def table(n=60):
    """Numbers, some missing, and categories of 2, 3 and 12 levels."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "y": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "two": rng.choice(["a", "b"], n), "three": rng.choice(["a", "b", "c"], n),
            "many": rng.choice(list("abcdefghijkl"), n),
        }
    )  # fmt: skip


@pytest.mark.parametrize("coded", [False, True])
def test_layout(coded):
    """Numbers, marks, then categories as codes, or as ±1 and one-hot inputs."""
    data = table()
    inputs = TableInputs.fit(table_of(data), coded=coded)
    X = inputs.transform(table_of(data), "float64")
    assert X.shape == (60, inputs.n_inputs) == (60, len(inputs.sources))
    assert inputs.sources[:3] == ["x", "y", "y"]
    np.testing.assert_array_equal(X[:, 2], data["y"].isna())
    levels = {name: sorted(set(data[name])) for name in ("two", "three", "many")}
    if coded:
        assert inputs.code_sizes == [2, 3, 12]
        for j, name in enumerate(levels):
            codes = [1 + levels[name].index(value) for value in data[name]]
            np.testing.assert_array_equal(X[:, 3 + j], codes)
    else:
        np.testing.assert_array_equal(X[:, 3], np.where(data["two"] == "a", -1, 1))
        for j, level in enumerate(levels["three"]):
            np.testing.assert_array_equal(X[:, 4 + j], data["three"] == level)
        assert inputs.code_sizes == []
        assert X[:, 7:].sum() == 60


@pytest.mark.parametrize("coded", [False, True])
def test_unknown_levels(coded):
    """Missing and unknown levels are 0 in either form."""
    inputs = TableInputs.fit(table_of(table()), coded=coded)
    other = pd.DataFrame({"x": [0.0], "y": [0.0], "two": ["z"], "three": [None], "many": ["?"]})
    assert not inputs.transform(table_of(other))[:, 3:].any()


def test_round_trip():
    """The encoding survives JSON."""
    inputs = TableInputs.fit(table_of(table()))
    assert TableInputs.from_dict(json.loads(json.dumps(inputs.to_dict()))) == inputs


def test_columns_by_name():
    """Columns are found by name, in any order; further ones are ignored."""
    data = table()
    inputs = TableInputs.fit(table_of(data))
    other = data[data.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(
        inputs.transform(table_of(other)), inputs.transform(table_of(data))
    )


def test_absent_column():
    """An absent column is named."""
    data = table()
    inputs = TableInputs.fit(table_of(data))
    with pytest.raises(ValueError, match="X lacks the columns 'two'"):
        inputs.transform(table_of(data.drop(columns="two")))


def test_other_kind():
    """Texts in a column that held numbers are refused with the row."""
    data = table()
    inputs = TableInputs.fit(table_of(data))
    with pytest.raises(ValueError, match=r"'x' of X held numbers .* holds texts now"):
        inputs.transform(table_of(data.assign(x="word")))


def test_rare_levels():
    """The rarest levels of a category of many are taken together, as unknown."""
    values = np.array([f"l{i % 300}" for i in range(1500)] + ["often"] * 10, dtype=object)
    (feature,) = fit_features(table_of({"c": values}))
    assert len(feature.levels) == 255
    assert "often" in feature.levels
    assert "46 rarest" in feature.note


@pytest.mark.parametrize(
    "levels", [["01", "02", "A"], ["1.0", "2.50", "A"], ["2020-01-01", "2021-05-01", "never"]]
)
@pytest.mark.parametrize("coded", [True, False])
def test_levels_of_single_rows(levels, coded):
    """The inputs of a row do not depend on the other rows, whose texts decide on conversion."""
    columns = {"k": np.array(levels * 10, dtype=object), "x": np.arange(30.0) ** 2}
    inputs = TableInputs.fit(table_of(columns), coded=coded)
    X = inputs.transform(table_of(columns))
    for i in range(3):
        row = table_of({name: values[i : i + 1] for name, values in columns.items()})
        np.testing.assert_array_equal(inputs.transform(row), X[i : i + 1])
    assert len(np.unique(X[:3, 1:], axis=0)) == 3


def test_bools_as_numbers():
    """0 and 1 are the levels of a column of bools."""
    columns = {"b": np.arange(30) % 3 == 0, "x": np.arange(30.0) ** 2}
    inputs = TableInputs.fit(table_of(columns))
    X = inputs.transform(table_of(columns))
    for dtype in (int, float, str):
        other = table_of({**columns, "b": columns["b"].astype(dtype)})
        np.testing.assert_array_equal(inputs.transform(other), X)


def test_missing_times_as_categories():
    """A missing time or number is no level of a category."""
    columns = {
        "t": np.array(["2020-01-01", "NaT", "2021-01-01"] * 9, "M8[D]"),
        "x": np.array([1.0, np.nan, 2.5] * 9),
    }
    table = table_of(columns)
    inputs = TableInputs.fit(table, ("t", "x"))
    assert inputs.features[0].levels == ("2020-01-01T00:00:00.000000", "2021-01-01T00:00:00.000000")
    assert inputs.features[1].levels == ("1", "2.5")
    np.testing.assert_array_equal(inputs.transform(table)[:3], [[1, 1], [0, 0], [2, 2]])


def test_names_of_dates_and_columns():
    """A column may have the name of a part of a date."""
    rng = np.random.default_rng(0)
    days = np.datetime64("2020-01-01") + rng.integers(0, 1000, 40)
    columns = {"c": days, "c year": rng.normal(size=40), "c month": rng.normal(size=40)}
    inputs = TableInputs.fit(table_of(columns))
    X = inputs.transform(table_of(columns))
    assert X.shape == (40, inputs.n_inputs) == (40, len(inputs.sources))
    assert inputs.sources == ["c"] * 4 + ["c year", "c month"]
    again = TableInputs.from_dict(inputs.to_dict())
    np.testing.assert_array_equal(again.transform(table_of(columns)), X)


def test_a_column_that_numbers_the_rows_is_used_where_it_is_named():
    """`numeric` keeps a column that would be left out; a name that is absent is refused."""
    table = table_of({"day": np.arange(40), "x": np.random.default_rng(0).normal(size=40)})
    assert [f.use for f in fit_features(table)] == ["left out", "number"]
    assert [f.use for f in fit_features(table, numeric=("day",))] == ["number", "number"]
    with pytest.raises(ValueError, match="numeric_features names 'z', which X has not"):
        fit_features(table, numeric=("z",))
