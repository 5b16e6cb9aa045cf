"""Figures of a fit for TensorBoard, written with tensorboardX."""

from __future__ import annotations

import os
from typing import Any

from ffnn_fast.callbacks import Callback, FitView
from ffnn_fast.history import Record

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """A callback that writes every figure of each epoch into a folder of event files.

    Parameters
    ----------
    folder : str or path-like
        What ``tensorboard --logdir`` reads; made where it does not exist.

    Raises
    ------
    ImportError
        If tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                'writing for TensorBoard needs tensorboardX: pip install "ffnn_fast[tensorboard]"',
                name="tensorboardX",
            ) from error
        self.folder = os.fspath(folder)
        self._make, self._writer = SummaryWriter, None

    _writer: Any

    def on_train_begin(self, fit: FitView, /) -> None:
        """Open the files."""
        self._writer = self._make(self.folder)

    def on_epoch_end(self, fit: FitView, record: Record, /) -> None:
        """Write the figures; those of validation rows beside those of training rows."""
        for name, value in record.items():
            if name != "epoch":
                part, plain = ("val", name[4:]) if name.startswith("val_") else ("train", name)
                self._writer.add_scalar(f"{plain}/{part}", value, int(record["epoch"]))

    def on_train_end(self, fit: FitView, /) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
