"""When and where a fit writes checkpoints."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._public import public
from ffnn_fast._scalars import as_float, as_int, convert_fields


@public()
class CheckpointError(ModelFileError):
    """The file is damaged, or is not a checkpoint of this fit."""


@public()
@dataclass(frozen=True)
class Checkpoint:
    """When and where a fit writes checkpoints.

    Parameters
    ----------
    path : str or path-like
        The checkpoint before the newest is kept under ``path + ".previous"``.
    every_epochs : int or None, default 1
        Write after this many epochs; None: epochs do not count.
    every_seconds : float or None, default None
        Write when this many seconds have passed since the last checkpoint, within an epoch too;
        None: time does not count.

    Notes
    -----
    A checkpoint is also written when the fit ends or is interrupted, but not when it diverges. A
    file is written beside the target, flushed to the disk and renamed, so that neither ``kill -9``
    nor a power cut leaves half a file under either name. Its checksum detects damage but is no
    signature: resume only from files that you trust to be of this fit. A fit never resumes to
    parameters that are not finite, and loading runs no code.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    path: str | os.PathLike[str]
    every_epochs: int | None = 1
    every_seconds: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)):
            raise TypeError(f"path must be a str or an os.PathLike, got {self.path!r}")
        if self.every_epochs is not None:
            convert_fields(self, as_int, "every_epochs")
        if self.every_seconds is not None:
            convert_fields(self, as_float, "every_seconds", closed="left")


def as_checkpoint(value: Any) -> Checkpoint | None:
    """Convert a path to a `Checkpoint`; None and a `Checkpoint` are returned as they are."""
    if value is None or isinstance(value, Checkpoint):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be a Checkpoint, a str or an os.PathLike, got {value!r}")
    return Checkpoint(value)
