"""Folds of whole groups, or of blocks of time, in the tabular estimators."""

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from ffnn_fast.tabular import TabularClassifier, TabularRegressor  # noqa: E402
from ffnn_fast.tabular import _tabular_estimator as estimator_module  # noqa: E402
from ffnn_fast.tabular._folds import Units  # noqa: E402

QUICK = {"epochs": 1, "random_state": 0, "n_threads": 1}
N = 90


def rows(seed=0):
    X = np.random.default_rng(seed).normal(size=(N, 3))
    return X, X[:, 0] + X[:, 1] ** 2


@pytest.fixture
def splits(monkeypatch):
    """The rows that each member was trained and judged on, after a fit."""
    found = []
    real = estimator_module.splits_of

    def spy(*args):
        found[:] = real(*args)
        return found

    monkeypatch.setattr(estimator_module, "splits_of", spy)
    return found


@pytest.mark.parametrize("preset", ["fast", "realmlp"])
@pytest.mark.parametrize("kind", ["numbers", "dates", "datetimes"])
def test_blocks_of_time(splits, preset, kind):
    days = np.random.default_rng(1).permutation(N) // 3
    dates = np.datetime64("2024-01-01") + days
    times = {"numbers": days, "dates": dates, "datetimes": dates.astype(object)}[kind]
    TabularRegressor(preset, n_networks=3, **QUICK).fit(*rows(), times=times)
    assert len(splits) == 3
    for kept, fold in splits:
        own = np.unique(days[fold])
        assert own.tolist() == list(range(own[0], own[-1] + 1))
        assert not set(own) & set(days[kept])
        assert sorted([*kept, *fold]) == list(range(N))
        if preset == "realmlp":
            assert days[kept].max() < days[fold].min()
    if preset == "fast":
        assert sorted(np.concatenate([fold for _, fold in splits])) == list(range(N))


@pytest.mark.parametrize("preset", ["fast", "realmlp"])
@pytest.mark.parametrize("kind", [str, int, object])
def test_whole_groups(splits, preset, kind):
    groups = np.random.default_rng(1).integers(0, 12, N)
    labels = np.where(rows()[1] > 0.5, "a", "b")
    model = TabularClassifier(preset, n_networks=3, **QUICK)
    model.fit(rows()[0], labels, groups=groups.astype(kind))
    for kept, fold in splits:
        assert len(fold)
        assert not set(groups[fold]) & set(groups[kept])
        assert sorted([*kept, *fold]) == list(range(N))
    if preset == "fast":
        sizes = [len(fold) for _, fold in splits]
        assert max(sizes) - min(sizes) <= np.bincount(groups).max()


def test_rows_without_weight_are_in_no_fold(splits):
    weight = (np.arange(N) % 3 > 0).astype(float)
    TabularRegressor("fast", n_networks=2, **QUICK).fit(*rows(), weight, times=np.arange(N))
    used = np.concatenate([np.concatenate(pair) for pair in splits])
    assert set(used) == set(np.flatnonzero(weight))


def test_fewer_units_than_networks(splits):
    """Folds are as many as groups; further networks have the same folds."""
    TabularRegressor("fast", n_networks=5, **QUICK).fit(*rows(), groups=np.arange(N) % 2)
    assert len(splits) == 5
    assert all(len(set(fold % 2)) == 1 for _, fold in splits)


def test_a_class_that_only_one_time_has():
    """Members that have no row of a class are trained all the same."""
    labels = np.repeat(["first", "second", "third"], N // 3)
    model = TabularClassifier("fast", n_networks=3, **QUICK)
    model.fit(rows()[0], labels, times=np.arange(N))
    assert np.isfinite(model.predict_proba(rows()[0])).all()
    assert np.isfinite(model.temperature_)


@pytest.mark.parametrize("sizes", [[1, 98, 1], [99, 1], [1, 99], [60, 40], [25] * 4, [3] * 30])
@pytest.mark.parametrize("n_folds", [2, 4, 8])
def test_folds_are_at_least_two_and_in_order(sizes, n_folds):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(0)
    folds = Units(codes, True).folds(n_folds, rng)
    assert 2 <= len(folds) <= n_folds
    assert np.concatenate(folds).tolist() == list(range(len(codes)))
    assert all(codes[a[-1]] < codes[b[0]] for a, b in pairwise(folds))
    groups = Units(codes, False).folds(n_folds, rng)
    assert len(groups) == min(n_folds, len(sizes))
    assert sorted(np.concatenate(groups)) == list(range(len(codes)))
    for in_order in (True, False):
        kept, held = Units(codes, in_order).split(0.2, rng)
        assert len(kept)
        assert len(held)
        assert not set(codes[kept]) & set(codes[held])


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"groups": [1] * N, "times": range(N)}, ValueError, "groups or times, not both"),
        ({"groups": [1] * N}, ValueError, "groups must have at least two different values"),
        ({"times": [2.5] * N}, ValueError, "times must have at least two different values"),
        ({"groups": [1, 2]}, ValueError, r"groups must have shape \(90,\), one entry a row"),
        ({"times": np.zeros((N, 1))}, ValueError, r"times must have shape \(90,\)"),
        ({"times": [float("nan"), *range(N - 1)]}, ValueError, "times must not have missing"),
        ({"times": ["2020-01-01"] * N}, TypeError, "times must be numbers or dates"),
        (
            {"times": np.array(["x", 1] * 45, object)},
            TypeError,
            "got texts such as 'x'",
        ),
        ({"times": np.array([1j, 1] * 45, object)}, TypeError, "of one type"),
        ({"groups": np.array([*([{}] * (N - 1)), 1], object)}, TypeError, "must be hashable"),
        ({"groups": np.array([None, 1] * 45)}, ValueError, "groups must not have missing"),
        ({"groups": [pd.NA, "a", "b"] * 30}, ValueError, "groups must not have missing"),
        ({"groups": [Decimal("NaN"), 1, 2] * 30}, ValueError, "groups must not have missing"),
        ({"times": [pd.NA, 1, 2] * 30}, ValueError, "times must not have missing"),
        (
            {"groups": np.ma.array(np.arange(N), mask=np.arange(N) == 3)},
            ValueError,
            "groups must not have missing",
        ),
        (
            {"times": np.ma.array(np.arange(N), mask=np.arange(N) == 3)},
            ValueError,
            "times must not have missing",
        ),
        ({"times": [True, False] * 45}, TypeError, "got dtype bool such as True"),
    ],
)
def test_refusals(given, error, match):
    with pytest.raises(error, match=match):
        TabularRegressor("fast", **QUICK).fit(*rows(), **given)
