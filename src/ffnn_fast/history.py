"""The history of a fit: a record of figures for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, overload

import numpy as np

__all__ = ["History", "Record", "RecordCallback", "register_plot"]

Record = dict[str, float]
RecordCallback = Callable[[Record], Any]  # called with the record of each epoch or iteration


class History(Sequence[Record]):
    """One record per epoch, in order: ``history[-1]["loss"]``, or a column: ``history["loss"]``.

    Attributes
    ----------
    records : list of dict
    stopped : str
        Why the fit ended: ``"epochs"`` when all were done, ``"diverged"``, ``"interrupted"``,
        ``"max_time"``, or a sentence that names the rule that stopped it; empty while it runs.
    best_epoch : int or None
        The epoch whose parameters early stopping restored, if it restored any.
    average : ndarray of shape (P,) or None
        The averaged parameters, if the fit averaged.
    """

    _unit: ClassVar[str] = "epoch"  # of a record
    _draw: ClassVar[Callable[[History, Any, str], Any]]

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records: list[Record] = list(records)
        self.stopped = ""
        self.best_epoch: int | None = None
        self.average: np.ndarray | None = None

    @overload
    def __getitem__(self, key: str) -> list[float]: ...
    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> History: ...
    def __getitem__(self, key: str | int | slice) -> list[float] | Record | History:
        if isinstance(key, str):
            if not any(key in record for record in self.records):
                raise KeyError(f"no record of {key!r}; recorded: {', '.join(self.keys())}")
            return [record[key] for record in self.records if key in record]
        if isinstance(key, slice):
            return History(self.records[key])
        return self.records[key]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def keys(self) -> list[str]:
        """Names of the recorded figures."""
        return list(dict.fromkeys(key for record in self.records for key in record))

    def plot(self, metric: str = "loss", ax: Any = None) -> Any:
        """Draw the learning curve by `ffnn_fast.plotting.learning_curve`; needs matplotlib.

        Parameters
        ----------
        metric : str, default "loss"
            A recorded figure; drawn for the training rows and the validation rows.
        ax : matplotlib.axes.Axes, optional
            Default: axes of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If `metric` is not recorded.
        ImportError
            If matplotlib is not installed.
        """
        return self._draw(ax, metric)

    def __repr__(self) -> str:
        name, unit = type(self).__name__, self._unit
        if not self.records:
            return f"{name}(no {unit}s)"
        figures = {unit if k == "epoch" else k: v for k, v in self.records[-1].items()}
        last = ", ".join(f"{key} {value:.6g}" for key, value in figures.items())
        return f"{name}({len(self)} {unit}{'' if len(self) == 1 else 's'}; last: {last})"


def register_plot(function: Callable[[History, Any, str], Any]) -> None:
    """Make `History.plot` call ``function(history, ax, metric)``.

    The plotting package imports this module, so this module cannot import it. ``import ffnn_fast``
    registers a function that imports the plotting package on its first call.
    """
    History._draw = function
