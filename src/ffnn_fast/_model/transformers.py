"""What fitted transformers of scikit-learn compute, by the name of their class.

`export` is the name of the function or format in messages, such as ``ONNX export``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PASSED = ("passthrough", None)
INVERSE = {"Sub": "Add", "Add": "Sub", "Mul": "Div", "Div": "Mul"}
Operation = tuple[str, Any]  # a key of INVERSE, and an operand for each column


def kind_of(step: Any) -> str:
    """The name of the class."""
    return type(step).__name__


def passes(step: Any) -> bool:
    """Whether a step leaves its columns as they are."""
    if step is None or isinstance(step, str):
        return step in PASSED
    functions = (getattr(step, "func", step), getattr(step, "inverse_func", step))
    return kind_of(step) == "FunctionTransformer" and functions == (None, None)


def _present(*pairs: Operation) -> list[Operation]:
    return [(op, values) for op, values in pairs if values is not None]


OPERATIONS: dict[str, Callable[[Any], list[Operation]]] = {
    "StandardScaler": lambda s: _present(
        ("Sub", s.mean_ if s.with_mean else None), ("Div", s.scale_ if s.with_std else None)
    ),
    "RobustScaler": lambda s: _present(
        ("Sub", s.center_ if s.with_centering else None),
        ("Div", s.scale_ if s.with_scaling else None),
    ),
    "MinMaxScaler": lambda s: _present(("Mul", s.scale_), ("Add", s.min_)),
    "MaxAbsScaler": lambda s: _present(("Div", s.scale_)),
}


def limits(step: Any) -> tuple[float, float] | None:
    """Where a scaler clips its results, or None."""
    return tuple(step.feature_range) if getattr(step, "clip", False) else None


def inverse_operations(step: Any, export: str) -> list[Operation]:
    """The operations from a transformed target back to the target; ValueError if unknown."""
    if passes(step):
        return []
    if kind_of(step) not in OPERATIONS or limits(step):
        raise ValueError(
            f"{export} has no inverse for {kind_of(step)} of the target; it has those of "
            f"{', '.join(OPERATIONS)}"
        )
    return [(INVERSE[op], values) for op, values in reversed(OPERATIONS[kind_of(step)](step))]


def statistics_of(step: Any, export: str) -> np.ndarray:
    """What a SimpleImputer puts in the place of NaN in each column; ValueError if not numbers."""
    statistics = np.asarray(step.statistics_)
    missing = step.missing_values
    plain = isinstance(missing, float) and np.isnan(missing) and not step.add_indicator
    if not plain or statistics.dtype.kind not in "fiu" or np.isnan(statistics).any():
        raise ValueError(
            f"{export} expects a SimpleImputer of numbers with missing_values=nan, "
            "add_indicator=False and a value in every column"
        )
    return statistics


def categories_of(step: Any, export: str) -> list[tuple[np.ndarray, list[int]]]:
    """For each column of a OneHotEncoder its categories, and those that have an output."""
    infrequent = getattr(step, "infrequent_categories_", None)
    if infrequent is not None and any(part is not None for part in infrequent):
        raise ValueError(f"{export} has no form for a OneHotEncoder with infrequent categories")
    dropped = [None] * len(step.categories_) if step.drop_idx_ is None else step.drop_idx_
    return [
        (categories, [j for j in range(len(categories)) if j != drop])
        for categories, drop in zip(step.categories_, dropped, strict=True)
    ]


def parts_of(step: Any, n: int, export: str) -> list[tuple[Any, list[int]]]:
    """The transformers of a ColumnTransformer, each with the numbers of its columns, of n."""
    if step.transformer_weights:
        raise ValueError(f"{export} has no form for a ColumnTransformer with weights")
    names = list(getattr(step, "feature_names_in_", ()))
    found = []
    for _, part, which in step.transformers_:
        dropped = isinstance(part, str) and part == "drop"
        places = [] if dropped else _places(which, names, n)
        if places:
            found.append((part, places))
    return found


def _places(which: Any, names: list[str], n: int) -> list[int]:
    """The numbers of the columns that a ColumnTransformer's entry names, of n."""
    if isinstance(which, slice):
        ends = [which.start, which.stop]
        if any(isinstance(end, str) for end in ends):  # both ends belong to it, as in pandas
            start = 0 if ends[0] is None else names.index(ends[0])
            stop = n if ends[1] is None else names.index(ends[1]) + 1
            return list(range(start, stop, which.step or 1))
        return list(range(n))[which]
    listed = [which] if isinstance(which, (str, int, np.integer)) else list(which)
    if listed and all(isinstance(one, (bool, np.bool_)) for one in listed):
        return [j for j, is_one in enumerate(listed) if is_one]
    return [names.index(one) if isinstance(one, str) else range(n)[int(one)] for one in listed]
