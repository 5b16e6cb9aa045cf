"""A bound network for sparse rows, made from that for dense ones, and its forward pass."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ffnn_fast._model.sparse_rows import SparseRows
from ffnn_fast._model.spec import NetworkSpec

Array = np.ndarray
MOST_TRANSPOSED = 1 << 26  # bytes of W_1ᵀ that are kept between calls


def for_sparse_rows(bound: Any, entries: float) -> Any:
    """The same `BoundNetwork` for rows with about so many stored entries; made once."""
    known = bound.made.get("sparse")
    if known is None or entries > known.entries:
        known = bound.made["sparse"] = _made(bound, entries)
    return known


def _made(bound: Any, entries: float) -> Any:
    make = partial(bound.backend.Plan, bound.spec, matmul="own", sparse=True)
    plans = {bound.threads_now: make(n_threads=bound.threads_now)}

    def plan_now() -> Any:
        n = bound.threads_now
        return plans.get(n) or plans.setdefault(n, make(n_threads=n))

    return replace(
        bound, plan=plan_now(), calls_blas=False, limited_plan=plan_now, entries=entries,
        dense=bound,
    )  # fmt: skip


def reads_transposed(spec: NetworkSpec, X: SparseRows, n: int) -> bool:
    """Whether n of the rows have so many entries that `forward_transposed` saves time."""
    n_0, n_1 = spec.layer_sizes[:2]
    kept = n_0 * n_1 * np.dtype(spec.dtype).itemsize
    return X.entries_per_row * n > n_0 // 8 and kept <= MOST_TRANSPOSED


def forward_transposed(bound: Any, X: SparseRows, order: Array | None, out: Array) -> None:
    """out := ŷ, by a W_1ᵀ that is kept for later calls until W_1 changes."""
    made, backend, params = bound.dense.made, bound.backend, bound.params
    digest = backend.first_layer_digest(bound.plan, params)
    known, W = made.get("transposed", (None, None))
    is_current = known == digest
    if not is_current:
        made.pop("transposed", None)
        W = np.empty(bound.spec.layer_sizes[:2], bound.spec.dtype)  # new: a thread may read the old
    size = partial(backend.workspace_size, forward_only=True)
    bound.scratched(size, backend.forward, 1, (X, out), (order, W, is_current), len(out))
    # Another thread may have changed W_1 meanwhile.
    if not is_current and backend.first_layer_digest(bound.plan, params) == digest:
        made["transposed"] = digest, W
