"""Rows of ``.npy`` and Parquet files, read in part."""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray


class StoredRows(NamedTuple):
    """Rows of an array, or of a file from the byte `offset` on."""

    array: Array | None
    path: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int = 0  # bytes of the file

    def read(self, start: int, end: int) -> Array:
        """Rows start..end-1, a new array."""
        if self.array is not None:
            return np.array(self.array[start:end])
        _check_size(self.path, self.size)
        count = int(np.prod(self.shape[1:]))
        at = self.offset + start * count * self.dtype.itemsize
        flat = np.fromfile(self.path, self.dtype, (end - start) * count, offset=at)
        return flat.reshape(end - start, *self.shape[1:])


def npy_part(path: str) -> StoredRows:
    """The rows of a ``.npy`` file, of which only the header is read."""
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except ValueError as error:
            raise ValueError(f"{path!r} must be a .npy file: {error}") from error
        if fortran and len(shape) > 1:
            raise ValueError(f"{path!r} must be C-contiguous, got Fortran order; save it again")
        size, offset = os.path.getsize(path), file.tell()
    needed = offset + math.prod(shape) * dtype.itemsize
    if size < needed and not dtype.hasobject:
        raise ValueError(f"{path!r} is cut short: {needed} bytes by its header, got {size}")
    return StoredRows(None, path, offset, dtype, shape, size)


def _check_size(path: str, size: int) -> None:
    """ValueError if a file has another size than when `RowBlocks` were made."""
    found = os.path.getsize(path)
    if found != size:
        raise ValueError(
            f"{path!r} has changed since RowBlocks were made, from {size} to {found} bytes; make "
            "them again"
        )


class ParquetRows:
    """Columns of Parquet files, in row groups."""

    whole = True

    def __init__(
        self,
        paths: list[str],
        target: list[str],
        columns: Sequence[str] | None,
        weight: str | None,
    ) -> None:
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise ImportError(
                "Parquet files need pyarrow; pip install 'ffnn_fast[parquet]'"
            ) from error
        self._target, self._weight = target, [] if weight is None else [weight]
        self.weighted = weight is not None
        others = [*target, *self._weight]
        self._files: list[_ParquetPart] = []
        for path in paths:
            with _reading(path), ParquetFile(path) as file:
                schema = {field.name: field.type for field in file.schema_arrow}
                self._files.append(_ParquetPart(path, os.path.getsize(path), file.metadata))
            if len(self._files) == 1:
                rest = [name for name in schema if name not in others]
                self._inputs = rest if columns is None else list(columns)
            _check_columns(path, schema, [*self._inputs, *others])
        for what, chosen in (("columns", self._inputs), ("target", target)):
            if not chosen:
                raise ValueError(f"{what} must name at least one column, got none")
        self._groups = [
            (file, i) for file in self._files for i in range(file.metadata.num_row_groups)
        ]
        self.lengths = [file.metadata.row_group(i).num_rows for file, i in self._groups]
        self._starts = np.cumsum([0, *self.lengths]).tolist()
        self.n_inputs = len(self._inputs)
        self.width = self.n_inputs + len(others)

    def read(self, start: int, end: int, *, inputs: bool = True) -> tuple[Array, ...]:
        """A row group, which starts at row `start`; of its columns only those that are needed."""
        file, i = self._groups[bisect_right(self._starts, start) - 1]
        chosen = self._inputs if inputs else []
        table = file.read(i, [*chosen, *self._target, *self._weight])
        y = [_column(table, name, file.path, i) for name in self._target]
        targets = y[0] if len(y) == 1 else np.stack(y, axis=1)
        found = targets, *(_column(table, name, file.path, i) for name in self._weight)
        if not inputs:
            return found
        return np.stack([_column(table, name, file.path, i) for name in chosen], axis=1), *found


def _column(table: Any, name: str, path: str, i: int) -> Array:
    """A column of row group i."""
    column = table.column(name)
    if column.null_count:
        raise ValueError(
            f"column {name!r} of {path!r} must have no null, got {column.null_count} in row group "
            f"{i}"
        )
    values: Array = column.to_numpy()
    return values


class _ParquetPart(NamedTuple):
    """A Parquet file, opened for each row group: its readers must not be shared by threads."""

    path: str
    size: int  # bytes
    metadata: Any

    def read(self, i: int, columns: list[str]) -> Any:
        """Columns of row group i, a table."""
        from pyarrow.parquet import ParquetFile

        _check_size(self.path, self.size)
        with _reading(self.path), ParquetFile(self.path, metadata=self.metadata) as file:
            return file.read_row_group(i, columns=columns)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """A context in which errors of pyarrow name the file."""
    from pyarrow import ArrowException

    try:
        yield
    except ArrowException as error:
        raise ValueError(f"{path!r} cannot be read as a Parquet file: {error}") from error


def _check_columns(path: str, schema: dict[str, Any], names: list[str]) -> None:
    """ValueError or TypeError unless the file has these columns, of real numbers."""
    from pyarrow import types

    missing = set(names) - set(schema)
    if missing:
        raise ValueError(f"{path!r} has no columns {sorted(missing)}")
    for name in names:
        found = schema[name]
        if not (types.is_integer(found) or types.is_floating(found) or types.is_boolean(found)):
            raise TypeError(f"column {name!r} of {path!r} must hold real numbers, got {found}")
