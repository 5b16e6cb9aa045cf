"""Rows of files larger than memory, in shuffled blocks, for `ffnn_fast.Network.fit` and
`partial_fit`.

The rows are cut into segments of neighbours. A block is several segments from anywhere in the
files, its rows in random order; while one block is used, a thread reads the next.
"""

from __future__ import annotations

import glob
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._row_files import ParquetRows, StoredRows, npy_part
from ffnn_fast._scalars import as_bool, as_generator, as_int
from ffnn_fast._text import quoted

__all__ = ["Block", "RowBlocks", "reading_ahead"]

Array = np.ndarray
SEGMENTS = 8  # of a block
AT_ONCE = 4  # blocks: in use, converted, read, shuffled
NUMBER = 8  # bytes of a number, at most
NUMBERS = "fiub"  # kinds of real numbers
PATTERN = "*?["  # signs of one, in a path
DIMENSIONS = {"X": (2,), "y": (1, 2), "sample_weight": (1,)}
MEGABYTE = 1 << 20


class _Rows(Protocol):
    """Rows with their targets that can be read in part."""

    lengths: list[int]  # of the parts
    n_inputs: int  # numbers of a row
    width: int  # the same with its target
    whole: bool  # whether each part is read as a whole
    weighted: bool  # whether rows have weights

    def read(self, start: int, end: int, *, inputs: bool = True) -> tuple[Array, ...]:
        """Rows start..end-1, their targets, and their weights if they have some, new arrays;
        without `inputs` the targets and weights alone.
        """


@dataclass(frozen=True)
class Block:
    """A block of a pass, which is not in memory yet; made by `RowBlocks.plan`.

    Attributes
    ----------
    n_rows : int
        The number of its rows.
    """

    n_rows: int
    _rows: _Rows = field(repr=False)
    _segments: tuple[tuple[int, int], ...] = field(repr=False)
    _seed: int | None = field(repr=False)

    def read(self) -> tuple[Array, ...]:
        """Its rows X, targets y and, if there are some, weights: new arrays, in the order of the
        pass.
        """
        n, start = self.n_rows, 0
        places = np.arange(n)
        if self._seed is not None:
            places[np.random.default_rng(self._seed).permutation(n)] = np.arange(n)
        arrays: list[Array] = []
        for segment in self._segments:
            at = places[start : start + segment[1] - segment[0]]
            found = self._rows.read(*segment)
            if not arrays:
                arrays = [np.empty((n, *part.shape[1:]), part.dtype) for part in found]
            arrays = [_placed(*pair, at) for pair in zip(arrays, found, strict=True)]
            start += len(at)
        return tuple(arrays)

    def segments(self) -> Iterator[tuple[int, tuple[Array, ...]]]:
        """Its rows, targets and weights as they lie in the files, after the number of the first."""
        for start, end in self._segments:
            yield start, self._rows.read(start, end)

    def read_targets(self) -> tuple[Array, ...]:
        """The targets and, if there are some, weights of its rows, as they lie."""
        found = [self._rows.read(*segment, inputs=False) for segment in self._segments]
        return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))


def _placed(array: Array, rows: Array, at: Array) -> Array:
    """The array with these rows at their places, of a dtype that both have in common."""
    common = np.result_type(array, rows)
    if common != array.dtype:
        array = array.astype(common)
    array[at] = rows
    return array


def reading_ahead(blocks: Iterable[Block]) -> Generator[tuple[Array, ...], None, None]:
    """The arrays of each block, of `Block.read`; a thread reads the next while one is used.

    Parameters
    ----------
    blocks : iterable of Block
        Such as those of `RowBlocks.plan`, or every second of them.
    """
    with ThreadPoolExecutor(1, "ffnn_fast-blocks") as reader:
        submitted: deque[Future[tuple[Array, ...]]] = deque()
        for block in blocks:
            submitted.append(reader.submit(block.read))
            if len(submitted) > 1:
                yield submitted.popleft().result()  # of which nothing is kept here
        if submitted:
            yield submitted.popleft().result()


class RowBlocks:
    """Blocks of rows (X, y) or (X, y, sample_weight), each time in another order.

    Files are opened for each read, and must keep their size: a pass over files of another size
    raises ValueError. Several threads may read the same object, and it can be pickled.

    Parameters
    ----------
    X : array of shape (n, n_0), path, or list of paths
        An array, which may be memory-mapped; a ``.npy`` file, a folder of them or a pattern such as
        ``"rows/part-*.npy"``, in the order of their names; or several such files. Of real numbers
        of any dtype.
    y : array of shape (n,) or (n, T), path, or list of paths
        The targets in the same forms.
    sample_weight : array of shape (n,), path, or list of paths, optional
        Weights of the rows in the same forms. `ffnn_fast.Network.fit` scales those of all rows to
        mean 1, `ffnn_fast.Network.partial_fit` those of each block.
    memory : int, default 64
        Megabytes (2²⁰ bytes) that all blocks together take at most, with their conversion to the
        network's dtype. `ffnn_fast.Network.fit` takes those of up to four batches more.
    shuffle : bool, default True
        Whether each pass has another order; else the rows come as they lie.
    seed : int or numpy.random.Generator, optional
        Of the orders.

    Attributes
    ----------
    n_rows : int
        The number of rows.
    n_inputs : int
        The numbers of a row, n_0.
    block_rows : int
        The most rows of a block; of Parquet files about so many, in whole row groups.
    weighted : bool
        Whether the rows have weights.
    shuffle : bool
    rng : numpy.random.Generator
        Of the orders; each pass draws from it.

    Raises
    ------
    TypeError, ValueError
        If the arrays or files do not hold real numbers, or do not fit one another.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        memory: int = 64,
        shuffle: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        given = {"X": X, "y": y}
        given |= {} if sample_weight is None else {"sample_weight": sample_weight}
        columns = {name: _parts(value, name) for name, value in given.items()}
        self._set(_Columns(columns), memory, shuffle, seed)

    @classmethod
    def of_parquet(
        cls,
        paths: Any,
        target: str | Sequence[str],
        columns: Sequence[str] | None = None,
        *,
        sample_weight: str | None = None,
        memory: int = 64,
        shuffle: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> RowBlocks:
        """Rows of Parquet files, read by pyarrow in whole row groups.

        Parameters
        ----------
        paths : path or list of paths
            A file, a folder of ``.parquet`` files or a pattern, in the order of their names, or
            several files.
        target : str or sequence of str
            The columns of targets.
        columns : sequence of str, optional
            Those of X. Default: all others.
        sample_weight : str, optional
            The column of weights.
        memory, shuffle, seed
            As above; a block has at least one row group, however large.

        Returns
        -------
        RowBlocks

        Raises
        ------
        ImportError
            If pyarrow is not installed: ``pip install ffnn_fast[parquet]``.
        TypeError, ValueError
            If columns are missing, or do not hold real numbers; nulls are found when they are read.
        """
        blocks = cls.__new__(cls)
        names = [target] if isinstance(target, str) else target
        for name, value in (("target", names), ("columns", () if columns is None else columns)):
            several = np.iterable(value) and not isinstance(value, str)
            if not several or not all(isinstance(one, str) for one in value):
                raise TypeError(f"{name} must be names of columns, got {quoted(value)}")
        if not (sample_weight is None or isinstance(sample_weight, str)):
            raise TypeError(f"sample_weight must be the name of a column, got {sample_weight!r}")
        files = _files(paths, ".parquet", "paths must be")
        rows = ParquetRows(files, list(names), columns, sample_weight)
        blocks._set(rows, memory, shuffle, seed)
        return blocks

    def _set(self, rows: _Rows, memory: int, shuffle: bool, seed: Any) -> None:
        size = as_int(memory, "memory") * MEGABYTE
        self._rows, self.n_rows, self.n_inputs = rows, sum(rows.lengths), rows.n_inputs
        self.block_rows = max(1, size // (AT_ONCE * NUMBER * rows.width))
        self.shuffle, self.rng = as_bool(shuffle, "shuffle"), as_generator(seed, "seed")
        self.weighted = rows.weighted
        if self.n_rows == 0:
            raise ValueError("the files have no rows")

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """The blocks (X, y), or (X, y, sample_weight), of one pass over all rows."""
        return reading_ahead(self.plan())

    def first_rows(self) -> tuple[Array, ...]:
        """At least one row, as `Block.read` returns it, from the beginning of the files."""
        return self._rows.read(0, 1)

    def memory_for(self, rows: int) -> int:
        """The least `memory` with which blocks have so many rows."""
        return -(-as_int(rows, "rows") * AT_ONCE * NUMBER * self._rows.width // MEGABYTE)

    def plan(self, shuffle: bool | None = None) -> list[Block]:
        """The blocks of the next pass, none of which is read yet.

        Parameters
        ----------
        shuffle : bool, optional
            Default: that of the object. False draws nothing from `rng`.

        Returns
        -------
        list of Block
            Processes that each read some of them, such as ``plan()[rank::size]`` with the same
            `seed`, read all rows once together.
        """
        shuffled = self.shuffle if shuffle is None else as_bool(shuffle, "shuffle")
        parts = self._segments(shuffled)
        seeds: list[Any] = [None] * len(parts)
        if shuffled:
            seeds = self.rng.integers(2**63, size=len(parts)).tolist()
        return [
            Block(sum(end - start for start, end in part), self._rows, tuple(part), seed)
            for part, seed in zip(parts, seeds, strict=True)
        ]

    def _segments(self, shuffled: bool) -> list[list[tuple[int, int]]]:
        """The segments (start, end) of each block of a pass."""
        segments, start = [], 0
        step = max(1, self.block_rows // SEGMENTS)
        for length in self._rows.lengths:
            size = max(1, length) if self._rows.whole else step
            segments += [
                (start + at, start + min(at + size, length)) for at in range(0, length, size)
            ]
            start += length
        if shuffled:
            segments = [segments[i] for i in self.rng.permutation(len(segments))]
        blocks: list[list[tuple[int, int]]] = []
        used = self.block_rows
        for first, end in segments:
            if used + end - first > self.block_rows:
                blocks.append([])
                used = 0
            blocks[-1].append((first, end))
            used += end - first
        return blocks


class _Columns:
    """Rows, targets and weights, each in parts of their own, read as one part."""

    whole = False

    def __init__(self, columns: dict[str, list[StoredRows]]) -> None:
        starts = {
            name: np.cumsum([0, *(part.shape[0] for part in parts)]).tolist()
            for name, parts in columns.items()
        }
        n = starts["X"][-1]
        for name, of_parts in starts.items():
            if of_parts[-1] != n:
                raise ValueError(f"X and {name} must have as many rows, got {n} and {of_parts[-1]}")
        self._columns = list(zip(columns.values(), starts.values(), strict=True))
        self.lengths, self.weighted = [n], "sample_weight" in columns
        widths = [int(np.prod(parts[0].shape[1:])) for parts in columns.values()]
        self.n_inputs, self.width = widths[0], sum(widths)

    def read(self, start: int, end: int, *, inputs: bool = True) -> tuple[Array, ...]:
        """Rows start..end-1, their targets and weights."""
        columns = self._columns if inputs else self._columns[1:]
        return tuple(_read_across(parts, starts, start, end) for parts, starts in columns)


def _read_across(parts: list[StoredRows], starts: list[int], start: int, end: int) -> Array:
    """Rows start..end-1 of the parts one after another."""
    found = []
    while start < end:
        i = bisect_right(starts, start) - 1
        stop = min(end, starts[i + 1])
        found.append(parts[i].read(start - starts[i], stop - starts[i]))
        start = stop
    return found[0] if len(found) == 1 else np.concatenate(found)


def _files(paths: Any, suffix: str, what: str) -> list[str]:
    """A path, those of a folder, or several, as text."""
    if isinstance(paths, (str, os.PathLike)):
        folder = Path(paths)
        if folder.is_dir():
            paths = sorted(folder.glob(f"*{suffix}"))
        elif not folder.exists() and any(sign in str(folder) for sign in PATTERN):
            paths = sorted(glob.glob(str(folder), recursive=True))
        else:
            paths = [folder]
        if not paths:
            raise ValueError(f"{str(folder)!r} has no {suffix} files")
    several = isinstance(paths, (list, tuple))
    if not several or not all(isinstance(path, (str, os.PathLike)) for path in paths):
        kinds = sorted({type(path).__name__ for path in paths}) if several else []
        given = f"{type(paths).__name__} of {' and '.join(kinds)}" if kinds else quoted(paths)
        raise TypeError(f"{what} a path or a list of paths, got {given}")
    if not paths:
        raise ValueError(f"{what} a path or a list of paths, got an empty one")
    return [os.fspath(path) for path in paths]


def _parts(given: Any, name: str) -> list[StoredRows]:
    """The parts of X, y or the weights, which must fit one another."""
    check_unmasked(**{name: given})
    if isinstance(given, np.ndarray):
        parts = [StoredRows(given, "", 0, given.dtype, given.shape)]
    else:
        parts = [npy_part(path) for path in _files(given, ".npy", f"{name} must be an array,")]
    for part in parts:
        where = f"{name}, {part.path!r}," if part.path else name
        if part.dtype.kind not in NUMBERS:
            raise TypeError(f"{where} must hold real numbers, got dtype {part.dtype}")
        if len(part.shape) not in DIMENSIONS[name]:
            raise ValueError(f"{where} must have a row for each sample, got shape {part.shape}")
        if part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(
                f"{where} must have rows of shape {parts[0].shape[1:]}, got {part.shape[1:]}"
            )
    return parts
