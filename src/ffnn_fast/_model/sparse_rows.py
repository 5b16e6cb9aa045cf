"""Sparse rows: the stored entries of a matrix, row by row, as the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.dropout_masks import Mask, kept_entries

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = np.ndarray
MOST_COLUMNS = 2**31 - 1


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse matrix (n, n_0).

    Attributes
    ----------
    starts : ndarray of shape (n + 1,)
        Row r has the entries ``starts[r]`` to ``starts[r + 1] - 1``; int64.
    columns : ndarray of shape (entries,)
        In each row sorted, and none twice; int32.
    values : ndarray of shape (entries,)
        Of the network's dtype, finite.
    width : int
        n_0.
    """

    starts: Array
    columns: Array
    values: Array
    width: int

    ndim = 2

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.starts) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n_0)."""
        return len(self), self.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self.values.dtype

    @property
    def entries_per_row(self) -> float:
        """The mean number of entries of a row."""
        return len(self.values) / max(1, len(self))

    @cached_property
    def matrix(self) -> csr_array:
        """The rows as SciPy's array, without a copy of the values."""
        from scipy.sparse import csr_array

        return csr_array((self.values, self.columns, self.starts), shape=self.shape, copy=False)

    def __getitem__(self, which: slice | Array) -> SparseRows:
        """Some of the rows; a slice of consecutive ones without a copy."""
        if isinstance(which, slice) and which.step in (None, 1):
            first, end, _ = which.indices(len(self))
            starts = self.starts[first : max(first, end) + 1]
            part = slice(int(starts[0]), int(starts[-1]))
            return SparseRows(starts - starts[0], self.columns[part], self.values[part], self.width)
        rows = np.arange(len(self))[which]
        sizes = np.diff(self.starts)[rows]
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=starts[1:])
        entries = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
        return SparseRows(starts, self.columns[entries], self.values[entries], self.width)

    def astype(self, dtype: str) -> SparseRows:
        """The rows in another dtype; the same object if it is theirs."""
        if self.dtype == dtype:
            return self
        return SparseRows(self.starts, self.columns, self.values.astype(dtype), self.width)

    def dense(self) -> Array:
        """The rows as an array (n, n_0)."""
        rows: Array = self.matrix.toarray()
        return rows

    def drop(self, mask: Mask, rate: float) -> SparseRows:
        """The rows with the dropout mask of h_0, scaled; see `ffnn_fast._model.dropout_masks`."""
        row = np.repeat(np.arange(len(self)), np.diff(self.starts))
        stays = kept_entries(mask, 0, row, self.columns, rate)
        scaled = self.values * np.asarray(1 / (1 - rate), dtype=self.dtype)
        values = np.where(stays, scaled, np.zeros((), self.dtype))
        return SparseRows(self.starts, self.columns, values, self.width)


def is_sparse(X: Any) -> bool:
    """Whether X is a matrix or an array of `scipy.sparse`, or `SparseRows`."""
    return isinstance(X, SparseRows) or (hasattr(X, "toarray") and hasattr(X, "nnz"))


def as_sparse_rows(X: Any, width: int, dtype: str, name: str = "X") -> SparseRows:
    """A sparse matrix of any format as finite rows of `dtype`; arrays that fit are not copied.

    Entries that are stored twice are added up; stored zeros stay.

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If X does not have `width` columns, has no rows, holds NaN or infinity, or has
        indices that do not fit its shape.
    """
    if isinstance(X, SparseRows):
        rows = X
        if rows.width != width:
            raise ValueError(f"{name} must have shape (n, {width}), got {rows.shape}")
        return rows if rows.dtype == dtype else _finite(rows, rows.values, dtype, name)
    if len(X.shape) != 2 or X.shape[1] != width:
        raise ValueError(f"{name} must have shape (n, {width}), got {tuple(X.shape)}")
    if X.shape[0] == 0:
        raise ValueError(f"{name} has no rows")
    if np.dtype(X.dtype).kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {X.dtype}")
    matrix = X.tocsr()  # the matrix itself if it is CSR
    try:
        matrix.check_format(full_check=True)  # SciPy's loops trust the indices
    except ValueError as error:
        raise ValueError(f"{name} is no valid sparse matrix: {error}") from error
    if not matrix.has_canonical_format:
        matrix = matrix.copy() if matrix is X else matrix
        matrix.sum_duplicates()  # sorts the entries of each row, too
    end = int(matrix.indptr[-1])  # arrays may be longer than their entries
    rows = SparseRows(
        np.ascontiguousarray(matrix.indptr, dtype=np.int64),
        np.ascontiguousarray(matrix.indices[:end], dtype=np.int32),
        np.empty(0, dtype),
        width,
    )
    return _finite(rows, matrix.data[:end], dtype, name)


def _finite(rows: SparseRows, given: Array, dtype: str, name: str) -> SparseRows:
    """The rows with other values, in `dtype`; ValueError unless all are finite."""
    values = ignoring("over", np.ascontiguousarray, given, dtype)
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(np.argmax(bad))
        row = int(np.searchsorted(rows.starts, at, side="right")) - 1
        raise ValueError(
            f"{name} must be finite in {dtype}, got {given[at]} in row {row}, column "
            f"{rows.columns[at]} ({int(bad.sum())} such entries)"
        )
    return SparseRows(rows.starts, rows.columns, values, rows.width)
