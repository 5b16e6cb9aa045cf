"""The simple models beside a model, in its file: they score other rows too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
    constants : tuple of array of shape () or (k,)
        Of each target the mean, or the share of each class.
    linear : tuple of dict, or None
        `LinearModel.to_dict` of each target; None if there are none, or they are too large.
    encoding : str
        The preprocessing whose inputs these models take, as JSON text; empty: the model's.
    trees : tuple of dict, or None
        `BoostedTrees.to_dict` of each target; None if there are none, or too many.
    """

    constants: tuple[Array, ...]
    linear: tuple[dict[str, Any], ...] | None = None
    encoding: str = ""
    trees: tuple[dict[str, Any], ...] | None = None

    def to_json(self) -> str:
        """The models as JSON text; those of several targets are lists."""
        plain: dict[str, Any] = {
            "constant": _to_plain([one.tolist() for one in self.constants]),
            "linear": _to_plain(self.linear),
            "encoding": self.encoding,
        }
        if self.trees is not None:
            plain[TREES] = _to_plain(self.trees)
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str, n_classes: tuple[int, ...]) -> StoredBaselines:
        """The inverse of `to_json`, for the number of classes of each target, 0 for values; raises
        ValueError for anything else.
        """
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.keys() - {TREES} != KEYS:
            raise ValueError(f"the baselines must have the keys {sorted(KEYS)}")
        T = len(n_classes)
        linear, trees = (_from_plain(plain.get(key), T) for key in ("linear", TREES))
        try:
            given = _from_plain(plain["constant"], T) or ()
            constants = tuple(np.array(one, np.float64) for one in given)
        except TypeError as error:
            raise ValueError(f"the constant is damaged: {error}") from error
        for constant, k in zip(constants, n_classes, strict=True):
            if constant.shape != ((k,) if k else ()) or not np.isfinite(constant).all():
                raise ValueError("the constant does not fit the target")
        if not isinstance(plain["encoding"], str):
            raise ValueError("the encoding must be text")
        return cls(constants, linear, plain["encoding"], trees)


def _to_plain(each: Sequence[Any] | None) -> Any:
    """The value of one target alone, else a list."""
    return each if each is None else each[0] if len(each) == 1 else list(each)


def _from_plain(plain: Any, T: int) -> tuple[Any, ...] | None:
    """The inverse of `_to_plain`."""
    each = [plain] if T == 1 and plain is not None else plain
    if each is not None and not (isinstance(each, list) and len(each) == T):
        raise ValueError(f"the baselines must be those of {T} targets")
    return None if each is None else tuple(each)


def outputs(
    models: Sequence[Callable[[Array], Array]],
    encoded: Callable[[Mapping[str, Array]], Array],
    columns: Mapping[str, Array],
    n: int,
) -> list[Array]:
    """What each simple model gives for n rows of typed columns, some encoded at a time."""
    parts = []
    for start in range(0, n, PIECE):
        rows = slice(start, start + PIECE)
        X = encoded({name: values[rows] for name, values in columns.items()})
        parts.append([model(X) for model in models])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
