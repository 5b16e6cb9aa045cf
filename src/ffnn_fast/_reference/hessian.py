"""The product of ∇²ℒ with a vector v of θ's shape, forward over reverse: NumPy twins, and ∇a_L.

Along v, with V_k, c_k in the places of W_k, b_k: ȧ_k = V_k h_{k-1} + c_k + W_k ḣ_{k-1}, ḣ = g' ȧ.
R is the derivative along v of a gradient (B. A. Pearlmutter, *Fast Exact Multiplication by the
Hessian*, Neural Computation 6, 1994).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._reference.propagation import (
    Plan,
    dense_targets,
    heads_of,
    output_gradient,
    outputs_gradient,
    without_missing,
)
from ffnn_fast._reference.propagation import matrix_product as times
from ffnn_fast._reference.taylor import derivative_of
from ffnn_fast.activations import (
    Activation,
    OutputFunction,
    Softmax,
    activation_of,
    logistic,
    softmax,
)
from ffnn_fast.losses import CANONICAL, FLOOR, smoothed

Array = np.ndarray


def _forward(
    spec: NetworkSpec, params: Array, v: Array, X: Array
) -> tuple[list[Array], list[Array], list[Array], list[Array]]:
    """a, ȧ of layers 1..L, and h, ḣ of layers 0..L-1."""
    a, a1, h, h1 = [], [], [X], [np.zeros_like(X)]
    layers = zip(
        spec.weights(params), spec.biases(params), spec.weights(v), spec.biases(v),
        spec.layer_activations, strict=True,
    )  # fmt: skip
    for k, (W, b, V, c, name) in enumerate(layers, start=1):
        a.append(b + times(h[-1], W.T))
        a1.append(c + times(h[-1], V.T) + times(h1[-1], W.T))
        if k < spec.n_layers:
            g = activation_of(name)
            h.append(g.function(a[-1]))
            h1.append(g.jacobian_product(a[-1], h[-1], a1[-1]))
    return a, a1, h, h1


def hessian_product(
    plan: Plan,
    params: Array,
    v: Array,
    X: Array,
    Y: Array,
    sample_weight: Array | None,
    product: Array,
    work: Array | None,
) -> None:
    """product := ∇²ℒ v of the objective, (P,), for a vector v of θ's shape."""
    spec, n = plan.spec, len(X)
    a, a1, h, h1 = _forward(spec, params, v, X)
    scale = np.asarray(1 / n if sample_weight is None else sample_weight[:, None] / n, spec.dtype)
    gradients = output_gradient_tangent(plan, a[-1], a1[-1], dense_targets(plan, Y))
    da, r = (scale * each for each in gradients)
    W, V = spec.weights(params), spec.weights(v)
    outputs = list(zip(spec.weights(product), spec.biases(product), strict=True))
    for k in range(spec.n_layers - 1, -1, -1):
        outputs[k][0][...] = times(r.T, h[k]) + times(da.T, h1[k]) + spec.layer_l2[k] * V[k]
        outputs[k][1][...] = r.sum(axis=0)
        if k > 0:
            g = activation_of(spec.layer_activations[k - 1])
            dh, rh = times(da, W[k]), times(r, W[k]) + times(da, V[k])
            second = derivative_of(g, "second", a[k - 1])
            da = g.jacobian_product(a[k - 1], h[k], dh)
            r = g.jacobian_product(a[k - 1], h[k], rh) + second * a1[k - 1] * dh


def _gaussian(p: Array, y: Array, v: Array) -> Array:
    mu, s = np.hsplit(p, 2)
    v_mu, v_s = np.hsplit(v, 2)
    precision, d = np.exp(-s), y - mu
    mixed = d * precision
    return np.hstack([precision * v_mu + mixed * v_s, mixed * v_mu + 0.5 * d * mixed * v_s])


def _binary(p: Array, y: Array, v: Array, label_smoothing: float = 0.0) -> Array:
    y = smoothed(y, label_smoothing, 2)
    return _share(y, p) * v + _share(1 - y, 1 - p) * v


def _cross_entropy(p: Array, y: Array, v: Array, label_smoothing: float = 0.0) -> Array:
    return _share(smoothed(y, label_smoothing, y.shape[1]), p) * v


def _share(y: Array, p: Array) -> Array:
    """y / p² with 0 / 0 = 0."""
    return np.where(y == 0, 0, y / np.where(y == 0, 1, p * p))


def _unchanged(p: Array, y: Array, v: Array, **options: Any) -> Array:
    return v


def _nothing(p: Array, y: Array, v: Array, **options: Any) -> Array:
    return np.zeros_like(v)


# ∂²ℓ/∂ŷ² v of the losses, (n, n_L); 0 for straight lines, at a kink too.
CURVATURES: dict[str, Callable[..., Array]] = {
    "cross_entropy": _cross_entropy,
    "squared_error": lambda p, y, v: 2 * v,
    "half_squared_error": lambda p, y, v: v.copy(),
    "binary_cross_entropy": _binary,
    "absolute": _nothing,
    "huber": lambda p, y, v, delta: np.where(np.abs(p - y) < delta, v, np.zeros((), v.dtype)),
    "log_cosh": lambda p, y, v: (1 - np.tanh(p - y) ** 2) * v,
    "poisson": lambda p, y, v: np.where(p > FLOOR, y / np.maximum(p, FLOOR) ** 2, 0) * v,
    "quantile": _nothing,
    "gaussian_nll": _gaussian,
    "hinge": _nothing,
    "linear": _nothing,
}


def _softmax_product(q: Array, v: Array) -> Array:
    """J_q v = q ⊙ (v − q·v), of v less its element of the largest q, with which nothing changes."""
    at = q.argmax(axis=-1, keepdims=True)
    w = v - np.take_along_axis(np.broadcast_to(v, q.shape), at, axis=-1)
    product: Array = q * (w - (q * w).sum(axis=-1, keepdims=True))
    return product


def _logistic_cross_entropy(a: Array, y: Array, v: Array, label_smoothing: float = 0.0) -> Array:
    """y_j σ(a_j) σ(−a_j) v_j. A target that is NaN adds nothing."""
    y = smoothed(y, label_smoothing, y.shape[1])
    y = np.where(np.isnan(y), np.zeros((), y.dtype), y)
    return y * logistic(a) * logistic(-a) * v


def _softmax_binary(a: Array, y: Array, v: Array, label_smoothing: float = 0.0) -> Array:
    """∂²ℓ/∂a² v, ℓ = −Σ_j y_j a_j + K log Σ_i e^{a_i} − Σ_j (1 − y_j) log Σ_{i≠j} e^{a_i}.

    Sums over j are over the K outputs whose targets are given. The Hessian of log Σ_i e^{a_i} is
    that of a softmax.
    """
    y = smoothed(y, label_smoothing, 2)
    no = np.where(np.isnan(y), np.zeros((), y.dtype), 1 - y)
    given = (~np.isnan(y)).sum(axis=1, keepdims=True).astype(y.dtype)
    k = a.shape[1]
    rest = np.eye(k) == 0
    product = given * _softmax_product(softmax(a), v)
    for j in range(k if k > 1 else 0):
        product[:, rest[j]] -= no[:, j : j + 1] * _softmax_product(
            softmax(a[:, rest[j]]), v[:, rest[j]]
        )
    return product


# ∂²ℓ/∂a_L² v, (n, n_L), from a_L, of the pairs whose ŷ may round to 0 or 1.
CURVATURES_FROM_LOGITS: dict[tuple[Any, Any], Callable[..., Array]] = {
    ("logistic", "cross_entropy"): _logistic_cross_entropy,
    ("softmax", "binary_cross_entropy"): _softmax_binary,
}


def has_curvature(spec: NetworkSpec) -> bool:
    """Whether every function of the network has a second derivative."""
    own = [g for g in _functions(spec) if not isinstance(g, str)]
    built_in = all(isinstance(head.loss, str) for head in spec.head_specs)
    return built_in and all(g.second_derivative is not None for g in own)


def _functions(spec: NetworkSpec) -> list[str | Activation]:
    """g of the hidden layers, and O of each head."""
    return [*spec.layer_activations[:-1], *(head.output for head in spec.head_specs)]


def check_curvature(spec: NetworkSpec) -> None:
    """ValueError if a user-defined function of the network has no second derivative."""
    for head in spec.head_specs:
        if not isinstance(head.loss, str):
            raise ValueError(
                f"loss {head.loss.name!r} is user-defined: products with its second derivatives "
                "are not available; take differences of gradients"
            )
    for g in _functions(spec):
        if isinstance(g, Activation) and g.second_derivative is None:
            derivative_of(g, "second", np.empty(0))


def output_gradient_tangent(
    plan: Plan, a_L: Array, tangent: Array, y: Array
) -> tuple[Array, Array]:
    """∇a_L of every sample and its derivative along v, from a_L and ȧ_L; y is (n, T)."""
    parts = [
        [weight * part for part in _of_head(head, *arrays)]
        if weight
        else [np.zeros_like(arrays[1])] * 2
        for head, weight, arrays in heads_of(plan, y, a_L, tangent)
    ]
    gradients, curved = zip(*parts, strict=True)
    return np.hstack(gradients), np.hstack(curved)


def _of_head(plan: Plan, y: Array, a_L: Array, tangent: Array) -> tuple[Array, Array]:
    """The same for the targets and outputs of one head."""
    spec = plan.spec
    out = activation_of(spec.output)
    y_hat = out.function(a_L)
    first = output_gradient(plan, y_hat, y, a_L)
    pair = (spec.output, spec.loss)
    if pair in CURVATURES_FROM_LOGITS:
        return first, CURVATURES_FROM_LOGITS[pair](a_L, y, tangent, **spec.loss_options)
    moved = out.jacobian_product(a_L, y_hat, tangent)  # J_O is symmetric
    canonical = pair in CANONICAL
    curvature = _unchanged if canonical else CURVATURES[str(spec.loss)]
    curved = without_missing(plan, curvature(y_hat, y, moved, **spec.loss_options), y)
    if canonical:
        return first, curved
    gradient = outputs_gradient(plan, y_hat, y)
    through = out.jacobian_product(a_L, y_hat, curved)
    return first, through + _jacobian_tangent(out, a_L, y_hat, tangent, moved, gradient)


def _jacobian_tangent(
    out: OutputFunction, a: Array, p: Array, tangent: Array, moved: Array, gradient: Array
) -> Array:
    """The derivative of J_Oᵀ along ȧ, times ∇ŷ."""
    if isinstance(out, Softmax):  # of ŷ ⊙ (∇ŷ − Σ ∇ŷ_j ŷ_j)
        mean = (p * gradient).sum(axis=1, keepdims=True)
        return moved * (gradient - mean) - p * (moved * gradient).sum(axis=1, keepdims=True)
    return derivative_of(out, "second", a) * tangent * gradient
