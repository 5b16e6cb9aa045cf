"""Outputs of rows from the user, which are converted in blocks where that saves memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_rows
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork

Array = np.ndarray
BLOCK_BYTES = 16 << 20  # of rows that are converted at a time
FEWEST = 1 << 20  # numbers in an array that may be converted in blocks


def forward(bound: BoundNetwork, X: Any) -> tuple[Array, bool]:
    """ŷ, (n, n_L), and whether one sample of shape (n_0,) was given; raises as `as_rows`."""
    y_hat = bound.of_row(X)
    if y_hat is not None:
        return y_hat, X.ndim == 1
    spec = bound.spec
    if isinstance(X, np.ndarray) and X.size > FEWEST and _is_worth_blocks(X, spec):
        try:
            return _by_blocks(bound, X), False
        except ValueError:
            pass  # whose message would count rows from the first one of a block
    rows, single = as_rows(X, spec, sparse=True)
    return bound.forward(rows), single


def _by_blocks(bound: BoundNetwork, X: Array) -> Array:
    spec = bound.spec
    y_hat = np.empty((len(X), spec.n_outputs), spec.dtype)
    step = max(1, BLOCK_BYTES // (spec.n_inputs * np.dtype(spec.dtype).itemsize))
    for block in range(max(1, len(X) // step)):
        start = block * step  # the last block has the rest, too: a few rows round otherwise
        end = start + step if start + 2 * step <= len(X) else len(X)
        rows, _ = as_rows(X[start:end], spec)
        y_hat[start:end] = bound.forward(rows)
    return y_hat


def _is_worth_blocks(X: Array, spec: NetworkSpec) -> bool:
    """Whether rows must be converted, such as pixels in a memory-mapped file."""
    fits = X.dtype == spec.dtype and X.flags.c_contiguous
    plain = X.dtype.kind in "fiub" and not isinstance(X, np.ma.MaskedArray)
    return X.ndim == 2 and X.shape[1] == spec.n_inputs and plain and not fits
