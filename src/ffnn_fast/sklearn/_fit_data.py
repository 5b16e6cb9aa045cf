"""What the user passes to the fit of an estimator, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ffnn_fast._model.conversion import check_unmasked

Array = np.ndarray


@dataclass(frozen=True)
class TrainingData:
    """Validated input of a fit: X dense, (n, n_0), encoded targets, weights (n,) in float64."""

    X: Array
    Y: Array
    weight: Array | None


@dataclass(frozen=True)
class InitialWeights:
    """The user's initial weights, per layer (n_{k-1}, n_k) and (n_k,), or None.

    Raises
    ------
    ValueError
        If an entry is masked.
    """

    coefs: Sequence[npt.ArrayLike] | None = None
    intercepts: Sequence[npt.ArrayLike] | None = None

    def __post_init__(self) -> None:
        for name, layers in (("coef_init", self.coefs), ("intercept_init", self.intercepts)):
            for k, values in enumerate(() if layers is None else layers):
                check_unmasked(**{f"{name}[{k}]": values})
