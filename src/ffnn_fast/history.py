"""What was recorded of a fit, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = dict[str, float]
Listener = Callable[[Record], Any]  # is told of each epoch or iteration


class History(Sequence[Record]):
    """One record per epoch, in order: ``history[-1]["loss"]``, or a column: ``history["loss"]``.

    Attributes
    ----------
    records : list of dict
    stopped : str
        Why the fit ended: ``"epochs"`` when all were done, ``"diverged"``, ``"interrupted"``,
        ``"max_time"``, or a sentence that says which rule stopped it; empty while it runs.
    best_epoch : int or None
        The epoch whose parameters were kept, where early stopping kept the best ones.
    average : ndarray of shape (P,) or None
        The averaged parameters, where averaging was asked for.
    """

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
        """Names of what was recorded."""
        return list(dict.fromkeys(key for record in self.records for key in record))

    def plot(self, metric: str = "loss", ax: Axes | None = None) -> Any:
        """The learning curve, by `ffnn_fast.plotting.learning_curve`; needs matplotlib."""
        from ffnn_fast.plotting import learning_curve

        return learning_curve(self, ax, metric)

    def __repr__(self) -> str:
        if not self.records:
            return "History(no epochs)"
        last = ", ".join(f"{key} {value:.6g}" for key, value in self.records[-1].items())
        return f"History({len(self)} epochs; last: {last})"
