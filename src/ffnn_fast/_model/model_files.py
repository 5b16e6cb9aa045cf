"""Model files: θ and its description in one safetensors file, written atomically.

Tensors have the names of ``torch.nn.Sequential(Linear, act, Linear, ...).state_dict()``; the header
holds the description as JSON. Loading runs no code.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.tensor_files import (
    MAX_HEADER_BYTES,
    TYPES,
    Buffer,
    TensorFile,
    TensorFileError,
    content_of,
    int_of_file,
)
from ffnn_fast._public import public
from ffnn_fast._scalars import as_path
from ffnn_fast._text import quoted, shortened

FORMAT = "ffnn_fast"
FORMAT_VERSION = "2"
READABLE = ("1", FORMAT_VERSION)  # version 1 lacks newer keys, which have defaults
TRAINING, STATE = "training", "training.state"  # an entry of the header, a tensor; both optional
ENSEMBLE, TABULAR = "ffnn_fast ensemble", "ffnn_fast.tabular"  # formats of other files
HOLDS = {
    FORMAT: ("a network", "ffnn_fast.Network"),
    ENSEMBLE: ("an ensemble", "ffnn_fast.Ensemble"),
}
ESTIMATORS = ("TabularClassifier", "TabularRegressor")
MAX_PARTS = 100  # lists, objects and entries of objects in a description


@public()
class ModelFileError(ValueError):
    """The file is not a model file of ffnn_fast, is damaged, or has another format version."""


class Training(NamedTuple):
    """What a file holds about training: a description as JSON values and, or None, the state of the
    optimizer, (slots, P).
    """

    described: dict[str, Any]
    state: np.ndarray | None


class ModelFile(NamedTuple):
    """The content of a model file: `params` is θ, (P,), of the dtype of `spec`."""

    spec: NetworkSpec
    params: np.ndarray
    extra: dict[str, str]
    training: Training | None


def save(
    path: str | os.PathLike[str],
    spec: NetworkSpec,
    params: np.ndarray,
    extra: Mapping[str, str] | None = None,
    training: Training | None = None,
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
    training : Training, optional
        Without it the file holds nothing about training.

    Raises
    ------
    ValueError
        If `params` does not fit `spec` or is not finite, `path` is not a regular file, or the
        network has user-defined functions.
    TypeError
        If `path` is no path, `params` is not an array, or `extra` does not map strings to strings.
    OSError
        If the file cannot be written.
    """
    path = as_path(path)
    _check_params(spec, params)
    target = regular_file(path)
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "spec": json.dumps(spec.to_dict()),
        "extra": json.dumps(_as_extra(extra)),
    }
    tensors = named_tensors(spec, np.ascontiguousarray(params))
    if training is not None:
        metadata[TRAINING] = json.dumps(training.described)
        if training.state is not None:
            if not all_finite(training.state):
                raise ValueError("cannot save a state of the optimizer that is not finite")
            tensors[STATE] = training.state
    write_atomically(target, packed(tensors, metadata))


def load(path: str | os.PathLike[str]) -> tuple[NetworkSpec, np.ndarray, dict[str, str]]:
    """Description, θ and `extra` of a model file; as `read`."""
    file = read(path)
    return file.spec, file.params, file.extra


def read(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file.

    Time and memory are linear in the size of the file, whatever it describes.

    Raises
    ------
    ModelFileError
        If the file is incomplete or inconsistent, has an unknown format version, or holds
        parameters that are not finite.
    MemoryError
        If the parameters do not fit into memory.
    OSError
        If there is no such file or it cannot be read.
    """
    name = as_path(path)
    try:
        with TensorFile(name) as file:
            return _read(file)
    except TensorFileError as error:
        raise ModelFileError(f"{name!r} {error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{name!r} {error}") from error.__cause__


def named_tensors(spec: NetworkSpec, vector: np.ndarray) -> dict[str, np.ndarray]:
    """Views of θ under torch's names: layer k is module 2(k − 1), its activation the next; what
    follows the layers has the names of `NetworkSpec.further_shapes`.
    """
    named = {}
    for k, (W, b) in enumerate(zip(spec.weights(vector), spec.biases(vector), strict=True)):
        named[f"{2 * k}.weight"] = W
        named[f"{2 * k}.bias"] = b
    return named | spec.further(vector)


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
            found = f"{quoted(key)}: {quoted(value)}"
            raise TypeError(f"extra must map strings to strings, got {found}")
    return dict(extra)


def regular_file(path: str) -> str:
    """The file that a path leads to, links followed; ValueError if something else is there."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"cannot save to {path!r}: it is not a regular file")
    return target


def packed(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[Buffer]:
    """The parts of a safetensors file; the same content gives the same bytes."""
    parts = content_of(tensors, metadata)
    length = len(parts[0]) - 8
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"extra is too long: a header of {length} bytes could not be read")
    return parts


def write_atomically(target: str, parts: Iterable[Buffer], previous: str | None = None) -> None:
    """Write beside the target, flush to the disk, then replace the target in one step.

    With `previous` the old file keeps that name, and a partial file that a killed process left is
    overwritten.
    """
    folder = os.path.dirname(target)
    if not os.path.isdir(folder or "."):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write to", folder)
    if previous is None:
        temporary = os.path.join(folder, f".ffnn_fast-{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    else:
        temporary = os.path.join(folder, f".{os.path.basename(target)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.fsync(file.fileno())
        if previous is not None and os.path.exists(target):
            os.replace(target, previous)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename, error.filename2 = target, None
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


def other_kind(metadata: Mapping[str, Any]) -> str:
    """What a file with this header holds and what loads it; empty if it is none of ours."""
    given, kind = metadata.get("format"), metadata.get("kind")
    held = HOLDS.get(given) if isinstance(given, str) else None
    if given == TABULAR and kind in ESTIMATORS:
        held = f"a {kind}", f"ffnn_fast.tabular.{kind}"
    return f"holds {held[0]}; load it with {held[1]}.load" if held else ""


def check_format(
    path: str, metadata: Mapping[str, str], expected: str, readable: str, what: str
) -> None:
    """ModelFileError unless the header is that of this format and version, a file of `what`."""
    if metadata.get("format") != expected:
        raise ModelFileError(f"{path!r} {other_kind(metadata) or f'is not a file of {what}'}")
    if metadata.get("format_version") != readable:
        raise ModelFileError(
            f"{path!r} has the format version {quoted(metadata.get('format_version'))}; "
            f"this version of ffnn_fast reads {readable}"
        )


def _read(file: TensorFile) -> ModelFile:
    metadata = file.metadata
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            other_kind(metadata)
            or "was not written by ffnn_fast: its header has no such format entry"
        )
    if metadata.get("format_version") not in READABLE:
        raise ModelFileError(
            f"has format version {quoted(metadata.get('format_version'))}, but this ffnn_fast "
            f"({version('ffnn_fast')}) reads versions {', '.join(READABLE)}; it was written by "
            f"ffnn_fast {shortened(metadata.get('library_version', 'unknown'), 40)}"
        )
    try:
        plain = parsed(metadata, "spec", MAX_PARTS)
        _check_lengths(plain, file)
        spec = NetworkSpec.from_dict(plain)
    except (ValueError, OverflowError) as error:
        raise ModelFileError(f"has an invalid network description: {error}") from error
    try:
        extra = _as_extra(parsed(metadata, "extra"))
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"has an invalid 'extra' entry: {error}") from error
    training = None
    if TRAINING in metadata:
        try:
            training = parsed(metadata, TRAINING, MAX_PARTS)
        except ValueError as error:
            raise ModelFileError(f"has an invalid {TRAINING!r} entry: {error}") from error
    has_state = training is not None and STATE in file.tensors
    params = _read_params(file, spec, has_state)
    state = _read_state(file, spec) if has_state else None
    return ModelFile(spec, params, extra, None if training is None else Training(training, state))


def parsed(metadata: Mapping[str, str], key: str, most: float = math.inf) -> dict[str, Any]:
    """The JSON object under `key`, which may have at most so many lists, objects and entries of
    objects.
    """
    text = metadata.get(key, "")
    if sum(map(text.count, "[{:")) > most:
        raise ValueError(f"{key!r} is nested too deeply or has too many entries")
    try:
        value = json.loads(text, parse_int=int_of_file)
    except RecursionError as error:
        raise ValueError(f"{key!r} is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"{key!r} must be a JSON object, got {type(value).__name__}")
    return value


def _check_lengths(plain: dict[str, Any], file: TensorFile) -> None:
    """Refuse lists that are longer than the tensors of the file allow, before they are used.

    A list has an entry for each layer, or at most one for each output.
    """
    widest = max((tensor.shape[0] for tensor in file.tensors.values() if tensor.shape), default=0)
    most = max(widest, len(file.tensors) // 2 + 1, 2)
    options = plain.get("loss_options")
    for name, value in {**plain, **(options if isinstance(options, dict) else {})}.items():
        if isinstance(value, list) and len(value) > most:
            raise ValueError(
                f"{quoted(name)} has {len(value)} entries; the tensors allow at most {most}"
            )


def _read_params(file: TensorFile, spec: NetworkSpec, has_state: bool) -> np.ndarray:
    """θ, tensor by tensor; allocated only after names, shapes and dtypes are checked."""
    found, dtype = file.tensors, TYPES[spec.dtype]
    n_expected = 2 * spec.n_layers + len(spec.further_shapes) + has_state
    if len(found) != n_expected or not all(name in found for name in _names(spec)):
        expected = {*_names(spec), *([STATE] if has_state else [])}
        unmatched = sorted(found.keys() ^ expected)[:4]
        raise ModelFileError(f"holds tensors that differ from its description: {quoted(unmatched)}")
    layers = (shape for o, i in spec.shapes for shape in ((o, i), (o,)))
    shapes = chain(layers, spec.further_shapes.values())
    for name, shape in zip(_names(spec), shapes, strict=True):
        tensor = found[name]
        if (tensor.shape, tensor.dtype) != (shape, dtype):
            raise ModelFileError(
                f"has tensor {name!r} of shape {list(tensor.shape)} and type {tensor.dtype}; its "
                f"description expects {list(shape)} and {dtype}"
            )
    params = np.empty(spec.n_params, spec.dtype)
    for name, part in zip(_names(spec), _parts(spec, params), strict=True):
        file.read_into(name, part)
    if not all_finite(params):
        raise ModelFileError("holds parameters that are NaN or infinite")
    return params


def _read_state(file: TensorFile, spec: NetworkSpec) -> np.ndarray:
    """The state of the optimizer, (slots, P)."""
    tensor = file.tensors[STATE]
    is_matrix = len(tensor.shape) == 2 and tensor.shape[1] == spec.n_params
    if not is_matrix or tensor.dtype != TYPES[spec.dtype]:
        raise ModelFileError(
            f"has tensor {STATE!r} of shape {quoted(list(tensor.shape))} and type {tensor.dtype}; "
            f"its description expects {spec.n_params} columns of {TYPES[spec.dtype]}"
        )
    state = file.read(STATE)
    if not all_finite(state):
        raise ModelFileError("holds a state of the optimizer that is NaN or infinite")
    return state


def _names(spec: NetworkSpec) -> Iterator[str]:
    """The names of W_1, b_1, W_2, ... in torch, then of what follows the layers."""
    layers = (f"{2 * k}.{part}" for k in range(spec.n_layers) for part in ("weight", "bias"))
    return chain(layers, spec.further_shapes)


def _parts(spec: NetworkSpec, params: np.ndarray) -> Iterator[np.ndarray]:
    """The elements of W_1, b_1, W_2, ... and of what follows as flat views of θ."""
    for (w, b), (o, _) in zip(spec.offsets, spec.shapes, strict=True):
        yield params[w:b]
        yield params[b : b + o]
    for part in spec.further(params).values():
        yield part.ravel()
