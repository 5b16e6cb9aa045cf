"""What an adapter module provides.

``PACKAGES``, the packages it needs installed, and one or both of

``Training(problem, X, y, threads)``
    ``epoch(order=None)`` runs all steps over the rows as they are or in that order and continues
    from where the last one ended, ``fit(epochs, seed)`` does so over shuffled rows, and
    ``layers()`` returns (W_k, b_k), W_k of shape (n_k, n_{k-1}).
``calls(problem, threads)``
    ``{name: (statement, namespace)}``: the forms of a prediction, for ``timeit``. The value of the
    statement is ŷ; the rows are one batch of the problem.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Calls = dict[str, tuple[str, dict[str, Any]]]


class ShuffledTraining:
    """A fit made of epochs, each over the rows in a new order."""

    X: Any

    def epoch(self, order: np.ndarray | None = None) -> None:
        """All steps, over the rows as they are or in an order."""
        raise NotImplementedError

    def fit(self, epochs: int, seed: int) -> None:
        """The orders are those that ``Network.fit`` draws from the same seed."""
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            self.epoch(rng.permutation(len(self.X)))
