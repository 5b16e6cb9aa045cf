"""The samples of a fit: checked, weighted, and split into training and validation samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._conversion import as_numbers
from ffnn_fast._model.arrays import as_factors, as_sample_weight, checked_weights
from ffnn_fast._model.derivative_targets import with_derivatives
from ffnn_fast._model.predictions import labels
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.sparse_rows import SparseRows
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.sobolev import SobolevNetwork
from ffnn_fast._scalars import as_float
from ffnn_fast._training.epoch_rows import RowsInMemory
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.ranks import ALONE, Alone
from ffnn_fast._training.sampling import class_weights, hold_out

Array = np.ndarray
MISSING = -1


class FitData(NamedTuple):
    """The samples of a fit, checked.

    ``weight`` (n,) holds the weights of the samples times those of their classes, or is None;
    ``rows`` the indices of the samples that count, or None for all; ``fraction`` is the share of
    them to hold out, ``validation_rows`` are others that validate. With several ranks, n and the
    weights are those of all, and ``validates`` is whether the first has validation samples.
    """

    spec: NetworkSpec
    samples: Samples
    weight: Array | None
    rows: Array | None
    validation: Samples | None
    validation_rows: Array | None
    fraction: float
    ranks: Alone = ALONE
    validates: bool = False

    @property
    def n(self) -> int:
        """The number of samples to train on and to hold out."""
        return self.ranks.count(len(self.samples.X) if self.rows is None else len(self.rows))

    @property
    def has_validation(self) -> bool:
        """Whether there are validation samples, given or to be held out."""
        given = self.validation is not None or self.validation_rows is not None
        return given or self.fraction > 0 or self.validates

    def split(
        self, rng: np.random.Generator, draw: Callable[..., tuple[Array, Array]] = hold_out
    ) -> tuple[RowsInMemory, Samples | None]:
        """Training and validation rows; draws from `rng` only if a fraction is held out.

        Raises
        ------
        ValueError
            If the fraction comes to no row, or the weights of a part are all 0.
        """
        spec, rows, training = self.spec, self.rows, "the training rows"
        if self.validation_rows is not None:
            held = self._part(self.validation_rows, "the validation rows")
            return self._training(rows, training), held
        if not self.fraction:
            return self._training(rows, "" if rows is None else training), self.validation
        Y = self.samples.Y if rows is None else self.samples.Y[rows]
        single = spec.task == "classification" and (spec.takes_labels or spec.n_outputs == 1)
        train, out = draw(len(Y), self.fraction, rng, classes_of(spec, Y) if single else None)
        if not len(out):
            by_class = ", since every class keeps a training row" if single else ""
            raise ValueError(
                f"validation_fraction={self.fraction:g} of {len(Y)} rows comes to no row"
                f"{by_class}; give a larger fraction, or validation_data"
            )
        if rows is not None:
            train, out = rows[train], rows[out]
        return self._training(train, training), self._part(out, "the held-out rows")

    def bound(self, bound: BoundNetwork) -> BoundNetwork:
        """The network for these samples; TypeError or ValueError if it cannot take them."""
        bound = bound.taking(self.samples.X)
        return bound if self.samples.derivatives is None else SobolevNetwork.of(bound)

    def _training(self, which: Array | None, name: str) -> RowsInMemory:
        return RowsInMemory(self._part(which, name), self.ranks)

    def _part(self, which: Array | None, name: str = "") -> Samples:
        """Some samples, or all, without a copy of X; the mean of their weights is 1."""
        samples, weight = self.samples, self.weight
        copied = samples.derivatives is not None or isinstance(samples.X, SparseRows)
        if which is not None and copied:
            samples, weight = samples.rows(which), None if weight is None else weight[which]
            which = None
        if weight is not None:
            given = weight if which is None else weight[which]
            name = f"sample_weight of {name}" if name else "sample_weight"
            scaled = as_sample_weight(given, self.spec, len(given), name)
            if which is not None:
                weight = np.zeros(len(weight), self.spec.dtype)
                weight[which] = scaled
            else:
                weight = self.ranks.own(scaled)
        if weight is None and which is None and samples.sample_weight is None:
            return samples
        return replace(samples, sample_weight=weight, order=which)


def as_fit_data(
    spec: NetworkSpec, samples: Samples, request: FitRequest, ranks: Alone = ALONE
) -> FitData:
    """The samples of `ffnn_fast.Network.fit`; TypeError or ValueError if they are not valid."""
    samples = with_derivatives(spec, samples, request.derivatives, request.missing_derivatives)
    n = len(samples.X)
    rows = as_row_indices(request.rows, n, "rows")
    weight = None
    if request.sample_weight is not None:
        weight = ranks.all_rows(as_factors(request.sample_weight, n))
        weight = weight if spec.signed_weights else checked_weights(weight, len(weight))
    if request.class_weight is not None:
        classes = ranks.all_rows(classes_of(spec, samples.Y))
        weight = _times_class_weight(classes, rows, weight, request.class_weight)
    validation = None
    if request.validation_data is not None and ranks.is_first:
        validation = as_samples(
            spec, *as_triple(request.validation_data), "validation ", sparse=True
        )
    fraction = as_float(request.validation_fraction, "validation_fraction", 0, 1, "left")
    validation_rows = as_row_indices(request.validation_rows, n, "validation_rows")
    validates = ranks.from_first(validation is not None)
    data = FitData(
        spec, samples, weight, rows, validation, validation_rows, fraction, ranks, validates
    )
    if (validation is not None) + (validation_rows is not None) + (fraction > 0) > 1:
        given = [("validation_data", validation), ("validation_rows", validation_rows)]
        names = [name for name, value in given if value is not None]
        names += ["validation_fraction"] if fraction else []
        raise ValueError(f"give {' or '.join(names)}, not both")
    if fraction and data.n < 2:
        raise ValueError("validation_fraction needs at least 2 rows")
    return data


def as_row_indices(rows: Any, n: int, name: str) -> Array | None:
    """Indices of rows, (m,) int64, from indices or a mask (n,) of bools; None for None.

    Raises
    ------
    TypeError, ValueError
        If they are neither, none, or not all in 0..n-1.
    """
    if rows is None:
        return None
    given = as_numbers(rows, name)
    if given.dtype == bool and given.shape == (n,):
        given = np.flatnonzero(given)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be a vector of integers, or ({n},) bools; got {given.dtype} of shape "
            f"{given.shape}"
        )
    if not len(given):
        raise ValueError(f"{name} must name at least one row, got none")
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= n:
        raise ValueError(f"{name} must be in 0..{n - 1}, got {low if low < 0 else high}")
    return np.ascontiguousarray(given, dtype=np.int64)


def _times_class_weight(
    classes: Array, rows: Array | None, weight: Array | None, given: Any
) -> Array:
    """The weights (n,) times those of the classes; of rows that do not count times 1."""
    by_class = np.ones(len(classes))
    which = np.arange(len(classes)) if rows is None else rows
    which = which[classes[which] != MISSING]
    by_class[which] = class_weights(given, classes[which])
    name = "class_weight" if weight is None else "sample_weight times class_weight"
    product = by_class if weight is None else weight * by_class
    checked_weights(product, len(product), name)
    return product


def classes_of(spec: NetworkSpec, Y: Array) -> Array:
    """The class of each sample, (n,); `MISSING` where its target is NaN."""
    classes = labels(spec, Y)
    return classes if Y.ndim == 1 else np.where(np.isnan(Y).any(axis=1), MISSING, classes)


def as_triple(given: Any) -> tuple[Any, Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError(
            "validation_data must be (X, y) or (X, y, sample_weight); a fit on RowBlocks also "
            f"takes RowBlocks; got {type(given).__name__}"
        )
    return given[0], given[1], given[2] if len(given) == 3 else None
