"""Weights of classes whose rows are counted block by block."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.block_samples import targets_of
from ffnn_fast._training.fit_data import MISSING, classes_of
from ffnn_fast._training.sampling import weights_of_classes
from ffnn_fast.blocks import RowBlocks

Array = np.ndarray


@dataclass(frozen=True)
class ClassFactors:
    """The weight of a row by its class; the mean over all rows is 1.

    ``classes`` (c,) are sorted, ``weights`` (c,) theirs; rows without a class have weight 1 before
    they are scaled, and a class `MISSING`.
    """

    classes: Array
    weights: Array

    def of(self, spec: NetworkSpec, Y: Array) -> Array:
        """The weights of samples with these targets, (n,) float64."""
        return self.weights[np.searchsorted(self.classes, classes_of(spec, Y))]


def class_factors(spec: NetworkSpec, blocks: RowBlocks, given: Any) -> ClassFactors:
    """The factors of ``class_weight=given``, for which all targets are read once.

    Raises
    ------
    TypeError, ValueError
        As `ffnn_fast.Network.fit` for targets and `class_weight`.
    """
    counted: Counter[int] = Counter()
    start = 0
    for block in blocks.plan(shuffle=False):
        Y = targets_of(spec, block, start)
        start += block.n_rows
        counted.update(dict(zip(*_counts(classes_of(spec, Y)), strict=True)))
    classes = np.array(sorted(counted))
    counts = np.array([counted[label] for label in classes.tolist()])
    known = classes != MISSING
    weights = np.ones(len(classes))
    weights[known] = weights_of_classes(given, classes[known], counts[known])
    total = float(weights @ counts)
    if not total > 0:
        raise ValueError("class_weight must have a positive sum, all weights are 0")
    return ClassFactors(classes, weights * (counts.sum() / total))


def _counts(classes: Array) -> tuple[list[int], list[int]]:
    labels, counts = np.unique(classes, return_counts=True)
    return labels.tolist(), counts.tolist()
