"""Checkpoint files: written while a fit runs, and read to resume it as if it had never stopped.

A checkpoint is one safetensors file. Beside the newest lies the one before it, under the same name
with ``.previous``. Each holds a SHA-256 of all its content. Loading runs no code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable
from importlib.metadata import version
from time import monotonic
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ffnn_fast._model.model_files import packed, write_atomically
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
RESUMABLE = ("", "epochs", "interrupted", "max_time")  # more epochs may follow these ends of a fit
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
        "rng": _as_plain(state.rng_at_epoch if state.position else state.rng.bit_generator.state),
        "rng_at_start": _as_plain(state.rng_at_start),
    }
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


def load(path: str | os.PathLike[str]) -> Content:
    """Tensors and metadata of the newest checkpoint, or of the one before if that is damaged.

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


def rng_at_start(content: Content) -> dict[str, Any]:
    """The generator's state before the fit drew anything."""
    return _from_plain(content[1]["progress"]["rng_at_start"])


def draw_of(content: Content | None) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The function that draws the held-out rows of a new fit, or of the fit of a checkpoint."""
    old = content is not None and content[1]["format_version"] == "1"
    return hold_out_by_rounding if old else hold_out


def dropout_seed(content: Content) -> int:
    """The seed of the dropout masks."""
    return int(content[1]["progress"]["seed"])


def restore(state: FitState, content: Content) -> None:
    """Set a fit that has not started to the progress of a checkpoint.

    Raises
    ------
    CheckpointError
        If the checkpoint is of another network or of a fit with other options or rows; nothing has
        been changed then.
    """
    tensors, metadata = content
    progress = metadata["progress"]
    _check_same("network", metadata["spec"], json.loads(json.dumps(state.spec.to_dict())))
    _check_same("options", metadata["options"], json.loads(json.dumps(state.options.described())))
    _check_same("rows", progress["n_rows"], state.n_rows)
    shape = state.optimizer_state.shape
    _check_same("shape of the optimizer state", tensors["state"].shape, shape)
    state.params[:] = tensors["params"]
    for name, attribute in ARRAYS.items():
        if name != "params":
            setattr(state, attribute, tensors.get(name))
    for name, attribute in COUNTERS.items():
        setattr(state, attribute, progress[name])
    state.schedule_memory, state.stopping_memory = progress["schedule"], progress["stopping"]
    state.history.records[:] = json.loads(tensors["history"].tobytes())
    state.history.best_epoch = progress["best_epoch"]
    stopped = progress["stopped"]
    state.history.stopped = "" if stopped in RESUMABLE else stopped
    state.rng_at_start = _from_plain(progress["rng_at_start"])
    state.rng.bit_generator.state = _from_plain(progress["rng"])


def _check_same(what: str, written: Any, given: Any) -> None:
    if _are_same(written, given):
        return
    if isinstance(written, dict) and isinstance(given, dict):
        other = [
            key for key in {**written, **given} if not _are_same(written.get(key), given.get(key))
        ]
        what = f"{what} ({', '.join(other)})"
    raise CheckpointError(
        f"the checkpoint is of a fit with another {what}: {written!r}; got {given!r}"
    )


def _are_same(written: Any, given: Any) -> bool:
    """Whether two descriptions agree; "1" and "1.0" do, since an int given for a float is one."""
    if isinstance(written, dict) and isinstance(given, dict):
        return written.keys() == given.keys() and all(
            _are_same(written[key], given[key]) for key in written
        )
    if isinstance(written, list) and isinstance(given, list):
        return len(written) == len(given) and all(map(_are_same, written, given))
    if isinstance(written, str) and isinstance(given, str) and written != given:
        with contextlib.suppress(ValueError):
            return float(written) == float(given)
    return bool(written == given)


def _read(name: str) -> Content:
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != FORMAT:
                raise CheckpointError(f"{name!r} is not a checkpoint of ffnn_fast")
            if metadata.get("format_version") not in READABLE:
                raise CheckpointError(
                    f"{name!r} has format version {metadata.get('format_version')!r}; this "
                    f"ffnn_fast ({version('ffnn_fast')}) reads versions {', '.join(READABLE)}"
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{name!r} is not a complete safetensors file: {error}") from error
    expected = metadata.pop("sha256", None)
    if _digest(tensors, metadata) != expected:
        raise CheckpointError(f"{name!r} is damaged: its checksum does not match")
    parsed: dict[str, Any] = dict(metadata)
    for key in ("spec", "options", "progress"):
        parsed[key] = json.loads(metadata[key])
    return tensors, parsed


def _digest(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """SHA-256 over the metadata and every tensor with its name, type and shape."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _as_plain(state: Any) -> Any:
    """A generator's state as JSON values."""
    if isinstance(state, dict):
        return {key: _as_plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"dtype": str(state.dtype), "array": state.tolist()}
    return int(state) if isinstance(state, np.integer) else state


def _from_plain(state: Any) -> Any:
    if isinstance(state, dict):
        if set(state) == {"dtype", "array"}:
            return np.array(state["array"], state["dtype"])
        return {key: _from_plain(value) for key, value in state.items()}
    return state
