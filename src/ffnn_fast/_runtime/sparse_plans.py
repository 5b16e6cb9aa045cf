"""A bound network for sparse rows, made from that for dense ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any


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
