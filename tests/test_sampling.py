"""Rows held out by class, and weights of classes."""

import numpy as np
import pytest

from ffnn_fast._training.sampling import class_weights, hold_out


def test_rows_are_held_out_class_by_class(rng):
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    train, held = hold_out(100, 0.2, rng, labels)
    assert np.bincount(labels[held]).tolist() == [10, 6, 4]
    assert sorted([*train, *held]) == list(range(100))


def test_every_class_keeps_a_row(rng):
    train, held = hold_out(4, 0.9, rng, np.array([0, 0, 1, 2]))
    assert set(np.array([0, 0, 1, 2])[train]) == {0, 1, 2}
    assert len(held) == 1


def test_balanced_classes_have_the_same_total():
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weight = class_weights("balanced", labels)
    totals = [weight[labels == c].sum() for c in range(3)]
    np.testing.assert_allclose(totals, 10 / 3)


def test_a_mapping_leaves_the_others_at_one():
    assert class_weights({2: 5}, np.array([0, 2, 1])).tolist() == [1, 5, 1]


@pytest.mark.parametrize(
    ("weight", "error"),
    [("even", TypeError), (3, TypeError), ({7: 1}, ValueError), ({0: -1}, ValueError)],
)
def test_refusals(weight, error):
    with pytest.raises(error, match="class"):
        class_weights(weight, np.array([0, 1]))
