"""What the estimators refuse by name before a fit: weights, splits and sizes."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
KINDS = [MLPClassifier, MLPRegressor]
SOLVERS = ["adam", "sgd", "lbfgs"]


def weights_with(*negative):
    weight = np.ones(len(X))
    weight[list(negative)] = -2.0
    return weight


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (weights_with(3), r"sample_weight must be >= 0, got -2\.0 in row 3 "),
        (weights_with(7, 8), r"sample_weight must be >= 0, got -2\.0 in row 7 "),
        (-np.ones(len(X)), r"sample_weight must be >= 0, got -1\.0 in row 0 "),
        (-np.eye(1, len(X))[0], r"sample_weight must be >= 0, got -1\.0 in row 0 "),
    ],
)
def test_negative_weights_are_refused_before_any_work(kind, solver, weight, message):
    model = kind(hidden_layer_sizes=4, solver=solver, max_iter=2)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, sample_weight=weight)
    assert not hasattr(model, "coefs_")


def test_lm_and_partial_fit_refuse_negative_weights_too():
    weight = weights_with(3)
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        MLPRegressor(hidden_layer_sizes=4, solver="lm").fit(X, y, sample_weight=weight)
    model = MLPClassifier(4).partial_fit(X, y, classes=[0, 1, 2])
    before = [W.copy() for W in model.coefs_]
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        model.partial_fit(X, y, sample_weight=weight)
    assert all((W == V).all() for W, V in zip(model.coefs_, before, strict=True))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (weights_with(3), "sample_weight_val must be >= 0, got -2.0 in row 3"),
        (np.zeros(len(X)), "sample_weight_val must have a positive sum"),
        (np.ones(9), r"sample_weight_val must have shape \(150,\), got \(9,\)"),
    ],
)
def test_weights_of_validation_rows_are_checked_by_their_name(weight, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(4, max_iter=2).fit(X, y, X_val=X, y_val=y, sample_weight_val=weight)


def test_validation_rows_need_weight():
    weight, settings = np.ones(len(X)), {"early_stopping": True, "random_state": 0, "max_iter": 3}
    seed = np.random.RandomState(0)
    MLPClassifier(4, early_stopping=True, random_state=seed, max_iter=1).fit(X, y)
    drawn = np.random.RandomState(0)
    for fan_in, fan_out in ((4, 4), (4, 3)):  # the draws of the weights come before the split
        drawn.uniform(size=(fan_in, fan_out))
        drawn.uniform(size=fan_out)
    weight[train_test_split(np.arange(len(X)), random_state=drawn, test_size=0.1)[1]] = 0
    with pytest.raises(
        ValueError, match=r"validation_fraction=0\.1: the sample_weight of all 15 .* is 0"
    ):
        MLPClassifier(4, **settings).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    ("y", "fraction", "message"),
    [
        (["no"] * 5 + ["yes"] * 5, 0.1,
         "validation_fraction=0.1 holds out 1 of 10 rows, expected one for each of "
         "the classes 'no' and 'yes'"),
        (["no"] * 9 + ["yes"], 0.3, "class 'yes' has 1 row, expected at least 2"),
        ([5] + [8] * 9, 0.3, "class 5 has 1 row"),
        (["no"] * 5 + ["yes"] * 5, 0.9,
         "holds out 9 of 10 rows and leaves 1 to train on, expected .* 'no' and 'yes'"),
        ([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], 0.1, "validation_fraction=0.1 .* expected at least 2"),
        ([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], 0.99, "validation_fraction=0.99 .* leaves 0 to train on"),
        ([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], 0.0, "validation_fraction=0 holds out 0 of 10 rows"),
    ],
)  # fmt: skip
def test_a_split_that_is_too_small_names_parameter_and_labels(y, fraction, message):
    model = MLPClassifier(3, early_stopping=True, validation_fraction=fraction)
    with pytest.raises(ValueError, match=message):
        model.fit(X[:10], np.array(y))


def test_a_regressor_names_the_parameter_too():
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1 holds out 1 of 10 rows"):
        MLPRegressor(early_stopping=True).fit(X[:10], y[:10])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "sizes",
    [(5.7,), (5.0,), 5.7, [8, 5.5], np.array([4.0]), ("5",), (True,), True, (None,), [[3, 4]],
     (np.nan,), (3, 0), -1],
)  # fmt: skip
def test_sizes_that_are_no_positive_integers_are_refused(kind, sizes):
    with pytest.raises((ValueError, TypeError), match=r"hidden_layer_sizes"):
        kind(hidden_layer_sizes=sizes, max_iter=2).fit(X, y)


@pytest.mark.parametrize("sizes", [np.array([5, 3]), (np.int32(5), 3), [5, 3]])
def test_integers_of_any_type_are_sizes(sizes):
    model = MLPClassifier(sizes, max_iter=2).fit(X, y)
    assert [W.shape[1] for W in model.coefs_] == [5, 3, 3]
    assert MLPClassifier(np.array(5), max_iter=2).fit(X, y).coefs_[0].shape == (4, 5)
    assert MLPClassifier((), max_iter=2).fit(X, y).n_layers_ == 2


def masked(values, *place):
    """The array with one entry hidden, whose value would be accepted."""
    hidden = np.zeros(np.shape(values), dtype=bool)
    hidden[place] = True
    return np.ma.array(values, mask=hidden)


WEIGHT = np.ones(len(X))
TEXT = np.array(["a", "b", "c"])[y]
MASKED = {
    "X": lambda net: net.fit(masked(X, 1, 2), y),
    "X_list": lambda net: net.fit(list(masked(X, 1, 2)), y),
    "y": lambda net: net.fit(X, masked(y, 1)),
    "y_list": lambda net: net.fit(X, [*y[:1].tolist(), np.ma.masked, *y[2:].tolist()]),
    "sample_weight": lambda net: net.fit(X, y, masked(WEIGHT, 1)),
    "X_val": lambda net: net.fit(X, y, X_val=masked(X, 1, 2), y_val=y),
    "y_val": lambda net: net.fit(X, y, X_val=X, y_val=masked(y, 1)),
    "sample_weight_val": lambda net: net.fit(
        X, y, X_val=X, y_val=y, sample_weight_val=masked(WEIGHT, 1)
    ),
    "coef_init[0]": lambda net: net.fit(
        X, y, coef_init=[masked(np.ones((4, 4)), 1, 2), np.ones((4, 3))]
    ),
    "intercept_init[1]": lambda net: net.fit(
        X, y, intercept_init=[np.ones(4), masked(np.ones(3), 1)]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", MASKED)
def test_masked_entries_are_refused_before_any_work(kind, solver, name):
    net = kind(hidden_layer_sizes=4, solver=solver, max_iter=1)
    with pytest.raises(ValueError, match="no missing entries, got one in row 1") as caught:
        MASKED[name](net)
    assert str(caught.value).startswith(f"{name.removesuffix('_list')} must have")
    assert "(1 masked); fill them in or leave their rows out" in str(caught.value)
    assert not hasattr(net, "coefs_")


def test_masked_labels_are_refused():
    for labels in (TEXT, TEXT.astype(object), np.eye(3, dtype=int)[y], np.stack([y, 2 * y], 1)):
        with pytest.raises(ValueError, match="y must have no missing entries, got one in row 3"):
            MLPClassifier(4).fit(X, masked(labels, 3))
        with pytest.raises(ValueError, match="y must have no missing entries, got one in row 3"):
            MLPClassifier(4).partial_fit(X, masked(labels, 3), classes=np.unique(labels))
    with pytest.raises(ValueError, match="classes must have no missing entries"):
        MLPClassifier(4).partial_fit(X, y, classes=masked([0, 1, 2], 1))


@pytest.mark.parametrize("kind", KINDS)
def test_masked_entries_are_refused_after_the_fit_too(kind):
    net = kind(hidden_layer_sizes=4, solver="adam", max_iter=1).fit(X, y)
    before = [W.copy() for W in net.coefs_]
    calls = {
        "X": [
            lambda: net.predict(masked(X, 1, 2)),
            lambda: net.score(masked(X, 1, 2), y),
            lambda: net.partial_fit(masked(X, 1, 2), y),
        ],
        "y": [
            lambda: net.score(X, masked(y, 1)),
            lambda: net.partial_fit(X, masked(y, 1)),
        ],
        "sample_weight": [
            lambda: net.score(X, y, masked(WEIGHT, 1)),
            lambda: net.partial_fit(X, y, masked(WEIGHT, 1)),
        ],
    }
    if kind is MLPClassifier:
        calls["X"] += [
            lambda: net.predict_proba(masked(X, 1, 2)),
            lambda: net.predict_log_proba(masked(X, 1, 2)),
        ]
    for name, of_name in calls.items():
        for call in of_name:
            with pytest.raises(ValueError, match=f"^{name} must have no missing entries"):
                call()
    assert all((W == V).all() for W, V in zip(net.coefs_, before, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_array_without_masked_entries_is_an_array(kind):
    plain, hidden = (kind(hidden_layer_sizes=4, max_iter=2, random_state=0) for _ in range(2))
    plain.fit(X, y, WEIGHT)
    hidden.fit(np.ma.array(X), np.ma.array(y), np.ma.array(WEIGHT))
    np.testing.assert_array_equal(plain.predict(X), hidden.predict(np.ma.array(X)))
    assert plain.score(X, y) == hidden.score(np.ma.array(X), np.ma.array(y))
