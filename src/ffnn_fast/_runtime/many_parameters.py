"""One network at many vectors θ: outputs and losses of the same rows, for evolution strategies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, within
from ffnn_fast._runtime.worker_threads import run_each

Array = np.ndarray
CHUNK = 0.02  # seconds of vectors, at most, that are one call
LEAST = 0.001  # seconds of all vectors, from which several threads take them


def forward_many(bound: BoundNetwork, params: Array, X: Array) -> Array:
    """ŷ at each of K vectors θ, (K, n, n_L); params (K, P)."""
    out = np.empty((len(params), len(X), bound.spec.n_outputs), dtype=bound.spec.dtype)

    def call(one: BoundNetwork, part: slice, work: Array) -> None:
        one.backend.forward_many(one.plan, params[part], X, out[part], work)

    _in_parts(bound, len(params), len(X), call)
    return out


def loss_many(bound: BoundNetwork, params: Array, samples: Samples) -> Array:
    """The objective at each of K vectors θ, (K,) float64; params (K, P)."""
    X, Y, weight = samples.X, samples.Y, samples.sample_weight
    values = np.empty(len(params))

    def call(one: BoundNetwork, part: slice, work: Array) -> None:
        one.backend.loss_many(one.plan, params[part], X, Y, weight, values[part], work)

    _in_parts(bound, len(params), len(X), call)
    return values


def _in_parts(
    bound: BoundNetwork, K: int, n: int, call: Callable[[BoundNetwork, slice, Array], None]
) -> None:
    """`call` for consecutive parts of K vectors, each on one thread; bits depend on none of this.

    A part is so short that signals may wait for its end.
    """
    seconds = bound.durations.passes(n, 1)
    size = max(1, min(K, int(CHUNK / seconds)))
    threads = bound.threads_now if K * seconds >= LEAST else 1
    size = max(1, min(size, -(-K // (4 * threads)))) if threads > 1 else size
    parts = [slice(start, min(start + size, K)) for start in range(0, K, size)]
    matmul = "blas" if bound.calls_blas else "own"
    plan = bound.backend.Plan(bound.spec, 1, matmul)
    one = replace(bound, plan=plan, n_threads=1, limited_plan=None)

    def one_part(i: int) -> None:
        work = one.take_workspace(n)
        within(size * seconds, call, one, parts[i], work, exit_waits=bound.uses_blas)
        one.keep_scratch(work)

    bound.run(n, partial(run_each, one_part, range(len(parts)), threads))
