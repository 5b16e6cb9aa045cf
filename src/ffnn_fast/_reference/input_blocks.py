"""An input block and parametric activations: units of h_0, gradients of the parameters.

n rows, c columns of X, n_0 units; F frequencies or bins, M outputs; formulas:
``ffnn_fast.inputs``.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import activation_of
from ffnn_fast.inputs import EMBEDDED, Feature, InputBlock

Array = np.ndarray


def input_units(spec: NetworkSpec, params: Array, X: Array) -> Array:
    """h_0, (n, n_0): X itself without an input block."""
    if spec.inputs is None:
        return X
    named = spec.block_views(params)
    h = unscaled_units(spec, named, X)
    return h * named["scale"] if spec.inputs.scale else h


def unscaled_units(spec: NetworkSpec, named: dict[str, Array], X: Array) -> Array:
    """h_0 before the scale."""
    block = cast(InputBlock, spec.inputs)
    h = np.empty((len(X), spec.n_units), X.dtype)
    for feature in block.features(spec.n_inputs):
        x = X[:, feature.column]
        units = h[:, feature.at : feature.at + feature.units]
        if feature.kind in EMBEDDED:
            parts = parameters_of(block, named, feature)
            waves, _ = waves_of(block, parts, feature, x)
            # BLAS may set the flag where no value is NaN.
            product = ignoring("invalid", np.matmul, waves, parts["weights"].T)
            units[:, :-1] = product + parts["biases"]
            units[:, -1] = x
        elif feature.kind == "table":
            units[...] = named[f"table_{feature.column}"][codes_of(x, feature.known)]
        elif feature.kind == "one_hot":
            units[...] = x[:, None] == np.arange(1, feature.known + 1)
        elif feature.kind == "signed":
            units[:, 0] = np.where(x == 1, -1, np.where(x == 2, 1, 0))
        else:
            units[:, 0] = x
    return h


def parameters_of(block: InputBlock, named: dict[str, Array], feature: Feature) -> dict[str, Array]:
    """The parameters of a number by the names of `InputBlock.split`, each (F,), (M, F) or (M,)."""
    i = feature.start // block.embedding_size
    return {name: part[i] for name, part in block.split(named["embedding"]).items()}


def waves_of(
    block: InputBlock, parts: dict[str, Array], feature: Feature, x: Array
) -> tuple[Array, Array]:
    """What W₂ multiplies, (n, F), and its derivatives in the angle, or in x if in bins."""
    if feature.kind == "periodic":
        angles = parts["phases"] + _turns(x) * parts["frequencies"]
        return np.cos(angles), -np.sin(angles)
    bins = block.bins()[feature.start // block.embedding_size].astype(x.dtype)
    shares = (x[:, None] - bins[:, 0]) * bins[:, 1]
    inside = (shares >= 0) & (shares < 1)
    return np.clip(shares, 0, 1), np.where(inside, bins[:, 1], 0).astype(x.dtype)


def codes_of(x: Array, count: int) -> Array:
    """The rows of a table: x where it is a whole number in 1..count, else 0."""
    known = (x >= 1) & (x <= count) & (x == np.floor(x))
    return np.where(known, x, 0).astype(np.intp)


def _turns(x: Array) -> Array:
    """2π x, (n, 1)."""
    return np.asarray(2 * np.pi, x.dtype) * x[:, None]


def further_gradient(
    spec: NetworkSpec, params: Array, X: Array, a: list[Array], dh: list[Array], grad: Array
) -> None:
    """The gradients of the parameters that follow the layers in θ, into `grad`, (P,).

    a_k, k = 1..L, and dh_k = ∇h_k, k = 0..L − 1, are (n, n_k).
    """
    if spec.inputs is not None:
        _block_gradient(spec, params, X, dh[0], spec.block_views(grad))
    for k, d_alpha in enumerate(spec.alphas(grad), start=1):
        g = activation_of(spec.layer_activations[k - 1])
        d_alpha[:] = (dh[k] * (g.function(a[k]) - a[k])).sum(axis=0)


def columns_gradient(spec: NetworkSpec, params: Array, X: Array, dh: Array) -> Array:
    """∇ of the columns of X, (n, c), from dh = ∇h_0; 0 for categories."""
    if spec.inputs is None:
        return dh
    block, named, dX = spec.inputs, spec.block_views(params), np.zeros_like(X)
    dh = dh * named["scale"] if block.scale else dh
    for feature in block.features(spec.n_inputs):
        x, du = X[:, feature.column], dh[:, feature.at : feature.at + feature.units]
        if feature.kind in EMBEDDED:
            parts = parameters_of(block, named, feature)
            d_waves = waves_of(block, parts, feature, x)[1] * (du[:, :-1] @ parts["weights"])
            if feature.kind == "periodic":
                d_waves = _turns(d_waves @ parts["frequencies"])
            dX[:, feature.column] = d_waves.sum(axis=1) + du[:, -1]
        elif feature.kind == "plain":
            dX[:, feature.column] = du[:, 0]
    return dX


def _block_gradient(
    spec: NetworkSpec, params: Array, X: Array, dh: Array, grads: dict[str, Array]
) -> None:
    block, named = cast(InputBlock, spec.inputs), spec.block_views(params)
    if block.scale:
        grads["scale"][:] = (dh * unscaled_units(spec, named, X)).sum(axis=0)
        dh = dh * named["scale"]
    for feature in block.features(spec.n_inputs):
        x, du = X[:, feature.column], dh[:, feature.at : feature.at + feature.units]
        if feature.kind in EMBEDDED:
            parts = parameters_of(block, named, feature)
            own = parameters_of(block, grads, feature)
            waves, slopes = waves_of(block, parts, feature, x)
            dz = du[:, :-1]
            own["weights"][:], own["biases"][:] = dz.T @ waves, dz.sum(axis=0)
            if feature.kind == "periodic":
                d_angles = slopes * (dz @ parts["weights"])
                own["frequencies"][:] = (d_angles * _turns(x)).sum(axis=0)
                own["phases"][:] = d_angles.sum(axis=0)
        elif feature.kind == "table":
            table = grads[f"table_{feature.column}"]
            table[:] = 0
            np.add.at(table, codes_of(x, feature.known), du)
