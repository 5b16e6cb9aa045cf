"""Weights of rows and classes whose sums are taken block by block."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_factors, as_targets
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.fit_data import MISSING, classes_of
from ffnn_fast._training.sampling import weights_of_classes
from ffnn_fast.blocks import RowBlocks

Array = np.ndarray


@dataclass(frozen=True)
class BlockWeights:
    """The weights of rows times those of their classes, whose mean over all rows is 1; signed ones
    as they are.

    ``classes`` (c,) are sorted, ``factors`` (c,) theirs; rows without a class have the class
    `MISSING`. Without weights of classes there is one factor, of all rows.
    """

    classes: Array | None
    factors: Array

    def of(self, spec: NetworkSpec, Y: Array, weight: Array | None) -> Array:
        """The weights of samples with these targets and weights of rows, (n,)."""
        factors = self.factors
        if self.classes is not None:
            factors = factors[np.searchsorted(self.classes, classes_of(spec, Y))]
        name = "block's sample_weight"
        given = np.ones(len(Y)) if weight is None else _checked(spec, weight, len(Y), name)
        return (given * factors).astype(spec.dtype)


def block_weights(
    spec: NetworkSpec, blocks: RowBlocks, class_weight: Any, name: str = "sample_weight"
) -> BlockWeights | None:
    """The weights of a fit, for which all targets and weights are read once; None if there are
    none.

    Raises
    ------
    TypeError, ValueError
        As `ffnn_fast.Network.fit` for targets, weights and `class_weight`.
    """
    if class_weight is None and not blocks.weighted:
        return None
    counts: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    start = 0
    for block in blocks.plan(shuffle=False):
        y, *weight = block.read_targets()
        n, prefix = block.n_rows, f"rows from {start} on: "
        start += n
        given = _checked(spec, weight[0], n, f"{prefix}{name}") if weight else np.ones(n)
        of_rows = np.zeros(n, dtype=np.int64)
        if class_weight is not None:
            of_rows = classes_of(spec, as_targets(y, spec, n, f"{prefix}y"))
        labels, where = np.unique(of_rows, return_inverse=True)
        for found, weights in ((counts, None), (sums, given)):
            of_block = np.bincount(where, weights)
            found.update(dict(zip(labels.tolist(), of_block.tolist(), strict=True)))
    classes = np.array(sorted(counts))
    factors = np.ones(len(classes))
    if class_weight is not None:
        known = classes != MISSING
        of_classes = np.array([counts[label] for label in classes[known].tolist()])
        factors[known] = weights_of_classes(class_weight, classes[known], of_classes)
        name = f"{name} times class_weight" if blocks.weighted else "class_weight"
    if not spec.signed_weights:
        total = float(factors @ [sums[label] for label in classes.tolist()])
        if not 0 < total < math.inf:
            raise ValueError(f"{name} must have a positive and finite sum, got {total:g}")
        factors *= blocks.n_rows / total
    return BlockWeights(None if class_weight is None else classes, factors)


def with_weights(
    spec: NetworkSpec, samples: Samples, weights: BlockWeights | None, given: Array | None = None
) -> Samples:
    """The samples of a block with their weights, of which `given` are those of the rows."""
    if weights is None:
        return samples
    return Samples(samples.X, samples.Y, weights.of(spec, samples.Y, given))


def _checked(spec: NetworkSpec, weight: Any, n: int, name: str) -> Array:
    """The weights of a block as they are, (n,) float64; ValueError if they are invalid."""
    given = as_factors(weight, n, name)
    if not spec.signed_weights and (given < 0).any():
        row = int(np.argmax(given < 0))
        raise ValueError(f"{name} must be >= 0, got {given[row]} in row {row}")
    return given
