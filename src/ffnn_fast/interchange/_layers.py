"""The description and the parameter vector of a network given as a list of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ffnn_fast._model.heads import HeadsLike
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import Activation
from ffnn_fast.inputs import InputBlock

Array = npt.NDArray[Any]
Layer = tuple[Array, Array | None]  # W_k, (n_k, n_{k-1}), and b_k, (n_k,), or None for zeros


def spec_and_params(
    layers: Sequence[Layer],
    activations: Sequence[str | Activation],
    loss: str,
    *,
    loss_options: Mapping[str, Any] | None = None,
    dropout: float | tuple[float, ...] = 0.0,
    heads: HeadsLike = (),
    inputs: tuple[InputBlock, int] | None = None,
    further: Sequence[Array] = (),
) -> tuple[NetworkSpec, Array]:
    """The description and θ, (P,), of a network with these W_k and b_k.

    `activations` are g_1, ..., g_{L-1} and O; `inputs` is an input block and the number of its
    columns; `further` are its parameters and the α_k, if activations are parametric, in the order
    of θ.

    Raises
    ------
    ValueError
        If there are no layers, or their shapes do not match one another.
    """
    sizes: list[int] = []
    parts: list[Array] = []
    for k, (W, bias) in enumerate(layers, start=1):
        b = np.zeros(len(W), W.dtype) if bias is None else bias
        if W.ndim != 2 or b.shape != W.shape[:1] or (sizes and W.shape[1] != sizes[-1]):
            given = f", with {sizes[-1]} inputs," if sizes else ""
            raise ValueError(
                f"layer {k}{given} has weights of shape {W.shape} and a bias of shape {b.shape}; "
                "expected (n_k, n_{k-1}) and (n_k,)"
            )
        sizes += [W.shape[1], W.shape[0]] if not sizes else [W.shape[0]]
        parts += [W.ravel(), b]
    if not parts:
        raise ValueError("expected at least one layer, got none")
    block, parametric = None, len(further) > 0
    if inputs is not None:
        block, n_columns = inputs
        n_units, parametric = block.n_units(n_columns), len(further) > len(block.shapes(n_columns))
        if n_units != sizes[0]:
            raise ValueError(f"the input block has {n_units} units, layer 1 has {sizes[0]} inputs")
        sizes[0] = n_columns
    params = np.concatenate([*parts, *(part.ravel() for part in further)])
    *hidden, output = activations
    spec = NetworkSpec(
        tuple(sizes), tuple(hidden), output, loss, params.dtype.name,
        loss_options=loss_options or {}, dropout=dropout, heads=heads,  # type: ignore[arg-type]
        inputs=block, parametric=parametric,
    )  # fmt: skip
    return spec, params
