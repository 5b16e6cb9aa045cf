"""What the figures of a network need of it; `ffnn_fast.Network` is one such class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ffnn_fast._model.spec import NetworkSpec


class HasSpec(Protocol):
    """An object with the description of a network."""

    @property
    def spec(self) -> NetworkSpec:
        """The description."""


class HasWeights(Protocol):
    """An object with the weight matrices of a network."""

    @property
    def weights(self) -> Sequence[npt.NDArray[np.floating]]:
        """W_1, ..., W_L, each (n_k, n_{k-1})."""


class HasForward(HasSpec, Protocol):
    """An object that computes the outputs of the network it describes."""

    def forward(self, X: Any) -> npt.NDArray[np.floating]:
        """ŷ, (n, n_L), of rows X, (n, n_0)."""
