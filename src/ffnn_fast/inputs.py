"""An input block: the columns of a table made into h_0, before the first layer.

A block holds no data: it describes how each column of X, (n, c), becomes some of the units of h_0,
(n, n_0), and which parameters that takes. Formulas for one column x of X:

=============  ========  ==========================================================================
column         units     h_0
=============  ========  ==========================================================================
number         1         x
number,        M + 1     (z, x), z = W₂ cos(2π x w + b₁) + b₂: frequencies w and phases b₁, (F,),
``periodic``             weights W₂, (M, F), biases b₂, (M,)
category       width     row x of a table, (K + 1, width), of codes 0..K; code 0: missing, unknown
category,      K         1 for the unit x, else 0; all 0 for code 0. K = 2 has one unit: −1 for code
small K                  1, 1 for code 2, 0 for code 0
=============  ========  ==========================================================================

Then every unit is multiplied by a trained factor, `scale`. Units lie in the order of the columns.

References: D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default" (NeurIPS 2024), which
has this embedding (PBLD) and the diagonal scale; Y. Gorishniy et al., "On embeddings for numerical
features in tabular deep learning" (NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int, convert_fields
from ffnn_fast._text import quoted

__all__ = ["EMBEDDINGS", "Feature", "InputBlock"]

EMBEDDINGS = ("plain", "periodic")
KINDS = ("plain", "periodic", "table", "one_hot", "signed")  # of features; codes of the engine
MOST_FREQUENCIES, MOST_OUTPUTS = 64, 16
MOST_CATEGORIES = 2**24 - 1  # whole numbers up to here are exact in float32


class Feature(NamedTuple):
    """A column of X in a block.

    Attributes
    ----------
    column : int
    kind : {"plain", "periodic", "table", "one_hot", "signed"}
    at, units : int
        First unit of h_0 and their number.
    start, size : int
        Where the parameters begin, counted from the first of the block, and their number; without
        the scale.
    known : int
        Known categories; 0 for numbers.
    """

    column: int
    kind: str
    at: int
    units: int
    start: int
    size: int
    known: int


@dataclass(frozen=True)
class InputBlock:
    """How the columns of X become h_0; ``ffnn_fast.inputs`` has the formulas.

    Parameters
    ----------
    embedding : {"plain", "periodic"}, default "periodic"
        How numbers pass: as they are, or with a trained embedding for each.
    categories : mapping of int to int, default {}
        For each column of codes the number K of known categories, below 2²⁴. Codes are whole
        numbers 0..K, 0 for missing or unknown; any other value counts as 0. All other columns hold
        numbers.
    embedded : sequence of int, optional
        The columns of numbers that have the embedding. Default: all.
    frequencies, outputs : int, default 16, 3
        F, at most 64, and M, at most 16, of the embedding of a number.
    bandwidth : float, default 0.1
        Standard deviation of the first frequencies; the smaller, the smoother.
    one_hot : int, default 8
        The largest K of a category that is one-hot; 0: all have a table.
    width : int, default 8
        Units of a category that has a table.
    scale : bool, default True
        Whether each unit has a trained factor, from 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from ffnn_fast import Network
    >>> from ffnn_fast.inputs import InputBlock
    >>> block = InputBlock(categories={2: 50})
    >>> net = Network([3, 64, 1], output="identity", inputs=block, seed=0)
    >>> net.weights[0].shape  # two numbers with 4 units each, a category with 8
    (64, 16)
    """

    embedding: str = "periodic"
    categories: Mapping[int, int] | Sequence[tuple[int, int]] = ()
    embedded: tuple[int, ...] | None = None
    frequencies: int = 16
    outputs: int = 3
    bandwidth: float = 0.1
    one_hot: int = 8
    width: int = 8
    scale: bool = True

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass has no other way
        as_choice(self.embedding, "embedding", EMBEDDINGS)
        put(self, "categories", _as_categories(self.categories))
        if self.embedded is not None:
            put(self, "embedded", _as_columns(self.embedded, "embedded"))
        convert_fields(self, as_int, "frequencies", high=MOST_FREQUENCIES)
        convert_fields(self, as_int, "outputs", high=MOST_OUTPUTS)
        convert_fields(self, as_float, "bandwidth", closed="left")
        convert_fields(self, as_int, "one_hot", low=0)
        convert_fields(self, as_int, "width", high=1024)
        convert_fields(self, as_bool, "scale")
        if both := set(self.embedded or ()) & {column for column, _ in self.counts}:
            raise ValueError(f"columns {sorted(both)} are in embedded and in categories")

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """(column, number of known categories), by column."""
        return self.categories  # type: ignore[return-value]

    def check(self, n_columns: int) -> None:
        """ValueError if the block names a column beyond the columns of X."""
        named = [*(self.embedded or ()), *(column for column, _ in self.counts)]
        beyond = sorted(column for column in named if column >= n_columns)
        if beyond:
            raise ValueError(
                f"the input block names columns {quoted(beyond)}; X has columns 0 to "
                f"{n_columns - 1}"
            )

    def n_embedded(self, n_columns: int) -> int:
        """The number of numbers that have an embedding."""
        if self.embedding == "plain":
            return 0
        return n_columns - len(self.counts) if self.embedded is None else len(self.embedded)

    @property
    def embedding_size(self) -> int:
        """Parameters of the embedding of one number: w, b₁, W₂, b₂."""
        return 2 * self.frequencies + self.outputs * (self.frequencies + 1)

    def n_units(self, n_columns: int) -> int:
        """n_0, the units of h_0."""
        numbers = n_columns - len(self.counts)
        units = sum(self._units_of(count) for _, count in self.counts)
        return numbers + self.n_embedded(n_columns) * self.outputs + units

    def shapes(self, n_columns: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by name, in their order: ``embedding``, (m, 2F + M(F + 1)), a
        row for each embedded number; ``table_<column>``, (K + 1, width); ``scale``, (n_0,).
        """
        found: dict[str, tuple[int, ...]] = {}
        if m := self.n_embedded(n_columns):
            found["embedding"] = (m, self.embedding_size)
        for column, count in self.counts:
            if count > self.one_hot:
                found[f"table_{column}"] = (count + 1, self.width)
        if self.scale:
            found["scale"] = (self.n_units(n_columns),)
        return found

    def features(self, n_columns: int) -> list[Feature]:
        """The columns of X in their order, with their units and parameters."""
        counts, found, at, of_number = dict(self.counts), [], 0, 0
        of_table = self.n_embedded(n_columns) * self.embedding_size
        embedded = set(range(n_columns) if self.embedded is None else self.embedded)
        for column in range(n_columns):
            count, start, size = counts.get(column, 0), 0, 0
            kind = "plain" if self.embedding == "plain" or column not in embedded else "periodic"
            units = 1 if kind == "plain" else self.outputs + 1
            if column in counts:
                units = self._units_of(count)
                kind = "signed" if count == 2 else "one_hot"
                if count > self.one_hot:
                    kind, start, size = "table", of_table, (count + 1) * self.width
                    of_table += size
            elif kind == "periodic":
                start, size = of_number, self.embedding_size
                of_number += size
            found.append(Feature(column, kind, at, units, start, size, count))
            at += units
        return found

    def table(self, n_columns: int) -> np.ndarray:
        """The same as numbers, (c, 6) int64: place in `KINDS`, `at`, `units`, `start`, `size`,
        `known`.
        """
        rows = [(KINDS.index(feature.kind), *feature[2:]) for feature in self.features(n_columns)]
        return np.array(rows, np.int64)

    def split(self, embedding: np.ndarray) -> dict[str, np.ndarray]:
        """Views of ``embedding``, (m, 2F + M(F + 1)): frequencies and phases, (m, F), weights,
        (m, M, F), and biases, (m, M).
        """
        F, M = self.frequencies, self.outputs
        parts = np.split(embedding, [F, 2 * F, (2 + M) * F], axis=1)
        names = ("frequencies", "phases", "weights", "biases")
        named = dict(zip(names, parts, strict=True))
        named["weights"] = named["weights"].reshape(len(embedding), M, F)
        return named

    def draw(self, named: Mapping[str, np.ndarray], rng: np.random.Generator) -> None:
        """Set the parameters, by the names of `shapes`, to their first values.

        w ~ N(0, bandwidth²), b₁ ~ U(−π, π), W₂ and b₂ ~ U(±1/√F); tables ~ N(0, 1); scale 1.
        """
        for name, values in named.items():
            if name == "scale":
                values[:] = 1
            elif name == "embedding":
                parts, bound = self.split(values), 1 / np.sqrt(self.frequencies)
                parts["frequencies"][:] = self.bandwidth * rng.normal(
                    size=parts["frequencies"].shape
                )
                parts["phases"][:] = rng.uniform(-np.pi, np.pi, parts["phases"].shape)
                for part in (parts["weights"], parts["biases"]):
                    part[:] = rng.uniform(-bound, bound, part.shape)
            else:
                values[:] = rng.normal(size=values.shape)

    def to_dict(self) -> dict[str, Any]:
        """The block as plain JSON values; categories as a list of columns and counts in turn."""
        plain = asdict(self)
        plain["categories"] = [value for pair in self.counts for value in pair]
        plain["embedded"] = None if self.embedded is None else list(self.embedded)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> InputBlock:
        """The inverse of `to_dict`.

        Raises
        ------
        TypeError, ValueError
            If an entry is unknown or invalid.
        """
        given = dict(plain)
        if isinstance(flat := given.get("categories", ()), list):
            if len(flat) % 2:
                raise ValueError("categories must be pairs of a column and a count")
            given["categories"] = tuple(zip(flat[::2], flat[1::2], strict=True))
        return cls(**given)

    def _units_of(self, count: int) -> int:
        """Units of a category."""
        if count > self.one_hot:
            return self.width
        return 1 if count == 2 else count


def _as_columns(columns: Any, name: str) -> tuple[int, ...]:
    """Columns, sorted, each once."""
    if isinstance(columns, (str, bytes)) or not isinstance(columns, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of columns, got {quoted(columns)}")
    return tuple(sorted({as_int(column, f"a column in {name}", 0) for column in columns}))


def _as_categories(given: Any) -> tuple[tuple[int, int], ...]:
    """(column, count) by column."""
    pairs = given.items() if isinstance(given, Mapping) else given
    if isinstance(pairs, (str, bytes)) or not isinstance(pairs, (Sequence, type({}.items()))):
        raise TypeError(f"categories must map columns to counts, got {quoted(given)}")
    checked = dict(_pairs(pairs))
    if len(checked) < len(pairs):
        raise ValueError(f"categories must have a column once, got {quoted(given)}")
    return tuple(sorted(checked.items()))


def _pairs(pairs: Any) -> Iterator[tuple[int, int]]:
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"categories must map columns to counts, got {quoted(pair)}")
        column = as_int(pair[0], "a column in categories", 0)
        yield column, as_int(pair[1], "a count in categories", 1, MOST_CATEGORIES)
