"""Predictions rounded to the digits that the network's dtype gives them."""

from __future__ import annotations

import numpy as np

from ffnn_fast._errstate import ignoring

Array = np.ndarray
EXACT_POWER = 22  # 10^22 is the largest power of ten that float64 holds exactly


def rounded(values: Array, dtype: str, mean: float = 0.0, scale: float = 1.0) -> Array:
    """Values v = mean + scale z, (n,) float64, with the decimals that tell z of a dtype.

    The decimals are those of half the spacing of z's dtype times the scale. Where the absolute
    value of z is less than 1 and that of v / scale, the lesser of these takes its place, since the
    mean hides the rest.
    """
    values = np.asarray(values, np.float64)
    if dtype != "float32" or not scale > 0:
        return values
    return ignoring("over invalid divide under", _rounded, values, mean, scale)


def _rounded(values: Array, mean: float, scale: float) -> Array:
    z = ((values - mean) / scale).astype(np.float32)
    shown = np.minimum(np.float32(1), (np.abs(values) / scale).astype(np.float32))
    step = np.spacing(np.maximum(np.abs(z), shown)).astype(np.float64) * scale
    exact = mean + scale * z.astype(np.float64)
    most = np.ceil(-np.log10(step)) + 1
    most = np.where(np.isfinite(most) & (np.abs(most) < EXACT_POWER), most, np.nan)
    found = exact
    for places in (most, most - 1, most - 2, most - 3):
        shorter = _to_places(exact, places)
        same = ((shorter - mean) / scale).astype(np.float32) == z
        suffices = (np.abs(shorter - exact) < step / 2) & (same | (shown > np.abs(z)))
        found = np.where(suffices, shorter, found)
    return found


def _to_places(values: Array, places: Array) -> Array:
    """Values, (n,), each rounded to its number of decimals; where that is NaN, NaN."""
    found = np.full(len(values), np.nan)
    for place in np.unique(places[~np.isnan(places)]).astype(int).tolist():
        own = places == place
        found[own] = np.round(values[own], place)
    return found
