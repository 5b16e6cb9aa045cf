"""Networks from the arrays of Keras's dense layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ffnn_fast.interchange._layers import Layer, spec_and_params
from ffnn_fast.network import Network

ACTIVATIONS = {  # Keras's names, and this library's
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
    weights: Sequence[npt.ArrayLike],
    activations: Sequence[str | Callable[..., Any] | None],
    *,
    loss: str = "auto",
    engine: str | None = None,
    n_threads: int | None = None,
    matmul: str = "auto",
) -> Network:
    """A network of `Dense` layers, from the arrays that ``model.get_weights()`` returns.

    Parameters
    ----------
    weights : sequence of array-like
        The kernel, (n_{k-1}, n_k), of each layer, followed by its bias, (n_k,), if it has one.
    activations : sequence of str, callable or None
        One per layer, including the last: names of Keras's activations, or its functions, as in
        ``[layer.activation for layer in model.layers]``, identified by ``__name__``. None is
        ``linear``. ``log_softmax`` becomes a softmax output. ``gelu`` is the exact form
        (``approximate=False``), ``hard_sigmoid`` that of Keras 3.
    loss, engine, n_threads, matmul
        As for `ffnn_fast.Network`.

    Returns
    -------
    Network
        Its dtype is that of the arrays.

    Raises
    ------
    ValueError
        If the arrays are not those of consecutive `Dense` layers, their dtype is neither float32
        nor float64, a value is not finite, or there is no equivalent of an activation, for example
        of ``leaky_relu``, whose negative slope is 0.2 in Keras and 0.01 here.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast.interchange import from_keras
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
                "bias that follows one; only Dense layers can be converted"
            )
    if isinstance(activations, str) or len(activations) != len(layers):
        raise ValueError(
            f"expected one activation for each of the {len(layers)} layers, got {activations!r}"
        )
    spec, params = spec_and_params(layers, [_name(g) for g in activations], loss)
    return Network.from_params(spec, params, engine=engine, n_threads=n_threads, matmul=matmul)


def _name(activation: Any) -> str:
    name = "linear" if activation is None else activation
    if not isinstance(name, str):
        name = getattr(activation, "__name__", repr(activation))
    if name not in ACTIVATIONS:
        raise ValueError(
            f"the Keras activation {name!r} has no equivalent; expected one of "
            f"{', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]
