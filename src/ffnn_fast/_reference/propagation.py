"""Forward propagation and back-propagation, formula by formula as in the lecture.

n rows, n_k units of layer k; a[k], h[k], da[k], dh[k] are (n, n_k), W_k is (n_k, n_{k-1}).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.dropout_masks import Mask, drop
from ffnn_fast._model.sparse_rows import SparseRows
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._reference.input_blocks import input_units
from ffnn_fast.activations import activation_of, by_head
from ffnn_fast.losses import CANONICAL, FROM_LOGITS, canonical_gradient, loss_of

Array = np.ndarray


@public("ffnn_fast.reference")
class Plan:
    """A network as the functions below take it: here, its description.

    Parameters
    ----------
    spec : NetworkSpec
    n_threads, matmul, sparse
        Of the compiled engine; not used here.
    """

    def __init__(
        self, spec: NetworkSpec, n_threads: int = 1, matmul: str = "own", sparse: bool = False
    ) -> None:
        self.spec = spec


def forward_propagation(
    plan: Plan, params: Array, X: Array, mask: Mask | None = None
) -> tuple[list[Array], list[Array]]:
    """All a_k and h_k (modules 4.1 and 4.8): a_k = b_k + W_k h_{k-1}, h_k = g(a_k), ŷ = O(a_L).

    With a mask, layer k + 1 takes ``drop(h_k)`` in place of h_k, as listed. Of an input block h_0
    are the units; parametric activations have h_k = a_k + (g(a_k) − a_k) ⊙ α_k. X may be
    `SparseRows`.
    """
    spec = plan.spec
    a, h = [X], [input_units(spec, params, X)]
    alphas = spec.alphas(params)
    layers = zip(
        spec.weights(params),
        spec.biases(params),
        spec.layer_activations,
        spec.dropout_rates,
        strict=True,
    )
    for k, (W, b, g, rate) in enumerate(layers):
        a.append(b + matrix_product(drop(h[k], mask, k, rate), W.T))
        h.append(activation_of(g, spec.heads).function(a[-1]))
        if not isinstance(g, str):
            g.check_function(a[-1], h[-1])
        if k < len(alphas):
            h[-1] = a[-1] + (h[-1] - a[-1]) * alphas[k]
    return a, h


def dense_targets(plan: Plan, Y: Array) -> Array:
    """Y as (n, T) targets: integer labels ℓ become e(ℓ), the one-hot vectors of module 4.5.

    Those of several heads are dense already.
    """
    if Y.ndim == 2:
        return Y
    return np.eye(plan.spec.n_outputs, dtype=plan.spec.dtype)[Y]


def heads_of(plan: Plan, y: Array, *outputs: Array) -> list[tuple[Plan, float, tuple[Array, ...]]]:
    """Each head as a network, the weight of its loss, and its columns of y and the outputs."""
    spec = plan.spec
    parts = zip(by_head(spec.target_widths, y), by_head(spec.head_widths, *outputs), strict=True)
    heads = zip(spec.head_specs, spec.head_weights, parts, strict=True)
    return [(Plan(head), weight, (*first, *rest)) for head, weight, (first, rest) in heads]


def output_gradient(plan: Plan, y_hat: Array, y: Array, a_L: Array) -> Array:
    """∇a_L of every sample (module 4.5): −(e(y) − ŷ) for canonical pairs, else J_Oᵀ ∇ŷ, which for
    pairs in `FROM_LOGITS` is one formula of a_L; of each head times its weight.
    """
    heads = heads_of(plan, y, a_L, y_hat)
    return _weighted(delta_of_head, heads)


def _weighted(
    gradient: Callable[..., Array], heads: list[tuple[Plan, float, tuple[Array, ...]]]
) -> Array:
    """A gradient of each head times its weight, side by side; 0 for weight 0, however large."""
    parts = [
        weight * gradient(head, *arrays) if weight else np.zeros_like(arrays[-1])
        for head, weight, arrays in heads
    ]
    return np.hstack(parts)


def delta_of_head(plan: Plan, y: Array, a_L: Array, y_hat: Array) -> Array:
    """∇a_L for the targets and outputs of one head, without its weight."""
    spec = plan.spec
    if (spec.output, spec.loss) in FROM_LOGITS:
        delta: Array = FROM_LOGITS[spec.output, spec.loss][1](a_L, y, **spec.loss_options)
        return delta
    gradient = gradient_of_head(plan, y, y_hat)
    if (spec.output, spec.loss) in CANONICAL:
        return gradient
    return activation_of(spec.output).jacobian_product(a_L, y_hat, gradient)


def gradient_of_head(plan: Plan, y: Array, y_hat: Array) -> Array:
    """−(e(y) − ŷ) for canonical pairs, else ∇ŷ, for the targets and outputs of one head."""
    spec = plan.spec
    if (spec.output, spec.loss) not in CANONICAL:
        return _loss_gradient_of_head(plan, y, y_hat)
    gradient = canonical_gradient(y_hat, y, spec.loss, **spec.loss_options)
    return without_missing(plan, gradient, y)


def outputs_gradient(plan: Plan, y_hat: Array, y: Array) -> Array:
    """∇ŷ of every sample, (n, n_L), for every output and loss (module 4.5): −e(ℓ)/ŷ_ℓ for
    cross-entropy.
    """
    heads = heads_of(plan, y, y_hat)
    return _weighted(_loss_gradient_of_head, heads)


def _loss_gradient_of_head(plan: Plan, y: Array, y_hat: Array) -> Array:
    formulas = loss_of(plan.spec.loss)
    gradient = formulas.gradient(y_hat, y, **plan.spec.loss_options)
    if not isinstance(plan.spec.loss, str):
        formulas.check_gradient(gradient, y_hat)
    return without_missing(plan, gradient, y)


def without_missing(plan: Plan, gradient: Array, y: Array) -> Array:
    """The gradient with zeros where the network ignores a missing target."""
    if plan.spec.missing_targets != "ignore":
        return gradient
    missing = loss_of(plan.spec.loss).over_outputs(np.isnan(y), gradient.shape[1])
    return np.where(missing, np.zeros((), gradient.dtype), gradient)


def back_propagation(
    plan: Plan,
    params: Array,
    a: list[Array],
    h: list[Array],
    da_L: Array,
    mask: Mask | None = None,
) -> tuple[list[Array], list[Array], list[Array], list[Array]]:
    """∇a_k, ∇h_k, ∇W_k, ∇b_k for k = L..1 (modules 4.6 to 4.8); a list's unused entry is empty, as
    ∇h_0 of sparse rows is.
    """
    spec = plan.spec
    L, W, rates = spec.n_layers, spec.weights(params), spec.dropout_rates
    da, dh, dW, db = ([np.empty(0)] * (L + 1) for _ in range(4))
    da[L] = da_L
    for k in range(L, 0, -1):
        # module 4.7, gradients w.r.t. parameters: ∇W_k = ∇a_k h_{k-1}ᵀ, ∇b_k = ∇a_k
        dW[k] = matrix_product(da[k].T, drop(h[k - 1], mask, k - 1, rates[k - 1]))
        db[k] = da[k].sum(axis=0)
        if isinstance(h[k - 1], SparseRows):
            break
        # module 4.6, gradients w.r.t. the layer below: ∇h_{k-1} = W_kᵀ ∇a_k
        dh[k - 1] = drop(matrix_product(da[k], W[k - 1]), mask, k - 1, rates[k - 1])
        # and its pre-activation (g' of module 4.9): ∇a_{k-1} = ∇h_{k-1} ⊙ g'(a_{k-1})
        if k > 1:
            g = activation_of(spec.layer_activations[k - 2])
            if spec.parametric:
                alpha, g_a = spec.alphas(params)[k - 2], g.function(a[k - 1])
                slopes = g.jacobian_product(a[k - 1], g_a, dh[k - 1] * alpha)
                da[k - 1] = slopes + dh[k - 1] * (1 - alpha)
            else:
                da[k - 1] = g.jacobian_product(a[k - 1], h[k - 1], dh[k - 1])
    return da, dh, dW, db


def penalty(plan: Plan, params: Array) -> float:
    """Σ_k l2_k/2 ‖W_k‖² + l1_k Σ|W_k|; biases are not penalised."""
    spec, total = plan.spec, 0.0
    for W, l1, l2 in zip(spec.weights(params), spec.layer_l1, spec.layer_l2, strict=True):
        if l2 != 0:
            total += 0.5 * l2 * float((W.astype(np.float64) ** 2).sum())
        if l1 != 0:
            total += l1 * float(np.abs(W).sum(dtype=np.float64))
    return total


def matrix_product(A: Array, B: Array) -> Array:
    """A @ B, without NumPy's warning of an invalid value, as in the compiled engine.

    NumPy has given that warning for products of finite matrices with finite, correct results. What
    is not finite shows in the loss and in θ. A or B may be `SparseRows`.
    """
    if isinstance(A, SparseRows):
        return A.matrix @ B
    if isinstance(B, SparseRows):
        return np.ascontiguousarray((B.matrix.T @ A.T).T)
    AB: Array = ignoring("invalid", np.matmul, A, B)
    return AB
