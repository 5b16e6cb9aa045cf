"""A live progress bar where there is a terminal and rich, else a few plain lines."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator

from ffnn_fast.cli.output import say
from ffnn_fast.metrics import METRICS

Record = dict[str, float]
NAMES = {"r2": "R2", "f1": "F1"}


def figures(record: Record) -> str:
    """Loss and metrics of an epoch as text, those of rows held out beside those of training."""
    shown = []
    for key in ("loss", *METRICS, *(name for name in record if name.startswith("top_"))):
        if key in record:
            held = f" (held-out {record[f'val_{key}']:.4f})" if f"val_{key}" in record else ""
            shown.append(f"{NAMES.get(key, key)} {record[key]:.4f}{held}")
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
    every, untold = max(1, epochs // lines), Record()

    def tell(record: Record) -> None:
        say(f"{label}  epoch {int(record['epoch'])}/{epochs}  {figures(record)}")

    def hear(record: Record) -> None:
        nonlocal untold
        untold = record if int(record["epoch"]) % every else {}
        if not untold:
            tell(record)

    yield hear
    if untold:
        tell(untold)


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
