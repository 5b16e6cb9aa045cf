"""Checkpoints and model files with a right checksum and any content."""

import copy
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import safe_open

MISSING = object()
DEEP = json.loads("[" * 400 + "]" * 400)
VALUES = (
    MISSING, None, True, "", "x", "NaN", -1, 0, 0.5, 1e308, 10**30, 10**400, math.nan, math.inf,
    [], {}, [1], {"a": 1}, DEEP,
)  # fmt: skip


def read(path):
    """Tensors and metadata; the entries that are JSON are parsed."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata.pop("sha256", None)
    for key in ("spec", "options", "progress"):
        metadata[key] = json.loads(metadata[key])
    metadata["history"] = json.loads(tensors.pop("history").tobytes())
    return tensors, metadata


def write(path, tensors, metadata):
    """The file with its checksum, which is SHA-256 over the metadata and every tensor."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in metadata.items()
        if value is not MISSING
    }
    tensors = dict(tensors)
    if "history" in texts:
        tensors["history"] = np.frombuffer(texts.pop("history").encode(), np.uint8)
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    texts["sha256"] = digest.hexdigest()
    Path(path).write_bytes(safetensors.numpy.save(tensors, metadata=texts))


def places(value, path=()):
    """The path of every entry of lists and objects, at any depth; of long lists the first and
    last.
    """
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = [*range(min(len(value), 2)), *range(max(2, len(value) - 1), len(value))]
    else:
        return
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def replaced(value, path, other):
    """A copy with another entry at a path, or without it."""
    whole = copy.deepcopy(value)
    at = whole
    for key in path[:-1]:
        at = at[key]
    if other is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = other
    return whole
