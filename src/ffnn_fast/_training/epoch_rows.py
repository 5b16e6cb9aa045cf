"""The rows of an epoch in the order of its steps, in parts that are in memory one at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.interrupts import in_background
from ffnn_fast._training.ranks import ALONE, Alone

Array = np.ndarray
Shuffle = Callable[[np.random.Generator, Array], None]  # of the rows of an array, in place
MANY_ROWS = 1_000_000  # whose permutation takes some 10 ms


class EpochPart(NamedTuple):
    """Rows of an epoch that are in memory.

    ``order`` holds numbers of rows, those of all ranks, of which `samples` are this rank's; the
    first of them is row ``start`` of the epoch. Only the last part of an epoch holds a batch that
    is short.
    """

    samples: Samples
    order: Array
    start: int = 0

    @property
    def end(self) -> int:
        """The row of the epoch that follows the last of these."""
        return self.start + len(self.order)

    def rows(self, position: int, n: int) -> Array:
        """At most n numbers of rows, from row `position` of the epoch on."""
        first = position - self.start
        return self.order[first : first + n]


class EpochRows(Protocol):
    """The training rows of a fit."""

    @property
    def n(self) -> int:
        """Their number, those of all ranks."""

    def draw(self, rng: np.random.Generator, shuffle: Shuffle | None) -> None:
        """Draw the order of an epoch; without `shuffle` the rows do not change places."""

    def parts(self, first: int, end: int, batch_size: int) -> Generator[EpochPart, None, None]:
        """The parts of the epoch's rows up to `end`, from that with row `first` on."""


class RowsInMemory:
    """Rows that are in memory, one part."""

    def __init__(self, samples: Samples, ranks: Alone = ALONE) -> None:
        self.samples, self.n = samples, ranks.count(samples.n)
        self._drawn: Array | None = None

    def draw(self, rng: np.random.Generator, shuffle: Shuffle | None) -> None:
        """Draw the order of an epoch."""
        if shuffle is not None:
            self._drawn = self.orders(1, rng, shuffle)[0]

    def orders(self, epochs: int, rng: np.random.Generator, shuffle: Shuffle | None) -> Array:
        """The orders of several epochs, (epochs, n), each as `draw` draws it."""
        orders = np.empty((epochs, self.n), np.int64)
        orders[:] = self._rows()
        if shuffle is not None and self.n > MANY_ROWS:
            in_background(shuffle, rng, orders, exit_waits=False)
        elif shuffle is not None:
            shuffle(rng, orders)
        return orders

    def parts(self, first: int, end: int, batch_size: int) -> Generator[EpochPart, None, None]:
        """All of them."""
        if self._drawn is None:
            self._drawn = self._rows()
        yield EpochPart(self.samples, self._drawn[:end])

    def _rows(self) -> Array:
        """Their numbers, as they lie."""
        rows = self.samples.order
        return np.arange(self.n, dtype=np.int64) if rows is None else rows
