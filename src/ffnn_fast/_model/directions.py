"""Directions in the space of inputs or of θ, and gradients of the derivatives along them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast._conversion import as_numbers
from ffnn_fast._model.arrays import as_finite
from ffnn_fast._model.spec import NetworkSpec

Array = np.ndarray


def as_directions(V: Any, spec: NetworkSpec, n: int, single: bool) -> tuple[Array, tuple[int, ...]]:
    """Directions as finite (n, m, n_0), and the leading shape of results: (n,) or (n, m), without n
    for one sample.

    Raises
    ------
    TypeError, ValueError
        If V is not (n_0,), one direction for all rows; (n, n_0), one for each; or (n, m, n_0); for
        one sample (n_0,) or (m, n_0).
    """
    given, inputs = as_numbers(V, "V"), spec.n_inputs
    rows = given[None] if single else given
    if rows.ndim == 1 and rows.shape == (inputs,):
        rows = np.broadcast_to(rows, (n, inputs))
    if rows.ndim not in (2, 3) or rows.shape[0] != n or rows.shape[-1] != inputs or not rows.size:
        forms = f"(m, {inputs})" if single else f"({n}, {inputs}) or ({n}, m, {inputs})"
        raise ValueError(f"V must have shape ({inputs},), {forms}, got {given.shape}")
    lead = rows.shape[1:-1] if single else rows.shape[:-1]
    m = 1 if rows.ndim == 2 else rows.shape[1]
    return as_finite(rows.reshape(n, m, inputs), spec.dtype, "V"), lead


def as_gradient(
    value: Any, shape: tuple[int, ...], inner: tuple[int, ...], spec: NetworkSpec, name: str
) -> Array | None:
    """A gradient of this shape as finite and of shape `inner`; None stays None.

    Raises
    ------
    TypeError, ValueError
        If it does not hold finite real numbers in that shape.
    """
    if value is None:
        return None
    given = as_numbers(value, name)
    if given.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {given.shape}")
    return as_finite(given.reshape(inner), spec.dtype, name)


def as_vector(v: Any, spec: NetworkSpec, name: str = "v") -> Array:
    """A vector laid out like θ, (P,), finite and of the network's dtype; TypeError or ValueError
    if it is none.
    """
    given = as_numbers(v, name)
    if given.shape != (spec.n_params,):
        raise ValueError(f"{name} must have shape ({spec.n_params},), got {given.shape}")
    return as_finite(given, spec.dtype, name)
