"""Targets of mean 0 and variance 1 within a regressor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffnn_fast.preprocessing import is_constant

Array = np.ndarray


@dataclass(frozen=True)
class TargetScaling:
    """Mean and scale of each of T targets, (T,) float64."""

    mean: Array
    scale: Array

    @classmethod
    def of(cls, y: Array, weight: Array | None) -> TargetScaling:
        """Mean and standard deviation of y, (n, T); a scale of 1 where y is constant.

        Rows of weight 0 do not count.
        """
        if weight is not None:
            y, weight = y[weight > 0], weight[weight > 0]
        constant, values = is_constant(y), y.astype(np.float64)
        mean = np.average(values, axis=0, weights=weight)
        variance = np.average((values - mean) ** 2, axis=0, weights=weight)
        return cls(mean, np.where(constant, 1.0, np.sqrt(variance)))

    def scaled(self, y: Array) -> Array:
        """(y − mean) / scale, (n, T) float64."""
        return (y - self.mean) / self.scale

    def unscaled(self, y_hat: Array) -> Array:
        """mean + scale · ŷ, (n, h T) for h values of each target in consecutive columns."""
        heads, mean, scale = y_hat.shape[1] // len(self.mean), self.mean, self.scale
        if heads > 1:
            mean, scale = np.repeat(mean, heads), np.repeat(scale, heads)
        return (mean + scale * y_hat).astype(y_hat.dtype)
