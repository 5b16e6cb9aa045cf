"""The NumPy twins of the Taylor passes: directional derivatives in the inputs, and their reverse.

Of layer k along v: a, ȧ = W ḣ_{k-1}, ä = W ḧ_{k-1} and h = g(a), ḣ = g' ȧ, ḧ = g'' ȧ² + g' ä; so
ẏ = J v and ÿ = vᵀ H v. Shapes: ŷ (n, n_L), V (n, m, n_0), ẏ and ÿ (n, m, n_L).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._reference.propagation import Plan
from ffnn_fast._reference.propagation import matrix_product as times
from ffnn_fast.activations import OutputFunction, OutputHeads, Softmax, activation_of, by_head

Array = np.ndarray


class _Layer(NamedTuple):
    """What the passes need of layer k: W, h_{k-1}, h_k, and of an elementwise g its derivatives.

    Of a softmax `slope`, `second` and `third` are empty. `heads` are several heads as layers.
    """

    W: Array
    below: Array
    h: Array
    slope: Array
    second: Array
    third: Array
    heads: tuple[_Layer, ...] = ()

    @property
    def is_softmax(self) -> bool:
        """Whether h_k is a softmax of a_k."""
        return self.slope.size == 0

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each head; all of them where there is one."""
        return tuple(head.h.shape[1] for head in self.heads or (self,))


def derivative_of(g: OutputFunction, order: str, a: Array) -> Array:
    """g'' or g''' at a; ValueError if a user-defined activation has none, or a wrong shape."""
    function: Callable[[Array], Array] | None = getattr(g, f"{order}_derivative", None)
    if function is None:
        raise ValueError(
            f"activation {g.name!r} has no {order}_derivative, which is needed here; give "
            f"Activation(..., {order}_derivative=...), a function of the pre-activations"
        )
    values = function(a)
    if np.shape(values) not in (a.shape, ()):
        raise ValueError(
            f"{order}_derivative of activation {g.name!r} must return an array of the shape of its "
            f"argument, {a.shape}; got shape {np.shape(values)}"
        )
    return np.broadcast_to(values, a.shape)


def _layers(spec: NetworkSpec, params: Array, X: Array, third: bool) -> list[_Layer]:
    """Values and derivatives of all layers; g''' if `third`."""
    layers, h = [], X
    names = zip(spec.weights(params), spec.biases(params), spec.layer_activations, strict=True)
    for W, b, name in names:
        g = activation_of(name, spec.heads)
        layers.append(_layer(g, W, h, b + times(h, W.T), third))
        h = layers[-1].h
    return layers


def _layer(g: OutputFunction, W: Array, below: Array, a: Array, third: bool) -> _Layer:
    h, none = g.function(a), np.empty(0)
    if isinstance(g, OutputHeads):
        parts = zip(g.functions, by_head(g.widths, a), strict=True)
        heads = tuple(_layer(of_head, W, below, part, third) for of_head, (part,) in parts)
        return _Layer(W, below, h, none, none, none, heads)
    if isinstance(g, Softmax):
        return _Layer(W, below, h, none, none, none)
    slope, second = g.jacobian_product(a, h, np.ones_like(h)), derivative_of(g, "second", a)
    return _Layer(W, below, h, slope, second, derivative_of(g, "third", a) if third else none)


def _directions(spec: NetworkSpec, X: Array, V: Array | None) -> Array:
    """V, (n, m, n_0); None: the unit vectors."""
    if V is not None:
        return V
    units = np.eye(spec.n_inputs, dtype=spec.dtype)
    return np.broadcast_to(units, (len(X), *units.shape))


def _softmax_tangents(p: Array, a1: Array, a2: Array | None) -> tuple[Array, Array | None]:
    """ẏ = p c, c = ȧ − Σ p ȧ; ÿ = ẏ c + p (ä − Σ (ẏ ȧ + p ä)); (n, k)."""
    c = a1 - (p * a1).sum(axis=1, keepdims=True)
    y1 = p * c
    if a2 is None:
        return y1, None
    return y1, y1 * c + p * (a2 - (y1 * a1 + p * a2).sum(axis=1, keepdims=True))


def _softmax_reverse(
    p: Array, a1: Array, a2: Array | None, dy1: Array, dy2: Array | None
) -> tuple[Array, Array | None, Array]:
    """∇ȧ, ∇ä and what is added to ∇ŷ, from ∇ẏ and ∇ÿ: see taylor_softmax.pxd."""
    mean = (p * a1).sum(axis=1, keepdims=True)
    c = a1 - mean
    y1, dy, da2 = p * c, np.zeros_like(p), None
    dc, r = np.zeros_like(p), np.zeros_like(mean)
    if a2 is not None and dy2 is not None:
        e = a2 - (y1 * a1 + p * a2).sum(axis=1, keepdims=True)
        r = -(p * dy2).sum(axis=1, keepdims=True)
        dy1 = dy1 + dy2 * c + r * a1
        dc, dy, da2 = dy2 * y1, dy2 * e + r * a2, p * (dy2 + r)
    dc = dc + dy1 * p
    total = dc.sum(axis=1, keepdims=True)
    return r * y1 + dc - p * total, da2, dy + dy1 * c - a1 * total


def _per_head(function: Callable[..., Any], layer: _Layer, *arrays: Array | None) -> list[Any]:
    """``function(head, *parts)`` for each head and its columns, side by side; None stays."""
    given = [array for array in arrays if array is not None]
    results = []
    for head, columns in zip(layer.heads, by_head(layer.widths, *given), strict=True):
        left = iter(columns)
        results.append(function(head, *(None if a is None else next(left) for a in arrays)))
    joined = zip(*results, strict=True)
    return [None if parts[0] is None else np.hstack(parts) for parts in joined]


def _layer_tangents(layer: _Layer, a1: Array, a2: Array | None) -> tuple[Array, Array | None]:
    """ḣ, and ḧ unless ä is None."""
    if layer.heads:
        h1, h2 = _per_head(_layer_tangents, layer, a1, a2)
        return h1, h2
    if layer.is_softmax:
        return _softmax_tangents(layer.h, a1, a2)
    h1 = layer.slope * a1
    return h1, None if a2 is None else layer.second * a1 * a1 + layer.slope * a2


def _tangents(
    layers: list[_Layer], v: Array, second: bool
) -> list[tuple[Array, Array | None, Array, Array | None]]:
    """(ȧ, ä, ḣ, ḧ) of all layers along v, (n, n_0); ä and ḧ are None unless `second`."""
    found: list[tuple[Array, Array | None, Array, Array | None]] = []
    h1: Array = v
    h2 = np.zeros_like(v) if second else None
    for layer in layers:
        a1 = times(h1, layer.W.T)
        a2 = None if h2 is None else times(h2, layer.W.T)
        h1, h2 = _layer_tangents(layer, a1, a2)
        found.append((a1, a2, h1, h2))
    return found


def taylor_workspace_size(plan: Plan, n: int) -> int:
    """Elements of scratch for the functions below on `n` rows: none."""
    return 0


def taylor(
    plan: Plan,
    params: Array,
    X: Array,
    V: Array | None,
    y_hat: Array | None,
    first: Array | None,
    second: Array | None,
    work: Array | None,
) -> None:
    """y_hat := ŷ (n, n_L), first := J v, second := vᵀ H v, (n, m, n_L), for V (n, m, n_0).

    V None: the m = n_0 unit vectors. A result that is None is left out.
    """
    spec = plan.spec
    layers, directions = _layers(spec, params, X, False), _directions(spec, X, V)
    if y_hat is not None:
        y_hat[...] = layers[-1].h
    if first is None and second is None:
        return
    for d in range(directions.shape[1]):
        _, _, y1, y2 = _tangents(layers, directions[:, d], second is not None)[-1]
        if first is not None:
            first[:, d] = y1
        if second is not None:
            second[:, d] = y2


def taylor_gradient(
    plan: Plan,
    params: Array,
    X: Array,
    V: Array | None,
    grad_y_hat: Array | None,
    grad_first: Array | None,
    grad_second: Array | None,
    grad: Array,
    work: Array | None,
) -> None:
    """grad := ∇θ, (P,), of what has these gradients by the results of `taylor`; None is 0."""
    spec, second = plan.spec, grad_second is not None
    layers, directions = _layers(spec, params, X, second), _directions(spec, X, V)
    da = [np.zeros_like(layer.h) for layer in layers]
    dW = [np.zeros_like(layer.W) for layer in layers]
    none = grad_first is None and grad_second is None
    for d in range(0 if none else directions.shape[1]):
        v = directions[:, d]
        tangents = _tangents(layers, v, second)
        dh1 = np.zeros_like(layers[-1].h) if grad_first is None else grad_first[:, d]
        dh2 = None if grad_second is None else grad_second[:, d]
        for k in range(len(layers) - 1, -1, -1):
            a1, a2, _, _ = tangents[k]
            below = (v, None) if k == 0 else tangents[k - 1][2:]
            da1, da2, added = _reverse_layer(layers[k], a1, a2, dh1, dh2)
            da[k] += added
            dW[k] += times(da1.T, below[0])
            dh1 = times(da1, layers[k].W)
            if da2 is not None:
                dW[k] += 0 if below[1] is None else times(da2.T, below[1])
                dh2 = times(da2, layers[k].W)
    dh = np.zeros_like(layers[-1].h) if grad_y_hat is None else grad_y_hat
    outputs = zip(spec.weights(grad), spec.biases(grad), strict=True)
    for k, (gW, gb) in reversed(list(enumerate(outputs))):
        layer = layers[k]
        (da_k,) = _reverse_values(layer, da[k], dh)
        gW[...], gb[...] = dW[k] + times(da_k.T, layer.below), da_k.sum(axis=0)
        dh = times(da_k, layer.W)


def taylor_jacobian(
    plan: Plan, params: Array, X: Array, V: Array | None, J: Array, work: Array | None
) -> None:
    """J := ∂(J v)/∂θ of every row, (n, m n_L, P), for V (n, m, n_0); None: the unit vectors."""
    spec, n = plan.spec, len(X)
    layers, directions = _layers(spec, params, X, False), _directions(spec, X, V)
    units = np.eye(spec.n_outputs, dtype=spec.dtype)
    for d in range(directions.shape[1]):
        v = directions[:, d]
        tangents = _tangents(layers, v, False)
        for j, unit in enumerate(units):
            row = J[:, d * len(units) + j]
            dh1, dh = np.broadcast_to(unit, (n, len(unit))), np.zeros((n, len(unit)), spec.dtype)
            reversed_layers = []
            for k in range(len(layers) - 1, -1, -1):
                da1, _, added = _reverse_layer(layers[k], tangents[k][0], None, dh1, None)
                reversed_layers.append((da1, added))
                dh1 = times(da1, layers[k].W)
            for k, (da1, added) in zip(
                range(len(layers) - 1, -1, -1), reversed_layers, strict=True
            ):
                layer, (w, b) = layers[k], spec.offsets[k]
                (da,) = _reverse_values(layer, added, dh)
                h1 = v if k == 0 else tangents[k - 1][2]
                outer = da[:, :, None] * layer.below[:, None] + da1[:, :, None] * h1[:, None]
                row[:, w:b], row[:, b : b + da.shape[1]] = outer.reshape(n, -1), da
                dh = times(da, layer.W)


def _reverse_values(layer: _Layer, added: Array, dh: Array) -> tuple[Array]:
    """∇a from ∇h and what the directions add to it (of a softmax to ∇ŷ)."""
    if layer.heads:
        (da,) = _per_head(_reverse_values, layer, added, dh)
        return (da,)
    if layer.is_softmax:
        return (Softmax().jacobian_product(layer.h, layer.h, dh + added),)
    return (added + layer.slope * dh,)


def _reverse_layer(
    layer: _Layer, a1: Array, a2: Array | None, dh1: Array, dh2: Array | None
) -> tuple[Array, Array | None, Array]:
    """∇ȧ = g' ∇ḣ + 2 g'' ȧ ∇ḧ, ∇ä = g' ∇ḧ, and g'' ȧ ∇ḣ + (g''' ȧ² + g'' ä) ∇ḧ, added to ∇a
    (of a softmax to ∇ŷ).
    """
    if layer.heads:
        da1, da2, added = _per_head(_reverse_layer, layer, a1, a2, dh1, dh2)
        return da1, da2, added
    if layer.is_softmax:
        return _softmax_reverse(layer.h, a1, a2, dh1, dh2)
    da1, added = layer.slope * dh1, layer.second * a1 * dh1
    if a2 is None or dh2 is None:
        return da1, None, added
    added = added + (layer.third * a1 * a1 + layer.second * a2) * dh2
    return da1 + 2 * layer.second * a1 * dh2, layer.slope * dh2, added
