"""Derivatives along directions: in the inputs, their reverse, and ∇²ℒ v in θ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._model.arrays import as_rows
from ffnn_fast._model.directions import as_directions, as_gradient
from ffnn_fast._model.samples import Samples
from ffnn_fast._public import public
from ffnn_fast._reference.hessian import check_curvature
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty

Array = np.ndarray


@public()
class Taylor(NamedTuple):
    """The first terms of ŷ(x + t v) = ŷ + t J v + t²/2 vᵀ H v + ...; see `Network.taylor`.

    Attributes
    ----------
    y_hat : ndarray of shape (n, n_L)
        ŷ.
    first : ndarray of shape (n, n_L) or (n, m, n_L)
        J v: the first derivatives along the directions.
    second : ndarray of the same shape
        vᵀ H v of each output: the second derivatives along the directions.
    """

    y_hat: Array
    first: Array
    second: Array


def taylor(
    bound: BoundNetwork,
    X: Array,
    V: Array | None,
    wanted: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array, Array, Array]:
    """ŷ (n, n_L), J v and vᵀ H v, (n, m, n_L), for V (n, m, n_0); None: the unit vectors.

    What is not `wanted` is empty.
    """
    spec, n = bound.spec, len(X)
    spec.require_plain("a Taylor derivative")
    m = spec.n_inputs if V is None else V.shape[1]
    shapes = ((spec.n_outputs,), (m, spec.n_outputs), (m, spec.n_outputs))
    y_hat, first, second = (
        np.empty((n if needed else 0, *shape), spec.dtype)
        for needed, shape in zip(wanted, shapes, strict=True)
    )
    given = (array if len(array) else None for array in (y_hat, first, second))
    work = taylor_workspace(bound, n)
    bound._call(bound.backend.taylor, n, 1 + 2 * m, X, V, *given, work)
    return y_hat, first, second


def taylor_workspace(bound: BoundNetwork, n: int) -> Array:
    """Scratch for the Taylor passes on n rows."""
    return aligned_empty(bound.backend.taylor_workspace_size(bound.plan, n), bound.spec.dtype)


def taylor_gradient(
    bound: BoundNetwork,
    X: Array,
    V: Array | None,
    gradients: tuple[Array | None, Array | None, Array | None],
    grad: Array | None = None,
) -> Array:
    """∇θ, (P,), from the gradients by the results of `taylor`; None is 0."""
    spec, n = bound.spec, len(X)
    spec.require_plain("a Taylor derivative")
    m = spec.n_inputs if V is None else V.shape[1]
    if grad is None:
        grad = aligned_empty(spec.n_params, spec.dtype)
    work = taylor_workspace(bound, n)
    bound._call(bound.backend.taylor_gradient, n, 3 + 6 * m, X, V, *gradients, grad, work)
    return grad


def taylor_jacobian(bound: BoundNetwork, X: Array, V: Array | None) -> Array:
    """∂(J v)/∂θ of every row, (n, m, n_L, P), for V (n, m, n_0); None: the unit vectors."""
    spec, n = bound.spec, len(X)
    m = spec.n_inputs if V is None else V.shape[1]
    rows = np.empty((n, m * spec.n_outputs, spec.n_params), spec.dtype)
    work = taylor_workspace(bound, n)
    passes = 1 + 100 * m * spec.n_outputs  # as `BoundNetwork.parameter_jacobian`
    bound._call(bound.backend.taylor_jacobian, n, passes, X, V, rows, work)
    return rows.reshape(n, m, spec.n_outputs, spec.n_params)


def hessian_product(bound: BoundNetwork, samples: Samples, v: Array) -> Array:
    """∇²ℒ v, (P,), of the objective with its l2 penalty, for v (P,).

    Raises
    ------
    ValueError
        If a user-defined function has no second derivative.
    """
    bound.spec.require_plain("hvp")
    check_curvature(bound.spec)
    X, Y, weight = samples.X, samples.Y, samples.sample_weight
    n, work = len(X), taylor_workspace(bound, len(X))
    product = aligned_empty(bound.spec.n_params, bound.spec.dtype)
    bound._call(bound.backend.hessian_product, n, 9, v, X, Y, weight, product, work)
    return product


def taylor_of(bound: BoundNetwork, X: Any, V: Any) -> Taylor:
    """See `ffnn_fast.Network.taylor`."""
    rows, single = as_rows(X, bound.spec)
    directions, lead = as_directions(V, bound.spec, len(rows), single)
    y_hat, first, second = taylor(bound, rows, directions)
    shape = (*lead, bound.spec.n_outputs)
    y_hat = y_hat[0] if single else y_hat
    return Taylor(y_hat, first.reshape(shape), second.reshape(shape))


def taylor_gradient_of(
    bound: BoundNetwork, X: Any, V: Any, gradients: tuple[Any, Any, Any]
) -> Array:
    """See `ffnn_fast.Network.taylor_gradient`."""
    spec = bound.spec
    rows, single = as_rows(X, spec)
    directions, lead = as_directions(V, spec, len(rows), single)
    n, m, k = len(rows), directions.shape[1], spec.n_outputs
    outputs = (k,) if single else (n, k)
    y_hat, first, second = gradients
    given = (
        as_gradient(y_hat, outputs, (n, k), spec, "grad_y_hat"),
        as_gradient(first, (*lead, k), (n, m, k), spec, "grad_first"),
        as_gradient(second, (*lead, k), (n, m, k), spec, "grad_second"),
    )
    return taylor_gradient(bound, rows, directions, given)


def hessian_diagonal(bound: BoundNetwork, X: Any) -> Array:
    """See `ffnn_fast.Network.input_hessian_diagonal`."""
    rows, single = as_rows(X, bound.spec)
    _, _, second = taylor(bound, rows, None, (False, False, True))
    diagonal = np.ascontiguousarray(second.transpose(0, 2, 1))
    return diagonal[0] if single else diagonal
