"""The samples of a fit: checked, weighted, and split into training and validation samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_factors, as_sample_weight, checked_weights
from ffnn_fast._model.derivative_targets import with_derivatives
from ffnn_fast._model.predictions import labels
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._scalars import as_float
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.ranks import ALONE, Alone
from ffnn_fast._training.sampling import class_weights, hold_out

Array = np.ndarray
MISSING = -1


@dataclass(frozen=True)
class FitData:
    """The samples of a fit, checked.

    ``weight`` (n_rows,) holds the weights of the rows of all ranks times those of their classes, or
    is None; ``fraction`` is the share of the samples to hold out. Only the first rank has
    validation samples; on all ``has_validation`` states whether there are some.
    """

    spec: NetworkSpec
    samples: Samples
    weight: Array | None
    validation: Samples | None
    fraction: float
    has_validation: bool
    n_rows: int
    ranks: Alone

    def split(
        self, rng: np.random.Generator, draw: Callable[..., tuple[Array, Array]] = hold_out
    ) -> tuple[Samples, Samples | None]:
        """Training and validation samples; draws from `rng` only if a fraction is held out.

        Raises
        ------
        ValueError
            If the fraction comes to no row, or the weights of a part are all 0.
        """
        if not self.fraction:
            return self._part(None), self.validation
        spec, Y = self.spec, self.samples.Y
        single = spec.task == "classification" and (spec.takes_labels or spec.n_outputs == 1)
        train, held = draw(len(Y), self.fraction, rng, _classes(spec, Y) if single else None)
        if not len(held):
            by_class = ", since every class keeps a training row" if single else ""
            raise ValueError(
                f"validation_fraction={self.fraction:g} of {len(Y)} rows comes to no row"
                f"{by_class}; give a larger fraction, or validation_data"
            )
        return self._part(train, "the training rows"), self._part(held, "the held-out rows")

    def _part(self, which: Array | None, name: str = "") -> Samples:
        """Some samples, or all without a copy; the mean of their weights is 1."""
        samples, weight = self.samples, self.weight
        if which is None and weight is None:
            return samples
        if which is not None:
            samples = samples.rows(which)
            weight = weight if weight is None else weight[which]
        name = f"sample_weight of {name}" if name else "sample_weight"
        n = self.n_rows if which is None else len(samples.X)
        weight = as_sample_weight(weight, self.spec, n, name)
        own = weight if weight is None or which is not None else self.ranks.own(weight)
        return replace(samples, sample_weight=own)


def as_fit_data(
    spec: NetworkSpec, X: Any, y: Any, request: FitRequest, ranks: Alone = ALONE
) -> FitData:
    """The samples of `ffnn_fast.Network.fit`; TypeError or ValueError if they are not valid."""
    samples = as_samples(spec, X, y, sparse=request.derivatives is None)
    samples = with_derivatives(spec, samples, request.derivatives, request.missing_derivatives)
    n = len(samples.X)
    n_rows = ranks.take_shares(n)
    weight = _weights(spec, samples, request, ranks, n_rows)
    validation = None
    if request.validation_data is not None and ranks.is_first:
        validation = as_samples(
            spec, *_as_triple(request.validation_data), "validation ", sparse=True
        )
    fraction = as_float(request.validation_fraction, "validation_fraction", 0, 1, "left")
    if fraction:
        if validation is not None:
            raise ValueError("give validation_data or validation_fraction, not both")
        if n < 2:
            raise ValueError("validation_fraction needs at least 2 rows")
    has_validation = ranks.from_first(validation is not None or fraction > 0)
    return FitData(spec, samples, weight, validation, fraction, has_validation, n_rows, ranks)


def _weights(
    spec: NetworkSpec, samples: Samples, request: FitRequest, ranks: Alone, n_rows: int
) -> Array | None:
    """The weights of all rows times those of their classes, (n_rows,), or None."""
    weight = None
    if request.sample_weight is not None:
        given = as_factors(request.sample_weight, len(samples.X))
        weight = ranks.all_rows(given)
        if not spec.signed_weights:
            weight = checked_weights(weight, n_rows)
    if request.class_weight is not None:
        classes, by_class = ranks.all_rows(_classes(spec, samples.Y)), np.ones(n_rows)
        known = classes != MISSING
        by_class[known] = class_weights(request.class_weight, classes[known])
        name = "class_weight" if weight is None else "sample_weight times class_weight"
        weight = by_class if weight is None else weight * by_class
        checked_weights(weight, n_rows, name)
    return weight


def _classes(spec: NetworkSpec, Y: Array) -> Array:
    """The class of each sample, (n,); `MISSING` where its target is NaN."""
    classes = labels(spec, Y)
    return classes if Y.ndim == 1 else np.where(np.isnan(Y).any(axis=1), MISSING, classes)


def _as_triple(given: Any) -> tuple[Any, Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError("validation_data must be (X, y) or (X, y, sample_weight)")
    return given[0], given[1], given[2] if len(given) == 3 else None
