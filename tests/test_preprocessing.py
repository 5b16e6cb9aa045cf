"""Tables to matrices and back: by hand, through JSON, and with what is missing, new or forged."""

import json

import numpy as np
import pytest

from ffnn_fast.preprocessing import (
    CategoricalColumn,
    NumericColumn,
    TableEncoder,
    TargetEncoder,
)

NAN = np.nan


def texts(*values):
    return np.array(values, dtype=object)


@pytest.fixture
def training():
    return {
        "size": np.array([1.0, 3.0, NAN, 5.0]),
        "town": texts("b", "a", None, "b"),
        "same": np.array([7.0, 7.0, 7.0, 7.0]),
        "word": texts("x", "x", "x", "x"),
        "rooms": np.array([2, 4, 2, 4]),
    }


def test_by_hand(training):
    encoder = TableEncoder.fit(training)
    names = ["size", "size missing", "town=a", "town=b", "town missing", "rooms"]
    assert encoder.feature_names == names
    s = np.sqrt(8 / 3)  # deviation of 1, 3, 5
    expected = [
        [-2 / s, 0, 0, 1, 0, -1],
        [0, 0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1, -1],
        [2 / s, 0, 0, 1, 0, 1],
    ]
    np.testing.assert_allclose(encoder.transform(training), expected, rtol=1e-15)


def test_new_rows(training):
    encoder = TableEncoder.fit(training)
    new = {
        "rooms": np.array([NAN]),
        "town": texts("z"),
        "size": np.array([NAN]),
        "more": texts("?"),
    }
    np.testing.assert_array_equal(encoder.transform(new), [[0, 1, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="missing columns: size, rooms"):
        encoder.transform({"town": texts("a")})


def test_through_json(training):
    encoder = TableEncoder.fit(training)
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    np.testing.assert_array_equal(again.transform(training), encoder.transform(training))


def test_a_column_that_is_only_sometimes_there_tells_by_its_absence():
    encoder = TableEncoder.fit({"a": np.array([5.0, NAN, 5.0])})
    assert encoder.feature_names == ["a missing"]
    np.testing.assert_array_equal(encoder.transform({"a": np.array([9.0, NAN])}), [[0], [1]])


def test_huge_values_do_not_overflow():
    values = np.array([1e300, -1e300, 0.0])
    encoder = TableEncoder.fit({"a": values})
    X = encoder.transform({"a": values})
    np.testing.assert_allclose(X[:, 0], np.array([1, -1, 0]) / np.sqrt(2 / 3), rtol=1e-14)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": np.array([1.0, np.inf])}, "'a' holds infinity"),
        ({"a": np.array([1.0, 1.0])}, "no column varies"),
        ({"a": np.array([NAN, NAN]), "b": texts("x", "x")}, "no column varies"),
        ({}, "no column varies"),
    ],
)
def test_nothing_to_learn_from(columns, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder.fit(columns)


@pytest.mark.parametrize(
    ("column", "entry", "value"),
    [
        (0, "mean", NAN),
        (0, "mean", "3"),
        (0, "mean", 10**400),
        (0, "scale", -1.0),
        (0, "scale", True),
        (0, "name", 3),
        (0, "marks_missing", 1),
        (0, "kind", "magic"),
        (0, "more", 1),
        (1, "levels", "ab"),
        (1, "levels", ["a", "a"]),
        (1, "levels", [["a"]]),
        (1, "levels", [1]),
        (1, "name", "size"),
    ],
)
def test_forged_encoders_are_refused(training, column, entry, value):
    plain = TableEncoder.fit(training).to_dict()
    plain["columns"] = [dict(each) for each in plain["columns"]]
    plain["columns"][column][entry] = value
    with pytest.raises(ValueError, match=r"bad|must be|exactly the keys"):
        TableEncoder.from_dict(plain)


@pytest.mark.parametrize("plain", [None, [], {}, {"columns": 3}, {"columns": [3]}])
def test_what_is_no_encoder_is_refused(plain):
    with pytest.raises(ValueError, match=r"bad|must be|exactly the keys"):
        TableEncoder.from_dict(plain)


def test_columns_of_their_own():
    assert NumericColumn("a", 1.0, 0.0).feature_names == []
    assert CategoricalColumn.fit("b", texts("y", None)).levels == ("y", None)
    assert CategoricalColumn.fit("b", texts("y", "y")).levels == ()


def test_classes_and_labels():
    target = TargetEncoder.fit("y", texts("no", "yes", "no"), "classification")
    assert target.classes == ("no", "yes")
    labels = target.encode(texts("yes", "no"))
    assert labels.dtype == np.int64
    assert labels.tolist() == [1, 0]
    assert target.decode(labels).tolist() == ["yes", "no"]
    with pytest.raises(ValueError, match="unknown class 'maybe'; known: no, yes"):
        target.encode(texts("maybe"))


def test_numbers_that_name_classes_are_sorted_as_numbers():
    assert TargetEncoder.fit("y", texts("10", "9"), "classification").classes == ("9", "10")
    assert TargetEncoder.fit("y", texts("10", "9", "x"), "classification").classes == (
        "10",
        "9",
        "x",
    )


def test_values_and_their_units():
    target = TargetEncoder.fit("y", np.array([10.0, 30.0]), "regression")
    assert (target.mean, target.scale) == (20.0, 10.0)
    np.testing.assert_array_equal(target.encode(np.array([10, 40])), [-1, 2])
    decoded = target.decode(np.array([-1, 2], dtype=np.float32))
    assert decoded.dtype == np.float64
    np.testing.assert_array_equal(decoded, [10, 40])
    assert TargetEncoder.from_dict(json.loads(json.dumps(target.to_dict()))) == target


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (texts("a", "a"), "classification", r"one class only \(a\)"),
        (np.array([2.0, 2.0]), "regression", r"one value only \(2\)"),
        (np.array([2.0, NAN]), "regression", "must be finite"),
        (texts("a", "b"), "clustering", "task must be one of classification, regression"),
    ],
)
def test_targets_without_use(values, task, message):
    with pytest.raises(ValueError, match=message):
        TargetEncoder.fit("y", values, task)


@pytest.mark.parametrize(
    ("entry", "value"),
    [("classes", ["a"]), ("classes", ["a", "a"]), ("classes", "ab"), ("task", 1), ("scale", 0.0),
     ("mean", np.inf), ("name", None), ("more", 1)],
)  # fmt: skip
def test_forged_targets_are_refused(entry, value):
    plain = TargetEncoder("y", "classification", ("a", "b")).to_dict()
    with pytest.raises(ValueError, match=r"bad|must be|one class only|exactly the keys"):
        TargetEncoder.from_dict({**plain, entry: value})


def test_messages_quote_the_beginning_and_the_end():
    for build in (
        lambda: CategoricalColumn("x" * 10**5, ("a", "a")),
        lambda: CategoricalColumn("name", ("a",) * 10**5),
        lambda: CategoricalColumn(["x" * 10**5], ("a",)),
    ):
        with pytest.raises(ValueError, match="bad ") as caught:
            build()
        assert len(str(caught.value)) < 1000


ROUNDED = [
    np.array([0.3, 0.1 + 0.2, 0.3, 0.3]),
    np.array([0.3, 0.1 + 0.2, 0.3, 0.3]) * -1e300,
    np.array([0.3, 0.1 + 0.2, 0.3, 0.3]) * 1e-290,
    np.array([np.sum([0.1] * 10), 1.0, 1 / 3 * 3, 0.7 + 0.2 + 0.1]),
    np.array([0.7, 0.1 + 0.6, 0.2 + 0.5, 0.3 + 0.4], np.float32),
    np.array([0.1] * 3, np.float32) + np.array([0.6, 0.6, 0.6], np.float32),
    (np.array([0.1, 0.2, 0.3], np.float32) * 3 / np.array([1, 2, 3], np.float32)),
    np.array([7, 7, 7]),
    np.zeros(3),
]
VARYING = [
    np.array([1e15, 1e15 + 1, 1e15 + 2, 1e15]),  # whole numbers have no rounding
    np.array([10**15, 10**15 + 1, 10**15]),
    np.array([2**24 - 2, 2**24 - 1, 2**24], np.float32),
    np.array([1.0, 1.0 + 1e-13]),
    np.array([1.0, 1.0 + 1e-5], np.float32),
    np.array([1e-300, 2e-300]),
    np.array([1e-320, 0.0]),
    np.array([-1.7e308, 1.7e308]),
]


@pytest.mark.parametrize("values", ROUNDED)
def test_a_column_constant_but_for_rounding_is_constant(values):
    assert NumericColumn.fit("a", values).scale == 0
    assert NumericColumn.fit("a", np.append(values.astype(float), NAN)).scale == 0 or (
        values.dtype == np.float32
    )
    with pytest.raises(ValueError, match="one value only"):
        TargetEncoder.fit("a", values, "regression")
    encoder = TableEncoder.fit({"a": values, "b": np.arange(len(values))})
    assert encoder.feature_names == ["b"]


@pytest.mark.parametrize("values", VARYING)
def test_a_column_that_varies_by_more_than_rounding_varies(values):
    assert NumericColumn.fit("a", values).scale > 0
    assert TargetEncoder.fit("a", values, "regression").scale > 0


def test_constant_columns_do_not_turn_a_baseline_around():
    from ffnn_fast.cli.training.baselines import ridge

    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=40), rng.choice([0.3, 0.1 + 0.2], 40)])
    predict = ridge(X, X[:, 0], 1e-3)
    others = np.array([[1.0, 0.3], [1.0, 0.30001], [-1.0, 0.5]])
    np.testing.assert_allclose(predict(others), [1, 1, -1], rtol=0.2)


def test_masked_values_are_missing():
    values = np.ma.array([1.0, 7777.0, 3.0], mask=[False, True, False])
    column = NumericColumn.fit("a", values)
    assert (column.mean, column.marks_missing) == (2.0, True)
    np.testing.assert_array_equal(column.transform(values), [[-1, 0], [0, 1], [1, 0]])
    whole = np.ma.array([1, 7777, 3], mask=[False, True, False])
    assert NumericColumn.fit("a", whole) == column
    with pytest.raises(ValueError, match="must be finite"):
        TargetEncoder.fit("a", values, "regression")
