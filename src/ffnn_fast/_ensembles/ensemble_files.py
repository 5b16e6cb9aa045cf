"""Files of ensembles: one safetensors file, and C code of one wide network."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ffnn_fast._c_code import CExportOptions, export_mean
from ffnn_fast._model.model_files import (
    ENSEMBLE,
    ModelFileError,
    check_format,
    named_tensors,
    packed,
    parsed,
    regular_file,
    write_atomically,
)
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.tensor_files import TensorFile, TensorFileError
from ffnn_fast._scalars import as_path
from ffnn_fast.network import Network

Array = np.ndarray
FORMAT_VERSION = "1"
MOST = 100_000  # networks of a file


def save(path: Any, networks: Sequence[Network]) -> None:
    """See `ffnn_fast.Ensemble.save`; a tensor of network m has the name ``m.`` and that of a model
    file.
    """
    target = regular_file(as_path(path))
    tensors, specs = {}, {}
    for m, net in enumerate(networks):
        if not np.isfinite(net.params).all():
            raise ValueError(f"cannot save networks[{m}], whose parameters hold NaN or infinity")
        specs[str(m)] = net.spec.to_dict()
        for name, tensor in named_tensors(net.spec, net.params).items():
            tensors[f"{m}.{name}"] = np.ascontiguousarray(tensor)
    metadata = {
        "format": ENSEMBLE,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "specs": json.dumps(specs),
    }
    write_atomically(target, packed(tensors, metadata))


def load(path: Any, n_threads: int | None) -> list[Network]:
    """See `ffnn_fast.Ensemble.load`."""
    path = as_path(path)
    try:
        with TensorFile(path) as file:
            metadata = file.metadata
            check_format(path, metadata, ENSEMBLE, FORMAT_VERSION, "an Ensemble")
            specs = parsed(metadata, "specs")
            if not 1 <= len(specs) <= min(MOST, len(file.tensors)):
                raise ValueError(f"it describes {len(specs)} networks")
            networks = [
                _read(file, m, NetworkSpec.from_dict(specs[str(m)]), n_threads)
                for m in range(len(specs))
            ]
    except TensorFileError as error:
        raise ModelFileError(f"{path!r} {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path!r} is damaged: {error}") from error
    return networks


def _read(file: TensorFile, m: int, spec: NetworkSpec, n_threads: int | None) -> Network:
    """Network m; its parameters are allocated after the sizes of its tensors are known to fit."""
    own = [tensor for name, tensor in file.tensors.items() if name.startswith(f"{m}.")]
    held = sum(int(np.prod(tensor.shape)) for tensor in own)
    if held != spec.n_params:
        raise ValueError(f"network {m} has {spec.n_params} parameters, the file holds {held}")
    params = np.empty(spec.n_params, spec.dtype)
    for name, part in named_tensors(spec, params).items():
        tensor = file.read(f"{m}.{name}")
        if tensor.shape != part.shape or tensor.dtype != part.dtype:
            raise ValueError(f"the tensor {m}.{name} must be {part.dtype} of {part.shape}")
        part[...] = tensor
    return Network.from_params(spec, params, n_threads=n_threads)


def export_c(
    networks: Sequence[Network], path: Any, name: str | None, dtype: str | None
) -> tuple[Path, ...]:
    """See `ffnn_fast.Ensemble.export_c`."""
    spec, params = _side_by_side(networks)
    return export_mean(spec, params, len(networks), os.fspath(path), CExportOptions(name, dtype))


def _side_by_side(networks: Sequence[Network]) -> tuple[NetworkSpec, Array]:
    """One network whose layers are those of all networks side by side, and whose outputs are those
    of each, one after another.

    W_1 has the rows of all, W_k for k > 1 is block-diagonal.
    """
    first, M = networks[0].spec, len(networks)
    if first.heads or first.loss == "gaussian_nll":
        raise ValueError("export_c of an Ensemble takes one head and no gaussian_nll; use to_onnx")
    for m, net in enumerate(networks):
        net.spec.require_plain("export_c of an Ensemble")
        if net.spec.layer_activations != first.layer_activations:
            raise ValueError(
                "export_c needs networks of the same depth and activations; networks[0] has "
                f"{first.layer_activations}, networks[{m}] has {net.spec.layer_activations}"
            )
    L = first.n_layers
    widths = [sum(net.spec.layer_sizes[k] for net in networks) for k in range(1, L + 1)]
    softmax = first.output == "softmax"
    spec = replace(
        first, layer_sizes=(first.n_inputs, *widths), l1=0.0, l2=0.0, dropout=0.0,
        loss="cross_entropy" if softmax else "squared_error", loss_options={},
        heads=(first.n_outputs,) * M if softmax and M > 1 else (),
    )  # fmt: skip
    params = np.zeros(spec.n_params, spec.dtype)
    for k, (W, b) in enumerate(zip(spec.weights(params), spec.biases(params), strict=True)):
        row = column = 0
        for net in networks:
            own = net.weights[k]
            n, i = own.shape
            W[row : row + n, column : column + i] = own
            b[row : row + n] = net.biases[k]
            row, column = row + n, column + (i if k else 0)
    return spec, params
