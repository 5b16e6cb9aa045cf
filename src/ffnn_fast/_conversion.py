"""Values from the user as arrays of real numbers: arrays, masked arrays, lists, data frames.

Data frames and their columns are recognised by what they can do, so that none of their libraries is
imported.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray
NUMBERS = "fiub"  # kinds of NumPy's real numbers


def as_numbers(values: Any, name: str) -> Array:
    """`values` as an array of real numbers; not copied if it is one whose addresses are aligned.

    Raises
    ------
    TypeError
        If an entry is no real number, or `values` is a sparse matrix.
    ValueError
        If `values` is not rectangular, or an entry is missing; see `as_numbers_and_missing`.
    """
    if type(values) is np.ndarray and values.dtype.kind in NUMBERS:
        return values if values.flags.aligned else values.copy()
    array, missing = as_numbers_and_missing(values, name)
    if missing is not None:
        raise _refusal(missing, name, "masked, None or NA")
    return array


def check_unmasked(**arguments: Any) -> None:
    """ValueError if an argument is a masked array, or a list of such, with masked entries.

    For values that another library converts: it would use what is under the mask.
    """
    for name, values in arguments.items():
        whole = _whole(values)
        if isinstance(whole, np.ma.MaskedArray) and (masked := np.ma.getmaskarray(whole)).any():
            raise _refusal(masked, name, "masked")


def as_numbers_and_missing(values: Any, name: str) -> tuple[Array, Array | None]:
    """`values` as an array of real numbers, and where entries are missing: bool, or None.

    Missing are the masked entries of a masked array, None, and a data frame's NA. The array holds
    no value for them, but NaN, or 0 if it is of another dtype than a float. NaN itself is a number.

    Raises
    ------
    TypeError, ValueError
        As `as_numbers`, except for missing entries.
    """
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise TypeError(
            f"{name} is a sparse matrix; give a dense array, for example {name}.toarray()"
        )
    try:
        values = _whole(values)
        if isinstance(values, np.ma.MaskedArray):
            return _from_masked(values, name)
        columns = _columns(values)
        if columns:
            return _from_columns(columns, values, name)
        array = np.asarray(values)
        array = array if array.flags.aligned else array.copy()
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from error
    if array.dtype == object and array.ndim:
        return _from_objects(array, name)
    return _checked(array, name), None


def row_slice(values: Any, part: slice) -> Any:
    """Some rows by position, of an array, a list, or a data frame or column of one."""
    return getattr(values, "iloc", values)[part]


def _whole(values: Any) -> Any:
    """A list with masked arrays as one of them: an ordinary array would show what is masked."""
    if not isinstance(values, (list, tuple)):
        return values
    if any(part is np.ma.masked for part in values):
        known = next((part for part in values if part is not np.ma.masked), 0)
        masked = [part is np.ma.masked for part in values]
        shown = [known if hidden else part for part, hidden in zip(values, masked, strict=True)]
        return np.ma.array(shown, mask=masked) if np.ndim(known) == 0 else np.ma.array(values)
    if any(isinstance(part, np.ma.MaskedArray) for part in values):
        return np.ma.array(values)
    return values


def _refusal(missing: Array, name: str, kinds: str) -> ValueError:
    return ValueError(
        f"{name} must have no missing entries, got one in {_place(missing)} "
        f"({int(missing.sum())} {kinds}); fill them in or leave their rows out"
    )


def _checked(array: Array, name: str) -> Array:
    if array.dtype.kind not in NUMBERS:
        hint = " (encode text as numbers first)" if array.dtype.kind in "OUST" else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}{hint}")
    return array


def _from_masked(values: np.ma.MaskedArray, name: str) -> tuple[Array, Array | None]:
    """What is not masked; nothing of what is."""
    masked = np.ma.getmaskarray(values)
    if values.dtype == object:
        known = values.data.copy()
        known[masked] = None
        return _from_objects(known, name)
    array = _checked(values.data, name)
    if not masked.any():
        return array, None
    hidden = np.nan if array.dtype.kind == "f" else 0
    return np.where(masked, np.asarray(hidden, array.dtype), array), masked


def _columns(values: Any) -> list[Any]:
    """The columns of a data frame with columns of several types; else none."""
    types = getattr(values, "dtypes", None)
    if types is None or not hasattr(values, "columns") or len({str(one) for one in types}) < 2:
        return []
    if hasattr(values, "items"):
        return [column for _, column in values.items()]
    return list(values.get_columns()) if hasattr(values, "get_columns") else []


def _from_columns(columns: list[Any], frame: Any, name: str) -> tuple[Array, Array | None]:
    """The columns side by side, each converted by itself: (n, number of columns)."""
    parts = [
        as_numbers_and_missing(column, f"column {label!r} of {name}")
        for column, label in zip(columns, frame.columns, strict=True)
    ]
    array = np.column_stack([part for part, _ in parts])
    if all(missing is None for _, missing in parts):
        return array, None
    none = np.zeros(len(array), dtype=bool)
    return array, np.column_stack([none if missing is None else missing for _, missing in parts])


def _from_objects(array: Array, name: str) -> tuple[Array, Array | None]:
    """Python's numbers as an array: int64 if all are integers, else float64."""
    flat = array.ravel().tolist()
    kinds = {kind: _kind(kind) for kind in set(map(type, flat))}
    if "" in kinds.values():
        at = next(i for i, value in enumerate(flat) if kinds[type(value)] == "")
        where = np.zeros(array.shape, dtype=bool)
        where.flat[at] = True
        hint = " (encode text as numbers first)" if isinstance(flat[at], (str, bytes)) else ""
        raise TypeError(
            f"{name} must hold real numbers, got {flat[at]!r} in {_place(where)}, "
            f"dtype {array.dtype}{hint}"
        )
    missing = None
    whole = set(kinds.values()) <= {"int", "missing"} and "int" in kinds.values()
    if "missing" in kinds.values():
        missing = np.array([kinds[type(value)] == "missing" for value in flat])
        gap: float = 0 if whole else np.nan
        flat = [gap if is_gap else value for value, is_gap in zip(flat, missing, strict=True)]
        missing = missing.reshape(array.shape)
    try:
        numbers = np.array(flat, np.int64 if whole else np.float64)
    except OverflowError:  # an int beyond int64
        numbers = np.array([_as_float(value) for value in flat])
    return numbers.reshape(array.shape), missing


def _as_float(value: Any) -> float:
    """A number, infinite beyond every float."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _kind(kind: type) -> str:
    """``int``, ``float`` or ``missing`` for objects of this type; empty for anything else."""
    if kind is type(None) or kind.__name__ == "NAType":
        return "missing"
    if issubclass(kind, np.generic):
        return {"f": "float", "i": "int", "u": "int", "b": "int"}.get(np.dtype(kind).kind, "")
    if issubclass(kind, int):
        return "int"
    is_number = hasattr(kind, "__float__") and not hasattr(kind, "__len__")
    return "float" if is_number else ""


def _place(where: Array) -> str:
    """The first entry that is True, in words."""
    at = [int(i) for i in np.argwhere(where)[0]]
    names = ("row", "column", *("axis",) * len(at))
    return ", ".join(f"{what} {i}" for what, i in zip(names, at, strict=False)) or "its one place"
