"""Checkpoints: a fit under way in one safetensors file, so that it can go on as if never stopped.

Beside the newest file lies the one before it, under the same name with ``.previous``. Each holds a
SHA-256 of all its content. Loading runs no code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ffnn_fast._model.model_files import ModelFileError, packed, write_atomically

if TYPE_CHECKING:
    from ffnn_fast._training.fit_state import FitState

FORMAT = "ffnn_fast checkpoint"
FORMAT_VERSION = "1"
NUMBERS = ("t", "epoch", "position", "total", "seconds", "mean_of")
MAY_GO_ON = ("", "epochs", "interrupted", "max_time")  # ends of a fit after which there can be more
Content = tuple[dict[str, np.ndarray], dict[str, Any]]


class CheckpointError(ModelFileError):
    """There is no whole checkpoint of this fit under that name."""


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often a fit is written down.

    Parameters
    ----------
    path : str or path-like
        The one before is kept under ``path + ".previous"``.
    every_epochs : int or None, default 1
        Write after so many epochs; None: not for that reason.
    every_seconds : float or None, default None
        Write when so much time has passed, within an epoch too.

    Notes
    -----
    Another one is written when the fit ends or is interrupted. Files are written whole beside the
    target, flushed to the disk and renamed, so that neither ``kill -9`` nor a power cut leaves
    half a file under either name.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    path: str | os.PathLike[str]
    every_epochs: int | None = 1
    every_seconds: float | None = None

    def __post_init__(self) -> None:
        os.fspath(self.path)
        if self.every_epochs is not None and self.every_epochs < 1:
            raise ValueError(f"every_epochs must be at least 1, got {self.every_epochs}")
        if self.every_seconds is not None and self.every_seconds < 0:
            raise ValueError(f"every_seconds must be >= 0, got {self.every_seconds}")


class CheckpointWriter:
    """Writes a fit's checkpoints when they are due; does nothing where none is asked for."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        self._written = monotonic()
        self._at = (0, 0)

    def within_epoch(self, run: FitState) -> None:
        """Write if time is up."""
        every = self.checkpoint.every_seconds if self.checkpoint else None
        if every is not None and monotonic() - self._written >= every:
            self.write(run)

    def after_epoch(self, run: FitState) -> None:
        """Write if it is time, or enough epochs are done."""
        every = self.checkpoint.every_epochs if self.checkpoint else None
        if every is not None and (run.epoch - 1) % every == 0:
            self.write(run)
        else:
            self.within_epoch(run)

    def write(self, run: FitState) -> None:
        """Write now, unless that has just been done."""
        at = (run.epoch, run.position)
        if self.checkpoint and at != self._at:
            save(run, self.checkpoint.path)
            self._written, self._at = monotonic(), at


def save(run: FitState, path: str | os.PathLike[str]) -> None:
    """Write a fit down."""
    target = os.path.realpath(path)
    tensors = {"params": run.params, "state": run.state}
    tensors |= {"best": run.best} if run.best is not None else {}
    tensors |= {"mean": run.mean} if run.mean is not None else {}
    records = json.dumps(run.history.records[: run.epoch - 1], default=float)
    tensors["history"] = np.frombuffer(records.encode(), np.uint8)
    progress = {name: getattr(run, name) for name in NUMBERS}
    progress |= {
        "n_rows": run.n_rows,
        "seed": run.options.rule.seed,
        "schedule": run.schedule_memory,
        "stopping": run.stopping_memory,
        "stopped": run.history.stopped,
        "best_epoch": run.history.best_epoch,
        "rng": _plain(run.rng_at_epoch if run.position else run.rng.bit_generator.state),
        "rng_at_start": _plain(run.rng_at_start),
    }
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": version("ffnn_fast"),
        "spec": json.dumps(run.spec.to_dict()),
        "options": json.dumps(run.options.described()),
        "progress": json.dumps(progress, default=float),
    }
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    metadata["sha256"] = _digest(tensors, metadata)
    write_atomically(target, packed(tensors, metadata), previous=f"{target}.previous")


def load(path: str | os.PathLike[str]) -> Content:
    """Tensors and metadata of the newest checkpoint, or of the one before if that is damaged.

    Raises
    ------
    FileNotFoundError
        If there is neither.
    CheckpointError
        If neither is a whole checkpoint.

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
                message = f"{damage}; going on from the checkpoint before it"
                warnings.warn(message, UserWarning, stacklevel=2)
            return content
    if damage is not None:
        raise damage
    raise FileNotFoundError(f"there is no checkpoint {os.fspath(path)!r}")


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is a checkpoint of that name, newest or previous."""
    newest = os.path.realpath(path)
    return os.path.exists(newest) or os.path.exists(f"{newest}.previous")


def start_state(content: Content) -> dict[str, Any]:
    """The state of the generator before the fit drew anything."""
    return _unplain(content[1]["progress"]["rng_at_start"])


def seed(content: Content) -> int:
    """The seed of the dropout masks."""
    return int(content[1]["progress"]["seed"])


def restore(run: FitState, content: Content) -> None:
    """Put a fit where a checkpoint left it.

    Raises
    ------
    CheckpointError
        If the checkpoint is of another network or of a fit with other options or rows; nothing has
        been changed then.
    """
    tensors, metadata = content
    progress = metadata["progress"]
    _check_same("network", metadata["spec"], json.loads(json.dumps(run.spec.to_dict())))
    _check_same("options", metadata["options"], json.loads(json.dumps(run.options.described())))
    _check_same("rows", progress["n_rows"], run.n_rows)
    _check_same("shape of the state", tensors["state"].shape, run.state.shape)
    run.params[:] = tensors["params"]
    run.state[...] = tensors["state"]
    run.best, run.mean = tensors.get("best"), tensors.get("mean")
    for name in NUMBERS:
        setattr(run, name, progress[name])
    run.schedule_memory, run.stopping_memory = progress["schedule"], progress["stopping"]
    run.history.records[:] = json.loads(tensors["history"].tobytes())
    run.history.best_epoch = progress["best_epoch"]
    stopped = progress["stopped"]
    run.history.stopped = "" if stopped in MAY_GO_ON else stopped
    run.rng_at_start = _unplain(progress["rng_at_start"])
    run.rng.bit_generator.state = _unplain(progress["rng"])


def _check_same(what: str, written: Any, given: Any) -> None:
    if written != given:
        if isinstance(written, dict) and isinstance(given, dict):
            other = [key for key in {**written, **given} if written.get(key) != given.get(key)]
            what = f"{what} ({', '.join(other)})"
        raise CheckpointError(
            f"the checkpoint is of a fit with another {what}: {written!r}; got {given!r}"
        )


def _read(name: str) -> Content:
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != FORMAT:
                raise CheckpointError(f"{name!r} is no checkpoint of ffnn_fast")
            if metadata.get("format_version") != FORMAT_VERSION:
                raise CheckpointError(
                    f"{name!r} has format version {metadata.get('format_version')!r}; this "
                    f"ffnn_fast ({version('ffnn_fast')}) reads version {FORMAT_VERSION!r}"
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{name!r} is no whole safetensors file: {error}") from error
    expected = metadata.pop("sha256", None)
    if _digest(tensors, metadata) != expected:
        raise CheckpointError(f"{name!r} is damaged: its checksum does not fit")
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


def _plain(state: Any) -> Any:
    """A generator's state as JSON values."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"dtype": str(state.dtype), "array": state.tolist()}
    return int(state) if isinstance(state, np.integer) else state


def _unplain(state: Any) -> Any:
    if isinstance(state, dict):
        if set(state) == {"dtype", "array"}:
            return np.array(state["array"], state["dtype"])
        return {key: _unplain(value) for key, value in state.items()}
    return state
