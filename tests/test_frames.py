"""What users hand in beside arrays: data frames, masked arrays, columns; missing entries."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ffnn_fast import Network

X = np.array([[0.5, 1.0], [1.5, 0.0], [-2.0, 1.0], [0.25, 0.0]])
Y = np.array([0, 1, 2, 1])
VALUES = np.array([0.5, 1.0, -1.0, 2.0])
COLUMNS = {"a": X[:, 0], "b": X[:, 1] > 0}


def classifier(**given):
    return Network([2, 5, 3], seed=0, dtype="float64", **given)


def regressor(n_outputs=1, **given):
    return Network([2, 5, n_outputs], output="identity", seed=0, dtype="float64", **given)


def pandas_frames():
    frame = pd.DataFrame(COLUMNS)
    return {
        "bool beside float": frame,
        "nullable": frame.convert_dtypes(),
        "nullable, one dtype": pd.DataFrame(X, columns=["a", "b"]).astype("Float64"),
        "objects": pd.DataFrame(X, columns=["a", "b"]).astype(object),
        "object beside float": frame.astype({"b": object}),
        "two columns of one name": pd.concat([frame["a"], frame["b"]], axis=1, keys=["a", "a"]),
        "decimals": pd.DataFrame({"a": [Decimal(str(v)) for v in X[:, 0]], "b": X[:, 1]}),
        "not numbered from 0": frame.set_axis([3.5, 2.5, 1.5, 0.5], axis=0),
    }


@pytest.mark.parametrize("name", pandas_frames())
def test_frames_of_pandas(name):
    frame, net = pandas_frames()[name], classifier()
    np.testing.assert_array_equal(net.forward(frame), net.forward(X))
    net.partial_fit(frame, pd.Series(Y, index=frame.index))
    plain = classifier()
    plain.partial_fit(X, Y)
    np.testing.assert_array_equal(net.params, plain.params)


def test_arrow_frames_of_pandas():
    pytest.importorskip("pyarrow")
    frame, net = pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"), classifier()
    np.testing.assert_array_equal(net.forward(frame), net.forward(X))
    labels = pd.Series(Y).convert_dtypes(dtype_backend="pyarrow")
    assert net.loss(frame, labels) == net.loss(X, Y)


def test_frames_of_polars():
    polars = pytest.importorskip("polars")
    frame, net = polars.DataFrame(COLUMNS), classifier()
    np.testing.assert_array_equal(net.forward(frame), net.forward(X))
    assert net.loss(frame, polars.Series(Y)) == net.loss(X, Y)
    assert net.loss(frame, polars.DataFrame({"y": Y})) == net.loss(X, Y)


def test_tables_of_arrow():
    arrow = pytest.importorskip("pyarrow")
    net = classifier()
    np.testing.assert_array_equal(net.forward(arrow.table(COLUMNS)), net.forward(X))
    assert net.loss(X, arrow.array(Y)) == net.loss(X, Y)


@pytest.mark.parametrize(
    "objects",
    [
        X.astype(object),
        [[np.float32(0.5), True], [1.5, 0], [np.int8(-2), np.True_], [Decimal("0.25"), 0.0]],
    ],
)
def test_objects_that_are_numbers(objects):
    net = classifier()
    np.testing.assert_array_equal(net.forward(np.array(objects, object)), net.forward(X))


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (pd.DataFrame({"a": X[:, 0], "b": list("wxyz")}), TypeError, "column 'b' of X .*text"),
        (pd.DataFrame({"a": [1.0, "x", 2.0, 3.0], "b": X[:, 1]}), TypeError, "'x' in row 1"),
        (
            pd.DataFrame({"a": X[:, 0], "t": pd.date_range("2020-01-01", periods=4)}),
            TypeError,
            "column 't' of X .*datetime64",
        ),
        (
            pd.DataFrame({"a": pd.array([1, 2, None, 3], "Int64"), "b": X[:, 1]}),
            ValueError,
            "row 2",
        ),
        (
            pd.DataFrame({"a": X[:, 0], "b": pd.array([True, None, None, False], "boolean")}),
            ValueError,
            r"no missing entries, got one in row 1, column 1 \(2 masked",
        ),
        (np.array([[1, None]], object), ValueError, "no missing entries, got one in row 0, col"),
        (np.array([[1, 2j]], object), TypeError, "2j in row 0, column 1"),
        (np.array([[1, b"x"]], object), TypeError, "text"),
        (np.array([[np.ones(2), [1]]], dtype=object)[:, :0], ValueError, "X must have shape"),
    ],
)
def test_frames_that_are_refused(frame, error, match):
    with pytest.raises(error, match=match):
        classifier().predict(frame)


@pytest.mark.parametrize(
    "y", [Y[:, None], pd.DataFrame({"y": Y}), Y[:, None].tolist(), Y.astype(object)[:, None]]
)
def test_a_column_of_labels(y):
    net = classifier()
    assert net.loss(X, y) == net.loss(X, Y)
    net.fit(X, y, epochs=1, validation_fraction=0.25, class_weight="balanced")
    np.testing.assert_array_equal(
        classifier().gradient(X[:1], y[:1] if not hasattr(y, "iloc") else y.iloc[:1]),
        classifier().gradient(X[:1], Y[:1]),
    )


@pytest.mark.parametrize("net", [regressor(2), Network([2, 2], output="logistic", seed=0)])
def test_a_column_is_no_label_where_each_output_is_a_target(net):
    with pytest.raises(ValueError, match=r"y must have shape \(4, 2\), got \(4, 1\)"):
        net.loss(X, VALUES[:, None] > 0)


def masked(array, *places):
    """The array with 7777 hidden in these places."""
    hidden = np.zeros(array.shape, bool)
    array = array.copy()
    for place in places:
        hidden[place], array[place] = True, 1 if array.dtype.kind in "iu" else 7777
    return np.ma.array(array, mask=hidden)


@pytest.mark.parametrize(
    "rows",
    [
        masked(X, (1, 0)),
        masked(X.astype(np.float32), (1, 0)),
        list(masked(X, (1, 0))),
        masked(X.astype(object), (1, 0)),
    ],
)
def test_masked_inputs_are_refused(rows):
    net = classifier(missing_targets="ignore")
    for call in (net.predict, lambda r: net.fit(r, Y), lambda r: net.partial_fit(r, Y)):
        with pytest.raises(ValueError, match="no missing entries, got one in row 1, column 0"):
            call(rows)
    with pytest.raises(ValueError, match="no missing entries"):
        net.predict(np.ma.masked)


def test_a_masked_array_without_masked_entries_is_an_array():
    net = classifier()
    np.testing.assert_array_equal(net.forward(np.ma.array(X)), net.forward(X))
    assert net.loss(X, np.ma.array(Y)) == net.loss(X, Y)


@pytest.mark.parametrize("y", [masked(VALUES, 2), [0.5, 1.0, None, 2.0], [0.5, 1.0, pd.NA, 2]])
def test_missing_values_of_a_target(y):
    y = y if isinstance(y, np.ma.MaskedArray) else np.array(y, object)
    with pytest.raises(ValueError, match="y must have no missing entries, got one in row 2"):
        regressor().fit(X, y)
    net = regressor(missing_targets="ignore")
    known = np.where(np.arange(4) == 2, np.nan, VALUES)
    assert net.loss(X, y) == net.loss(X, known)
    net.fit(X, y, epochs=3)
    plain = regressor(missing_targets="ignore")
    plain.fit(X, known, epochs=3)
    np.testing.assert_array_equal(net.params, plain.params)


@pytest.mark.parametrize(
    "y",
    [
        masked(Y, 1, 3),
        masked(Y[:, None], (1, 0), (3, 0)),
        pd.Series([0, None, 2, None], dtype="Int64"),
        pd.Series([0, None, 2, None]),
        np.array([0, None, 2, None], object),
        np.array([0, np.nan, 2, np.nan]),
    ],
)
def test_missing_labels(y):
    with pytest.raises((TypeError, ValueError), match="y must"):
        classifier().fit(X, y)
    net, known = classifier(missing_targets="ignore"), np.eye(3)[Y]
    known[[1, 3]] = np.nan
    assert net.loss(X, y) == net.loss(X, known)
    np.testing.assert_array_equal(net.gradient(X, y), net.gradient(X, known))


def test_missing_labels_are_of_no_class():
    """They count neither for class 0 in balanced weights, nor as its share of held-out rows."""
    rows, y = np.tile(X, (10, 1)), np.repeat([0, 1], 20)
    missing = masked(y, *range(15))
    nets = [classifier(missing_targets="ignore") for _ in range(2)]
    nets[0].fit(rows, missing, epochs=1, class_weight="balanced", batch_size=None)
    weight = np.repeat([1, 25 / (2 * 5), 25 / (2 * 20)], [15, 5, 20])
    nets[1].fit(rows, missing, epochs=1, sample_weight=weight, batch_size=None)
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    history = nets[0].fit(rows, missing, epochs=1, validation_fraction=0.2, metrics=False)
    assert np.isfinite(history[-1]["val_loss"])


def test_missing_labels_must_be_whole_beside_nan():
    with pytest.raises(TypeError, match="integer class labels"):
        classifier(missing_targets="ignore").loss(X, [0, np.nan, 1.5, 1])


def test_missing_labels_of_heads():
    net = Network([2, 5], heads=[2, 3], missing_targets="ignore", seed=0, dtype="float64")
    y = np.array([[0, 1], [1, 2], [1, 0], [0, 2]])
    known = np.hstack([np.eye(2)[y[:, 0]], np.eye(3)[y[:, 1]]])
    known[2, :2] = known[0, 2:] = np.nan
    assert net.loss(X, masked(y, (2, 0), (0, 1))) == net.loss(X, known)


def test_masked_weights_are_refused():
    with pytest.raises(ValueError, match="sample_weight must have no missing entries"):
        classifier().fit(X, Y, sample_weight=masked(np.ones(4), 1))


def test_missing_values_in_validation_data_are_named():
    with pytest.raises(ValueError, match="validation y must have no missing entries"):
        regressor().fit(X, VALUES, validation_data=(X, masked(VALUES, 0)))
