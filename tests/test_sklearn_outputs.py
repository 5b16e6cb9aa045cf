"""The forms of predictions: sparse labels, logarithms of probabilities."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.datasets import load_iris

from ffnn_fast import sklearn as ours
from ffnn_fast.sklearn import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "csc_matrix"])
def test_sparse_labels_predict_sparse_as_in_scikit_learn(form):
    dense = np.column_stack([y == 0, y > 0, X[:, 0] > 6]).astype(int)
    labels = getattr(sparse, form)(dense)
    settings = {"hidden_layer_sizes": 8, "max_iter": 20, "random_state": 0}
    with warnings.catch_warnings(action="ignore"):
        left, right = (m.MLPClassifier(**settings).fit(X, labels) for m in (theirs, ours))
    expected, found = left.predict(X), right.predict(X)
    assert type(found) is type(expected)
    assert sparse.issparse(found)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    assert right.score(X, labels) == left.score(X, labels)
    again = ours.MLPClassifier(**settings).fit(X, dense).predict(X)
    assert isinstance(again, np.ndarray)
    np.testing.assert_array_equal(again, found.toarray())
    stopped = ours.MLPClassifier(**settings, early_stopping=True).fit(X, labels)
    assert sparse.issparse(stopped.predict(X[:3]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logarithms_of_probabilities_that_round_to_0(dtype):
    X, y = load_iris(return_X_y=True)
    X = (1e4 * (X - X.mean(axis=0))).astype(dtype)
    both = np.column_stack([y, X[:, 0] > 0]).astype(int)
    for labels in (y, y > 0, both):
        model = MLPClassifier(8, max_iter=5, random_state=0).fit(X, labels)
        log_p, p = model.predict_log_proba(X), model.predict_proba(X)
        several = isinstance(p, list)
        for found, probability in zip(
            log_p if several else [log_p], p if several else [p], strict=True
        ):
            assert found.dtype == dtype
            assert found.shape == probability.shape
            assert (probability == 0).any()
            assert np.isfinite(found).all()
            sure = probability > 1e-20
            np.testing.assert_allclose(
                np.exp(found[sure]), probability[sure], rtol=1e-4 if dtype == "float32" else 1e-10
            )
            np.testing.assert_array_equal(found.argmax(axis=1), probability.argmax(axis=1))
    thin = sparse.csr_matrix(X)
    np.testing.assert_array_equal(model.predict_log_proba(thin)[0], log_p[0])
