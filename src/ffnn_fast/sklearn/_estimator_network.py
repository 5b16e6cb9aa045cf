"""The network of an estimator: one vector θ, of which its coefs_ and intercepts_ are views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from operator import is_
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.sparse_rows import SparseRows, as_sparse_rows, is_sparse
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._runtime.settings import Settings
from ffnn_fast.sklearn._long_calls import in_background_if_long, seconds_of

Array = np.ndarray
MAX_PENALTIES = 8  # bound networks kept, each with a penalty: of full batches, of shorter ones


class EstimatorNetwork:
    """θ, (P,), and the network bound to it.

    Attributes
    ----------
    spec : NetworkSpec
        Without penalty.
    key : tuple
        The values of the estimator from which `spec` and the number of threads follow.
    params : ndarray of shape (P,)
        θ.
    coefs, intercepts : list of ndarray
        W_kᵀ, (n_{k-1}, n_k), and b_k, (n_k,): views of θ.
    bound : BoundNetwork
        The network without penalty.
    """

    def __init__(self, spec: NetworkSpec, n_threads: int | None, key: tuple[Any, ...]) -> None:
        self.spec, self.key = spec, key
        self.params = aligned_empty(spec.n_params, spec.dtype)
        self.coefs = [W.T for W in spec.weights(self.params)]
        self.intercepts = list(spec.biases(self.params))
        self.settings = Settings(n_threads=n_threads)
        self.bound = self.settings.bind(spec, self.params)
        self._by_penalty: dict[float, BoundNetwork] = {0.0: self.bound}

    def has_views(self, coefs: Any, intercepts: Any) -> bool:
        """Whether these are the lists of the views of θ."""
        n = len(self.coefs)
        return (
            len(coefs) == len(intercepts) == n
            and all(map(is_, coefs, self.coefs))
            and all(map(is_, intercepts, self.intercepts))
        )

    def set_weights(self, coefs: Sequence[Any], intercepts: Sequence[Any]) -> None:
        """Copy weights and biases that are not views of θ into it.

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
        views = self.coefs + self.intercepts
        for view, given in zip(views, [*coefs, *intercepts], strict=True):
            if given is view:
                continue
            values = np.asarray(given)
            if values.shape != view.shape:
                raise ValueError(f"expected weights of shape {view.shape}, got {values.shape}")
            view[...] = values

    def initialize(self, rng: np.random.RandomState) -> None:
        """θ := `drawn`."""
        self.params[:] = self.drawn(rng)

    def drawn(self, rng: np.random.RandomState) -> Array:
        """Glorot's uniform weights and biases, drawn in scikit-learn's order: W_1, b_1, W_2, ...

        The bound is √(6 / (n_{k-1} + n_k)), with 2 for 6 in the layers next to logistic units. The
        result is a new θ in float64.
        """
        theta = aligned_empty(self.spec.n_params, "float64")
        hidden = self.spec.layer_activations[:-1]
        weights, biases = self.spec.weights(theta), self.spec.biases(theta)
        for k, (fan_in, fan_out) in enumerate(pairwise(self.spec.layer_sizes)):
            g = hidden[min(k, len(hidden) - 1)] if hidden else "identity"
            bound = np.sqrt((2.0 if g == "logistic" else 6.0) / (fan_in + fan_out))
            weights[k].T[...] = rng.uniform(-bound, bound, (fan_in, fan_out))
            biases[k][...] = rng.uniform(-bound, bound, fan_out)
        return theta

    def with_penalty(self, l2: float, keep: bool = True) -> BoundNetwork:
        """The network bound to θ with the penalty ``l2/2 · Σ‖W_k‖²``; `keep`: for later calls."""
        bound = self._by_penalty.get(l2)
        if bound is None:
            bound = self.settings.bind(replace(self.spec, l2=l2), self.params)
            if keep:
                while len(self._by_penalty) >= MAX_PENALTIES:
                    self._by_penalty.pop(next(iter(self._by_penalty)))
                self._by_penalty[l2] = bound
        return bound

    def squared_norm(self) -> float:
        """Σ‖W_k‖²."""
        return sum(float(np.vdot(W, W)) for W in self.spec.weights(self.params))

    def forward(self, X: Any) -> Array:
        """ŷ, (n, n_L), of checked rows."""
        return self.bound.forward(as_checked_rows(X, self.spec.dtype))

    def log_proba(self, X: Any) -> Array:
        """Logarithms of probabilities, (n, n_L), or (n, 2) for one output, of checked rows."""
        log_proba: Array = self.bound.log_proba(as_checked_rows(X, self.spec.dtype))
        return log_proba


@contextmanager
def restored_on_error(est: Any) -> Iterator[None]:
    """Restore an estimator's attributes and θ if an exception ends the block."""
    before = dict(vars(est))
    net: EstimatorNetwork | None = before.get("_network")
    theta = None if net is None else net.params.copy()
    try:
        yield
    except BaseException:
        vars(est).clear()
        vars(est).update(before)
        if net is not None:
            net.params[:] = theta
        raise


def is_plain(est: Any, net: EstimatorNetwork, X: Any) -> bool:
    """Whether X is an array that the engine of a fitted estimator accepts without conversion."""
    return (
        type(X) is np.ndarray
        and X.dtype == net.spec.dtype
        and X.ndim == 2
        and X.shape[1] == net.spec.n_inputs
        and len(X) > 0
        and X.flags.c_contiguous
        and "feature_names_in_" not in vars(est)
        and bool(all_finite(X))
    )


def as_checked_rows(X: Any, dtype: str) -> Any:
    """Rows as a C-contiguous array; sparse ones as `SparseRows`."""
    if is_sparse(X):
        return as_sparse_rows(X, X.shape[1], dtype)
    return as_dense(X, dtype)


def as_dense(X: Any, dtype: str) -> Array:
    """Rows, also `SparseRows`, as a C-contiguous array; the array itself if it is one already."""
    if type(X) is np.ndarray and X.dtype == dtype and X.flags.c_contiguous:
        return X
    dense: Array = in_background_if_long(seconds_of(X), _converted, X, dtype)
    return dense


def _converted(X: Any, dtype: str) -> Array:
    return np.ascontiguousarray(X.dense() if isinstance(X, SparseRows) else X, dtype=dtype)
