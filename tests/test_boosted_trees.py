"""The trees of HistGradientBoosting as arrays give what scikit-learn gives."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

ensemble = pytest.importorskip("sklearn.ensemble")

from ffnn_fast.cli.boosted_trees import BoostedTrees, exported  # noqa: E402


def rows(n, categories, seed):
    """Numbers, missing ones, and categories 0, 2, 4, ... in some columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    X[:, categories] = 2 * rng.integers(0, 40, (n, len(categories)))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def fitted(k, categories, n=600, **options):
    """A model of k classes, of which one may have no rows, or of values for 0."""
    X, rng = rows(n, categories, 0), np.random.default_rng(1)
    y = rng.normal(size=n) + np.nan_to_num(X).sum(axis=1)
    if k:
        y = np.digitize(y, np.quantile(y, np.arange(1, k) / k))
    kind = ensemble.HistGradientBoostingClassifier if k else ensemble.HistGradientBoostingRegressor
    is_category = np.isin(np.arange(4), categories)
    options = {"max_iter": 20, "early_stopping": False, "random_state": 0} | options
    return kind(categorical_features=is_category, **options).fit(X, y)


@pytest.mark.parametrize("categories", [[], [3], [0, 2], [0, 1, 2, 3]])
@pytest.mark.parametrize("k", [0, 2, 3, 5])
def test_the_same_as_scikit_learn(k, categories):
    model = fitted(k, categories)
    trees = exported(model, k)
    trees = BoostedTrees.from_dict(json.loads(json.dumps(trees.to_dict())), 4, k)
    X = rows(3000, categories, 2)
    X[::5, categories] += 1  # categories that were not trained on
    X[::7, [c for c in range(4) if c not in categories]] *= 1e300
    expected = model.predict_proba(X) if k else model.predict(X)
    np.testing.assert_allclose(trees(X), expected, rtol=1e-12, atol=1e-15)
    assert trees(X[:0]).shape == expected[:0].shape
    assert trees.size == sum(len(t.nodes) for one in model._predictors for t in one)


def test_classes_without_rows_have_no_probability():
    model = fitted(2, [])
    model.classes_ = np.array([1, 3])
    proba = exported(model, 5)(rows(9, [], 2))
    assert proba.shape == (9, 5)
    assert (proba[:, [0, 2, 4]] == 0).all()
    np.testing.assert_allclose(proba[:, [1, 3]], model.predict_proba(rows(9, [], 2)), rtol=1e-12)


def test_splits_of_missing_values_alone():
    X = np.where(np.arange(80) % 2, np.nan, 1.0)[:, None]
    model = ensemble.HistGradientBoostingRegressor(max_iter=3).fit(X, np.arange(80) % 2)
    trees = exported(model, 0)
    assert np.isfinite(trees.number).all()
    np.testing.assert_array_equal(trees(X), model.predict(X))
    trees = BoostedTrees.from_dict(json.loads(json.dumps(trees.to_dict(), allow_nan=False)), 1, 0)
    np.testing.assert_array_equal(trees(X), model.predict(X))


def test_other_attributes_than_expected():
    model = fitted(0, [3], max_iter=2)
    assert exported(model, 0) is not None
    nodes = model._predictors[0][0].nodes
    model._predictors[0][0] = SimpleNamespace(nodes=nodes)
    assert exported(model, 0) is None
    del model._predictors
    assert exported(model, 0) is None


@pytest.mark.parametrize("k", [0, 2, 3])
def test_sets_are_of_columns_of_categories(k):
    good = exported(fitted(k, [3], max_iter=3), k).to_dict()
    assert max(good["place"]) >= 0
    of_numbers = {"feature": [0 if place >= 0 else f for f, place in zip(
        good["feature"], good["place"], strict=True)]}  # fmt: skip
    for changes in (of_numbers, {"known": []}, {"known": [[3, -1]]}, {"known": [[3, 10**9]]}):
        with pytest.raises(ValueError, match="do not fit"):
            BoostedTrees.from_dict(good | changes, 4, k)


def test_classes_are_different_ones():
    good = exported(fitted(2, [3], max_iter=3), 2).to_dict()
    for classes in ([0], [1, 1], [0, 0]):
        with pytest.raises(ValueError, match="do not fit"):
            BoostedTrees.from_dict(good | {"classes": classes}, 4, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"left": "x"}, {"roots": [[0.5]]}, {"roots": [[-1]]}, {"roots": [0]}, {"start": [0.0, 1.0]},
        {"start": [float("nan")]}, {"number": [float("inf")]}, {"feature": [7]}, {"left": [0]},
        {"right": [10**6]}, {"place": [99999]}, {"sets": [[-1]]}, {"sets": [[10**9]]},
        {"sets": 3}, {"known": [[9, 1]]}, {"known": [1]}, {"classes": [0, 1]}, {"n_classes": 2},
        {"missing_left": [1, 1]}, {"roots": [[10**30]]},
    ],
)  # fmt: skip
def test_damaged_ones_are_refused(changes):
    good = exported(fitted(0, [3], max_iter=2), 0).to_dict()
    whole = {}
    for name, value in changes.items():
        first_only = name in ("number", "feature", "left", "right", "place")
        whole[name] = [*value, *good[name][1:]] if first_only and value != "x" else value
    with pytest.raises(ValueError, match="the trees "):
        BoostedTrees.from_dict(good | whole, 4, 0)
    with pytest.raises(ValueError, match="the trees "):
        BoostedTrees.from_dict({name: good[name] for name in list(good)[1:]}, 4, 0)
    BoostedTrees.from_dict(good, 4, 0)
    for d, k in ((2, 0), (4, 2)):
        with pytest.raises(ValueError, match="do not fit"):
            BoostedTrees.from_dict(good, d, k)
