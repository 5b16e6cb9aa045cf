"""Derivatives of a network's outputs and losses, from arguments as a user gives them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._conversion import as_numbers
from ffnn_fast._model.arrays import as_factors, as_finite, as_rows, as_targets
from ffnn_fast._model.samples import Samples
from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork

Array = np.ndarray


@public()
class VJP(NamedTuple):
    """Result of `ffnn_fast.Network.vjp`, of the network's dtype.

    Attributes
    ----------
    y_hat : ndarray of shape (n, n_L), or (n_L,) for one sample
        ŷ.
    grad_params : ndarray of shape (P,)
        Σ_i (∂ŷ_i/∂θ)ᵀ u_i, laid out like ``params``.
    grad_X : ndarray of shape (n, n_0), or (n_0,) for one sample
        (∂ŷ_i/∂x_i)ᵀ u_i, row by row.
    """

    y_hat: Array
    grad_params: Array
    grad_X: Array


def vjp(bound: BoundNetwork, X: Any, grad_y_hat: Any) -> VJP:
    """See `ffnn_fast.Network.vjp`."""
    rows, single = as_rows(X, bound.spec)
    u = _as_vectors(grad_y_hat, bound, len(rows), bound.spec.n_outputs, single, "grad_y_hat")
    y_hat, grad, grad_X = bound.vjp(rows, u)
    return VJP(y_hat[0], grad, grad_X[0]) if single else VJP(y_hat, grad, grad_X)


def input_gradient(bound: BoundNetwork, X: Any, y: Any, sample_weight: Any) -> Array:
    """See `ffnn_fast.Network.input_gradient`."""
    rows, single = as_rows(X, bound.spec)
    targets = as_targets(y, bound.spec, len(rows))
    weight = None
    if sample_weight is not None:
        given = [sample_weight] if single and np.ndim(sample_weight) == 0 else sample_weight
        weight = as_factors(given, len(rows), dtype=bound.spec.dtype)
    grad_X = bound.input_gradient(Samples(rows, targets, weight))
    return grad_X[0] if single else grad_X


def jacobian(bound: BoundNetwork, X: Any) -> Array:
    """See `ffnn_fast.Network.jacobian`."""
    bound.spec.require_plain("jacobian")
    rows, single = as_rows(X, bound.spec)
    J = bound.jacobian(rows)
    return J[0] if single else J


def jvp(bound: BoundNetwork, X: Any, V: Any) -> tuple[Array, Array]:
    """See `ffnn_fast.Network.jvp`."""
    bound.spec.require_plain("jvp")
    rows, single = as_rows(X, bound.spec)
    V = _as_vectors(V, bound, len(rows), bound.spec.n_inputs, single, "V")
    y_hat, out = bound.jvp(rows, V)
    return (y_hat[0], out[0]) if single else (y_hat, out)


def parameter_jacobian(bound: BoundNetwork, X: Any) -> Array:
    """See `ffnn_fast.Network.parameter_jacobian`."""
    bound.spec.require_plain("parameter_jacobian")
    rows, single = as_rows(X, bound.spec)
    J = bound.parameter_jacobian(rows)
    return J[0] if single else J


def _as_vectors(
    given: Any, bound: BoundNetwork, n: int, width: int, single: bool, name: str
) -> Array:
    """Finite vectors as (n, width), one for each row of X.

    Raises
    ------
    TypeError, ValueError
        If they are not numbers, of another shape, or hold NaN or infinity.
    """
    vectors = as_numbers(given, name)
    expected = (width,) if single else (n, width)
    if vectors.shape != expected:
        raise ValueError(
            f"{name} must have shape {expected}, a vector for each row of X; got {vectors.shape}"
        )
    return as_finite(vectors.reshape(n, width), bound.spec.dtype, name)
