"""The rows of the ranks that train together: the first has read them, and sends each its share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._training.ranks import Distributed, ending_all
from ffnn_fast.network import Network

Array = np.ndarray
PIECE = 1 << 26  # bytes of a message


@dataclass(frozen=True)
class Share:
    """A network to train and the rows on which a rank trains it.

    Attributes
    ----------
    network : Network
    rate : float
        The learning rate.
    n : int
        The number of training rows of all ranks.
    is_validated : bool
        Whether the first rank has validation rows.
    X : array of shape (n_r, d)
    y : array of shape (n_r,) or (n_r, T)
    weight : array of shape (n_r,) or None
    """

    network: Network
    rate: float
    n: int
    is_validated: bool
    X: Array
    y: Array
    weight: Array | None

    @property
    def _rows(self) -> tuple[Array, ...]:
        return (self.X, self.y) if self.weight is None else (self.X, self.y, self.weight)

    def divided(self, together: Distributed | None) -> Share:
        """The share of the first rank, which has all rows and sends the others theirs."""
        if together is None:
            return self
        comm, own = together.comm, together.share(self.n)
        with ending_all(comm):
            described = [(rows.dtype.str, rows.shape[1:]) for rows in self._rows]
            comm.bcast((self.network, self.rate, self.n, self.is_validated, described))
            for rank in range(1, comm.size):
                part = together.share(self.n, rank)
                for rows in self._rows:
                    for piece in _pieces(np.ascontiguousarray(rows[part])):
                        comm.Send(piece, dest=rank)
        kept = [rows[own].copy() for rows in self._rows]
        return Share(self.network, self.rate, self.n, self.is_validated, *_three(kept))


def received(together: Distributed) -> Share:
    """The share of another rank than the first."""
    comm = together.comm
    with ending_all(comm):
        network, rate, n, is_validated, described = comm.bcast(None)
        part = together.share(n)
        kept = []
        for dtype, shape in described:
            rows = np.empty((part.stop - part.start, *shape), dtype)
            for piece in _pieces(rows):
                comm.Recv(piece, source=0)
            kept.append(rows)
    return Share(network, rate, n, is_validated, *_three(kept))


def _three(rows: list[Array]) -> tuple[Array, Array, Array | None]:
    """X, y and the weights, or None."""
    X, y, *weight = rows
    return X, y, weight[0] if weight else None


def _pieces(rows: Array) -> Iterator[Any]:
    """The bytes of a contiguous array, `PIECE` at a time."""
    flat = rows.reshape(-1).view(np.uint8)
    for start in range(0, len(flat), PIECE):
        yield flat[start : start + PIECE]
