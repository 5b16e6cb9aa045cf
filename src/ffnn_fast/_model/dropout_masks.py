"""Dropout masks from a counter: the units that a training step drops in each row.

Whether unit j of layer k is kept for row r of the batch at step t is a function of (seed, t, k, r,
j) alone, so masks are equal on any number of threads, in any memory layout, in both engines.

A key for each row comes from SplitMix64 (G. Steele, D. Lea and C. Flood, OOPSLA 2014), whose i-th
output for a start s is mix(s + (i + 1) γ): the t-th output for the seed starts a sequence whose
k-th output starts one whose r-th output is the key. Its halves enter the 32-bit finaliser of
MurmurHash3 (A. Appleby) twice: bits = fmix(fmix(j ^ low) ^ high).

N. Srivastava et al., "Dropout", JMLR 2014; kept units are scaled by 1 / (1 − rate).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
Mask = tuple[int, int] | tuple[int, int, float]  # seed, step; a rate in place of the network's
GAMMA = 0x9E3779B97F4A7C15
WORD = (1 << 64) - 1


def splitmix(start: Array, i: Array) -> Array:
    """The i-th output of SplitMix64 for a start, both uint64, i from 0."""
    z = start + (i + np.uint64(1)) * np.uint64(GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fmix(h: Array) -> Array:
    """The finaliser of MurmurHash3, uint32."""
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def threshold(rate: float) -> int:
    """The number of the 2³¹ values of a hash that drop the unit."""
    return min(round(rate * 2**31), 2**31 - 1)


def kept(mask: Mask, layer: int, n_rows: int, width: int, rate: float) -> Array:
    """The units of h_k that are kept, (n_rows, width) bool, for the rows 0, 1, ... of a batch."""
    return kept_entries(mask, layer, np.arange(n_rows)[:, None], np.arange(width), rate)


def kept_entries(mask: Mask, layer: int, rows: Array, units: Array, rate: float) -> Array:
    """The same for some units of some rows, whose shapes broadcast."""
    key = np.array([mask[0] & WORD], dtype=np.uint64)
    for i in (mask[1], layer):
        key = splitmix(key, np.array([i & WORD], dtype=np.uint64))
    keys = splitmix(key, rows.astype(np.uint64))
    low, high = keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    bits = fmix(fmix(units.astype(np.uint32) ^ low) ^ high)
    return (bits >> np.uint32(1)) >= threshold(rate)


def drop(h: Any, mask: Mask | None, layer: int, rate: float) -> Any:
    """h ⊙ m / (1 − rate), m the mask of layer k; h itself without a mask or a rate. h: (n, n_k),
    or `SparseRows` of h_0.

    `rate` is that of the network; a layer without one drops nothing.
    """
    if mask is None or rate == 0:
        return h
    if len(mask) == 3:
        rate = mask[2]
        if threshold(rate) == 0:
            return h
    if not isinstance(h, np.ndarray):  # sparse rows
        return h.drop(mask, rate)
    scaled = h * np.asarray(1 / (1 - rate), dtype=h.dtype)
    stays = kept(mask, layer, len(h), h.shape[1], rate)
    return np.where(stays, scaled, np.zeros((), h.dtype))
