"""The trees of HistGradientBoosting as arrays: stored as JSON, evaluated by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Array = np.ndarray
GREATEST = np.finfo(np.float64).max  # the threshold of a split that only separates missing values
ROWS = 2048  # that go through all trees at a time
MOST_CATEGORIES = 1 << 11  # of a column; trees are fitted to no more inputs
WORD = 32  # bits of an entry of scikit-learn's sets


@dataclass(frozen=True)
class BoostedTrees:
    """Sums of trees over iterations, their logistic function, or their softmax.

    Attributes
    ----------
    roots : array of int, shape (t, s)
        The first node of each tree: t iterations of s trees; s is 1 for values and two classes.
    start : array of shape (s,)
        What the values of the trees are added to.
    feature : array of int, shape (m,)
        Of each node the column of X that it splits; -1 for a leaf.
    number : array of float64, shape (m,)
        The value of a leaf; of a split of numbers the greatest that goes left.
    left, right : array of int, shape (m,)
        The nodes below a split, which follow it.
    missing_left : array of int, shape (m,)
        1 where a missing value, or a category that was not trained on, goes left.
    place : array of int, shape (m,)
        The set in `sets` of a split of categories, else -1.
    sets : list of list of int
        Categories that go left.
    known : dict of int to list of int
        Column of categories → those that were trained on.
    classes : list of int
        The classes that were trained on; empty for values.
    n_classes : int
        Of the target.
    """

    roots: Array
    start: Array
    feature: Array
    number: Array
    left: Array
    right: Array
    missing_left: Array
    place: Array
    sets: list[list[int]]
    known: dict[int, list[int]]
    classes: list[int]
    n_classes: int

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.feature)

    def __call__(self, X: Array) -> Array:
        """Values (n,), or probabilities (n, n_classes), of rows (n, d), NaN where missing."""
        X = X.copy()
        for column, known in self.known.items():
            X[~np.isin(X[:, column], known), column] = np.nan
        is_left = np.zeros((len(self.sets) + 1, 1 + max(self._codes, default=0)), bool)
        for row, one in zip(is_left, self.sets, strict=False):
            row[one] = True
        begins = range(0, len(X), ROWS)
        pieces = [self._sums(X[begin : begin + ROWS], is_left) for begin in begins]
        sums = np.concatenate(pieces) if pieces else np.empty((0, self.roots.shape[1]))
        if not self.classes:
            return sums[:, 0]
        if sums.shape[1] == 1:
            sums = np.column_stack([np.zeros(len(sums)), sums])
        shares = np.exp(sums - sums.max(axis=1, keepdims=True))
        proba = np.zeros((len(X), self.n_classes))
        proba[:, self.classes] = shares / shares.sum(axis=1, keepdims=True)
        return proba

    @property
    def _codes(self) -> list[int]:
        """The categories of all sets."""
        return [code for one in self.sets for code in one]

    def _sums(self, X: Array, is_left: Array) -> Array:
        """The sums of the values of the trees, (n, s); `is_left` has a row for each set, and a
        column for each category.
        """
        at = np.tile(self.roots.ravel(), (len(X), 1))
        rows = np.broadcast_to(np.arange(len(X))[:, None], at.shape)
        while (inner := self.feature[at] >= 0).any():
            node, values = at[inner], X[rows[inner], self.feature[at[inner]]]
            missing, of_set = np.isnan(values), self.place[node] >= 0
            left = values <= self.number[node]
            codes = np.where(missing | ~of_set, 0, values).astype(np.int64)
            inside = codes < is_left.shape[1]
            among = inside & is_left[self.place[node], np.where(inside, codes, 0)]
            left = np.where(of_set, among, left)
            left = np.where(missing, self.missing_left[node] == 1, left)
            at[inner] = np.where(left, self.left[node], self.right[node])
        sums = np.tile(self.start, (len(X), 1))
        for values in self.number[at].reshape(len(X), *self.roots.shape).swapaxes(0, 1):
            sums += values
        return sums

    def to_dict(self) -> dict[str, Any]:
        """The trees as plain JSON values."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain |= {name: one.tolist() for name, one in plain.items() if isinstance(one, Array)}
        return plain | {"known": [[column, *codes] for column, codes in self.known.items()]}

    @classmethod
    def from_dict(cls, plain: Any, d: int, k: int) -> BoostedTrees:
        """The inverse of `to_dict` for d columns and k classes, 0 for values; raises ValueError for
        anything else.
        """
        try:
            whole = {name: _whole(plain[name]) for name in ("roots", "feature", "left", "right")}
            whole |= {name: _whole(plain[name]) for name in ("missing_left", "place")}
            reals = {name: np.array(plain[name], np.float64) for name in ("start", "number")}
            sets = [_whole(one).tolist() for one in plain["sets"]]
            known = {int(column): _whole(codes).tolist() for column, *codes in plain["known"]}
            classes, n_classes = _whole(plain["classes"]).tolist(), int(plain["n_classes"])
            found = cls(
                **whole, **reals, sets=sets, known=known, classes=classes, n_classes=n_classes
            )
            fits = n_classes == k and found._is_whole(d)
        except (IndexError, KeyError, OverflowError, TypeError) as error:
            raise ValueError(f"the trees are damaged: {error}") from error
        if not fits:
            raise ValueError("the trees do not fit the table")
        return found

    def _is_whole(self, d: int) -> bool:
        """Whether the arrays fit each other, and rows of d columns."""
        m, s = self.size, len(self.start)
        node = np.arange(m)
        split, of_node = self.feature >= 0, (self.left, self.right, self.missing_left, self.place)
        below = np.concatenate([self.left[split], self.right[split]])
        labels = np.array(self.classes, np.int64)
        return bool(
            self.start.shape == (s,)
            and s == (len(labels) if len(labels) > 2 else 1)
            and self.roots.ndim == 2
            and self.roots.shape[1] == s
            and all(one.shape == (m,) for one in (self.feature, self.number, *of_node))
            and np.isfinite(self.start).all()
            and np.isfinite(self.number).all()
            and ((self.roots >= 0) & (self.roots < m)).all()
            and (self.feature < d).all()
            and (below > np.tile(node[split], 2)).all()
            and (below < m).all()
            and ((self.place >= -1) & (self.place < len(self.sets))).all()
            and min(self._codes, default=0) >= 0
            and max(self._codes, default=0) < MOST_CATEGORIES
            and set(self.known) <= set(range(d))
            and set(self.feature[split & (self.place >= 0)].tolist()) <= set(self.known)
            and all(0 <= code < MOST_CATEGORIES for one in self.known.values() for code in one)
            and (len(labels) > 0) == (self.n_classes > 0)
            and ((labels >= 0) & (labels < self.n_classes)).all()
            and len(labels) == len(set(self.classes)) != 1
        )


def exported(model: Any, n_classes: int) -> BoostedTrees | None:
    """The trees of a fitted HistGradientBoosting, labels below `n_classes`, or 0 for values.

    None if scikit-learn has its private attributes in another form than this function expects.
    """
    try:
        return _exported(model, n_classes)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def _exported(model: Any, n_classes: int) -> BoostedTrees:
    columns, categories = np.arange(model.n_features_in_), []
    if model._preprocessor is not None:  # it puts the categories first, and numbers them anew
        is_category = np.asarray(model.is_categorical_)
        columns = np.concatenate([np.flatnonzero(is_category), np.flatnonzero(~is_category)])
        encoder = model._preprocessor.named_transformers_["encoder"]
        categories = [one[~np.isnan(one)].astype(int).tolist() for one in encoder.categories_]
    trees = [tree for iteration in model._predictors for tree in iteration]
    begins = np.cumsum([0, *(len(tree.nodes) for tree in trees)])[:-1]
    parts: list[tuple[Array, ...]] = []
    sets: list[list[int]] = []
    for begin, tree in zip(begins, trees, strict=True):
        nodes = tree.nodes
        is_leaf, of_set = nodes["is_leaf"] == 1, nodes["is_categorical"] == 1
        place = np.where(of_set & ~is_leaf, nodes["bitset_idx"].astype(int) + len(sets), -1)
        feature = np.where(is_leaf, -1, columns[nodes["feature_idx"]])
        number = np.where(is_leaf, nodes["value"], np.minimum(nodes["num_threshold"], GREATEST))
        below = (np.where(is_leaf, 0, nodes[side] + begin) for side in ("left", "right"))
        parts.append((feature, number, *below, nodes["missing_go_to_left"].astype(int), place))
        column_of = dict(
            zip(nodes["bitset_idx"][of_set].tolist(), nodes["feature_idx"][of_set], strict=True)
        )
        for i, bits in enumerate(tree.raw_left_cat_bitsets):
            codes = categories[column_of[i]]
            sets.append([code for j, code in enumerate(codes) if bits[j // WORD] >> (j % WORD) & 1])
    feature, number, left, right, missing_left, place = map(
        np.concatenate, zip(*parts, strict=True)
    )
    start = np.asarray(model._baseline_prediction, np.float64).reshape(-1)
    known = {int(c): codes for c, codes in zip(columns, categories, strict=False)}
    classes = model.classes_.tolist() if n_classes else []
    return BoostedTrees(
        begins.reshape(len(model._predictors), -1), start, feature, number, left, right,
        missing_left, place, sets, known, classes, n_classes,
    )  # fmt: skip


def _whole(values: Sequence[Any]) -> Array:
    """Whole numbers; raises TypeError for others."""
    found = np.array(values)
    if found.size and found.dtype.kind != "i":
        raise TypeError("a number is not whole")
    return found.astype(np.int64)
