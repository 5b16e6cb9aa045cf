"""Model files: θ and its description in one safetensors file, written atomically.

Tensors have the names of ``torch.nn.Sequential(Linear, act, Linear, ...).state_dict()``; the header
holds the description as JSON. Loading runs no code.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public

FORMAT = "ffnn_fast"
FORMAT_VERSION = "2"
READABLE = ("1", FORMAT_VERSION)  # version 1 lacks newer keys, which have defaults
TENSOR_TYPES = {"float32": "F32", "float64": "F64"}
MAX_HEADER_BYTES = 100_000_000  # safetensors does not read longer headers


@public()
class ModelFileError(ValueError):
    """The file is not a model file of ffnn_fast, is damaged, or has another format version."""


def save(
    path: str | os.PathLike[str],
    spec: NetworkSpec,
    params: np.ndarray,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a model file; after a failure an old file is unchanged and no other file is left.

    Parameters
    ----------
    path : str or path-like
        A symbolic link is followed. An existing file is replaced and keeps its permissions; a
        new one gets those that the umask leaves.
    spec : NetworkSpec
    params : array of shape (P,) and of the dtype of `spec`
    extra : mapping of str to str, optional
        Stored with the model; `load` returns it.

    Raises
    ------
    ValueError
        If `params` does not fit `spec` or is not finite, `path` is not a regular file, or the
        network has user-defined functions.
    TypeError
        If `params` is not an array or `extra` does not map strings to strings.
    OSError
        If the file cannot be written.
    """
    _check_params(spec, params)
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"cannot save to {os.fspath(path)!r}: it is not a regular file")
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "spec": json.dumps(spec.to_dict()),
        "extra": json.dumps(_as_extra(extra)),
    }
    tensors = named_tensors(spec, np.ascontiguousarray(params))
    write_atomically(target, packed(tensors, metadata))


def load(path: str | os.PathLike[str]) -> tuple[NetworkSpec, np.ndarray, dict[str, str]]:
    """Read a model file.

    Returns
    -------
    spec : NetworkSpec
    params : array of shape (P,) and of the dtype of `spec`
    extra : dict of str to str

    Raises
    ------
    ModelFileError
        If the file is incomplete or inconsistent, has an unknown format version, or holds
        parameters that are not finite.
    OSError
        If there is no such file or it cannot be read.
    """
    name = os.fspath(path)
    if not stat.S_ISREG(os.stat(name).st_mode):
        raise ModelFileError(f"{name!r} is not a regular file")
    try:
        with safe_open(name, framework="numpy") as file:
            return _read(file)
    except SafetensorError as error:
        raise ModelFileError(f"{name!r} is not a complete safetensors file: {error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{name!r} {error}") from error.__cause__


def named_tensors(spec: NetworkSpec, vector: np.ndarray) -> dict[str, np.ndarray]:
    """Views of θ under torch's names: layer k is module 2(k − 1), its activation the next."""
    named = {}
    for k, (W, b) in enumerate(zip(spec.weights(vector), spec.biases(vector), strict=True)):
        named[f"{2 * k}.weight"] = W
        named[f"{2 * k}.bias"] = b
    return named


def _check_params(spec: NetworkSpec, params: np.ndarray) -> None:
    if not isinstance(params, np.ndarray):
        raise TypeError(f"params must be a NumPy array, got {type(params).__name__}")
    if params.shape != (spec.n_params,) or params.dtype != spec.dtype:
        raise ValueError(
            f"expected {spec.n_params} parameters of {spec.dtype} in one dimension, "
            f"got shape {params.shape} of {params.dtype}"
        )
    if not np.isfinite(params).all():
        raise ValueError("cannot save parameters that hold NaN or infinity")


def _as_extra(extra: Mapping[str, str] | None) -> dict[str, str]:
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        raise TypeError(f"extra must map strings to strings, got {type(extra).__name__}")
    for key, value in extra.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"extra must map strings to strings, got {key!r}: {value!r}")
    return dict(extra)


def packed(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file; the same content gives the same bytes."""
    return _ordered(safetensors.numpy.save(dict(tensors), metadata=dict(metadata)))


def _ordered(content: bytes) -> bytes:
    """The same file with its header sorted, since safetensors writes metadata in random order."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header) % 8)
    if len(padded) > MAX_HEADER_BYTES:
        raise ValueError(f"extra is too long: a header of {len(padded)} bytes could not be read")
    return len(padded).to_bytes(8, "little") + padded + content[start:]


def write_atomically(target: str, content: bytes, previous: str | None = None) -> None:
    """Write beside the target, flush to the disk, then replace the target in one step.

    With `previous` the old file keeps that name, and a partial file that a killed process left is
    overwritten.
    """
    folder = os.path.dirname(target)
    if previous is None:
        temporary = os.path.join(folder, f".ffnn_fast-{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    else:
        temporary = os.path.join(folder, f".{os.path.basename(target)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.fsync(file.fileno())
        if previous is not None and os.path.exists(target):
            os.replace(target, previous)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make the new name survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _read(file: Any) -> tuple[NetworkSpec, np.ndarray, dict[str, str]]:
    metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise ModelFileError("was not written by ffnn_fast: its header has no such format entry")
    if metadata.get("format_version") not in READABLE:
        raise ModelFileError(
            f"has format version {metadata.get('format_version')!r}, but this ffnn_fast "
            f"({version('ffnn_fast')}) reads versions {', '.join(READABLE)}; it was written by "
            f"ffnn_fast {metadata.get('library_version', 'unknown')}"
        )
    try:
        spec = NetworkSpec.from_dict(_parsed(metadata, "spec"))
    except (ValueError, OverflowError) as error:
        raise ModelFileError(f"has an invalid network description: {error}") from error
    try:
        extra = _as_extra(_parsed(metadata, "extra"))
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"has an invalid 'extra' entry: {error}") from error
    return spec, _read_params(file, spec), extra


def _parsed(metadata: Mapping[str, str], key: str) -> Any:
    """The JSON object under `key`."""
    try:
        value = json.loads(metadata.get(key, ""))
    except RecursionError as error:
        raise ValueError(f"{key!r} is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"{key!r} must be a JSON object, got {type(value).__name__}")
    return value


def _read_params(file: Any, spec: NetworkSpec) -> np.ndarray:
    """θ, tensor by tensor; allocated only after names, shapes and dtypes are checked."""
    expected = {}
    for k, (rows, columns) in enumerate(spec.shapes):
        expected[f"{2 * k}.weight"] = [rows, columns]
        expected[f"{2 * k}.bias"] = [rows]
    unmatched = sorted(set(file.keys()) ^ set(expected))
    if unmatched:
        raise ModelFileError(f"holds tensors that differ from its description: {unmatched[:4]}")
    for name, shape in expected.items():
        tensor = file.get_slice(name)
        found = tensor.get_shape(), tensor.get_dtype()
        if found != (shape, TENSOR_TYPES[spec.dtype]):
            raise ModelFileError(
                f"has tensor {name!r} of shape {found[0]} and type {found[1]}; its description "
                f"expects {shape} and {TENSOR_TYPES[spec.dtype]}"
            )
    params = np.empty(spec.n_params, spec.dtype)
    for name, view in named_tensors(spec, params).items():
        view[...] = file.get_tensor(name)
    if not np.isfinite(params).all():
        raise ModelFileError("holds parameters that are NaN or infinite")
    return params
