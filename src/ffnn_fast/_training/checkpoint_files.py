"""Checkpoint files: written while a fit runs, and read to resume it as if it had never stopped.

A checkpoint is one safetensors file. Beside the newest lies the one before it, under the same name
with ``.previous``. Each holds a SHA-256 of all its content, which detects damage; it is no
signature, since whoever writes a file can compute it. Loading runs no code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from time import monotonic
from typing import Any

import numpy as np

from ffnn_fast._model.model_files import packed, write_atomically
from ffnn_fast._model.tensor_files import Tensor, TensorFile, TensorFileError, bytes_of, int_of_file
from ffnn_fast._text import quoted
from ffnn_fast._training.checkpoint import Checkpoint, CheckpointError
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.sampling import hold_out, hold_out_by_rounding
from ffnn_fast._user_line import stacklevel

FORMAT = "ffnn_fast checkpoint"
FORMAT_VERSION = "2"
READABLE = ("1", FORMAT_VERSION)  # version 1 has another draw of held-out rows
# Names in the file, which never change: the attributes of FitState that they hold.
ARRAYS = {
    "params": "params", "state": "optimizer_state", "best": "best_params", "mean": "swa_mean",
}  # fmt: skip
COUNTERS = {
    "t": "t", "epoch": "epoch", "position": "position", "total": "loss_sum", "seconds": "seconds",
    "mean_of": "swa_epochs",
}  # fmt: skip
PROGRESS = {
    *COUNTERS, "n_rows", "seed", "schedule", "stopping", "stopped", "best_epoch", "rng",
    "rng_at_start",
}  # fmt: skip
OF_BLOCKS = "metrics"  # of the rows of the epoch before the part in memory; only in its middle
Content = tuple[dict[str, np.ndarray], dict[str, Any]]


class CheckpointWriter:
    """Writes the checkpoints of a fit when they are due; without a `Checkpoint` it writes none."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        self._written_at = monotonic()
        self._written_progress = (0, 0)

    def within_epoch(self, state: FitState) -> None:
        """Write if `every_seconds` have passed."""
        every = self.checkpoint.every_seconds if self.checkpoint else None
        if every is not None and monotonic() - self._written_at >= every:
            self.write(state)

    def after_epoch(self, state: FitState) -> None:
        """Write if `every_epochs` are completed or `every_seconds` have passed."""
        every = self.checkpoint.every_epochs if self.checkpoint else None
        if every is not None and (state.epoch - 1) % every == 0:
            self.write(state)
        else:
            self.within_epoch(state)

    def write(self, state: FitState) -> None:
        """Write, unless the last checkpoint has the same progress."""
        progress = (state.epoch, state.position)
        if self.checkpoint and progress != self._written_progress:
            save(state, self.checkpoint.path)
            self._written_at, self._written_progress = monotonic(), progress


def save(state: FitState, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint of a fit."""
    target = os.path.realpath(path)
    found = {name: getattr(state, attribute) for name, attribute in ARRAYS.items()}
    tensors = {
        name: np.ascontiguousarray(array) for name, array in found.items() if array is not None
    }
    records = json.dumps(state.history.records[: state.epoch - 1], default=float)
    tensors["history"] = np.frombuffer(records.encode(), np.uint8)
    progress = {name: getattr(state, attribute) for name, attribute in COUNTERS.items()}
    progress |= {
        "n_rows": state.n_rows,
        "seed": state.options.rule.seed,
        "schedule": state.schedule_memory,
        "stopping": state.stopping_memory,
        "stopped": state.history.stopped,
        "best_epoch": state.history.best_epoch,
        "rng": as_plain(state.rng_at_epoch or state.rng.bit_generator.state),
        "rng_at_start": as_plain(state.rng_at_start),
    }
    if state.counted:
        progress[OF_BLOCKS] = {"rows": state.counted, "sums": state.metric_sums}
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "spec": json.dumps(state.spec.to_dict()),
        "options": json.dumps(state.options.described()),
        "progress": json.dumps(progress, default=float),
    }
    metadata["sha256"] = _digest(tensors, metadata)
    write_atomically(target, packed(tensors, metadata), previous=f"{target}.previous")


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise OSError or ValueError if no checkpoint can be written under this name."""
    target, name = os.path.realpath(path), os.fspath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "the folder of the checkpoint does not exist", name)
    for file in (target, f"{target}.previous"):
        if os.path.exists(file) and not os.path.isfile(file):
            raise ValueError(f"cannot write checkpoints: {file!r} is not a regular file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the folder of the checkpoint is read-only", name)


def load(path: str | os.PathLike[str]) -> Content:
    """Tensors and metadata of the newest checkpoint, or of the one before if that is damaged.

    Complete, of known names and types, but not yet compared with a fit: `resuming.restore` does so.

    Raises
    ------
    FileNotFoundError
        If there is neither.
    CheckpointError
        If neither is a complete checkpoint.

    Warns
    -----
    UserWarning
        If the newest is damaged.
    """
    newest, damage = os.path.realpath(path), None
    for name in (newest, f"{newest}.previous"):
        with contextlib.suppress(FileNotFoundError):
            try:
                content = _read(name)
            except CheckpointError as error:
                damage = damage or error
                continue
            if damage is not None:
                message = f"{damage}; resuming from the checkpoint before it"
                warnings.warn(message, UserWarning, stacklevel=stacklevel())
            return content
    if damage is not None:
        raise damage
    raise FileNotFoundError(f"there is no checkpoint {os.fspath(path)!r}")


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is a checkpoint of that name, newest or previous."""
    newest = os.path.realpath(path)
    return os.path.exists(newest) or os.path.exists(f"{newest}.previous")


def draw_of(content: Content | None) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The function that draws the held-out rows of a new fit, or of the fit of a checkpoint."""
    old = content is not None and content[1]["format_version"] == "1"
    return hold_out_by_rounding if old else hold_out


def _read(name: str) -> Content:
    try:
        with TensorFile(name) as file:
            metadata = file.metadata
            if metadata.get("format") != FORMAT:
                raise CheckpointError(f"{name!r} is not a checkpoint of ffnn_fast")
            if metadata.get("format_version") not in READABLE:
                raise CheckpointError(
                    f"{name!r} has format version {quoted(metadata.get('format_version'))}; this "
                    f"ffnn_fast ({version('ffnn_fast')}) reads versions {', '.join(READABLE)}"
                )
            _check_tensors(name, file.tensors)
            tensors = {key: file.read(key) for key in file.tensors}
    except TensorFileError as error:
        raise CheckpointError(f"{name!r} {error}") from error
    expected = metadata.pop("sha256", None)
    if _digest(tensors, metadata) != expected:
        raise CheckpointError(f"{name!r} is damaged: its checksum does not match")
    parsed: dict[str, Any] = dict(metadata)
    for key in ("spec", "options", "progress"):
        parsed[key] = _parsed(name, key, metadata.get(key, ""), dict)
    if parsed["progress"].keys() - {OF_BLOCKS} != PROGRESS:
        odd = sorted(parsed["progress"].keys() ^ PROGRESS)
        raise CheckpointError(f"{name!r} has a 'progress' that lacks or adds {quoted(odd)}")
    parsed["history"] = _parsed(name, "history", tensors.pop("history").tobytes(), list)
    return tensors, parsed


def _check_tensors(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse names and types that a checkpoint has not."""
    needed, known = {"params", "state", "history"}, {*ARRAYS, "history"}
    if not needed <= tensors.keys() <= known:
        raise CheckpointError(
            f"{name!r} must hold the tensors {sorted(needed)}; it holds {quoted(sorted(tensors))}"
        )
    for key, tensor in tensors.items():
        if tensor.dtype not in (("U8",) if key == "history" else ("F32", "F64")):
            raise CheckpointError(f"{name!r} has a tensor {key!r} of type {tensor.dtype}")


def _parsed(name: str, key: str, text: str | bytes, kind: type) -> Any:
    """The JSON object or list under `key`."""
    try:
        value = json.loads(text, parse_int=int_of_file)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name!r} has a {key!r} that is not valid JSON: {error}") from error
    if not isinstance(value, kind):
        found = type(value).__name__
        raise CheckpointError(f"{name!r} has a {key!r} that is a {found}, not a {kind.__name__}")
    return value


def _digest(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """SHA-256 over the metadata and every tensor with its name, type and shape."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()


def as_plain(state: Any) -> Any:
    """A generator's state as JSON values."""
    if isinstance(state, dict):
        return {key: as_plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"dtype": str(state.dtype), "array": state.tolist()}
    return int(state) if isinstance(state, np.integer) else state
