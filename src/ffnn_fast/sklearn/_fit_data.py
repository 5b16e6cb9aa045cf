"""What the user passes to the fit of an estimator, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.arrays import with_largest_near_one

Array = np.ndarray


@dataclass(frozen=True)
class TrainingData:
    """Validated input of a fit: X dense, (n, n_0), encoded targets, weights (n,) in float64.

    The weights are scaled, and ``alpha`` is that of the penalty for the scaled ones.
    """

    X: Array
    Y: Array
    weight: Array | None
    alpha: float


@dataclass(frozen=True)
class RowWeights:
    """Weights of the rows, 2ᵉ · ``values`` with the largest value in [1/2, 1), or None.

    So sums of weights neither overflow nor underflow. A power of two changes no digit.
    """

    values: Array | None = None
    exponent: int = 0

    @classmethod
    def of(cls, weight: Array | None) -> RowWeights:
        """Scaled weights, (n,) float64."""
        return cls() if weight is None else cls(*with_largest_near_one(weight))

    def times(self, weight: Array | None) -> RowWeights:
        """The weights of the rows multiplied by others, (n,).

        Raises
        ------
        ValueError
            If all products are 0.
        """
        if weight is None:
            return self
        scaled, exponent = with_largest_near_one(weight)
        if self.values is not None:
            scaled, more = with_largest_near_one(self.values * scaled)
            exponent += self.exponent + more
        if not scaled.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return RowWeights(scaled, exponent)

    def penalty(self, alpha: float, dtype: str) -> float:
        """alpha / 2ᵉ, so that alpha / Σ w stays the same.

        Raises
        ------
        ValueError
            If alpha / Σ w overflows in `dtype`.
        """
        if self.values is None or not alpha:
            return alpha
        scaled = float(ignoring("over", np.ldexp, alpha, -self.exponent))
        if not scaled / float(self.values.sum()) <= float(np.finfo(dtype).max):
            raise ValueError(
                f"sample_weight must not be so small that the coefficient of the penalty, alpha / "
                f"sum(sample_weight), overflows {dtype} (alpha={alpha:g}); multiply sample_weight "
                "by a constant, or set alpha=0"
            )
        return scaled


@dataclass(frozen=True)
class InitialWeights:
    """The user's initial weights, per layer (n_{k-1}, n_k) and (n_k,), or None.

    Raises
    ------
    ValueError
        If an entry is masked.
    """

    coefs: Sequence[npt.ArrayLike] | None = None
    intercepts: Sequence[npt.ArrayLike] | None = None

    def __post_init__(self) -> None:
        for name, layers in (("coef_init", self.coefs), ("intercept_init", self.intercepts)):
            for k, values in enumerate(() if layers is None else layers):
                check_unmasked(**{f"{name}[{k}]": values})
