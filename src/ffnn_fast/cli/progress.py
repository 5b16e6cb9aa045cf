"""The progress of a command's training on standard output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from ffnn_fast.callbacks import ProgressBar
from ffnn_fast.history import Record


@contextlib.contextmanager
def progress(
    label: str, epochs: int, lines: int = 10, unit: str = "epoch"
) -> Iterator[Callable[[Record], None]]:
    """A callback for `Network.fit` and the solvers that shows each epoch or iteration.

    Parameters
    ----------
    label : str
        What the bar and each line begin with.
    epochs : int
        The number of records to come.
    lines : int, default 10
        About how many plain lines to write without a terminal or without tqdm.
    unit : str, default "epoch"
        What is counted.
    """
    bar = ProgressBar(sys.stdout, description=label, lines=lines, unit=unit)
    bar.start(epochs)
    try:
        yield bar.show
    finally:
        bar.close()
