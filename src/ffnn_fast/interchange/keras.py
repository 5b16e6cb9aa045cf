"""Networks from the weights of Keras's dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ffnn_fast.interchange.layers import Layer, network_of
from ffnn_fast.network import Network

KERAS = {
    "linear": "identity",
    "sigmoid": "logistic",
    "tanh": "tanh",
    "relu": "relu",
    "elu": "elu",
    "selu": "selu",
    "softplus": "softplus",
    "softsign": "softsign",
    "hard_sigmoid": "hard_sigmoid",
    "exponential": "exp",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "mish": "mish",
    "softmax": "softmax",
    "log_softmax": "softmax",
}


def from_keras(
    weights: Sequence[Any],
    activations: Sequence[Any],
    *,
    loss: str = "auto",
    **execution: Any,
) -> Network:
    """A network of the `Dense` layers whose arrays ``model.get_weights()`` gives.

    Parameters
    ----------
    weights : sequence of array-like
        For each layer its kernel, (n_{k-1}, n_k), and, if it has one, its bias, (n_k,).
    activations : sequence of str or callable
        One per layer, the last one too: Keras's names, or its functions, as in
        ``[layer.activation for layer in model.layers]``; None is ``linear``. ``log_softmax``
        becomes a softmax output. ``gelu`` is the exact one, ``hard_sigmoid`` that of Keras 3.
    loss : str, default "auto"
        As for `Network`.
    **execution
        ``engine``, ``n_threads`` and ``matmul``, as for `Network`.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the arrays are not those of `Dense` layers, one after the other, or an activation cannot
        be expressed: ``leaky_relu``, for instance, whose slope in Keras is 0.2.

    Examples
    --------
    >>> import numpy as np
    >>> arrays = [np.ones((3, 4)), np.zeros(4), np.ones((4, 2)), np.zeros(2)]
    >>> from_keras(arrays, ["relu", "softmax"]).spec.layer_sizes
    (3, 4, 2)
    """
    layers: list[Layer] = []
    for place, given in enumerate(weights):
        array = np.asarray(given)
        if array.ndim == 2:
            layers.append((array.T, None))
        elif array.ndim == 1 and layers and layers[-1][1] is None:
            layers[-1] = (layers[-1][0], array)
        else:
            raise ValueError(
                f"array {place} of weights, of shape {array.shape}, is neither a kernel nor the "
                "bias that follows one; only Dense layers can be taken over"
            )
    if isinstance(activations, str) or len(activations) != len(layers):
        raise ValueError(
            f"expected one activation for each of the {len(layers)} layers, got {activations!r}"
        )
    return network_of(layers, [_name(g) for g in activations], loss, execution)


def _name(activation: Any) -> str:
    name = "linear" if activation is None else activation
    if not isinstance(name, str):
        name = getattr(activation, "__name__", repr(activation))
    if name not in KERAS:
        raise ValueError(
            f"the Keras activation {name!r} cannot be expressed; known: {', '.join(KERAS)}"
        )
    return KERAS[name]
