"""Samples: rows with their targets and weights, as the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_rows, as_sample_weight, as_targets
from ffnn_fast._model.spec import NetworkSpec

Array = np.ndarray


@dataclass(frozen=True)
class Samples:
    """Validated rows with their targets and weights: X (n, n_0), Y labels (n,) or values (n, T)."""

    X: Array
    Y: Array
    sample_weight: Array | None = None

    def rows(self, which: Array) -> Samples:
        """A copy of some of the rows."""
        weight = None if self.sample_weight is None else self.sample_weight[which]
        return Samples(self.X[which], self.Y[which], weight)


def as_samples(
    spec: NetworkSpec, X: Any, y: Any, sample_weight: Any = None, prefix: str = ""
) -> Samples:
    """Rows, targets and weights as the engine takes them; TypeError or ValueError if they do not
    fit the network or one another.
    """
    rows, _ = as_rows(X, spec, f"{prefix}X")
    targets = as_targets(y, spec, len(rows), f"{prefix}y")
    return Samples(rows, targets, as_sample_weight(sample_weight, spec, len(rows)))
