"""Numbers centred, scaled and clipped smoothly, as RealMLP has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ffnn_fast._errstate import ignoring

Array = np.ndarray
CLIP = 3.0  # inputs lie in (−3, 3)
QUARTILES = (0.25, 0.5, 0.75)
HUGE, LARGEST = 1e300, float(np.finfo(np.float64).max)
BEYOND = 1e150  # clipped to 3 in float64, and its square is finite


@dataclass(frozen=True)
class RobustScale:
    """x := c(scale (v − median)), c(x) = x / √(1 + (x/3)²).

    Attributes
    ----------
    median, scale : float
        ``scale`` is 1 / (q75 − q25), where that is 0 2 / (max − min), or 0; at most the largest
        float64.
    marks_missing : bool
        Whether a further input is 1 where v is missing.
    """

    median: float
    scale: float
    marks_missing: bool = False

    @classmethod
    def fit(cls, values: Array) -> RobustScale:
        """Fit to the values of the training rows, (n,), NaN where missing, one known at least."""
        known = values[~np.isnan(values)]
        least, most = float(known.min()), float(known.max())
        unit = 2.0**-4 if max(-least, most) > HUGE else 1.0  # so that no difference overflows
        low, median, high = np.quantile(known * unit if unit < 1 else known, QUARTILES).tolist()
        spread, whole = high - low, most * unit - least * unit
        scale = unit / spread if spread > 0 else 2 * unit / whole if whole > 0 else 0.0
        return cls(median / unit, min(scale, LARGEST), len(known) < len(values))

    def transform(self, values: Array) -> Array:
        """Inputs (n, 1 or 2) float64 of values (n,)."""
        rows = values[:, None]
        clipped = scaled(rows, np.array([self.median]), np.array([self.scale]))
        return np.hstack([clipped, np.isnan(rows)]) if self.marks_missing else clipped


def scaled(values: Array, median: Array, scale: Array) -> Array:
    """c(scale (v − median)), float64, of values (n, d); 0 where NaN, as the median has.

    Where something overflows it is the limit.
    """
    return ignoring("over invalid", scaled_and_finite, values, median, scale)[0]


def scaled_and_finite(values: Array, median: Array, scale: Array) -> tuple[Array, bool]:
    """`scaled`, and whether all values are known to be finite."""
    x = np.subtract(values, median, dtype=np.float64)
    x *= scale
    root = _root(x)
    if math.isfinite(np.add.reduce(root, axis=None)):
        x /= root
        return x, True
    x = smooth_clip(x)
    x[np.isnan(x)] = 0.0
    return x, False


def smooth_clip(x: Array) -> Array:
    """x / √(1 + (x/3)²), in (−3, 3)."""
    x = np.minimum(np.maximum(x, -BEYOND), BEYOND)
    return x / _root(x)


def _root(x: Array) -> Array:
    """√(1 + (x/3)²)"""
    root = x / CLIP
    root *= root
    root += 1.0
    return np.sqrt(root, out=root)
