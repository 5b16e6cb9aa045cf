"""What an estimator computes with: one vector θ, of which its coefs_ and intercepts_ are views."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._runtime.threads import available

Array = np.ndarray
MACHINES_KEPT = 8  # with penalties of their own: those of full batches, of short ones
BLOCK_BYTES = 16 << 20  # of sparse rows that are made dense at a time


class Core:
    """θ, (P,), and the network that works on it in place.

    Attributes
    ----------
    coefs, intercepts : list of ndarray
        W_kᵀ, (n_{k-1}, n_k), and b_k, (n_k,): views of θ.
    asked : tuple
        The estimator's parameters that it was made from.
    """

    def __init__(self, spec: NetworkSpec, n_threads: int | None, asked: tuple[Any, ...]) -> None:
        self.spec, self.asked = spec, asked
        self.params = aligned_empty(spec.n_params, spec.dtype)
        self.coefs = [W.T for W in spec.weights(self.params)]
        self.intercepts = list(spec.biases(self.params))
        self.execution = Settings(n_threads=n_threads)
        self.machine = self.execution.bind(spec, self.params)
        self._penalised: dict[float, BoundNetwork] = {0.0: self.machine}

    def adopt(self, coefs: Sequence[Any], intercepts: Sequence[Any]) -> None:
        """Take over weights that are not views of θ, such as a user's own.

        Raises
        ------
        ValueError
            If they have other shapes.
        """
        if len(coefs) != len(self.coefs) or len(intercepts) != len(self.intercepts):
            raise ValueError(
                f"expected weights and biases of {len(self.coefs)} layers, "
                f"got {len(coefs)} and {len(intercepts)}"
            )
        for mine, given in zip(self.coefs + self.intercepts, [*coefs, *intercepts], strict=True):
            if given is mine:
                continue
            values = np.asarray(given)
            if values.shape != mine.shape:
                raise ValueError(f"expected weights of shape {mine.shape}, got {values.shape}")
            mine[...] = values

    def draw(self, rng: np.random.RandomState) -> None:
        """Glorot's uniform weights and biases, drawn in scikit-learn's order: W_1, b_1, W_2, ...

        The bound is √(6 / (n_{k-1} + n_k)), with 2 for 6 below and above logistic units.
        """
        hidden = self.spec.layer_activations[:-1]
        for k, (fan_in, fan_out) in enumerate(pairwise(self.spec.layer_sizes)):
            g = hidden[min(k, len(hidden) - 1)] if hidden else "identity"
            bound = np.sqrt((2.0 if g == "logistic" else 6.0) / (fan_in + fan_out))
            self.coefs[k][...] = rng.uniform(-bound, bound, (fan_in, fan_out))
            self.intercepts[k][...] = rng.uniform(-bound, bound, fan_out)

    def penalised(self, l2: float, keep: bool = True) -> BoundNetwork:
        """The network with the penalty ``l2/2 · Σ‖W_k‖²``."""
        machine = self._penalised.get(l2)
        if machine is None:
            spec = replace(self.spec, l2=l2)
            machine = self.execution.bind(spec, self.params)
            if keep:
                while len(self._penalised) >= MACHINES_KEPT:
                    self._penalised.pop(next(iter(self._penalised)))
                self._penalised[l2] = machine
        return machine

    def squares(self) -> float:
        """Σ‖W_k‖²."""
        return sum(float(np.vdot(W, W)) for W in self.spec.weights(self.params))

    def forward(self, X: Any) -> Array:
        """ŷ, (n, n_L), of checked rows, dense or sparse; sparse ones are made dense in blocks."""
        if not hasattr(X, "toarray"):
            return self.machine.forward(dense(X, self.spec.dtype))
        rows = max(1, BLOCK_BYTES // (X.shape[1] * np.dtype(self.spec.dtype).itemsize))
        out = np.empty((X.shape[0], self.spec.n_outputs), self.spec.dtype)
        for start in range(0, X.shape[0], rows):
            out[start : start + rows] = self.machine.forward(
                dense(X[start : start + rows], self.spec.dtype)
            )
        return out


def dense(X: Any, dtype: str) -> Array:
    """Rows as the engine takes them, also from a sparse matrix; no copy where they are so."""
    return np.ascontiguousarray(X.toarray() if hasattr(X, "toarray") else X, dtype=dtype)


def threads(n_threads: int | None) -> int | None:
    """The threads to ask for: within a worker of joblib no more than joblib leaves to it.

    loky tells its workers by ``OMP_NUM_THREADS``; ``FFNN_FAST_NUM_THREADS`` comes before it.
    """
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if n_threads is None and "FFNN_FAST_NUM_THREADS" not in os.environ and limit.isdigit():
        return min(max(1, int(limit)), available())
    return n_threads
