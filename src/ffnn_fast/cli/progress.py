"""A live progress bar where there is a terminal and rich, else a few plain lines."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator

from ffnn_fast.cli.output import say

Record = dict[str, float]
FIGURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "r2": "R2",
    "val_accuracy": "held-out",
    "val_r2": "held-out",
}


def figures(record: Record) -> str:
    """The figures of an epoch as text."""
    shown = [f"{name} {record[key]:.4f}" for key, name in FIGURES.items() if key in record]
    return "  ".join(shown)


@contextlib.contextmanager
def progress(label: str, epochs: int, lines: int = 10) -> Iterator[Callable[[Record], None]]:
    """A callback for `Network.fit` that shows each epoch.

    Parameters
    ----------
    label : str
    epochs : int
        How many records will come.
    lines : int, default 10
        About how many plain lines to write where there is no terminal.
    """
    if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
        with _bar(label, epochs) as callback:
            yield callback
        return
    every = max(1, epochs // lines)

    def tell(record: Record) -> None:
        epoch = int(record["epoch"])
        if epoch % every == 0 or epoch == epochs:
            say(f"{label}  epoch {epoch}/{epochs}  {figures(record)}")

    yield tell


@contextlib.contextmanager
def _bar(label: str, epochs: int) -> Iterator[Callable[[Record], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, expand=True) as bar:
        task = bar.add_task(label, total=epochs, figures="")
        yield lambda record: bar.update(task, advance=1, figures=figures(record))
