"""Rows of numbers without a look at each column."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffnn_fast.tabular._inputs import TableInputs

Array = np.ndarray
CHEAP_ROWS = 16  # of a data frame, made into one array of any kind without a look at the columns


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
