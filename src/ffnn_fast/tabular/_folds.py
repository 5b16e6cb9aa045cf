"""Folds of the rows: each member of a bag is trained on all but one fold and judged on that one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._columns.frames import array_of, is_missing
from ffnn_fast._text import quoted

Array = np.ndarray


def folds_of(
    n: int, n_folds: int, rng: np.random.Generator, strata: Array | None = None
) -> list[Array]:
    """`n_folds` disjoint index vectors of nearly equal length that cover 0 .. n - 1.

    Parameters
    ----------
    n : int
        Rows, at least `n_folds`.
    n_folds : int
        At least 2.
    rng : Generator
    strata : ndarray of shape (n,), optional
        Labels: each occurs in every fold about equally often.
    """
    order = rng.permutation(n)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    return [np.sort(order[fold::n_folds]) for fold in range(n_folds)]


def one_split(n: int, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Indices to train on, and the others, about `share` of all."""
    held = folds_of(n, max(2, round(1 / share)), rng)[0]
    return np.setdiff1d(np.arange(n), held, assume_unique=True), held


def random_split(n: int, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Indices of ⌈(1 − share) n⌉ random rows to train on, one of n at most left out, and of the
    others.
    """
    order = rng.permutation(n)
    n_kept = min(math.ceil((1 - share) * n), n - 1)
    return np.sort(order[:n_kept]), np.sort(order[n_kept:])


@dataclass(frozen=True)
class Units:
    """Rows that a fold holds as a whole: those of one group, or of one time.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        The unit of each row, 0 .. K - 1, each at least once, K ≥ 2.
    in_order : bool
        Whether units are times: a fold is a block of consecutive ones.
    """

    codes: Array
    in_order: bool

    @classmethod
    def of(cls, groups: Any, times: Any, n: int) -> Units | None:
        """The units of n rows from the arguments `groups` and `times` of a fit, of which one at
        most is given.

        Raises
        ------
        TypeError, ValueError
            If both are given, or one has another shape, missing values, groups that are not
            hashable, or times that are not numbers or dates.
        """
        if groups is not None and times is not None:
            raise ValueError("give groups or times, not both")
        if groups is None and times is None:
            return None
        name, given = ("groups", groups) if times is None else ("times", times)
        values = array_of(given) if isinstance(given, np.ma.MaskedArray) else np.asarray(given)
        if values.shape != (n,):
            raise ValueError(f"{name} must have shape ({n},), one entry a row, got {values.shape}")
        objects = values.dtype.kind == "O"
        if np.any([is_missing(v) or v != v for v in values] if objects else values != values):
            raise ValueError(f"{name} must not have missing values")
        return cls(_places(values) if times is None else _ranks(values), times is not None)

    def part(self, rows: Array) -> Units:
        """The units of some rows.

        Raises
        ------
        ValueError
            If these are of one unit only.
        """
        codes = np.unique(self.codes[rows], return_inverse=True)[1]
        if len(codes) == 0 or codes.max() == 0:
            name = "times" if self.in_order else "groups"
            raise ValueError(f"{name} must have at least two different values, in rows that count")
        return replace(self, codes=codes)

    def folds(self, n_folds: int, rng: np.random.Generator) -> list[Array]:
        """Disjoint index vectors that cover all rows, `n_folds` or as many as units allow, 2 at
        least.
        """
        sizes = np.bincount(self.codes)
        if self.in_order:
            of_unit = (self._middles(sizes) * n_folds).astype(np.int64)
        else:
            of_unit, counts = np.zeros(len(sizes), np.int64), np.zeros(min(n_folds, len(sizes)))
            shuffled = rng.permutation(len(sizes))
            for unit in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
                of_unit[unit] = counts.argmin()
                counts[of_unit[unit]] += sizes[unit]
        of_row = of_unit[self.codes]
        return [np.flatnonzero(of_row == fold) for fold in np.unique(of_unit)]

    def split(self, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
        """Rows to train on, and about `share` of all: the last units, or random ones."""
        sizes = np.bincount(self.codes)
        order = np.arange(len(sizes)) if self.in_order else rng.permutation(len(sizes))
        held = np.zeros(len(sizes), dtype=bool)
        held[order] = self._middles(sizes[order]) > 1 - share
        held[order[0]], held[order[-1]] = False, True
        return np.flatnonzero(~held[self.codes]), np.flatnonzero(held[self.codes])

    @staticmethod
    def _middles(sizes: Array) -> Array:
        """Where the middle of each of consecutive units lies, as a share of all rows, (K,)."""
        return np.asarray((np.cumsum(sizes) - sizes / 2) / sizes.sum())


def _places(groups: Array) -> Array:
    """A number for each group."""
    if groups.dtype.kind != "O":
        return np.unique(groups, return_inverse=True)[1]
    cells = groups.tolist()
    try:
        places = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
    except TypeError as error:
        raise TypeError(f"groups must be hashable: {error}") from error
    return np.array([places[cell] for cell in cells])


def _ranks(times: Array) -> Array:
    """The place of each time among the different ones, in their order."""
    texts = times.dtype.kind == "O" and any(isinstance(time, (str, bytes)) for time in times)
    if texts or times.dtype.kind not in "iufMmO":
        kind = "texts" if texts or times.dtype.kind in "SUT" else f"dtype {times.dtype}"
        first = quoted(times.item(0))
        raise TypeError(f"times must be numbers or dates, got {kind} such as {first}")
    try:
        return np.unique(times, return_inverse=True)[1]
    except TypeError as error:
        raise TypeError(f"times must be numbers or dates of one type: {error}") from error
