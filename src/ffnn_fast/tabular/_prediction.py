"""Predictions of a bag of networks, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ffnn_fast._runtime.predict_functions import PredictFunction
from ffnn_fast._runtime.worker_threads import run_each
from ffnn_fast.network import Network

Array = np.ndarray
FEWEST = 16  # rows of a pass; the engine may compute fewer by other products, with other rounding
BLOCK = 4096  # rows that are encoded and predicted at a time
Encode = Callable[[int, int], Array]  # the encoded rows of a range
Combine = Callable[[Array], Array]  # predictions (m, n, K') of the outputs (m, n, K) of m networks


class _Few:
    """The outputs of networks for fewer than 16 rows, for one thread at a time."""

    def __init__(self, networks: list[Network]) -> None:
        spec = networks[0].spec
        self._rows = np.zeros((FEWEST, spec.n_inputs), spec.dtype)
        self._y_hat = np.empty((len(networks), FEWEST, spec.n_outputs), spec.dtype)
        self._calls: list[tuple[PredictFunction, Array]] = [
            (net.predictor(FEWEST), out) for net, out in zip(networks, self._y_hat, strict=True)
        ]

    def outputs(self, X: Array) -> Array:
        """ŷ of each network, (networks, n, n_L); the further rows, of former calls, are unused."""
        self._rows[: len(X)] = X
        for predict, out in self._calls:
            predict(self._rows, out)
        return self._y_hat[:, : len(X)].copy()


class Bag:
    """Networks of one spec whose predictions are averaged.

    The prediction of a row does not depend on the other rows, nor on the number of threads.

    Parameters
    ----------
    networks : list of Network
        Their parameters may change later.
    """

    def __init__(self, networks: list[Network]) -> None:
        self.networks = networks
        self._kept: list[_Few] = []  # each for a thread at a time

    def __getstate__(self) -> dict[str, Any]:
        return {"networks": self.networks, "_kept": []}

    def outputs(self, X: Array) -> Array:
        """ŷ of each network for encoded rows (n, n_0), (networks, n, n_L)."""
        if len(X) >= FEWEST:
            return np.stack([net.forward(X) for net in self.networks])
        try:
            few = self._kept.pop()
        except IndexError:
            few = _Few(self.networks)
        y_hat = few.outputs(X)
        self._kept.append(few)
        return y_hat

    def mean(
        self, encode: Encode, n: int, combine: Combine, count_threads: Callable[[], int]
    ) -> Array:
        """The mean prediction of n rows, (n, K').

        Parameters
        ----------
        encode : callable
            ``encode(start, stop)`` returns these rows as inputs of the networks.
        n : int
            At least 1.
        combine : callable
            What the outputs of the networks predict.
        count_threads : callable
            The most threads that may be used; called for more than one block.
        """

        def block(i: int) -> Array:
            start, stop = i * BLOCK, min(n, (i + 1) * BLOCK)
            predicted = combine(self.outputs(encode(start, stop)))
            return np.asarray(np.add.reduce(predicted, axis=0) / len(self.networks))

        if n <= BLOCK:
            return block(0)
        return np.concatenate(run_each(block, range(-(-n // BLOCK)), count_threads()))
