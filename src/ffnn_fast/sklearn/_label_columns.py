"""Several columns of labels, each with its own classes: one softmax head for each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ffnn_fast.activations import by_head

Array = np.ndarray
MULTIOUTPUT = "multiclass-multioutput"


def is_multioutput(y: Any) -> bool:
    """Whether y has several columns of labels that are not indicators.

    Raises
    ------
    ValueError
        If y has several columns of anything but labels.
    """
    if issparse(y) or y.ndim != 2 or y.shape[1] < 2:
        return False
    if y.dtype == object:
        return True
    check_classification_targets(y)
    return bool(type_of_target(y) == MULTIOUTPUT)


def are_lists(classes: Any) -> TypeGuard[Sequence[Any]]:
    """Whether `classes` has the classes of each column: a list of one-dimensional arrays."""
    return isinstance(classes, (list, tuple)) and bool(classes) and np.ndim(classes[0]) == 1


def classes_of(columns: Sequence[Any]) -> list[Array]:
    """The sorted classes of each column; ValueError if a column has fewer than two."""
    classes = [np.unique(np.asarray(column)) for column in columns]
    for j, found in enumerate(classes):
        if len(found) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: column {j} of y has "
                f"{found.tolist()}; omit it"
            )
    return classes


def check_same_classes(given: Sequence[Any], before: Any) -> list[Array]:
    """The classes of each column; ValueError if they differ from those of the call before."""
    classes = classes_of(given)
    before = classes if before is None else before
    same = isinstance(before, list) and len(before) == len(classes)
    if not same or not all(map(np.array_equal, before, classes)):
        raise ValueError(
            f"`classes={given!r}` is not the same as on last call to partial_fit, was: {before}"
        )
    return classes


def columns_of(y: Array) -> list[Array]:
    """The columns of y, (n, m); those of an object array as numbers or strings."""
    if y.dtype != object:
        return list(y.T)
    columns = []
    for j, column in enumerate(y.T):
        kinds = {isinstance(label, str) for label in column}
        values = np.array(column.tolist())
        if len(kinds) > 1 or type_of_target(values) not in ("binary", "multiclass"):
            raise ValueError(
                f"Unknown label type: column {j} of y must contain either numbers or strings"
            )
        columns.append(values)
    return columns


def check_columns(y: Any, classes: list[Array], same: bool) -> None:
    """ValueError if columns of y have other classes than before; with `same` also if fewer."""
    if issparse(y) or y.ndim != 2 or y.shape[1] != len(classes):
        raise ValueError(
            f"y must have shape (n, {len(classes)}), a column for each label, got {y.shape}"
        )
    for j, (column, known) in enumerate(zip(columns_of(y), classes, strict=True)):
        found = np.unique(column)
        if same and set(found) != set(known):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {known} in column {j}, `y` has {found}"
            )
        if not set(found) <= set(known):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_[{j}]` has {known}. "
                f"Column {j} of `y` has {found}."
            )


def one_hot(y: Array, classes: list[Array], dtype: str) -> Array:
    """1 at the class of each column, (n, total number of classes)."""
    blocks = [
        np.equal.outer(np.searchsorted(known, column), np.arange(len(known)))
        for column, known in zip(columns_of(y), classes, strict=True)
    ]
    return np.hstack(blocks).astype(dtype)


def widths_of(classes: list[Array]) -> tuple[int, ...]:
    """The number of classes of each column."""
    return tuple(len(known) for known in classes)


def by_column(y_hat: Array, classes: list[Array]) -> list[Array]:
    """The outputs of each column's head, (n, k_j)."""
    return [head for (head,) in by_head(widths_of(classes), y_hat)]


def labels_of(y_hat: Array, classes: list[Array]) -> Array:
    """The most probable class of each column, (n, m); objects if some are numbers, some strings."""
    heads = zip(by_column(y_hat, classes), classes, strict=True)
    labels = [known.take(head.argmax(axis=1)) for head, known in heads]
    mixed = len({known.dtype.kind in "US" for known in classes}) > 1
    return np.stack([column.astype(object) for column in labels] if mixed else labels, axis=1)


def are_correct(y_hat: Array, Y: Array, classes: list[Array]) -> Array:
    """Whether the most probable class is that of Y, one-hot, in every column, (n,)."""
    pairs = by_head(widths_of(classes), y_hat, Y)
    return np.all([p.argmax(axis=1) == y.argmax(axis=1) for p, y in pairs], axis=0)
