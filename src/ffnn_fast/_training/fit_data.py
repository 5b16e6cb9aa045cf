"""The rows of a fit: checked, weighted, and split into those to train on and those held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import as_sample_weight
from ffnn_fast._model.predictions import labels
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.sampling import class_weights, hold_out

Array = np.ndarray


@dataclass(frozen=True)
class FitData:
    """What a fit was given, checked.

    ``weight`` are the weights of all rows, those of their classes included, or None; ``fraction``
    is the share of the rows to hold out.
    """

    spec: NetworkSpec
    rows: Samples
    weight: Array | None
    validation: Samples | None
    fraction: float

    @property
    def validates(self) -> bool:
        """Whether there are or will be validation rows."""
        return self.validation is not None or self.fraction > 0

    def split(self, rng: np.random.Generator) -> tuple[Samples, Samples | None]:
        """Rows to train on and rows to judge by; only a fraction to hold out draws from `rng`."""
        if not self.fraction:
            return self._part(None), self.validation
        spec, Y = self.spec, self.rows.Y
        single = spec.task == "classification" and (spec.takes_labels or spec.n_outputs == 1)
        train, held = hold_out(len(Y), self.fraction, rng, labels(spec, Y) if single else None)
        return self._part(train), self._part(held)

    def _part(self, which: Array | None) -> Samples:
        """Some rows, or all of them as they are; the mean of their weights is 1."""
        rows, weight = self.rows, self.weight
        if which is not None:
            rows = rows.rows(which)
            weight = weight if weight is None else weight[which]
        return Samples(rows.X, rows.Y, as_sample_weight(weight, self.spec, len(rows.X)))


def checked_data(
    spec: NetworkSpec,
    X: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Any,
    validation_data: Any,
    fraction: float,
) -> FitData:
    """What `fit` was given; TypeError or ValueError if something is not as it should be."""
    rows = as_samples(spec, X, y)
    n = len(rows.X)
    as_sample_weight(sample_weight, spec, n)
    weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    if class_weight is not None:
        by_class = class_weights(class_weight, labels(spec, rows.Y))
        weight = by_class if weight is None else weight * by_class
        as_sample_weight(weight, spec, n)
    validation = None
    if validation_data is not None:
        validation = as_samples(spec, *_three(validation_data), "validation ")
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)):
        raise TypeError(f"validation_fraction must be a number, got {fraction!r}")
    if not 0 <= fraction < 1:
        raise ValueError(f"validation_fraction must be in [0, 1), got {fraction}")
    if fraction:
        if validation is not None:
            raise ValueError("give validation_data or validation_fraction, not both")
        if n < 2:
            raise ValueError("validation_fraction needs at least 2 rows")
    return FitData(spec, rows, weight, validation, float(fraction))


def _three(given: Any) -> tuple[Any, Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError("validation_data must be (X, y) or (X, y, sample_weight)")
    return given[0], given[1], given[2] if len(given) == 3 else None
