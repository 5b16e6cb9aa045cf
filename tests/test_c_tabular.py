"""C code of the estimators for tables."""

import numpy as np
import pytest
from support.c_programs import Library, run_main

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from ffnn_fast import to_c  # noqa: E402
from ffnn_fast.tabular import TabularClassifier, TabularRegressor  # noqa: E402

QUICK = {"n_networks": 2, "epochs": 3, "random_state": 0, "n_threads": 1}
TOWNS = list("abcdefghijklm")


def table(n=200, seed=0):
    """Numbers with and without gaps, categories with few and many levels, bools, dates."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n) * 1e5,
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "kind": rng.choice(["a", "b", None], n), "town": rng.choice(TOWNS, n),
            "flag": rng.random(n) < 0.5, "same": np.ones(n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), "D"),
        }
    )  # fmt: skip


def raw(frame):
    """The columns of the C functions, in their order."""
    codes = [
        frame["kind"].map({"a": 0, "b": 1}).fillna(-1), frame["town"].map(TOWNS.index),
        frame["flag"].astype(int),
    ]  # fmt: skip
    days = frame["day"].dt
    since = (frame["day"] - table()["day"].min()) / pd.Timedelta(1, "D")
    parts = [days.year, days.month, days.day_of_week, since]
    return np.column_stack([frame["x"], frame["gap"], *codes, *parts]).astype(np.float64)


def library(model, folder, dtype, n_outputs):
    to_c(model, folder / "net.c", dtype=dtype)
    assert "ok" in run_main(folder / "net.c", "net")
    return Library(folder / "net.c", "net", dtype, (9, n_outputs))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_classifier(tmp_path, dtype):
    X, rows = table(), table(60, seed=1)
    y = np.where(X["x"] > 0, "yes", np.where(X["flag"], "no", "maybe"))
    fitted = TabularClassifier(**QUICK).fit(X, y)
    found = library(fitted, tmp_path, dtype, 3)
    np.testing.assert_allclose(found.forward(raw(rows)), fitted.predict_proba(rows), atol=2e-5)
    np.testing.assert_array_equal(found.batch(raw(rows)), found.forward(raw(rows)))
    header = (tmp_path / "net.h").read_text()
    assert "x[1]: gap, a number, NaN where it is missing" in header
    assert "x[3]: town, the number of its level: 0 = a, 1 = b" in header
    assert "extern const char *const net_classes[NET_N_CLASSES];" in header


@pytest.mark.slow
def test_several_columns_of_labels(tmp_path):
    X, rows = table(), table(60, seed=1)
    y = pd.DataFrame({"a": np.where(X["x"] > 0, "yes", "no"), "b": X["day"].dt.month % 3})
    fitted = TabularClassifier(**QUICK).fit(X, y)
    expected = np.hstack(fitted.predict_proba(rows))
    found = library(fitted, tmp_path, "float32", 5)
    np.testing.assert_allclose(found.forward(raw(rows)), expected, atol=2e-5)


@pytest.mark.slow
def test_regressor(tmp_path):
    X, rows = table(), table(60, seed=1)
    fitted = TabularRegressor(**QUICK).fit(X, np.column_stack([X["x"], X["flag"] + 7.0]))
    found = library(fitted, tmp_path, "float32", 2).forward(raw(rows))
    expected = fitted.predict(rows)
    assert (np.abs(found - expected) <= 1e-4 * expected.std(axis=0)).all()


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="TabularRegressor is not fitted; call fit before to_c"):
        to_c(TabularRegressor(), tmp_path / "net.c")
    X = np.random.default_rng(0).normal(size=(30, 2))
    fitted = TabularRegressor(**QUICK).fit(X, X[:, 0])
    for option in ("jacobian", "fortran"):
        with pytest.raises(ValueError, match=f"{option} is for single networks; TabularRegr"):
            to_c(fitted, tmp_path / "net.c", **{option: True})
    with pytest.raises(ValueError, match=r"must end in \.c"):
        to_c(fitted, tmp_path / "net.txt")
    assert not list(tmp_path.iterdir())
