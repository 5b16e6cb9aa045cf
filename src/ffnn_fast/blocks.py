"""Rows of files larger than memory, in shuffled blocks, for `ffnn_fast.Network.partial_fit`.

The rows are cut into segments of neighbours. A block is several segments from anywhere in the
files, its rows in random order; while one block is used, a thread reads the next.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._scalars import as_bool, as_generator, as_int
from ffnn_fast._text import quoted

__all__ = ["RowBlocks"]

Array = np.ndarray
SEGMENTS = 8  # of a block
AT_ONCE = 4  # blocks: in use, converted, read, shuffled
NUMBER = 8  # bytes of a number, at most
NUMBERS = "fiub"  # kinds of real numbers
MEGABYTE = 1 << 20


class _Rows(Protocol):
    """Rows with their targets that can be read in part."""

    lengths: list[int]  # of the parts
    width: int  # numbers of a row, with its target
    whole: bool  # whether each part is read as a whole

    def read(self, start: int, end: int) -> tuple[Array, Array]:
        """Rows start..end-1 and their targets, new arrays."""


class RowBlocks:
    """Blocks of rows (X, y), each time in another order.

    Parameters
    ----------
    X : array of shape (n, n_0), path, or list of paths
        An array, which may be memory-mapped; a ``.npy`` file, or a folder of them in the order of
        their names; or several such files. Of real numbers of any dtype.
    y : array of shape (n,) or (n, T), path, or list of paths
        The targets in the same forms.
    memory : int, default 64
        Megabytes (2²⁰ bytes) that all blocks together take at most, with their conversion to the
        network's dtype.
    shuffle : bool, default True
        Whether each pass has another order; else the rows come as they lie.
    seed : int or numpy.random.Generator, optional
        Of the orders.

    Attributes
    ----------
    n_rows : int
        The number of rows.
    block_rows : int
        The most rows of a block; of Parquet files about so many, in whole row groups.

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
        memory: int = 64,
        shuffle: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self._set(_Pairs(_parts(X, "X"), _parts(y, "y")), memory, shuffle, seed)

    @classmethod
    def of_parquet(
        cls,
        paths: Any,
        target: str | Sequence[str],
        columns: Sequence[str] | None = None,
        *,
        memory: int = 64,
        shuffle: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> RowBlocks:
        """Rows of Parquet files, read by pyarrow in whole row groups.

        Parameters
        ----------
        paths : path or list of paths
            A file, a folder of ``.parquet`` files in the order of their names, or several files.
        target : str or sequence of str
            The columns of targets.
        columns : sequence of str, optional
            Those of X. Default: all others.
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
            If columns are missing, or do not hold real numbers without null.
        """
        blocks = cls.__new__(cls)
        names = [target] if isinstance(target, str) else target
        for name, value in (("target", names), ("columns", () if columns is None else columns)):
            several = np.iterable(value) and not isinstance(value, str)
            if not several or not all(isinstance(one, str) for one in value):
                raise TypeError(f"{name} must be names of columns, got {quoted(value)}")
        names = list(names)
        rows = _ParquetRows(_files(paths, ".parquet", "paths must be"), names, columns)
        blocks._set(rows, memory, shuffle, seed)
        return blocks

    def _set(self, rows: _Rows, memory: int, shuffle: bool, seed: Any) -> None:
        size = as_int(memory, "memory") * MEGABYTE
        self._rows, self.n_rows = rows, sum(rows.lengths)
        self.block_rows = max(1, size // (AT_ONCE * NUMBER * rows.width))
        self._shuffle, self._rng = as_bool(shuffle, "shuffle"), as_generator(seed, "seed")
        if self.n_rows == 0:
            raise ValueError("the files have no rows")

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """The blocks (X, y) of one pass over all rows."""
        blocks = self._plan()
        seeds: Any = [None] * len(blocks)
        if self._shuffle:
            seeds = self._rng.integers(2**63, size=len(blocks))
        with ThreadPoolExecutor(1, "ffnn_fast-blocks") as reader:
            following = reader.submit(self._read, blocks[0], seeds[0])
            for number in range(len(blocks)):
                block = following.result()
                if number + 1 < len(blocks):
                    following = reader.submit(self._read, blocks[number + 1], seeds[number + 1])
                yield block
                del block

    def _plan(self) -> list[list[tuple[int, int]]]:
        """The segments (start, end) of each block of a pass."""
        segments, start = [], 0
        step = max(1, self.block_rows // SEGMENTS)
        for length in self._rows.lengths:
            size = max(1, length) if self._rows.whole else step
            segments += [
                (start + at, start + min(at + size, length)) for at in range(0, length, size)
            ]
            start += length
        if self._shuffle:
            segments = [segments[i] for i in self._rng.permutation(len(segments))]
        blocks: list[list[tuple[int, int]]] = []
        used = self.block_rows
        for first, end in segments:
            if used + end - first > self.block_rows:
                blocks.append([])
                used = 0
            blocks[-1].append((first, end))
            used += end - first
        return blocks

    def _read(self, segments: list[tuple[int, int]], seed: Any) -> tuple[Array, Array]:
        parts = [self._rows.read(*segment) for segment in segments]
        X, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        del parts
        if seed is None:
            return X, y
        order = np.random.default_rng(seed).permutation(len(X))
        return X[order], y[order]


class _Part(NamedTuple):
    """Rows of an array, or of a file from the byte `offset` on."""

    array: Array | None
    path: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self, start: int, end: int) -> Array:
        """Rows start..end-1, a new array."""
        if self.array is not None:
            return np.array(self.array[start:end])
        count = int(np.prod(self.shape[1:]))
        at = self.offset + start * count * self.dtype.itemsize
        flat = np.fromfile(self.path, self.dtype, (end - start) * count, offset=at)
        return flat.reshape(end - start, *self.shape[1:])


class _Pairs:
    """Rows and targets, each in parts of their own, read as one part."""

    whole = False

    def __init__(self, X: list[_Part], y: list[_Part]) -> None:
        self._columns = X, y
        counts = [sum(part.shape[0] for part in parts) for parts in self._columns]
        if counts[0] != counts[1]:
            raise ValueError(f"X and y must have as many rows, got {counts[0]} and {counts[1]}")
        self._starts = [
            np.cumsum([0, *(part.shape[0] for part in parts)]).tolist() for parts in self._columns
        ]
        self.lengths = counts[:1]
        self.width = sum(int(np.prod(parts[0].shape[1:])) for parts in self._columns)

    def read(self, start: int, end: int) -> tuple[Array, Array]:
        """Rows start..end-1 and their targets."""
        X, y = (
            _read_across(parts, starts, start, end)
            for parts, starts in zip(self._columns, self._starts, strict=True)
        )
        return X, y


def _read_across(parts: list[_Part], starts: list[int], start: int, end: int) -> Array:
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
        paths = sorted(folder.glob(f"*{suffix}")) if folder.is_dir() else [folder]
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


def _parts(given: Any, name: str) -> list[_Part]:
    """The parts of X or y, which must fit one another."""
    check_unmasked(**{name: given})
    if isinstance(given, np.ndarray):
        parts = [_Part(given, "", 0, given.dtype, given.shape)]
    else:
        parts = [_npy_part(path) for path in _files(given, ".npy", f"{name} must be an array,")]
    for part in parts:
        where = f"{name}, {part.path!r}," if part.path else name
        if part.dtype.kind not in NUMBERS:
            raise TypeError(f"{where} must hold real numbers, got dtype {part.dtype}")
        if len(part.shape) not in ((2,) if name == "X" else (1, 2)):
            raise ValueError(f"{where} must have a row for each sample, got shape {part.shape}")
        if part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(
                f"{where} must have rows of shape {parts[0].shape[1:]}, got {part.shape[1:]}"
            )
    return parts


def _npy_part(path: str) -> _Part:
    """The rows of a ``.npy`` file, of which only the header is read."""
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if fortran and len(shape) > 1:
            raise ValueError(f"{path!r} must be C-contiguous, got Fortran order; save it again")
        return _Part(None, path, file.tell(), dtype, shape)


class _ParquetRows:
    """Columns of Parquet files, in row groups."""

    whole = True

    def __init__(self, paths: list[str], target: list[str], columns: Sequence[str] | None) -> None:
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise ImportError(
                "Parquet files need pyarrow; pip install 'ffnn_fast[parquet]'"
            ) from error
        self._files = [ParquetFile(path) for path in paths]
        names = self._files[0].schema_arrow.names
        self._target = target
        self._inputs = [n for n in names if n not in target] if columns is None else list(columns)
        for path, file in zip(paths, self._files, strict=True):
            missing = {*self._inputs, *target} - {*file.schema_arrow.names}
            if missing:
                raise ValueError(f"{path!r} has no columns {sorted(missing)}")
        self._groups = [(file, i) for file in self._files for i in range(file.num_row_groups)]
        self.lengths = [file.metadata.row_group(i).num_rows for file, i in self._groups]
        self._starts = np.cumsum([0, *self.lengths]).tolist()
        self.width = len(self._inputs) + len(target)

    def read(self, start: int, end: int) -> tuple[Array, Array]:
        """A row group, which starts at row `start`."""
        file, i = self._groups[bisect_right(self._starts, start) - 1]
        table = file.read_row_group(i, columns=[*self._inputs, *self._target])
        X = np.stack([self._column(table, name) for name in self._inputs], axis=1)
        y = [self._column(table, name) for name in self._target]
        return X, y[0] if len(y) == 1 else np.stack(y, axis=1)

    @staticmethod
    def _column(table: Any, name: str) -> Array:
        column = table.column(name)
        if column.null_count:
            raise ValueError(f"column {name!r} must have no null, got {column.null_count}")
        values: Array = column.to_numpy()
        if values.dtype.kind not in NUMBERS:
            raise TypeError(f"column {name!r} must hold real numbers, got {column.type}")
        return values
