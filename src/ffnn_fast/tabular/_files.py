"""Files of fitted estimators: one safetensors file, whose header is JSON; reading runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from ffnn_fast._model.model_files import (
    ModelFileError,
    packed,
    parsed,
    regular_file,
    write_atomically,
)
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.tensor_files import TensorFile, TensorFileError
from ffnn_fast._scalars import as_path
from ffnn_fast._text import quoted
from ffnn_fast.network import Network

Array = np.ndarray
FORMAT, FORMAT_VERSION = "ffnn_fast.tabular", "1"


def write(
    path: Any, kind: str, described: dict[str, Any], networks: list[Network],
    extra: Mapping[str, str],
) -> None:  # fmt: skip
    """Write the networks, of one spec, and the description of the rest, as JSON values."""
    target = regular_file(as_path(path))
    metadata = {
        **extra,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "kind": kind,
        "spec": json.dumps(networks[0].spec.to_dict()),
        "described": json.dumps(described),
    }
    tensors = {f"networks.{i}": np.ascontiguousarray(net.params) for i, net in enumerate(networks)}
    write_atomically(target, packed(tensors, metadata))


def read(path: Any, kind: str) -> tuple[dict[str, Any], list[Network]]:
    """The description and the networks of a file that `write` wrote.

    Raises
    ------
    ModelFileError
        If it is no such file, or that of another estimator.
    OSError
        If it cannot be read.
    """
    path = as_path(path)
    try:
        with TensorFile(path) as file:
            metadata = file.metadata
            if metadata.get("format") != FORMAT:
                raise ModelFileError(f"{path!r} is not a file of ffnn_fast.tabular")
            if metadata.get("format_version") != FORMAT_VERSION:
                raise ModelFileError(
                    f"{path!r} has the format version {quoted(metadata.get('format_version'))}; "
                    f"this version of ffnn_fast reads {FORMAT_VERSION}"
                )
            if metadata.get("kind") != kind:
                raise ModelFileError(f"{path!r} holds a {metadata.get('kind')}, not a {kind}")
            spec = NetworkSpec.from_dict(parsed(metadata, "spec"))
            described = parsed(metadata, "described")
            names = [f"networks.{i}" for i in range(len(file.tensors))]
            params = [file.read(name) for name in names]
            networks = [Network.from_params(spec, one, n_threads=1) for one in params]
    except TensorFileError as error:
        raise ModelFileError(f"{path!r} {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path!r} is damaged: {error}") from error
    return described, networks
