"""Outputs of rows from the user, which are converted in blocks where that saves memory."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_rows
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork

Array = np.ndarray
BLOCK_BYTES = 16 << 20  # of rows that are converted at a time
FEWEST = 1 << 20  # numbers in an array that may be converted in blocks
SOME = 8  # rows, more than any level of the engine computes one by one


def forward(bound: BoundNetwork, X: Any) -> tuple[Array, bool]:
    """ŷ, (n, n_L), and whether one sample of shape (n_0,) was given; raises as `as_rows`."""
    y_hat = bound.of_row(X)
    if y_hat is not None:
        return y_hat, X.ndim == 1
    spec = bound.spec
    if isinstance(X, np.ndarray) and X.size > FEWEST and _is_worth_blocks(X, spec):
        with contextlib.suppress(ValueError):
            return _by_blocks(bound, X), False
        as_rows(X, spec)  # the message counts rows from the first of X, not of a block
    return _checked(bound, X)


def _checked(bound: BoundNetwork, X: Any) -> tuple[Array, bool]:
    """The same for rows in one piece, which are not read to check them if a_1 is finite."""
    spec, backend = bound.spec, bound.backend
    plain = isinstance(X, np.ndarray) and X.ndim == 2 and len(X) > SOME
    if not plain or bound.uses_blas or spec.inputs is not None:
        rows, single = as_rows(X, spec, sparse=True)
        return bound.forward(rows), single
    rows, _ = as_rows(X, spec, finite=False)
    y_hat = np.empty((len(rows), spec.n_outputs), spec.dtype)
    if not bound.scratched(backend.workspace_size, backend.forward, 1, (rows, y_hat)):
        as_rows(X, spec)
    return y_hat, False


def _by_blocks(bound: BoundNetwork, X: Array) -> Array:
    spec = bound.spec
    y_hat = np.empty((len(X), spec.n_outputs), spec.dtype)
    step = max(1, BLOCK_BYTES // (spec.n_inputs * np.dtype(spec.dtype).itemsize))
    for block in range(max(1, len(X) // step)):
        start = block * step  # the last block has the rest, too: a few rows round otherwise
        end = start + step if start + 2 * step <= len(X) else len(X)
        y_hat[start:end], _ = _checked(bound, X[start:end])
    return y_hat


def _is_worth_blocks(X: Array, spec: NetworkSpec) -> bool:
    """Whether rows must be converted, such as pixels in a memory-mapped file."""
    fits = X.dtype == spec.dtype and X.flags.c_contiguous
    plain = X.dtype.kind in "fiub" and not isinstance(X, np.ma.MaskedArray)
    return X.ndim == 2 and X.shape[1] == spec.n_inputs and plain and not fits
