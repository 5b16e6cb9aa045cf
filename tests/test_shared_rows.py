"""Members of a bag for tables share their rows by indices."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from ffnn_fast.tabular import _members as members


def test_parts_share_the_arrays(rng):
    X, y, weight = rng.normal(size=(20, 3)), rng.normal(size=20), rng.random(20)
    rows = members.Rows(X, y, weight)
    mask = rng.random(20) < 0.7
    part = rows.part(mask)
    assert part.all_X is X
    assert part.n == mask.sum()
    for given, whole in zip(part.given, (X, y, weight), strict=True):
        assert np.array_equal(given, whole[mask])
    inner = part.part(np.array([2, 0]))
    assert np.array_equal(inner.X, X[mask][[2, 0]])
    assert np.array_equal(part.first(3).y, y[mask][:3])
    assert part.first(99).n == part.n
    assert rows.n == 20
    assert rows.X is X
    assert members.Rows(X, y, None).part(mask).weight is None


def test_the_first_error_ends_the_others():
    stop = members.Stop()

    def train(i, stop):
        if i == 1:
            raise RuntimeError("no")
        return i

    with pytest.raises(RuntimeError, match="no"):
        members.train_members(train, 4, 2, stop)
    assert stop.is_set
