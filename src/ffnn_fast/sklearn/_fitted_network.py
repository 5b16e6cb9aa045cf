"""The network of a fitted estimator, and its outputs for new rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.sklearn._estimator_network import EstimatorNetwork, is_plain
from ffnn_fast.sklearn._long_calls import in_background_if_long, seconds_of
from ffnn_fast.sklearn._parameters import CheckedParameters

Array = np.ndarray
SPARSE = ["csr", "csc"]


class FittedNetwork(CheckedParameters):
    """An estimator with the network that follows from its parameters, coefs_ and intercepts_."""

    def _new_network(self, sizes: tuple[int, ...], dtype: str) -> EstimatorNetwork:
        key = self._key(sizes, dtype)
        return EstimatorNetwork(self._spec(sizes, dtype), self.n_threads, key)

    def _key(self, sizes: tuple[int, ...], dtype: str) -> tuple[Any, ...]:
        """The values from which the network follows; if one changes, a new one is needed."""
        return (
            sizes, dtype, self.out_activation_, self.activation, self.loss, self.loss_options,
            self.dropout, self.n_threads,
        )  # fmt: skip

    def _spec(self, sizes: tuple[int, ...], dtype: str) -> NetworkSpec:
        activation = self.activation
        several = isinstance(activation, (list, tuple))
        return NetworkSpec(
            sizes,
            tuple(activation) if several else activation,
            self.out_activation_,
            self._engine_loss(),
            dtype,
            loss_options=self.loss_options or {},
            dropout=tuple(self.dropout) if isinstance(self.dropout, list) else self.dropout,
        )

    def _unchanged_network(self) -> EstimatorNetwork | None:
        """The fitted network; None if coefs_, intercepts_ or parameters have changed since."""
        state = vars(self)
        net: EstimatorNetwork | None = state.get("_network")
        if net is None or not net.has_views(state.get("coefs_", ()), state.get("intercepts_", ())):
            return None
        return net if net.key == self._key(*net.key[:2]) else None

    def _current_network(self) -> EstimatorNetwork:
        """The fitted network with the current coefs_, intercepts_ and parameters."""
        net = self._unchanged_network()
        if net is not None:
            return net
        coefs = self.coefs_
        sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
        dtype = "float32" if coefs[0].dtype == np.float32 else "float64"
        net = vars(self).get("_network")
        if net is None or net.key != self._key(sizes, dtype):
            net = self._network = self._new_network(sizes, dtype)
        net.set_weights(coefs, self.intercepts_)
        return net

    def _forward(self, X: Any) -> Array:
        """ŷ, (n, n_L), of new rows."""
        y_hat = self._forward_of_row(X)
        if y_hat is not None:
            return y_hat
        net, rows = self._new_rows(X)
        return net.forward(rows)

    def _forward_of_row(self, X: Any) -> Array | None:
        """ŷ, (1, n_L), of one new row; None unless it needs no check but the engine's."""
        if type(X) is not np.ndarray or X.ndim != 2 or "feature_names_in_" in vars(self):
            return None
        net = self._unchanged_network()
        return None if net is None else net.bound.of_row(X)

    def _new_rows(self, X: Any) -> tuple[EstimatorNetwork, Any]:
        """The network, and the checked rows X, which may be sparse."""
        check_is_fitted(self)
        net = self._current_network()
        if not is_plain(self, net, X):
            check_unmasked(X=X)
            X = in_background_if_long(
                seconds_of(X), validate_data, self, X, accept_sparse=SPARSE, reset=False
            )
        return net, X
