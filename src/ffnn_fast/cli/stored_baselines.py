"""The simple models beside a model, in its file: they score other rows too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
MOST = 100_000  # coefficients, and nodes of trees, that a file holds
FARTHEST = 20.0  # deviations: values beyond them count as these, in a model of classes
PIECE = 1 << 16  # rows that are encoded at a time
KEYS, TREES = {"linear", "constant", "encoding"}, "trees"  # the last in files that have them


@dataclass(frozen=True)
class LinearModel:
    """Z W + b of standardised inputs Z, or its softmax.

    Attributes
    ----------
    centre, spread : array of shape (d,)
        Z = (X − centre) / spread.
    W : array of shape (d,) or (d, k)
    b : array of shape () or (k,)
    classes : bool
        Whether it gives probabilities.
    """

    centre: Array
    spread: Array
    W: Array
    b: Array
    classes: bool = False

    def __call__(self, X: Array) -> Array:
        """Values (n,) or (n, k), or probabilities (n, k), of rows (n, d)."""
        Z = (X - self.centre) / self.spread
        if not self.classes:
            return np.asarray(Z @ self.W + self.b)
        a = np.clip(Z, -FARTHEST, FARTHEST) @ self.W + self.b
        a -= a.max(axis=1, keepdims=True)
        np.exp(a, out=a)
        return np.asarray(a / a.sum(axis=1, keepdims=True))

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return self.W.size

    def to_dict(self) -> dict[str, Any]:
        """The model as plain JSON values."""
        parts = {name: getattr(self, name).tolist() for name in ("centre", "spread", "W", "b")}
        return {**parts, "classes": self.classes}

    @classmethod
    def from_dict(cls, plain: Any, d: int, k: int) -> LinearModel:
        """The inverse of `to_dict` for d inputs and k classes, 0 for values; raises ValueError for
        anything else.
        """
        try:
            arrays = {
                name: np.array(plain[name], np.float64) for name in ("centre", "spread", "W", "b")
            }
            found = cls(**arrays, classes=bool(plain["classes"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"the linear model is damaged: {error}") from error
        shapes = tuple(part.shape for part in arrays.values())
        expected = ((d,), (d,), (d, k), (k,)) if k else ((d,), (d,), (d,), ())
        finite = all(np.isfinite(part).all() for part in arrays.values())
        if shapes != expected or found.classes != bool(k) or not finite or not found.spread.all():
            raise ValueError("the linear model does not fit the table")
        return found


@dataclass(frozen=True)
class StoredBaselines:
    """Simple models that were fitted to the training rows.

    Attributes
    ----------
    constant : array of shape () or (k,)
        The mean, or the share of each class.
    linear : dict or None
        `LinearModel.to_dict`; None if there is none, or it is too large.
    encoding : str
        The preprocessing whose inputs these models take, as JSON text; empty: the model's.
    trees : dict or None
        `BoostedTrees.to_dict`; None if there are none, or too many.
    """

    constant: Array
    linear: dict[str, Any] | None = None
    encoding: str = ""
    trees: dict[str, Any] | None = None

    def to_json(self) -> str:
        """The models as JSON text."""
        plain: dict[str, Any] = {
            "constant": self.constant.tolist(), "linear": self.linear, "encoding": self.encoding,
        }  # fmt: skip
        return json.dumps(plain if self.trees is None else plain | {TREES: self.trees})

    @classmethod
    def from_json(cls, text: str, n_classes: int) -> StoredBaselines:
        """The inverse of `to_json`; raises ValueError for anything else."""
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.keys() - {TREES} != KEYS:
            raise ValueError(f"the baselines must have the keys {sorted(KEYS)}")
        try:
            constant = np.array(plain["constant"], np.float64)
        except TypeError as error:
            raise ValueError(f"the constant is damaged: {error}") from error
        if constant.shape != ((n_classes,) if n_classes else ()) or not np.isfinite(constant).all():
            raise ValueError("the constant does not fit the target")
        if not isinstance(plain["encoding"], str):
            raise ValueError("the encoding must be text")
        return cls(constant, plain["linear"], plain["encoding"], plain.get(TREES))


def outputs(
    model: Callable[[Array], Array],
    encoded: Callable[[Mapping[str, Array]], Array],
    columns: Mapping[str, Array],
    n: int,
) -> Array:
    """What a simple model gives for n rows of typed columns, some encoded at a time."""
    parts = []
    for start in range(0, n, PIECE):
        rows = slice(start, start + PIECE)
        parts.append(model(encoded({name: values[rows] for name, values in columns.items()})))
    return np.concatenate(parts)
