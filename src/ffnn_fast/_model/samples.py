"""Samples: rows with their targets and weights, as the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_rows, as_sample_weight, as_targets
from ffnn_fast._model.sparse_rows import SparseRows
from ffnn_fast._model.spec import NetworkSpec

Array = np.ndarray


@dataclass(frozen=True)
class Samples:
    """Validated rows with their targets and weights: X (n, n_0), Y labels (n,) or values (n, T).
    X may be `SparseRows`.

    ``derivatives`` (n, n_0, n_L) are those that ∂ŷ/∂x is fitted to, NaN where there is none, with
    their weight in the objective. With ``order``, (m,), only those rows are samples, any number of
    times each, and nothing is copied.
    """

    X: Array
    Y: Array
    sample_weight: Array | None = None
    derivatives: Array | None = None
    derivative_weight: float = 0.0
    order: Array | None = None

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.X) if self.order is None else len(self.order)

    @property
    def targets(self) -> Samples:
        """The targets and weights of the samples, without X: copied if there is an order."""
        if self.order is None:
            return self
        weight = None if self.sample_weight is None else self.sample_weight[self.order]
        return Samples(self.X[:0], self.Y[self.order], weight)

    def rows(self, which: Array) -> Samples:
        """A copy of some of the rows; `which` counts those of X, whatever the order."""
        weight = None if self.sample_weight is None else self.sample_weight[which]
        some = Samples(self.X[which], self.Y[which], weight)
        if self.derivatives is None:
            return some
        return some.with_derivatives(self.derivatives[which], self.derivative_weight)

    def batch(self, which: Array) -> Samples:
        """The same; the samples themselves for all rows, which are one batch in any order."""
        whole = self.order is None and len(which) == len(self.X)
        return self if whole else self.rows(which)

    def dense(self) -> Samples:
        """The same samples with dense rows."""
        return replace(self, X=self.X.dense()) if isinstance(self.X, SparseRows) else self

    def with_derivatives(self, derivatives: Array, weight: float) -> Samples:
        """The same samples with derivatives, (n, n_0, n_L), to fit ∂ŷ/∂x to."""
        return replace(self, derivatives=derivatives, derivative_weight=weight)


def as_samples(
    spec: NetworkSpec,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    prefix: str = "",
    sparse: bool = False,
) -> Samples:
    """Rows, targets and weights as the engine takes them; TypeError or ValueError if they do not
    fit the network or one another. `sparse` as in `as_rows`.
    """
    rows, _ = as_rows(X, spec, f"{prefix}X", sparse)
    targets = as_targets(y, spec, len(rows), f"{prefix}y")
    return Samples(rows, targets, as_sample_weight(sample_weight, spec, len(rows)))
