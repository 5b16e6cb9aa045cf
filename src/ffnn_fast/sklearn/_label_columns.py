"""Labels in several columns, each with classes of its own: a softmax head for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ffnn_fast.activations import by_head

Array = np.ndarray
MULTIOUTPUT = "multiclass-multioutput"


def are_columns(y: Any) -> bool:
    """Whether y has several columns of labels, which are not indicators; ValueError if y has
    several columns of something else.
    """
    if issparse(y) or y.ndim != 2 or y.shape[1] < 2:
        return False
    if y.dtype == object:
        return True
    check_classification_targets(y)
    return bool(type_of_target(y) == MULTIOUTPUT)


def are_classes(classes: Any) -> bool:
    """Whether these are classes column by column: a list of several one-dimensional arrays."""
    return isinstance(classes, (list, tuple)) and bool(classes) and np.ndim(classes[0]) == 1


def classes_of(columns: Sequence[Any]) -> list[Array]:
    """The classes of each column, sorted; ValueError where there are not at least two."""
    classes = [np.unique(np.asarray(column)) for column in columns]
    for j, found in enumerate(classes):
        if len(found) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: column {j} of y has "
                f"{found.tolist()}; leave it out"
            )
    return classes


def same_classes(given: Sequence[Any], before: Any) -> list[Array]:
    """The classes of each column; ValueError if there were others before."""
    classes = classes_of(given)
    before = classes if before is None else before
    alike = isinstance(before, list) and len(before) == len(classes)
    if not alike or not all(map(np.array_equal, before, classes)):
        raise ValueError(
            f"`classes={given!r}` is not the same as on last call to partial_fit, was: {before}"
        )
    return classes


def columns_of(y: Array) -> list[Array]:
    """The columns of y, (n, m); those of an array of objects as numbers or texts."""
    if y.dtype != object:
        return list(y.T)
    columns = []
    for j, column in enumerate(y.T):
        texts = {isinstance(label, str) for label in column}
        values = np.array(column.tolist())
        if len(texts) > 1 or type_of_target(values) not in ("binary", "multiclass"):
            raise ValueError(f"Unknown label type: column {j} of y must hold numbers or texts")
        columns.append(values)
    return columns


def check(y: Any, classes: list[Array], same: bool) -> None:
    """ValueError if columns of y have other classes than before; with `same` also if fewer."""
    if issparse(y) or y.ndim != 2 or y.shape[1] != len(classes):
        raise ValueError(f"y must have a column for each of {len(classes)} labels, got {y.shape}")
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
    """1 at the class of each column, (n, number of all classes)."""
    blocks = [
        np.equal.outer(np.searchsorted(known, column), np.arange(len(known)))
        for column, known in zip(columns_of(y), classes, strict=True)
    ]
    return np.hstack(blocks).astype(dtype)


def widths_of(classes: list[Array]) -> tuple[int, ...]:
    """How many classes each column has."""
    return tuple(len(known) for known in classes)


def by_column(y_hat: Array, classes: list[Array]) -> list[Array]:
    """The outputs of each column's head, (n, k_j)."""
    return [head for (head,) in by_head(widths_of(classes), y_hat)]


def labels_of(y_hat: Array, classes: list[Array]) -> Array:
    """The likeliest class of each column, (n, m); objects where some are numbers, some texts."""
    heads = zip(by_column(y_hat, classes), classes, strict=True)
    labels = [known.take(head.argmax(axis=1)) for head, known in heads]
    mixed = len({known.dtype.kind in "US" for known in classes}) > 1
    return np.stack([column.astype(object) for column in labels] if mixed else labels, axis=1)


def are_right(y_hat: Array, Y: Array, classes: list[Array]) -> Array:
    """Whether the likeliest classes of a row are those of Y, one-hot, in every column, (n,)."""
    pairs = by_head(widths_of(classes), y_hat, Y)
    return np.all([said.argmax(axis=1) == y.argmax(axis=1) for said, y in pairs], axis=0)
