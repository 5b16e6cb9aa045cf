"""Labels of one or several columns as places among their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite

from ffnn_fast._columns.frames import array_of, is_missing
from ffnn_fast._text import quoted

Array = np.ndarray
ONE, INDICATORS, COLUMNS = "one", "indicators", "columns"
KINDS = {str: "texts", bytes: "bytes", bool: "bools", int: "integers", float: "numbers"}
GENERIC = {np.str_: str, np.bytes_: bytes, np.bool_: bool, np.integer: int, np.floating: float}


@dataclass(frozen=True)
class Labels:
    """The classes of each column of labels.

    Attributes
    ----------
    classes : tuple of ndarray
        Sorted, two at least in each.
    form : {"one", "indicators", "columns"}
        One column; columns of 0 and 1 (scikit-learn's ``multilabel-indicator``); or several columns
        with classes each (``multiclass-multioutput``).
    """

    classes: tuple[Array, ...]
    form: str

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of classes of each column."""
        return tuple(map(len, self.classes))

    def split(self, outputs: Array) -> list[Array]:
        """The outputs of each column, (n, width), of all side by side, (n, sum of widths)."""
        return np.split(outputs, np.cumsum(self.widths)[:-1], axis=1)

    def predicted(self, proba: Array) -> Array:
        """The most probable class of each column: (n,), or (n, columns) for several."""
        if self.form == ONE:
            return self.classes[0].take(proba.argmax(axis=1))
        pairs = zip(self.classes, self.split(proba), strict=True)
        columns = [known[part.argmax(axis=1)] for known, part in pairs]
        if len({column.dtype.kind for column in columns}) > 1:
            columns = [column.astype(object) for column in columns]
        return np.stack(columns, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """The classes as plain JSON values; TypeError if they have none."""
        classes = [column.tolist() for column in self.classes]
        for one in (one for column in classes for one in column):
            if not isinstance(one, (bool, int, float, str)):
                raise TypeError(
                    f"classes must be numbers, bools or texts to be saved, got {quoted(one)}"
                )
        dtypes = [column.dtype.str for column in self.classes]
        return {"classes": classes, "dtypes": dtypes, "form": self.form}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Labels:
        """The inverse of `to_dict`."""
        if plain["form"] not in (ONE, INDICATORS, COLUMNS):
            raise ValueError(f"unknown form of labels {quoted(plain['form'])}")
        classes = tuple(
            _saved_classes(values, str(dtype))
            for values, dtype in zip(plain["classes"], plain["dtypes"], strict=True)
        )
        return cls(classes, plain["form"])


def fit_labels(y: Any) -> tuple[Labels, Array]:
    """The classes of y, and the place of each label among them, (n,) or (n, columns), int64.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, columns), or data frame
        Texts, whole numbers or bools, of one type in each column.

    Raises
    ------
    ValueError
        If a label is missing, is of another type than the others or no label, or a column has one
        class only.
    """
    columns, form = _columns_of(y)
    found = [_classes_of(column, form, f"column {j}") for j, column in enumerate(columns)]
    labels = Labels(tuple(classes for classes, _ in found), form)
    places = [np.asarray(place, np.int64).ravel() for _, place in found]
    return labels, places[0] if form == ONE else np.ascontiguousarray(np.stack(places, axis=1))


def _columns_of(y: Any) -> tuple[list[Array], str]:
    """Checked columns of labels and their form."""
    if issparse(y):
        y = y.toarray()
    if hasattr(y, "columns") and hasattr(y, "dtypes"):
        given = [array_of(y[name], exact=True) for name in y.columns]
    else:
        array = _whole(y)
        if array.ndim not in (1, 2):
            raise ValueError(
                f"y should be a 1d array or have a column for each label, got shape {array.shape}"
            )
        given = [array] if array.ndim == 1 else list(array.T)
    if not given:
        raise ValueError("y has no columns")
    one = len(given) == 1
    columns = [
        _checked(column, "y" if one else f"column {j} of y") for j, column in enumerate(given)
    ]
    if one:
        return columns, ONE
    plain = all(c.dtype.kind in "biuf" and np.isin(c, (0, 1)).all() for c in columns)
    return columns, INDICATORS if plain else COLUMNS


def _whole(y: Any) -> Array:
    """y as an array; texts among numbers stay what they are."""
    if isinstance(y, np.ndarray):
        return y
    if hasattr(y, "to_numpy"):
        return np.asarray(array_of(y, exact=True))
    if hasattr(y, "__array__"):
        return np.asarray(y)
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise ValueError(f"y is not rectangular: {error}") from error
    if array.dtype.kind not in "US":
        return array
    objects = np.asarray(y, dtype=object)
    return array if len(set(map(type, objects.flat))) == 1 else objects


def _checked(column: Array, what: str) -> Array:
    """Labels of one type, none missing."""
    if isinstance(column, np.ma.MaskedArray):
        if np.ma.getmaskarray(column).any():
            raise ValueError(f"{what} has masked entries; every row needs a label")
        column = column.data
    if column.dtype.kind == "O":
        column = _of_objects(column, what)
    kind = column.dtype.kind
    if kind == "f":
        assert_all_finite(column, input_name="y")
        if (column != np.trunc(column)).any():
            raise ValueError(
                f"Unknown label type: continuous. {what} holds fractions, such as "
                f"{column[column != np.trunc(column)][0]}; classes are texts, bools or whole "
                "numbers; use TabularRegressor for values"
            )
    elif kind == "M" and np.isnat(column).any():
        raise ValueError(f"{what} has missing times; every row needs a label")
    elif kind not in "biuOUSM":
        raise ValueError(
            f"Unknown label type: {what} has dtype {column.dtype}; classes are texts, bools or "
            "whole numbers"
        )
    return column


def _of_objects(column: Array, what: str) -> Array:
    """Objects of one type: numbers and bools as such, texts as objects."""
    types = {_type_of(value) for value in column}
    if object in types:
        value = next(value for value in column if _type_of(value) is object)
        if is_missing(value):
            raise ValueError(f"{what} has missing labels (NaN or None); every row needs one")
        raise ValueError(
            f"Unknown label type: {what} holds {quoted(value)}, of type {type(value).__name__}; "
            "classes are texts, bools or whole numbers"
        )
    if types == {int, float}:
        types = {float}
    if len(types) > 1:
        names = " and ".join(sorted(KINDS[one] for one in types))
        raise ValueError(
            f"Unknown label type: {what} holds {names}; convert its labels to one type, for "
            "example by str"
        )
    if types & {bool, float}:
        return column.astype(types.pop())
    if types == {int}:
        try:
            return column.astype(np.int64)
        except OverflowError:
            return column
    return column


def _type_of(value: Any) -> type:
    """The Python type of a label; `object` for what is none."""
    if is_missing(value):
        return object
    for one in (str, bytes, bool, int, float):
        if isinstance(value, one):
            return one
    return next((plain for generic, plain in GENERIC.items() if isinstance(value, generic)), object)


def _classes_of(column: Array, form: str, what: str) -> tuple[Array, Array]:
    """Classes and the places of the labels among them."""
    if form == INDICATORS:
        return np.array([0, 1], column.dtype), column.astype(np.int64)
    classes, places = np.unique(column, return_inverse=True)
    if len(classes) < 2:
        of = "y" if form == ONE else f"{what} of y"
        found = repr(classes.tolist()[0]) if len(classes) else "none"
        raise ValueError(f"{of} has one class only, {found}; two are needed")
    return classes, places


def _saved_classes(values: Any, dtype: str) -> Array:
    classes = np.array(values, dtype=np.dtype(dtype))
    if classes.ndim != 1 or len(classes) < 2:
        raise ValueError("each column of labels needs two classes")
    return classes
