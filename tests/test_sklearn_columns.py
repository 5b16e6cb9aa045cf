"""MLPClassifier on several columns of labels: a softmax head for each column."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.class_weight import compute_sample_weight

from ffnn_fast import Network
from ffnn_fast.interchange import from_sklearn
from ffnn_fast.sklearn import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SIZES = ["large", "medium", "small"]


@pytest.fixture(scope="module")
def rows():
    """Rows whose two columns of labels, 0 or 1 and one of three, follow from an input each."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 4))
    return X, np.column_stack([X[:, 0] > 0, np.digitize(X[:, 1], [-0.5, 0.5])]).astype(int)


def model(**options):
    return MLPClassifier((12,), random_state=0, **{"solver": "lbfgs", "alpha": 0.01, **options})


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_have_the_forms_of_scikit_learns_forests(rows, solver, dtype):
    X, y = rows[0].astype(dtype), rows[1]
    net = model(solver=solver, learning_rate_init=0.02).fit(X, y)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    assert all(map(np.array_equal, net.classes_, forest.classes_))
    predicted, p = net.predict(X), net.predict_proba(X)
    assert predicted.shape == y.shape
    assert predicted.dtype == y.dtype
    assert [head.shape for head in p] == [head.shape for head in forest.predict_proba(X)]
    assert all(head.dtype == dtype for head in p)
    np.testing.assert_allclose([head.sum(axis=1) for head in p], 1, rtol=1e-5)
    np.testing.assert_array_equal(np.stack([head.argmax(axis=1) for head in p], axis=1), predicted)
    tolerance = 200 * np.finfo(dtype).eps  # of a probability whose logarithm is rounded
    for logs, head in zip(net.predict_log_proba(X), p, strict=True):
        assert logs.dtype == dtype
        np.testing.assert_allclose(np.exp(logs), head, rtol=tolerance, atol=1e-30)
        assert np.isfinite(logs).all()
    assert net.score(X, y) == pytest.approx((predicted == y).all(axis=1).mean())
    assert net.score(X, y) > 0.9
    assert (net.n_outputs_, net.out_activation_) == (5, "softmax")


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_it_is_the_network_of_these_heads(rows, loss):
    X, y = rows
    net = model(loss=loss, max_iter=15).fit(X, y)
    twin = Network(
        [4, 12, 5], activation="relu", heads=[2, 3], dtype="float64", l2=0.01 / len(X),
        loss="cross_entropy" if loss == "log_loss" else loss,
    )  # fmt: skip
    for mine, theirs in zip(twin.weights, net.coefs_, strict=True):
        mine[:] = theirs.T
    for mine, theirs in zip(twin.biases, net.intercepts_, strict=True):
        mine[:] = theirs
    np.testing.assert_allclose(twin.forward(X), np.hstack(net.predict_proba(X)), rtol=1e-12)
    assert net.loss_ == pytest.approx(twin.loss(X, y), rel=1e-12)
    np.testing.assert_array_equal(from_sklearn(net).predict(X), net.predict(X))


def test_texts_and_mixed_columns(rows):
    X, y = rows
    texts = np.column_stack([np.where(y[:, 0], "yes", "no"), np.array(SIZES)[y[:, 1]]])
    of_texts = model().fit(X, texts)
    assert [known.tolist() for known in of_texts.classes_] == [["no", "yes"], SIZES]
    assert of_texts.predict(X).dtype.kind == "U"
    np.testing.assert_array_equal(of_texts.predict(X), texts_of(model().fit(X, y).predict(X)))
    mixed = pd.DataFrame({"a": y[:, 0] * 7, "b": texts[:, 1]})
    of_both = model().fit(X, mixed)
    assert [known.tolist() for known in of_both.classes_] == [[0, 7], SIZES]
    predicted = of_both.predict(X)
    assert predicted.dtype == object
    assert set(predicted[:, 0]) == {0, 7}
    assert of_both.score(X, mixed) == of_texts.score(X, texts)
    assert of_both.score(X, mixed) > 0.9


def texts_of(y):
    return np.column_stack([np.where(y[:, 0], "yes", "no"), np.array(SIZES)[y[:, 1]]])


def test_indicators_remain_labels_of_their_own(rows):
    X, y = rows
    net = model().fit(X, np.column_stack([y[:, 0], y[:, 1] > 0]).astype(int))
    assert net.out_activation_ == "logistic"
    assert net.predict_proba(X).shape == (len(X), 2)


def test_weights_of_rows_and_of_classes(rows):
    X, y = rows
    balanced = model(class_weight="balanced", max_iter=10).fit(X, y)
    weight = compute_sample_weight("balanced", y)
    weighted = model(max_iter=10).fit(X, y, weight)
    np.testing.assert_allclose(balanced.coefs_[0], weighted.coefs_[0], rtol=1e-9)
    listed = model(class_weight=[{0: 1, 1: 3}, {0: 1, 1: 1, 2: 2}], max_iter=10).fit(X, y)
    expected = np.array([1, 3])[y[:, 0]] * np.array([1, 1, 2])[y[:, 1]]
    weighted = model(max_iter=10).fit(X, y, expected)
    np.testing.assert_allclose(listed.coefs_[0], weighted.coefs_[0], rtol=1e-9)
    assert listed.score(X, y, weight) == pytest.approx(
        np.average((listed.predict(X) == y).all(axis=1), weights=weight)
    )


def test_partial_fit_takes_the_classes_as_a_list(rows):
    X, y = rows
    net = model(solver="sgd", learning_rate_init=0.1)
    with pytest.raises(ValueError, match="classes must be passed"):
        net.partial_fit(X, y)
    first = y[:, 1] < 2  # a batch whose labels are all 0 or 1 is not taken for indicators
    net.partial_fit(X[first], y[first], classes=[[0, 1], [0, 1, 2]])
    assert [len(known) for known in net.classes_] == [2, 3]
    for _ in range(60):
        net.partial_fit(X, y)
    assert net.score(X, y) > 0.9
    net.partial_fit(X, y, classes=[[0, 1], [2, 1, 0]])
    with pytest.raises(ValueError, match="not the same as on last call"):
        net.partial_fit(X, y, classes=[[0, 1], [0, 1]])
    with pytest.raises(ValueError, match=r"classes_\[1\]"):
        net.partial_fit(X, np.where(y == 2, 3, y))
    with pytest.raises(ValueError, match="a column for each label"):
        net.partial_fit(X, y[:, 0])


def test_early_stopping_and_validation_rows(rows):
    X, y = rows
    net = model(solver="adam", learning_rate_init=0.02, early_stopping=True, max_iter=80)
    net.fit(X, y)
    assert net.best_validation_score_ == max(net.validation_scores_) > 0.7
    held = model(solver="adam", learning_rate_init=0.02, max_iter=20)
    held.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert held.validation_scores_[-1] == pytest.approx(held.score(X[200:], y[200:]))


def test_warm_start_goes_on_with_the_same_classes_only(rows):
    X, y = rows
    net = model(solver="sgd", warm_start=True, max_iter=5).fit(X, y)
    before = net.loss_
    assert net.fit(X, y).loss_ < before
    with pytest.raises(ValueError, match="same classes"):
        net.fit(X, np.where(y == 2, 3, y))
    with pytest.raises(ValueError, match="same classes"):
        net.fit(X[y[:, 1] > 0], y[y[:, 1] > 0])


def test_a_fit_anew_may_have_other_columns(rows):
    X, y = rows
    net = model(max_iter=30).fit(X, y)
    net.fit(X, y[:, ::-1])
    assert net.predict_proba(X)[0].shape == (240, 3)
    net.fit(X, y[:, 1])
    assert net.predict_proba(X).shape == (240, 3)
    assert net.predict(X).shape == (240,)


def test_copies_and_searches(rows):
    X, y = rows
    net = model(max_iter=30).fit(X, y)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert clone(net).fit(X, y).score(X, y) == net.score(X, y)
    assert cross_val_score(model(max_iter=60), X, y, cv=2).min() > 0.5
    search = GridSearchCV(model(max_iter=20), {"alpha": [0.01, 0.1]}, cv=2).fit(X, y)
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([["a", "x"], ["b", "x"]]), "column 1 of y has"),
        (np.array([[0.5, 2], [1, 3]]), "Unknown label type: continuous-multioutput"),
        (
            np.array([[1, "x"], ["b", "y"]], dtype=object),
            "column 0 of y must contain either numbers or strings",
        ),
    ],
)
def test_columns_that_are_no_classes_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        model().fit(np.eye(2), y)


def test_labels_of_another_shape_cannot_be_judged(rows):
    X, y = rows
    net = model(max_iter=5).fit(X, y)
    with pytest.raises(ValueError, match=r"shape \(240, 2\), got \(240,\)"):
        net.score(X, y[:, 0])
