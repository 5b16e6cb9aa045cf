"""Networks put together from weights and biases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.network import Network

Array = np.ndarray
Layer = tuple[Array, Array | None]  # W_k, (n_k, n_{k-1}), and b_k, (n_k,), or None for zeros


def network_of(
    layers: Sequence[Layer],
    activations: Sequence[str],
    loss: str,
    execution: dict[str, Any],
    dropout: float | tuple[float, ...] = 0.0,
    heads: tuple[int, ...] = (),
) -> Network:
    """The network with these W_k, b_k and g_1, ..., O; ValueError if they do not fit together."""
    sizes: list[int] = []
    parts: list[Array] = []
    for k, (W, bias) in enumerate(layers, start=1):
        b = np.zeros(len(W), W.dtype) if bias is None else bias
        if W.ndim != 2 or b.shape != W.shape[:1] or (sizes and W.shape[1] != sizes[-1]):
            fed = f", which gets {sizes[-1]} values," if sizes else ""
            raise ValueError(
                f"layer {k}{fed} has weights of shape {W.shape} and a bias of shape {b.shape}; "
                "expected (n_k, n_{k-1}) and (n_k,)"
            )
        sizes += [W.shape[1], W.shape[0]] if not sizes else [W.shape[0]]
        parts += [W.ravel(), b]
    if not parts:
        raise ValueError("there are no layers")
    params = np.concatenate(parts)
    *hidden, output = activations
    dtype = params.dtype.name
    spec = NetworkSpec(
        tuple(sizes), tuple(hidden), output, loss, dtype, dropout=dropout, heads=heads
    )
    return Network.from_params(spec, params, **execution)
