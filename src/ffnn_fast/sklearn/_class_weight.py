"""The parameter `class_weight` of the classifier, checked before scikit-learn uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ffnn_fast._scalars import as_float


def check_class_weight(weight: Any) -> None:
    """Check a mapping of label to weight, or a list of such; other values pass.

    Raises
    ------
    TypeError, ValueError
        If a weight is no finite number >= 0.
    """
    if isinstance(weight, Mapping):
        _check(weight, "class_weight")
    elif isinstance(weight, list):
        for column, one in enumerate(weight):
            if isinstance(one, Mapping):
                _check(one, f"class_weight[{column}]")


def _check(weights: Mapping[Any, Any], name: str) -> None:
    for label, weight in weights.items():
        plain = label.item() if isinstance(label, np.generic) else label
        as_float(weight, f"{name}[{plain!r}]", closed="left")
