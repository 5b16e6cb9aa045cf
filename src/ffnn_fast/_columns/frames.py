"""Tables of any library as named columns of numbers, texts and times.

A column is a float64 array with NaN where a value is missing, an object array of str with None
there, or a datetime64[us] array with NaT there. Data frames are recognised by what they can do, so
that none of their libraries is imported.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._text import quoted

Array = np.ndarray
TIME = "datetime64[us]"
NAT = np.datetime64("NaT", "us")
TEXT_TYPES = {str, float, type(None)}  # no two of their values are equal and of different types
NUMBER_TYPES = {int, float, type(None)}
DECODING = "utf-8", "backslashreplace"  # of bytes
CATEGORICAL = {"CategoricalDtype", "Categorical", "Enum"}  # types of pandas and polars
MISSING = {"NAType", "NaTType"}
OF_DAY = re.compile(r"[T ]\d\d")  # where the time of a day begins
ZONED = re.compile(
    rf"(.*{OF_DAY.pattern}[\d:.]*)(?:([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?\s*Z?\s*"
)  # NumPy reads zones with a warning


@dataclass(frozen=True)
class Table:
    """Columns of one length under distinct names.

    Attributes
    ----------
    columns : dict of str to array of shape (n,)
        float64, object (str or None) or datetime64[us].
    n_rows : int
    named : bool
        Whether the names come from the table; those of an array are "0", "1", ...
    """

    columns: dict[str, Array]
    n_rows: int
    named: bool


def table_of(X: Any) -> Table:
    """A pandas, polars or Arrow table, a mapping of names to columns, or rows, as a `Table`.

    Raises
    ------
    TypeError
        If X is sparse, or a column holds something else than numbers, texts, bools and times.
    ValueError
        If X is not two-dimensional, names occur twice, or a number is infinite.
    """
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError("X is a sparse matrix; give a dense array, for example X.toarray()")
    if hasattr(X, "collect_schema") and not hasattr(X, "get_columns"):
        raise TypeError("X is a lazy frame; give its rows, X.collect()")
    named = _named_columns(X)
    if named is None:
        rows = X if isinstance(X, np.ndarray) else _rows_of(X)
        if rows.ndim != 2:
            raise ValueError(
                f"X must be two-dimensional, (rows, columns), got shape {rows.shape}; "
                "Reshape your data: X.reshape(-1, 1) for one column, X.reshape(1, -1) for one row"
            )
        columns = {str(j): column_of(rows[:, j], f"column {j}") for j in range(rows.shape[1])}
        return Table(columns, len(rows), False)
    check_names(name for name, _ in named)
    columns = {str(name): column_of(values, f"column {str(name)!r}") for name, values in named}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"the columns of X must have one length, got {sorted(lengths)}")
    return Table(columns, lengths.pop() if lengths else len(X), True)


def check_names(names: Iterable[Any]) -> None:
    """ValueError if a name of a column occurs twice."""
    for name, count in Counter(map(str, names)).items():
        if count > 1:
            raise ValueError(f"the columns of X must have distinct names, got {name!r} twice")


def column_of(values: Any, what: str) -> Array:
    """One column as float64, object (str or None) or datetime64[us]; `what` is its name in errors.

    Raises
    ------
    TypeError, ValueError
        As `table_of`.
    """
    _check_sequence(values, what)
    array = array_of(values)
    if array.ndim != 1:
        raise ValueError(f"{what} must be one-dimensional, got shape {array.shape}")
    if _are_categories(values):
        return _as_levels(array)
    kind = array.dtype.kind
    if kind == "b":
        return np.where(array, "True", "False").astype(object)
    if kind in "fiu":
        wide = array.itemsize > 8
        numbers = ignoring("over", array.astype, np.float64) if wide else array.astype(np.float64)
        return _finite(numbers, what)
    if kind == "M":
        return array.astype(TIME)
    if kind == "m":
        seconds = array.astype("timedelta64[us]").astype(np.float64) / 1e6
        return np.where(np.isnat(array), np.nan, seconds)
    if kind == "S":
        array = np.char.decode(array, *DECODING)
    if array.dtype.kind == "U":
        return _texts(array.astype(object), what)
    if kind == "O":
        return _of_objects(array, what)
    raise TypeError(
        f"{what} of X must hold numbers, texts, bools or times, got dtype {array.dtype}"
    )


def _check_sequence(values: Any, what: str) -> None:
    """TypeError if a column is one value, or a text, whose letters would be values."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise TypeError(
            f"{what} of X must be a sequence with a value for each row, got {quoted(values)}; for "
            "one row give a list of one value"
        )


def _named_columns(X: Any) -> list[tuple[Any, Any]] | None:
    """(name, column) of a table that has names; None for rows."""
    if isinstance(X, Mapping):
        return list(X.items())
    if isinstance(X, np.ndarray):
        return [(name, X[name]) for name in X.dtype.names] if X.dtype.names else None
    if hasattr(X, "column_names") and hasattr(X, "column"):  # pyarrow.Table
        return [(name, _of_arrow(X.column(name))) for name in X.column_names]
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        if hasattr(X, "items"):  # pandas.DataFrame
            return list(X.items())
        if hasattr(X, "get_columns"):  # polars.DataFrame
            return [(column.name, column) for column in X.get_columns()]
    return None


def level_of(value: Any) -> str | None:
    """The level of a category that a known value of a column is, or None where it is missing.

    Texts that are written as a number or a time give the level of that number or time: whether a
    column is converted depends on all its values, and the level of a row must not.
    """
    if isinstance(value, str):
        number = _number(value)
        time = _time(value) if number is None else None
        value = value if number is None else number
        value = value if time is None else time
    if is_missing(value):
        return None
    if isinstance(value, (float, np.floating)) and np.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value.astype(TIME)) if isinstance(value, np.datetime64) else str(value)


def levels_of(values: Array) -> dict[Any, str | None]:
    """`level_of` each different value of a column, (n,); no key is NaN."""
    return {value: level_of(value) for value in dict.fromkeys(values)}


class _Categories(list[Any]):
    """A column of a categorical type."""


def _of_arrow(column: Any) -> Any:
    """A column of Arrow; a dictionary's, whose codes NumPy would show, as categories; another's of
    several parts, such as lists, as a list.
    """
    if hasattr(column.type, "index_type"):
        return _Categories(column.to_pylist())
    return column.to_pylist() if hasattr(column.type, "value_type") else column


def _are_categories(values: Any) -> bool:
    """Whether a column has a type of categories, whatever these are."""
    return (
        isinstance(values, _Categories)
        or type(getattr(values, "dtype", None)).__name__ in CATEGORICAL
    )


def _as_levels(array: Array) -> Array:
    """Values as levels of a category, None where missing, (n,) object."""
    levels = levels_of(array)
    out = np.empty(len(array), dtype=object)
    out[:] = [levels.get(value) for value in array]  # no key is NaN
    return out


def _rows_of(X: Any) -> Array:
    """Lists of rows as a two-dimensional array of numbers, or of objects where types differ."""
    if hasattr(X, "__array__"):
        return np.asarray(X)
    try:
        rows = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"X is not a rectangular table: {error}") from error
    return np.asarray(X, dtype=object) if rows.dtype.kind in "US" else rows


def array_of(values: Any, exact: bool = False) -> Array:
    """A column of any library as a NumPy array; None, NA or NaN where a value is missing.

    Nullable integers become float64, but objects if they must be `exact`.
    """
    if isinstance(values, np.ma.MaskedArray):
        objects = values.data.astype(object)
        objects[np.ma.getmaskarray(values)] = None
        return objects
    if isinstance(values, np.ndarray):
        return values
    dtype = getattr(values, "dtype", None)
    if getattr(dtype, "tz", None) is not None and hasattr(values, "dt"):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        dtype = values.dtype
    if hasattr(values, "to_numpy") and _is_extension(dtype):
        if getattr(dtype, "kind", "O") in "fiu" and not exact:
            return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
        return np.asarray(values.to_numpy(dtype=object))
    if hasattr(values, "to_pylist") and not hasattr(values, "chunks"):  # pyarrow.Array
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    listed = values if isinstance(values, list) else list(values)
    objects = np.empty(len(listed), dtype=object)  # asarray would look into lists in cells
    objects[:] = listed
    return objects


def _is_extension(dtype: Any) -> bool:
    """Whether pandas has this dtype, and NumPy has not: nullable numbers, categories, texts."""
    return dtype is not None and not isinstance(dtype, np.dtype) and hasattr(dtype, "na_value")


def _finite(values: Array, what: str) -> Array:
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"{what} of X must hold finite numbers or NaN, got infinity in row "
            f"{int(np.argmax(infinite))}"
        )
    return values


def _of_objects(array: Array, what: str) -> Array:
    """Objects as numbers if all known ones are, as times if all are, else as texts."""
    types = set(map(type, array))
    if bytes in types:
        array = array.copy()
        array[:] = [v.decode(*DECODING) if isinstance(v, bytes) else v for v in array]
        types = set(map(type, array))
    if str in types and {one.__name__ for one in types - TEXT_TYPES} <= MISSING:
        return _texts(array, what)
    if types <= NUMBER_TYPES:
        with contextlib.suppress(OverflowError):
            return _finite(array.astype(np.float64), what)
    missing = np.fromiter((is_missing(value) for value in array), bool, len(array))
    known = array[~missing]
    kinds = {_kind(value) for value in known}
    if not kinds or kinds == {"number"}:
        out = np.full(len(array), np.nan)
        out[~missing] = [_as_float(value, what) for value in known]
        return _finite(out, what)
    if kinds == {"time"}:
        times = np.full(len(array), NAT)
        times[~missing] = [np.datetime64(in_utc(value)) for value in known]
        return times
    if "other" in kinds:
        value = next(value for value in known if _kind(value) == "other")
        raise TypeError(
            f"{what} of X must hold numbers, texts, bools or times, got {quoted(value)}, "
            f"of type {type(value).__name__}"
        )
    texts = np.full(len(array), None, dtype=object)
    texts[~missing] = [str(value) for value in known]
    return _texts(texts, what)


def _texts(texts: Array, what: str) -> Array:
    """Texts, and None or the like where missing, as numbers or times if every known one is written
    as such; blank ones are missing.
    """
    stripped = {value: _stripped(value) for value in dict.fromkeys(texts)}
    known = dict.fromkeys(value for value in stripped.values() if value is not None)
    if not known:
        return np.full(len(texts), np.nan)
    for convert, gap, dtype in ((_number, np.nan, np.float64), (_time, NAT, TIME)):
        converted = _converted(known, convert)
        if converted is not None:
            found = {value: converted.get(text, gap) for value, text in stripped.items()}
            out = np.array(list(map(found.__getitem__, texts)), dtype=dtype)
            return _finite(out, what) if dtype is np.float64 else out
    out = np.empty(len(texts), dtype=object)
    out[:] = list(map(stripped.__getitem__, texts))
    return out


def _as_float(value: Any, what: str) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{what} of X must hold finite numbers, got {quoted(value)}") from error


def _stripped(value: Any) -> str | None:
    """A text without blanks around it; None where it is missing or empty."""
    return None if is_missing(value) else str(value).strip() or None


def _converted(texts: Iterable[Any], convert: Callable[[str], Any]) -> dict[Any, Any] | None:
    """What each text is converted to; None if one cannot be."""
    found = {}
    for text in texts:
        found[text] = convert(text)
        if found[text] is None:
            return None
    return found


def _number(text: str) -> float | None:
    """The number that a text is, or None; words for infinity and NaN are texts."""
    if text[-1:].isalpha() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> np.datetime64 | None:
    """The time that an ISO 8601 text is, or None."""
    if len(text) < 8 or not text[:4].isdigit():
        return None
    plain, sign, hours, minutes = text.removesuffix("Z"), "+", "0", "0"
    if OF_DAY.search(text):
        zoned = ZONED.fullmatch(text)
        if zoned is None:
            return None
        plain, sign, hours, minutes = (part or "0" for part in zoned.groups())
    ahead = np.timedelta64(60 * int(f"{sign}{hours}") + int(f"{sign}{minutes}"), "m")
    try:
        return np.datetime64(plain.replace("/", "-"), "us") - ahead
    except ValueError:
        return None


def in_utc(time: Any) -> Any:
    """A time with a zone as the same in UTC, without one."""
    if getattr(time, "tzinfo", None) is None:
        return time
    return time.astimezone(UTC).replace(tzinfo=None)


def is_missing(value: Any) -> bool:
    """None, NaN, NaT, and the NA of pandas."""
    if value is None or type(value).__name__ in MISSING:
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return isinstance(value, (float, np.floating)) and value != value


def _kind(value: Any) -> str:
    """``number``, ``time``, ``text`` or ``other``."""
    if isinstance(value, (str, bool, np.bool_)):
        return "text"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return "number"
    if isinstance(value, np.datetime64) or (hasattr(value, "isoformat") and hasattr(value, "year")):
        return "time"
    has_float = hasattr(value, "__float__") and not hasattr(value, "__len__")
    return "number" if has_float and not isinstance(value, complex) else "other"
