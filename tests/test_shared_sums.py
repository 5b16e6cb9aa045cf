"""Sums of vectors by pairs, in place and into another."""

import numpy as np
import pytest

from ffnn_fast._training.ranks import pairwise
from ffnn_fast._training.shared_sums import pairwise_into


@pytest.mark.parametrize("n", range(1, 10))
def test_both_add_in_the_same_order(n, rng):
    vectors = list(rng.normal(size=(n, 50)).astype(np.float32))
    out = np.empty(50, np.float32)
    pairwise_into(out, [v.copy() for v in vectors])
    np.testing.assert_array_equal(out, pairwise([v.copy() for v in vectors]))


def test_neighbours_are_added_first():
    out = np.empty(1, np.float32)
    pairwise_into(out, [np.array([v], np.float32) for v in (1e8, 1, -1e8, 1)])
    assert out == (np.float32(1e8) + np.float32(1)) + (np.float32(-1e8) + np.float32(1))
