"""The residuals of derivatives that are fitted, for Levenberg-Marquardt.

r_ijd = √(c w_i v_j / n) (∂ŷ_ij/∂x_d − D_ijd), c the weight of the derivatives; none where D is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._reference.taylor import derivative_of
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.sobolev import slope_errors
from ffnn_fast._runtime.taylor_calls import taylor_jacobian
from ffnn_fast.activations import Activation, activation_of

Array = np.ndarray
BLOCK = 512  # residuals whose rows of J are held at once
PANEL = 16  # samples at least


def check_second_derivatives(spec: NetworkSpec) -> None:
    """ValueError if a user-defined activation has no second derivative."""
    for name in spec.layer_activations:
        g = activation_of(name, spec.heads)
        if isinstance(g, Activation):
            derivative_of(g, "second", np.zeros((1, 1)))


def add_slopes(
    bound: BoundNetwork,
    samples: Samples,
    D: Array,
    output_weight: Array | None,
    H: Array,
    g: Array,
    product: Array,
) -> None:
    """H += JᵀJ and g += Jᵀr of the residuals of derivatives D; `product` is scratch like H."""
    errors, scale = slope_errors(bound, samples, D)
    scale = scale if output_weight is None else scale * output_weight
    factors = np.sqrt(np.where(np.isnan(D), 0, scale))
    residuals = factors * errors
    for rows, directions in _blocks(bound.spec, len(errors)):
        X = samples.X[rows]
        units = np.eye(bound.spec.n_inputs)[directions]
        V = np.ascontiguousarray(np.broadcast_to(units, (len(X), *units.shape)))
        J = taylor_jacobian(bound, X, V)
        J *= factors[rows, directions, :, None]
        columns = J.reshape(-1, len(g))
        np.matmul(columns.T, columns, out=product)
        H += product
        g += residuals[rows, directions].ravel() @ columns


def slope_squares(
    bound: BoundNetwork, samples: Samples, D: Array, output_weight: Array | None
) -> tuple[float, int]:
    """Σ c w_i v_j (∂ŷ_ij/∂x_d − D_ijd)² and the number of these residuals."""
    errors, scale = slope_errors(bound, samples, D)
    scale = scale if output_weight is None else scale * output_weight
    count = errors.size - int(np.isnan(D).sum())
    return len(errors) * float((scale * errors**2).sum()), count


def _blocks(spec: NetworkSpec, n: int) -> Iterator[tuple[slice, slice]]:
    """Rows and directions, about BLOCK residuals each."""
    directions = min(spec.n_inputs, max(1, BLOCK // (PANEL * spec.n_outputs)))
    rows = max(PANEL, BLOCK // (directions * spec.n_outputs) // PANEL * PANEL)
    for start in range(0, n, rows):
        for first in range(0, spec.n_inputs, directions):
            yield slice(start, start + rows), slice(first, first + directions)
