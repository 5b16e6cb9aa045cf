"""Derivatives of the outputs and losses with respect to inputs and parameters.

n rows, n_k units of layer k, P parameters; the functions of the engine, same signatures.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._model.dropout_masks import Mask
from ffnn_fast._reference.input_blocks import columns_gradient, further_gradient
from ffnn_fast._reference.propagation import (
    Plan,
    back_propagation,
    dense_targets,
    forward_propagation,
    matrix_product,
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
        grad_X[...] = columns_gradient(spec, params, X, dh[0])
    if grad is not None:
        for k, (gW, gb) in enumerate(zip(spec.weights(grad), spec.biases(grad), strict=True), 1):
            gW[...], gb[...] = dW[k], db[k]
        further_gradient(spec, params, X, a, dh, grad)


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
    dh = back_propagation(plan, params, a, h, da_L)[1]
    grad_X[...] = columns_gradient(plan.spec, params, X, dh[0])


def jacobian_workspace_size(plan: Plan, n: int) -> int:
    """Elements of scratch for the Jacobians and `jvp` on `n` rows: none."""
    return 0


def input_jacobian(
    plan: Plan, params: Array, X: Array, y_hat: Array | None, J: Array, work: Array | None
) -> None:
    """J := ∂ŷ_i/∂x_i of every row, (n, n_L, n_0), and ŷ, (n, n_L), unless None."""
    a, h = forward_propagation(plan, params, X)
    for j in range(plan.spec.n_outputs):
        J[:, j] = _back_from_output(plan, params, a, h, j)[1][0]
    if y_hat is not None:
        y_hat[...] = h[-1]


def jvp(
    plan: Plan,
    params: Array,
    X: Array,
    V: Array,
    y_hat: Array | None,
    out: Array,
    work: Array | None,
) -> None:
    """out := (∂ŷ_i/∂x_i) v_i, (n, n_L), for the rows v_i of V, (n, n_0), and ŷ unless None."""
    spec, t = plan.spec, V
    a, h = forward_propagation(plan, params, X)
    for k, (W, g) in enumerate(zip(spec.weights(params), spec.layer_activations, strict=True), 1):
        # ∂h_k/∂x v = (∂h_k/∂a_k) W_k (∂h_{k-1}/∂x v); ∂h_k/∂a_k is symmetric
        t = activation_of(g, spec.heads).jacobian_product(a[k], h[k], matrix_product(t, W.T))
    out[...] = t
    if y_hat is not None:
        y_hat[...] = h[-1]


def parameter_jacobian(plan: Plan, params: Array, X: Array, J: Array, work: Array | None) -> None:
    """J := ∂ŷ_i/∂θ of every row, (n, n_L, P)."""
    spec, n = plan.spec, len(X)
    a, h = forward_propagation(plan, params, X)
    for j in range(spec.n_outputs):
        da = _back_from_output(plan, params, a, h, j)[0]
        for k, (w, b) in enumerate(spec.offsets, start=1):
            # the sum over rows of module 4.7 left out
            J[:, j, w:b] = (da[k][:, :, None] * h[k - 1][:, None, :]).reshape(n, -1)
            J[:, j, b : b + da[k].shape[1]] = da[k]


def _back_from_output(
    plan: Plan, params: Array, a: list[Array], h: list[Array], j: int
) -> tuple[list[Array], list[Array], list[Array], list[Array]]:
    """back_propagation of ŷ_j, that of every row."""
    e_j = np.zeros_like(h[-1])
    e_j[:, j] = 1
    output = activation_of(plan.spec.output, plan.spec.heads)
    return back_propagation(plan, params, a, h, output.jacobian_product(a[-1], h[-1], e_j))
