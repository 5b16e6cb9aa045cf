"""Derivatives ∂ŷ/∂x to be fitted, as the user gives them: checked and converted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast._conversion import as_numbers_and_missing
from ffnn_fast._model.arrays import as_finite
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._scalars import as_choice, as_float

Array = np.ndarray


def with_derivatives(
    spec: NetworkSpec, samples: Samples, derivatives: Any, missing_derivatives: Any
) -> Samples:
    """The samples with ``derivatives = (dY_dX, weight)``; without any for None.

    Raises
    ------
    TypeError, ValueError
        If `derivatives` is not a pair; if dY_dX does not hold finite numbers in the shape
        (n, n_L, n_0), also (n, n_0) for one output, or holds NaN unless `missing_derivatives` is
        "ignore"; if the weight is not positive and finite; if the network has dropout.
    """
    missing = as_choice(missing_derivatives, "missing_derivatives", ("refuse", "ignore"))
    if derivatives is None:
        return samples
    if not isinstance(derivatives, (tuple, list)) or len(derivatives) != 2:
        raise TypeError("derivatives must be a pair (dY_dX, weight)")
    if any(spec.dropout_rates):
        raise ValueError("derivatives cannot be fitted by a network with dropout")
    given, weight = derivatives
    D = _as_slopes(given, spec, len(samples.X), ignore=missing == "ignore")
    return samples.with_derivatives(D, as_float(weight, "the weight of derivatives"))


def _as_slopes(given: Any, spec: NetworkSpec, n: int, ignore: bool) -> Array:
    """dY_dX as (n, n_0, n_L)."""
    name, shape = "dY_dX of derivatives", (n, spec.n_outputs, spec.n_inputs)
    values, hidden = as_numbers_and_missing(given, name)
    if hidden is not None:
        values = np.where(hidden, np.nan, values)
    if values.shape != shape and not (shape[1] == 1 and values.shape == (n, spec.n_inputs)):
        raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    if not ignore and np.isnan(values).any():
        raise ValueError(
            f"{name} holds NaN in {int(np.isnan(values).sum())} entries; give "
            'missing_derivatives="ignore" to pass over them'
        )
    slopes = values.reshape(shape).transpose(0, 2, 1)
    return as_finite(slopes, spec.dtype, name, allow_nan=ignore)
