"""Rows as inputs without a pass over each column: few rows, and rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast.tabular._inputs import TableInputs

Array = np.ndarray
CHEAP_ROWS = 16  # of a data frame: fewer are made into one array, whatever the types of columns
FEW_CELLS = 32  # of an array of numbers: so many take less time in Python than in NumPy


def few_rows(X: Any, inputs: TableInputs, by_place: bool) -> Array | None:
    """A few rows as inputs, (n, n_inputs) float32; None if they have to be converted column by
    column.

    Parameters
    ----------
    X : array, data frame or dict
        With the columns of the training rows: a data frame of pandas or polars or a dict of lists
        of fewer than 16 rows, an array of objects of so many, or one of up to 32 numbers.
    inputs : TableInputs
    by_place : bool
        Whether X may be an array, whose columns have no names.
    """
    if type(X) is np.ndarray:
        rows = _rows_of_array(X, len(inputs.features)) if by_place else None
    elif not inputs.named:
        rows = None
    elif type(X) is dict:
        rows = _rows_of_lists(X, inputs.names)
    else:
        rows = _rows_of_frame(X, inputs.names)
    return inputs.cells.encoded(rows) if rows else None


def matrix_of(X: Any, inputs: TableInputs, by_place: bool) -> Array | None:
    """X as a matrix for `TableInputs.transform_numbers`; None if it has to be converted column by
    column.

    Parameters
    ----------
    X : array or data frame
        An array of numbers, or a data frame of pandas with the columns of the training rows that
        all hold numbers.
    inputs : TableInputs
    by_place : bool
        Whether X may be an array, whose columns have no names.
    """
    if not inputs.only_numbers:
        return None
    if hasattr(X, "iloc") and hasattr(X, "to_numpy"):
        if not inputs.named or X.columns.tolist() != inputs.names or not _holds_numbers(X):
            return None
        X = X.to_numpy()
    elif not by_place:
        return None
    if type(X) is not np.ndarray or X.dtype.kind not in "fiu" or X.itemsize > 8:
        return None
    return X if X.ndim == 2 and len(X) and X.shape[1] == len(inputs.features) else None


def _holds_numbers(frame: Any) -> bool:
    """Whether a data frame of pandas is short, or its columns are NumPy's numbers."""
    if len(frame) < CHEAP_ROWS:
        return True
    return all(isinstance(d, np.dtype) and d.kind in "fiu" for d in set(frame.dtypes))


def _rows_of_array(X: Array, d: int) -> list[Any] | None:
    """The cells of each row of an array with d columns."""
    kind = X.dtype.kind
    few = len(X) < CHEAP_ROWS if kind == "O" else kind in "fiu" and X.size <= FEW_CELLS
    return X.tolist() if few and X.ndim == 2 and X.shape[1] == d else None


def _rows_of_lists(X: dict[Any, Any], names: list[str]) -> list[Any] | None:
    """The cells of each row of lists of one length."""
    if list(X) != names and set(X) != set(names):
        return None
    lists = [X[name] for name in names]
    sizes = {len(one) if type(one) is list else CHEAP_ROWS for one in lists}
    return list(zip(*lists, strict=True)) if len(sizes) == 1 and max(sizes) < CHEAP_ROWS else None


def _rows_of_frame(X: Any, names: list[str]) -> list[Any] | None:
    """The cells of each row of a data frame with these columns in their order."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        if len(X) >= CHEAP_ROWS or X.columns.tolist() != names:
            return None
        array = X.to_numpy()
        return array.tolist() if array.dtype.kind in "fiubO" else None
    if hasattr(X, "get_columns") and hasattr(X, "rows") and X.height < CHEAP_ROWS:
        return list(X.rows()) if X.columns == names else None
    return None
