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


@pytest.mark.parametrize(
    ("sizes", "fraction", "total"),
    [
        ([4] * 100, 0.1, 40),  # each class by itself would give 0 rows
        ([12] * 5, 0.2, 12),  # each class by itself would give 10
        ([3] * 40, 0.5, 60),  # each class by itself would give 80
        ([1] * 50 + [50], 0.1, 10),  # classes of one row keep it
        ([1, 2, 3, 4, 5, 60, 1], 0.5, 38),
        ([1] * 7, 0.5, 0),
        ([2, 2], 0.99, 2),
    ],
)
def test_the_total_is_kept(rng, sizes, fraction, total):
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    train, held = hold_out(len(labels), fraction, rng, labels)
    assert len(held) == total
    assert sorted([*train, *held]) == list(range(len(labels)))
    assert len(np.unique(labels[train])) == len(sizes)
    if min(sizes) * (1 - fraction) >= 1:  # every class can give its share
        counts = np.bincount(labels[held], minlength=len(sizes))
        assert (np.abs(counts - fraction * np.array(sizes)) < 1).all()


def test_ties_between_classes_are_broken_at_random():
    labels = np.repeat(np.arange(100), 4)
    held = [hold_out(400, 0.1, np.random.default_rng(seed), labels)[1] for seed in range(30)]
    assert set(labels[np.concatenate(held)]) == set(range(100))


def test_held_out_rows_are_a_random_part_of_their_class():
    labels = np.repeat([0, 1], 50)
    held = [hold_out(100, 0.2, np.random.default_rng(seed), labels)[1] for seed in range(200)]
    counts = np.bincount(np.concatenate(held), minlength=100)
    assert counts.min() > 15  # 40 expected, with a standard deviation of 6
    assert counts.max() < 70


def test_labels_may_be_texts():
    labels = np.array([f"class {i % 2000}" for i in range(6000)])
    _, held = hold_out(6000, 0.1, np.random.default_rng(0), labels)
    assert len(held) == 600


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
