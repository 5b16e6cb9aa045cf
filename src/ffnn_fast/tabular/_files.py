"""Files of fitted estimators: one safetensors file, whose header is JSON; reading runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import numpy as np

from ffnn_fast._model.model_files import (
    TABULAR,
    ModelFileError,
    check_format,
    other_kind,
    packed,
    parsed,
    regular_file,
    write_atomically,
)
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.tensor_files import TensorFile, TensorFileError, bytes_of
from ffnn_fast._scalars import as_path
from ffnn_fast.network import Network

Array = np.ndarray
FORMAT_VERSION = "1"


def write(
    path: Any, kind: str, described: dict[str, Any], networks: list[Network],
    arrays: dict[str, Array], extra: Mapping[str, str],
) -> None:  # fmt: skip
    """Write the networks, of one spec, further arrays, and the description of the rest.

    Parameters
    ----------
    path : str or path-like
    kind : str
        The name of the estimator's class.
    described : dict
        JSON values.
    networks : list of Network
    arrays : dict of str to ndarray
        float64.
    extra : mapping of str to str
        Further entries of the file's header.
    """
    target = regular_file(as_path(path))
    tensors = {f"networks.{i}": np.ascontiguousarray(net.params) for i, net in enumerate(networks)}
    tensors |= {f"arrays.{name}": np.ascontiguousarray(one) for name, one in arrays.items()}
    metadata = {
        **extra,
        "format": TABULAR,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "kind": kind,
        "spec": json.dumps(networks[0].spec.to_dict()),
        "described": json.dumps(described),
    }
    metadata["sha256"] = _checksum(metadata, tensors)
    write_atomically(target, packed(tensors, metadata))


def read(path: Any, kind: str) -> tuple[dict[str, Any], list[Network], dict[str, Array]]:
    """The description, the networks and the arrays of a file that `write` wrote.

    Raises
    ------
    ModelFileError
        If it is no such file, that of another estimator, or has another checksum than its content.
    OSError
        If it cannot be read.
    """
    path = as_path(path)
    try:
        with TensorFile(path) as file:
            metadata = file.metadata
            check_format(path, metadata, TABULAR, FORMAT_VERSION, "ffnn_fast.tabular")
            tensors = {name: file.read(name) for name in file.tensors}
            if metadata.pop("sha256", None) != _checksum(metadata, tensors):
                raise ModelFileError(f"{path!r} is damaged: its checksum is that of other content")
            if metadata.get("kind") != kind:
                held = other_kind(metadata) or "holds an unknown kind of model"
                raise ModelFileError(f"{path!r} {held}, not with {kind}.load")
            spec = NetworkSpec.from_dict(parsed(metadata, "spec"))
            described = parsed(metadata, "described")
            arrays = {
                name.removeprefix("arrays."): tensors.pop(name)
                for name in list(tensors)
                if name.startswith("arrays.")
            }
            params = [tensors[f"networks.{i}"] for i in range(len(tensors))]
            networks = [Network.from_params(spec, one, n_threads=1) for one in params]
            if not networks:
                raise ModelFileError(f"{path!r} is damaged: it holds no network")
    except TensorFileError as error:
        raise ModelFileError(f"{path!r} {error}") from error
    except (KeyError, StopIteration, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path!r} is damaged: {error}") from error
    return described, networks, arrays


def _checksum(metadata: dict[str, str], tensors: dict[str, Array]) -> str:
    """SHA-256 of the metadata and of the tensors with their names, types and shapes."""
    found = sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        found.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        found.update(bytes_of(array))
    return found.hexdigest()
