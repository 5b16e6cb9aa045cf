"""Networks from and to PyTorch's sequences of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ffnn_fast.interchange.layers import Layer, network_of
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from torch import nn

# Each activation as a module of torch.nn: its class and the options that make it ours.
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
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
    return network_of(layers, found, loss, execution, dropout)


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
        If torch.nn has no module for one of the activations, or for several softmax heads.
    """
    if net.spec.heads:
        raise ValueError(
            f"torch.nn has no module for a softmax over each of the heads {list(net.spec.heads)}"
        )
    torch = _torch()
    modules = []
    for k, g in enumerate(net.spec.layer_activations, start=1):
        if g not in MODULES:
            raise ValueError(
                f"torch.nn has no module for the activation {_named(g)} of layer {k}; "
                f"it has: {', '.join(MODULES)}"
            )
        o, i = net.spec.shapes[k - 1]
        dtype = getattr(torch, net.spec.dtype)
        linear = torch.nn.utils.skip_init(torch.nn.Linear, i, o, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(net.weights[k - 1]))
            linear.bias.copy_(torch.from_numpy(net.biases[k - 1]))
        kind, options = MODULES[g]
        modules += [linear, getattr(torch.nn, kind)(**options)]
    if net.spec.output == "identity":
        modules.pop()
    return torch.nn.Sequential(*modules)


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
    for name, (kind, options) in MODULES.items():
        if type(module) is getattr(nn, kind) and all(
            TOLERATED.get(key, value.__eq__)(getattr(module, key)) for key, value in options.items()
        ):
            return name
    known = ", ".join(dict.fromkeys(kind for kind, _ in MODULES.values()))
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
