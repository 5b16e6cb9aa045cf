"""Networks from and to other libraries: scikit-learn, Keras and PyTorch; only the last is imported.

A network that comes in is a copy: it shares no memory with the model it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast.network import Network
from ffnn_fast.spec import NetworkSpec

if TYPE_CHECKING:
    from torch import nn

Array = np.ndarray
Layer = tuple[Array, Array | None]  # W_k, (n_k, n_{k-1}), and b_k, (n_k,), or None for zeros

SKLEARN_LOSSES = {
    "log_loss": "auto",
    "squared_error": "half_squared_error",
    "poisson": "poisson",
}
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
# Each activation as a module of torch.nn: its class and the options that make it ours.
TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("Identity", {}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.01}),
    "elu": ("ELU", {"alpha": 1.0}),
    "selu": ("SELU", {}),
    # beyond the threshold torch's softplus is a itself: exact to float64 from 37 on
    "softplus": ("Softplus", {"beta": 1.0, "threshold": 40.0}),
    "softsign": ("Softsign", {}),
    "hard_sigmoid": ("Hardsigmoid", {}),
    "gelu": ("GELU", {"approximate": "none"}),
    "gelu_tanh": ("GELU", {"approximate": "tanh"}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "softmax": ("Softmax", {"dim": -1}),
}
# Options that need not be equal: what a module may say and still be the same function of rows.
TOLERATED: dict[str, Callable[[Any], bool]] = {
    "threshold": lambda given: given >= 20,  # torch's default; differs from ours by 2e-9
    "dim": lambda given: given in (None, 1, -1),
}


def from_sklearn(estimator: Any, **execution: Any) -> Network:
    """A network that predicts what a fitted `MLPClassifier` or `MLPRegressor` does.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Or anything with the fitted attributes ``coefs_``, ``intercepts_``, ``out_activation_`` and
        the parameters ``activation`` and ``loss``.
    **execution
        ``engine``, ``n_threads`` and ``matmul``, as for `Network`.

    Returns
    -------
    Network
        Of the dtype of the coefficients. A classifier of two classes has one logistic output; its
        labels count from 0, so that ``estimator.classes_[net.predict(X)]`` are the estimator's.
        The penalty ``alpha`` is left behind: scikit-learn divides it by the rows of a batch.

    Raises
    ------
    TypeError
        If `estimator` has not those attributes, for instance because it is not fitted.
    ValueError
        If its coefficients are not those of a network.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(  # as scikit-learn leaves it
    ...     coefs_=[np.ones((3, 4)), np.ones((4, 2))], intercepts_=[np.zeros(4), np.zeros(2)],
    ...     activation="relu", out_activation_="identity", loss="squared_error")
    >>> from_sklearn(fitted).spec.layer_sizes
    (3, 4, 2)
    """
    needed = ("coefs_", "intercepts_", "out_activation_", "activation")
    absent = [name for name in needed if not hasattr(estimator, name)]
    if absent:
        raise TypeError(
            "from_sklearn takes a fitted MLPClassifier or MLPRegressor; this "
            f"{type(estimator).__name__} has no {', '.join(absent)}"
        )
    loss = SKLEARN_LOSSES.get(getattr(estimator, "loss", "auto"), "auto")
    layers: list[Layer] = [
        (np.asarray(W).T, np.asarray(b))
        for W, b in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    hidden = (estimator.activation,) * (len(layers) - 1)
    return _network(layers, (*hidden, estimator.out_activation_), loss, execution)


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
    return _network(layers, [_from_keras_name(g) for g in activations], loss, execution)


def from_torch(
    model: nn.Sequential, *, output: str | None = None, loss: str = "auto", **execution: Any
) -> Network:
    """A network of the same numbers as an `nn.Sequential` of `Linear` and activations.

    Parameters
    ----------
    model : torch.nn.Sequential
        `Linear` modules, with or without bias, each followed by at most one activation and then at
        most one `Dropout`, whose rate the network takes over; a `Dropout` or a `Flatten` may stand
        at the beginning, an `Identity` anywhere. Sequences may be nested. Weights may lie on any
        device.
    output : str, optional
        O. Default: the activation after the last `Linear`, where `LogSoftmax` counts as
        ``softmax``; identity if there is none. Models trained with `CrossEntropyLoss` or
        `BCEWithLogitsLoss` end on a `Linear`: say ``output="softmax"`` or ``"logistic"``.
    loss : str, default "auto"
        As for `Network`.
    **execution
        ``engine``, ``n_threads`` and ``matmul``, as for `Network`.

    Returns
    -------
    Network
        Of the dtype of the weights.

    Raises
    ------
    ImportError
        If torch is not installed.
    TypeError
        If `model` is no `Sequential`.
    ValueError
        If it holds a module that a network cannot express.
    """
    nn = _torch().nn
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        raise TypeError(f"from_torch takes a torch.nn.Sequential, got {type(model).__name__}")
    layers, found, rates = _read_modules(model, nn)
    L = len(layers)
    if not layers:
        raise ValueError("the model holds no Linear")
    if L in rates:
        raise ValueError("the model ends on a Dropout: a network keeps all its outputs")
    if output is not None and len(found) == L:
        raise ValueError(f"the model has an output of its own, {found[-1]!r}: leave output out")
    found += [output or "identity"] * (L - len(found))
    if "softmax" in found[:-1]:
        raise ValueError("softmax can only be the output: hidden layers work unit by unit")
    dropout = tuple(rates.get(k, 0.0) for k in range(L)) if rates else 0.0
    return _network(layers, found, loss, execution, dropout)


def to_torch(net: Network) -> nn.Sequential:
    """The network as a `torch.nn.Sequential` with copies of its parameters.

    The modules are `Linear`, activation, `Linear`, activation, ... `Linear`, output, so that the
    tensors have the names of a saved file: ``to_torch(net).load_state_dict(
    safetensors.torch.load_file(path))`` takes one of the same description. Without its last module
    it gives a_L, which `CrossEntropyLoss` expects; an identity output has no module, and dropout,
    which would shift the names, has none either. Torch's generator of random numbers is not used.

    Parameters
    ----------
    net : Network

    Returns
    -------
    torch.nn.Sequential
        In training mode, as every new module, on the CPU, of the network's dtype.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If torch.nn has no module for one of the activations.
    """
    torch = _torch()
    modules = []
    for k, g in enumerate(net.spec.layer_activations, start=1):
        if g not in TORCH:
            raise ValueError(
                f"torch.nn has no module for the activation {_named(g)} of layer {k}; "
                f"it has: {', '.join(TORCH)}"
            )
        o, i = net.spec.shapes[k - 1]
        dtype = getattr(torch, net.spec.dtype)
        linear = torch.nn.utils.skip_init(torch.nn.Linear, i, o, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(net.weights[k - 1]))
            linear.bias.copy_(torch.from_numpy(net.biases[k - 1]))
        kind, options = TORCH[g]
        modules += [linear, getattr(torch.nn, kind)(**options)]
    if net.spec.output == "identity":
        modules.pop()
    return torch.nn.Sequential(*modules)


def _network(
    layers: Sequence[Layer],
    activations: Sequence[str],
    loss: str,
    execution: dict[str, Any],
    dropout: float | tuple[float, ...] = 0.0,
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
    spec = NetworkSpec(tuple(sizes), tuple(hidden), output, loss, dtype, dropout=dropout)
    return Network.from_params(spec, params, **execution)


def _from_keras_name(activation: Any) -> str:
    name = "linear" if activation is None else activation
    if not isinstance(name, str):
        name = getattr(activation, "__name__", repr(activation))
    if name not in KERAS:
        raise ValueError(
            f"the Keras activation {name!r} cannot be expressed; known: {', '.join(KERAS)}"
        )
    return KERAS[name]


def _read_modules(model: Any, nn: Any) -> tuple[list[Layer], list[str], dict[int, float]]:
    """W_k and b_k; g_k, where those left out before a later layer are identity; and the rates of
    dropout by k of h_k.
    """
    layers: list[Layer] = []
    found: list[str] = []
    rates: dict[int, float] = {}
    for place, module in _leaves(model, nn):
        k = len(layers)
        if type(module) is nn.Identity or (type(module) is nn.Flatten and not layers):
            continue
        if type(module) is nn.Linear:
            found += ["identity"] * (k - len(found))
            layers.append(_from_linear(module, place))
        elif type(module) is nn.Dropout and k not in rates:
            rates[k] = module.p
        else:
            name = _from_module(module, nn, place)
            if len(found) >= k or k in rates:
                raise ValueError(f"module {place}, {module!r}, does not follow a Linear")
            found.append(name)
    return layers, found, rates


def _leaves(model: Any, nn: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The modules of a sequence with their paths, those of sequences inside it in their place."""
    for name, module in model.named_children():
        if type(module) is nn.Sequential:
            yield from _leaves(module, nn, f"{place}{name}.")
        else:
            yield f"{place}{name}", module


def _from_linear(module: Any, place: str) -> Layer:
    if str(module.weight.dtype) not in ("torch.float32", "torch.float64"):
        raise ValueError(
            f"module {place}, {module!r}, has weights of {module.weight.dtype}; "
            "a network has float32 or float64"
        )
    bias = None if module.bias is None else module.bias.detach().cpu().numpy()
    return module.weight.detach().cpu().numpy(), bias


def _from_module(module: Any, nn: Any, place: str) -> str:
    """The name of an activation module."""
    if type(module) is nn.LogSoftmax and TOLERATED["dim"](module.dim):
        return "softmax"
    for name, (kind, options) in TORCH.items():
        if type(module) is getattr(nn, kind) and all(
            TOLERATED.get(key, value.__eq__)(getattr(module, key)) for key, value in options.items()
        ):
            return name
    known = ", ".join(dict.fromkeys(kind for kind, _ in TORCH.values()))
    raise ValueError(
        f"module {place}, {module!r}, cannot be expressed; known, with torch's defaults: "
        f"Linear, {known}, LogSoftmax"
    )


def _named(g: Any) -> str:
    """How messages call an activation: a name, or one of the user's own."""
    return repr(g if isinstance(g, str) else getattr(g, "name", g))


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'PyTorch models need torch: pip install "ffnn_fast[torch]"', name="torch"
        ) from error
    return torch
