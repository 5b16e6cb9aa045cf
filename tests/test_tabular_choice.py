"""The bag that is chosen out of fold, and linear models in the form of its networks."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ffnn_fast._columns.frames import table_of
from ffnn_fast.history import History
from ffnn_fast.tabular import TabularClassifier, TabularRegressor
from ffnn_fast.tabular._choice import chosen
from ffnn_fast.tabular._explanation import block_features
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._linear import linear_network
from ffnn_fast.tabular._members import Member, Rows
from ffnn_fast.tabular._recipes import new_network, recipe_of

ROWS, FOLDS = 240, 4


@pytest.fixture(scope="module")
def columns():
    """Two numbers and a category of three levels."""
    rng = np.random.default_rng(0)
    names = np.array(["x", "y", "z"], object)
    return {
        "a": rng.normal(size=ROWS),
        "b": rng.uniform(size=ROWS),
        "c": names[rng.integers(3, size=ROWS)],
    }


@pytest.fixture(scope="module")
def encoded(columns):
    table = table_of(columns)
    inputs = TableInputs.fit(table)
    return inputs, inputs.transform(table)


@pytest.fixture(scope="module")
def design(encoded):
    """The numbers as they are encoded, and the category one-hot."""
    X = encoded[1].astype(np.float64)
    return np.hstack([X[:, :2], X[:, 2:] == [1, 2, 3]])


def new(encoded, widths, output, seed=0):
    task = "classes" if output == "softmax" else "values"
    return new_network(recipe_of("fast", task), encoded[0], widths, output, encoded[1], seed)


def labels_of(n_classes):
    return np.random.default_rng(1).integers(n_classes, size=ROWS)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_logistic_regression_as_a_network(encoded, design, n_classes):
    """A network with α = 0 computes a logistic regression."""
    labels = labels_of(n_classes)
    net = linear_network(
        new(encoded, (n_classes,), "softmax"), Rows(encoded[1], labels, None), (n_classes,)
    )
    expected = LogisticRegression(max_iter=1000).fit(design, labels).predict_proba(design)
    np.testing.assert_allclose(net.forward(encoded[1]), expected, atol=2e-3)


def test_heads_of_a_linear_network(encoded, design):
    """Every head has a logistic regression of its own labels; an absent class is improbable."""
    labels = np.stack([labels_of(3), np.minimum(labels_of(4), 2)], axis=1)
    labels[labels[:, 0] == 2, 0] = 1
    rows = Rows(encoded[1], labels, None)
    y_hat = linear_network(new(encoded, (3, 3), "softmax"), rows, (3, 3)).forward(encoded[1])
    two = LogisticRegression(max_iter=1000).fit(design, labels[:, 0]).predict_proba(design)
    three = LogisticRegression(max_iter=1000).fit(design, labels[:, 1]).predict_proba(design)
    np.testing.assert_allclose(y_hat[:, :2], two, atol=2e-3)
    np.testing.assert_allclose(y_hat[:, 3:], three, atol=2e-3)
    assert y_hat[:, 2].max() < 1e-6


def test_ridge_regression_as_a_network(encoded, design):
    """The same for values, with weights of the rows."""
    rng = np.random.default_rng(2)
    values, weight = rng.normal(size=(ROWS, 2)).astype(np.float32), rng.uniform(size=ROWS)
    net = linear_network(new(encoded, (2,), "identity"), Rows(encoded[1], values, weight), (2,))
    expected = Ridge().fit(design, values, weight).predict(design)
    np.testing.assert_allclose(net.forward(encoded[1]), expected, atol=1e-4)


def test_no_linear_network(encoded):
    """There is none for more outputs than units, nor for rows of one class."""
    wide = new(encoded, (100,), "softmax")
    assert linear_network(wide, Rows(encoded[1], labels_of(100), None), (100,)) is None
    net, same = new(encoded, (2,), "softmax"), np.zeros(ROWS, int)
    assert linear_network(net, Rows(encoded[1], same, None), (2,)) is None


def constant(net, value):
    """The network with the output `value` for every row."""
    net.weights[-1][:] = 0
    net.biases[-1][:] = value
    return net


def members_of(encoded, ends, linear):
    """A member for each fold whose networks predict constants at the ends, and `linear`."""
    folds = [np.arange(fold, ROWS, FOLDS) for fold in range(FOLDS)]

    def one(value):
        return None if value is None else constant(new(encoded, (1,), "identity"), value)

    none = np.empty((0, 1), np.float32)
    return [
        Member(new(encoded, (1,), "identity"), fold, none, History(), tuple(map(one, ends)),
               one(linear))
        for fold in folds
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "linear", "expected", "n"),
    [
        ((5, 0), 5, [0], 4),
        ((0, 5), 5, [0], 4),
        ((1, -1), 5, [1, -1], 8),
        ((5, 5), 0, [0], 4),
        ((5, -1), 1, [-1, 1], 8),
        ((5, -1), 3, [-1, 3], 5),
        ((5, -0.5), 3, [-0.5, 3], 5),
        ((5, 0), None, [0], 4),
        ((0,), 5, [0], 4),
    ],
)
def test_the_mean_with_the_least_loss_is_chosen(encoded, ends, linear, expected, n):
    """Networks of one end or both, and as many linear models as help; of equal ones the first."""
    rows = Rows(encoded[1], np.zeros((ROWS, 1), np.float32), None)
    choice = chosen(members_of(encoded, ends, linear), rows, (1,))
    outputs = np.stack([member.net.forward(rows.X[:3]) for member in choice.members])
    assert len(outputs) == n
    assert set(outputs[:, 0, 0].tolist()) == set(expected)
    np.testing.assert_allclose(choice.y_hat, outputs.mean(), atol=1e-6)
    by_fold = choice.by_fold(outputs)
    np.testing.assert_allclose(by_fold, np.full((FOLDS, 3, 1), outputs.mean()), atol=1e-6)


@pytest.mark.parametrize(("ones", "alone"), [(62, True), (63, False)])
@pytest.mark.parametrize("weighted", [False, True])
def test_networks_of_values_are_clearly_better(encoded, ones, alone, weighted):
    """Linear models stay alone unless the loss falls by half of its standard error.

    Linear models predict 0 and networks g, and of 120 values some are 1 and the others −1. A row
    gains ±2 g − g², on average 2 g times the mean of the values, 0.36 or 0.55 standard errors.
    """
    g, n = 1e-3, ROWS // 2
    y = np.full((ROWS, 1), -9, np.float32)
    y[:n, 0] = np.where(np.arange(n) < ones, 1, -1)
    members = members_of(encoded, (5, g), 0)
    if weighted:
        rows = Rows(encoded[1], y, (np.arange(ROWS) < n).astype(float))
    else:
        rows = Rows(encoded[1][:n], y[:n], None)
        members = [replace(one, fold=one.fold[one.fold < n]) for one in members]
    choice = chosen(members, rows, (1,))
    assert (choice.n_ends == 0) == alone


def test_rows_that_none_is_judged_on(encoded):
    """They are NaN and have no part in the choice."""
    rows = Rows(encoded[1], np.zeros((ROWS, 1), np.float32), None)
    members = [replace(one, fold=one.fold[5:]) for one in members_of(encoded, (5, 0), None)]
    rows.y[: 5 * FOLDS] = 5
    choice = chosen(members, rows, (1,))
    assert np.isnan(choice.y_hat[: 5 * FOLDS]).all()
    assert (choice.y_hat[5 * FOLDS :] == 0).all()


def test_candidates_are_calibrated(encoded):
    """The last layers are divided by the temperature of the predictions out of fold."""
    rng = np.random.default_rng(3)
    X = encoded[1]
    net = new(encoded, (2,), "softmax")
    proba = net.forward(X)
    labels = (rng.random(ROWS) < proba[:, 1]).astype(int)
    folds = [np.arange(fold, ROWS, FOLDS) for fold in range(FOLDS)]
    none = np.empty((0, 2), np.float32)
    members = []
    for fold in folds:
        sure = new(encoded, (2,), "softmax")
        sure.weights[-1][:] *= 8
        sure.biases[-1][:] *= 8
        members.append(Member(net, fold, none, History(), (sure,)))
    choice = chosen(members, Rows(X, labels, None), (2,))
    found = choice.members[0].net.weights[-1] / net.weights[-1]
    np.testing.assert_allclose(found, found[0, 0], rtol=1e-4)
    assert 0.5 < found[0, 0] < 2
    np.testing.assert_allclose(choice.y_hat, choice.members[0].net.forward(X), atol=1e-5)


def test_linear_problems_get_linear_models():
    """Where the classes are those of a logistic regression, linear models are in the bag."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 6))
    y = (rng.random(300) < 1 / (1 + np.exp(-X @ rng.normal(size=6)))).astype(int)
    model = TabularClassifier("fast", random_state=0, n_threads=1).fit(X, y)
    linear = [net for net in model.networks_ if not any(alpha.any() for alpha in net.alphas)]
    assert linear
    assert block_features(linear[0])
    assert np.isfinite(model.explain(X[:2]).contributions).all()


def test_noise_does_not_break_a_bag():
    """On noise the error is near that of the mean, which one lucky epoch of a fold is not."""
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(400, 10)), rng.normal(size=400)
    model = TabularRegressor("fast", random_state=0, n_threads=1).fit(X[:100], y[:100])
    assert model.score(X[100:], y[100:]) > -0.35
