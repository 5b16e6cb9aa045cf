"""Whether W_1 has changed since it was transposed: the twin of engine/kernels/digest.h."""

from __future__ import annotations

import numpy as np

from ffnn_fast._model.spec import NetworkSpec

Array = np.ndarray
LANES = 64
FACTOR = np.uint64(0x9E3779B97F4A7C15)


def digest_of(x: Array) -> int:
    """A digest of 64 bits of the bytes of an array.

    The bytes are words of 8, padded with zeros. Word w is mixed into lane w % LANES; in the end the
    lanes are mixed into the number of bytes.
    """
    content = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    size = 8 * LANES
    padded = np.zeros((len(content) // size + 1) * size, np.uint8)
    padded[: len(content)] = content
    lanes = np.zeros(LANES, np.uint64)
    for row in padded.view(np.uint64).reshape(-1, LANES):
        lanes = _mixed(lanes, row)
    digest = np.array([len(content)], np.uint64)
    for lane in lanes[:, None]:
        digest = _mixed(digest, lane)
    return int(digest[0])


def _mixed(h: Array, w: Array) -> Array:
    """rotl(h ^ w, 29) · FACTOR modulo 2⁶⁴."""
    h = h ^ w
    return (h << np.uint64(29) | h >> np.uint64(35)) * FACTOR


def with_transposed(spec: NetworkSpec, params: Array, transposed: Array, is_current: bool) -> Array:
    """θ with W_1 from `transposed`, (n_0, n_1), if that is current; else transposed := W_1ᵀ."""
    if not is_current:
        transposed[...] = spec.weights(params)[0].T
        return params
    params = params.copy()
    spec.weights(params)[0][...] = transposed.T
    return params
