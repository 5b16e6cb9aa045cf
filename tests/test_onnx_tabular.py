"""ONNX models of the estimators for tables."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ffnn_fast.onnx import to_onnx  # noqa: E402
from ffnn_fast.tabular import TabularClassifier, TabularRegressor  # noqa: E402

QUICK = {"n_networks": 2, "epochs": 3, "random_state": 0, "n_threads": 1}


def table(n=200, seed=0):
    """Numbers with and without gaps, categories with few and many levels, bools, dates."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n) * 1e5,
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "kind": rng.choice(["a", "b", None], n), "town": rng.choice(list("abcdefghijklm"), n),
            "flag": rng.random(n) < 0.5, "same": np.ones(n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), "D"),
        }
    )  # fmt: skip


def feed(frame):
    """The inputs of a model for the rows of such a table."""
    texts = {
        name: frame[name].astype(object).where(frame[name].notna(), "").astype(str)
        for name in ("kind", "town", "flag")
    }
    days = frame["day"].dt
    numbers = {"x": frame["x"], "gap": frame["gap"], "day year": days.year, "day month": days.month}
    numbers |= {"day weekday": days.day_of_week}
    numbers["day elapsed"] = (frame["day"] - table()["day"].min()) / pd.Timedelta(1, "D")
    given = {name: values.to_numpy(np.float64)[:, None] for name, values in numbers.items()}
    return given | {name: values.to_numpy(object)[:, None] for name, values in texts.items()}


def outputs(model, given):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    assert {value.name for value in session.get_inputs()} == set(given)
    return dict(zip(names, session.run(None, given), strict=True))


@pytest.fixture(scope="module")
def rows():
    """Other rows, with levels and numbers that the training rows have not."""
    frame = table(60, seed=1)
    frame.loc[0, ["kind", "town"]] = "unheard of"
    frame.loc[1, ["x", "gap"]] = np.nan
    frame.loc[2, "x"] = 1e200
    return frame


@pytest.mark.parametrize("dtype", [None, "float64"])
def test_classifier(rows, dtype):
    X = table()
    y = np.where(X["x"] > 0, "yes", np.where(X["flag"], "no", "maybe"))
    fitted = TabularClassifier(**QUICK).fit(X, y)
    found = outputs(to_onnx(fitted, dtype=dtype), feed(rows))
    np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(rows), atol=1e-5)
    assert found["label"].tolist() == fitted.predict(rows).tolist()


def test_several_columns_of_labels(rows):
    X = table()
    y = pd.DataFrame({"a": np.where(X["x"] > 0, "yes", "no"), "b": X["day"].dt.month % 3})
    fitted = TabularClassifier(**QUICK).fit(X, y)
    found = outputs(to_onnx(fitted), feed(rows))
    for j, proba in enumerate(fitted.predict_proba(rows)):
        np.testing.assert_allclose(found[f"probabilities_{j}"], proba, atol=1e-5)
        assert found[f"label_{j}"].tolist() == fitted.predict(rows)[:, j].tolist()


def test_regressor(rows, tmp_path):
    X = table()
    y = np.column_stack([X["x"], X["flag"] + 7.0])
    fitted = TabularRegressor(**QUICK).fit(X, y)
    found = outputs(to_onnx(fitted, tmp_path / "net.onnx"), feed(rows))["value"]
    expected = fitted.predict(rows)
    np.testing.assert_allclose(found / expected.std(axis=0), expected / expected.std(axis=0),
                               atol=1e-4)  # fmt: skip
    assert (tmp_path / "net.onnx").exists()


def test_arrays_and_one_column():
    rng = np.random.default_rng(0)
    for X in (rng.normal(size=(50, 3)), rng.choice(["a", "b", "c"], (50, 1)).astype(object)):
        fitted = TabularRegressor(**QUICK).fit(X, rng.normal(size=50))
        given = {str(j): X[:, j : j + 1] for j in range(X.shape[1])}
        found = outputs(to_onnx(fitted), given)["value"]
        np.testing.assert_allclose(found[:, 0], fitted.predict(X), atol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="TabularRegressor is not fitted; call fit before to_onnx"):
        to_onnx(TabularRegressor())
