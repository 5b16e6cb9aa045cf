"""The rows that early stopping holds out, drawn as scikit-learn draws them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

Array = np.ndarray
ADVICE = "increase validation_fraction or the number of rows, or pass X_val and y_val"


def split_rows(
    n: int, fraction: float, rng: np.random.RandomState, strata: Array | None, labels: Any
) -> tuple[Array, Array]:
    """Indices of the training rows and of the validation rows.

    Parameters
    ----------
    n : int
        Rows.
    fraction : float
        The parameter `validation_fraction`.
    rng : RandomState
    strata : ndarray of shape (n,) or None
        0 and 1, by which the split is stratified.
    labels : ndarray or None
        The user's labels of 0 and 1; used only with `strata`.

    Raises
    ------
    ValueError
        If a part would have too few rows, or a class has a single one.
    """
    n_validation = math.ceil(fraction * n)
    shown = f"validation_fraction={fraction:g} holds out {n_validation} of {n} rows"
    classes = [] if strata is None else np.unique(strata).astype(int).tolist()
    names = {c: repr(labels.tolist()[c]) for c in classes}
    named = " and ".join(names.values())
    if n_validation < max(2, len(classes)):
        least = f"one for each of the classes {named}" if len(classes) > 1 else "at least 2"
        raise ValueError(f"The validation set is too small: {shown}, expected {least}; {ADVICE}")
    if n - n_validation < max(1, len(classes)):
        least = f"one for each of the classes {named}" if len(classes) > 1 else "at least 1"
        raise ValueError(
            f"{shown} and leaves {n - n_validation} to train on, expected {least}; "
            "decrease validation_fraction"
        )
    for c in classes:
        if (count := int((strata == c).sum())) < 2:
            raise ValueError(
                f"early_stopping=True splits the rows by class, and class {names[c]} has "
                f"{count} row, expected at least 2; add rows of it, or pass X_val and y_val"
            )
    indices = train_test_split(np.arange(n), random_state=rng, test_size=fraction, stratify=strata)
    return indices[0], indices[1]


def check_weight(weight: Array | None, validation: Array, fraction: float) -> None:
    """ValueError if the weights, (n,), of all validation rows are 0."""
    if weight is not None and not weight[validation].any():
        raise ValueError(
            f"validation_fraction={fraction:g}: the sample_weight of all {len(validation)} "
            "validation rows is 0; increase it, or pass X_val and y_val"
        )
