"""Networks from and to `torch.nn.Sequential`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ffnn_fast._model.heads import Head
from ffnn_fast.inputs import InputBlock
from ffnn_fast.interchange._layers import Array, Layer, spec_and_params
from ffnn_fast.interchange._torch_heads import output_heads
from ffnn_fast.interchange._torch_inputs import input_units, parametric
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from torch import nn

# An input block with its number of columns; its parameters and the α_k.
_Further = tuple[tuple[InputBlock, int] | None, list[Array]]
# Each activation as a module of torch.nn: its class, and the options that give the same function.
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("Identity", {}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.01}),
    "elu": ("ELU", {"alpha": 1.0}),
    "selu": ("SELU", {}),
    # Beyond the threshold torch's softplus(a) is a, which is exact in float64 from a = 37.
    "softplus": ("Softplus", {"beta": 1.0, "threshold": 40.0}),
    "softsign": ("Softsign", {}),
    "hard_sigmoid": ("Hardsigmoid", {}),
    "gelu": ("GELU", {"approximate": "none"}),
    "gelu_tanh": ("GELU", {"approximate": "tanh"}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "softmax": ("Softmax", {"dim": -1}),
}
# Options for which other values give the same function of rows too.
EQUIVALENT: dict[str, Callable[[Any], bool]] = {
    "threshold": lambda given: given >= 20,  # torch's default; differs from ours by 2e-9
    "dim": lambda given: given in (None, 1, -1),
}


def from_torch(
    model: nn.Sequential,
    *,
    output: str | None = None,
    loss: str = "auto",
    engine: str | None = None,
    n_threads: int | None = None,
    matmul: str = "auto",
) -> Network:
    """A network with the weights of a `torch.nn.Sequential` of `Linear` and activation modules.

    Parameters
    ----------
    model : torch.nn.Sequential
        `Linear` modules, with or without bias, each followed by at most one activation and then at
        most one `Dropout`, whose rate becomes the network's `dropout`. A `Dropout` or `Flatten` may
        come first, an `Identity` anywhere. Sequences may be nested. Weights may be on any device.
        The modules of `to_torch` for an input block and for parametric activations are taken too.
    output : str, optional
        O. Default: the activation after the last `Linear`, with ``softmax`` for `LogSoftmax`;
        identity if there is none. The last module of `to_torch` for several heads gives heads,
        with their canonical losses. Models trained with `CrossEntropyLoss` or `BCEWithLogitsLoss`
        end with a `Linear`: pass ``output="softmax"`` or ``output="logistic"`` for them.
    loss, engine, n_threads, matmul
        As for `ffnn_fast.Network`.

    Returns
    -------
    Network
        Its dtype is that of the weights, float32 or float64.

    Raises
    ------
    ImportError
        If torch is not installed.
    TypeError
        If `model` is not a `torch.nn.Sequential`, or its class overrides ``forward``.
    ValueError
        If it has no `Linear`, contains a module without an equivalent or in another order, or has
        weights of another dtype; if `output` is given and the model ends with an activation, or
        `loss` and the model ends with heads.
    """
    nn = _torch().nn
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        raise TypeError(f"from_torch takes a torch.nn.Sequential, got {type(model).__name__}")
    layers, found, rates, (inputs, further) = _read_modules(model, nn)
    L, heads = len(layers), ()
    if found and isinstance(found[-1], tuple):
        found, heads = found[:-1], found[-1]
        if output is not None:
            raise ValueError("the model ends with the outputs of several heads; omit output")
        output = "softmax"
    if not layers:
        raise ValueError("the model has no Linear module")
    if L in rates:
        raise ValueError(
            "the model ends with a Dropout, which a network cannot apply to its outputs"
        )
    if output is not None and len(found) == L:
        raise ValueError(f"the model ends with the activation {found[-1]!r}; omit output")
    found += [output or "identity"] * (L - len(found))
    if "softmax" in found[:-1]:
        raise ValueError("softmax can only be the output; hidden activations are elementwise")
    dropout = tuple(rates.get(k, 0.0) for k in range(L)) if rates else 0.0
    spec, params = spec_and_params(
        layers, found, loss, dropout=dropout, heads=heads, inputs=inputs, further=further
    )
    return Network.from_params(spec, params, engine=engine, n_threads=n_threads, matmul=matmul)


def to_torch(net: Network) -> nn.Sequential:
    """The network as a `torch.nn.Sequential` with copies of its parameters.

    The modules are `Linear`, activation, `Linear`, activation, ..., `Linear`, output. The tensors
    have the names used in model files: ``to_torch(net).load_state_dict(
    safetensors.torch.load_file(path))`` loads a file that `ffnn_fast.Network.save` wrote for the
    same description. Without its last module the sequence computes a_L, the input that
    `CrossEntropyLoss` expects. An identity output has no module; dropout has none either, because
    it would shift the names. Several heads end with one module, which splits a_L and applies the
    output function of each. An input block comes first, as the module ``inputs``; the tensors of
    parametric activations are ``1.alpha``, ``3.alpha``, ..., which are ``alpha_1``, ``alpha_2``,
    ... in model files. torch's random number generator is not used.

    Parameters
    ----------
    net : Network

    Returns
    -------
    torch.nn.Sequential
        On the CPU, in training mode like every new module, of the network's dtype.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If torch.nn has no module for one of the activations.
    """
    torch, spec = _torch(), net.spec
    hidden = [_module_of(g, k, torch) for k, g in enumerate(spec.layer_activations[:-1], start=1)]
    if spec.parametric:
        hidden = [parametric()(g, alpha) for g, alpha in zip(hidden, net.alphas, strict=True)]
    outputs = [_module_of(head.output, spec.n_layers, torch) for head in spec.head_specs]
    modules = []
    for k, (o, i) in enumerate(spec.shapes):
        dtype = getattr(torch, spec.dtype)
        linear = torch.nn.utils.skip_init(torch.nn.Linear, i, o, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(net.weights[k]))
            linear.bias.copy_(torch.from_numpy(net.biases[k]))
        modules += [linear, *hidden[k : k + 1]]
    if spec.heads:
        modules.append(output_heads()(spec.head_widths, outputs))
    elif spec.output != "identity":
        modules += outputs
    named = {str(place): module for place, module in enumerate(modules)}
    if spec.inputs is not None:
        block = input_units()(spec.inputs, spec.n_inputs, spec.block_views(net.params))
        named = {"inputs": block, **named}
    return torch.nn.Sequential(OrderedDict(named))


def _module_of(g: Any, k: int, torch: Any) -> Any:
    """The module that computes an activation of layer k."""
    if not isinstance(g, str) or g not in MODULES:
        raise ValueError(
            f"torch.nn has no module for the activation {_named(g)} of layer {k}; "
            f"it has: {', '.join(MODULES)}"
        )
    kind, options = MODULES[g]
    return getattr(torch.nn, kind)(**options)


def _read_modules(model: Any, nn: Any) -> tuple[list[Layer], list[Any], dict[int, float], _Further]:
    """(W_k, b_k) for k = 1..L; g_1, g_2, ...; the dropout rate of h_k by k; an input block with its
    number of columns, and what follows the layers in θ.

    A hidden layer without an activation module has the identity; the last one is left out. Several
    heads are a tuple in the place of an activation.
    """
    layers: list[Layer] = []
    found: list[Any] = []
    rates: dict[int, float] = {}
    block, alphas = None, {}
    for place, given in _leaves(model, nn):
        k, module = len(layers), given
        if found and isinstance(found[-1], tuple):
            raise ValueError(f"module {place}, {module!r}, follows the outputs of heads")
        if type(module) is nn.Identity or (type(module) is nn.Flatten and not layers):
            continue
        if type(module) is input_units() and block is None and not layers and not rates:
            block = module
            continue
        if type(module) is parametric():
            alphas[k], module = _array(module.alpha), module.function
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
    if alphas and list(alphas) != list(range(1, len(layers))):
        raise ValueError("either all hidden activations are parametric, or none")
    own = [] if block is None else [_array(one) for one in block.parameters()]
    inputs = None if block is None else (block.block, block.n_columns)
    return layers, found, rates, (inputs, [*own, *alphas.values()])


def _array(tensor: Any) -> Array:
    values: Array = tensor.detach().cpu().numpy()
    return values


def _leaves(model: Any, nn: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The modules of a sequence with their paths, nested sequences flattened."""
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
    return _array(module.weight), None if module.bias is None else _array(module.bias)


def _from_module(module: Any, nn: Any, place: str) -> str | tuple[int | Head, ...]:
    """The name, here, of the activation that a module computes, or the heads, by width if all are
    softmax.
    """
    if type(module) is output_heads():
        names = [_from_module(part, nn, place) for part in module.functions]
        if set(names) == {"softmax"}:
            return tuple(module.widths)
        return tuple(Head(*head) for head in zip(module.widths, names, strict=True))  # type: ignore[arg-type]
    if type(module) is nn.LogSoftmax and EQUIVALENT["dim"](module.dim):
        return "softmax"
    for name, (kind, options) in MODULES.items():
        if type(module) is getattr(nn, kind) and all(
            EQUIVALENT.get(key, value.__eq__)(getattr(module, key))
            for key, value in options.items()
        ):
            return name
    known = ", ".join(dict.fromkeys(kind for kind, _ in MODULES.values()))
    raise ValueError(
        f"module {place}, {module!r}, has no equivalent; expected, with torch's default options, "
        f"Linear, {known}, LogSoftmax"
    )


def _named(g: Any) -> str:
    """The name of an activation, quoted, for messages."""
    return repr(g if isinstance(g, str) else g.name)


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'PyTorch models need torch: pip install "ffnn_fast[torch]"', name="torch"
        ) from error
    return torch
