"""Derivatives of the outputs and losses with respect to inputs and parameters.

n rows, n_k units of layer k, P parameters; the functions of the engine, same signatures.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._model.dropout_masks import Mask
from ffnn_fast._reference.propagation import (
    Plan,
    back_propagation,
    dense_targets,
    forward_propagation,
    output_gradient,
)
from ffnn_fast.activations import activation_of

Array = np.ndarray


def vjp_workspace_size(plan: Plan, n: int) -> int:
    """Elements of scratch for `vjp` and `input_gradient` on `n` rows: none."""
    return 0


def vjp(
    plan: Plan,
    params: Array,
    X: Array,
    grad_y_hat: Array,
    y_hat: Array | None,
    grad: Array | None,
    grad_X: Array | None,
    work: Array | None,
    mask: Mask | None = None,
) -> None:
    """ŷ, (n, n_L), grad := Σ_i (∂ŷ_i/∂θ)ᵀ u_i, (P,), grad_X := (∂ŷ_i/∂x_i)ᵀ u_i, (n, n_0).

    u_i are the rows of grad_y_hat, (n, n_L). Each of the three outputs may be None.
    """
    spec = plan.spec
    a, h = forward_propagation(plan, params, X, mask)
    output = activation_of(spec.output, spec.heads)
    da_L = output.jacobian_product(a[-1], h[-1], grad_y_hat)
    _, dh, dW, db = back_propagation(plan, params, a, h, da_L, mask)
    if y_hat is not None:
        y_hat[...] = h[-1]
    if grad_X is not None:
        grad_X[...] = dh[0]
    if grad is not None:
        for k, (gW, gb) in enumerate(zip(spec.weights(grad), spec.biases(grad), strict=True), 1):
            gW[...], gb[...] = dW[k], db[k]


def input_gradient(
    plan: Plan,
    params: Array,
    X: Array,
    Y: Array,
    sample_weight: Array | None,
    grad_X: Array,
    work: Array | None,
) -> None:
    """grad_X := ∂(w_i ℓ_i)/∂x_i, (n, n_0), of each row's own loss; without the penalty."""
    a, h = forward_propagation(plan, params, X)
    da_L = output_gradient(plan, h[-1], dense_targets(plan, Y), a[-1])
    if sample_weight is not None:
        da_L = sample_weight[:, None] * da_L
    grad_X[...] = back_propagation(plan, params, a, h, da_L)[1][0]
