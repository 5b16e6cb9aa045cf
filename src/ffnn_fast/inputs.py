"""An input block: the columns of a table made into h_0, before the first layer.

A block holds no data: it describes how each column of X, (n, c), becomes some of the units of h_0,
(n, n_0), and which parameters that takes. Formulas for one column x of X:

=============  ========  ==========================================================================
column         units     h_0
=============  ========  ==========================================================================
number         1         x
number,        M + 1     (z, x), z = W₂ cos(2π x w + b₁) + b₂: frequencies w and phases b₁, (F,),
``periodic``             weights W₂, (M, F), biases b₂, (M,)
number,        M + 1     (z, x), z = W₂ e(x) + b₂: weights W₂, (M, T), biases b₂, (M,). Bins have
``piecewise``            the edges q_0 < ... < q_T; e_t = (x − q_{t−1}) / (q_t − q_{t−1}), at least
                         0, at most 1, so z is linear in each bin and constant beyond q_0 and q_T
category       width     row x of a table, (K + 1, width), of codes 0..K; code 0: missing, unknown
category,      K         1 for the unit x, else 0; all 0 for code 0. K = 2 has one unit: −1 for code
small K                  1, 1 for code 2, 0 for code 0
=============  ========  ==========================================================================

Then every unit is multiplied by a trained factor, `scale`. Units lie in the order of the columns.

References: D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default" (NeurIPS 2024), which
has the periodic embedding (PBLD) and the diagonal scale; Y. Gorishniy, I. Rubachev and A. Babenko,
"On embeddings for numerical features in tabular deep learning" (NeurIPS 2022), which has the
piecewise-linear encoding with bins at quantiles; there e_1 and e_T go on beyond q_0 and q_T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ffnn_fast._conversion import as_numbers
from ffnn_fast._input_columns import (
    MOST_BINS,
    as_categories,
    as_columns,
    as_edges,
    quantiles_of,
)
from ffnn_fast._names import unknown
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int, convert_fields
from ffnn_fast._text import quoted

__all__ = ["EMBEDDINGS", "Feature", "InputBlock"]

EMBEDDINGS = ("plain", "periodic", "piecewise")
# Of features; their places are the codes of the engine.
KINDS = ("plain", "periodic", "table", "one_hot", "signed", "piecewise")
EMBEDDED = ("periodic", "piecewise")  # kinds of numbers with an embedding
MOST_FREQUENCIES, MOST_OUTPUTS = 64, 16


class Feature(NamedTuple):
    """A column of X in a block.

    Attributes
    ----------
    column : int
    kind : {"plain", "periodic", "table", "one_hot", "signed", "piecewise"}
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
    embedding : {"plain", "periodic", "piecewise"}, default "periodic"
        How numbers pass: as they are, or with a trained embedding for each. ``piecewise`` needs
        `edges`, which `with_edges` takes from rows.
    categories : mapping of int to int, default {}
        For each column of codes the number K of known categories, below 2²⁴. Codes are whole
        numbers 0..K, 0 for missing or unknown; any other value counts as 0. All other columns hold
        numbers.
    embedded : sequence of int, optional
        The columns of numbers that have the embedding. Default: all.
    frequencies, outputs : int, default 16, 3
        F, at most 64, of a periodic embedding, and M, at most 16, of any.
    bandwidth : float, default 0.1
        Standard deviation of the first frequencies; the smaller, the smoother.
    one_hot : int, default 8
        The largest K of a category that is one-hot; 0: all have a table.
    width : int, default 8
        Units of a category that has a table.
    scale : bool, default True
        Whether each unit has a trained factor, from 1.
    edges : mapping of int to sequence of float, default {}
        For ``piecewise``, for each column that is embedded, the rising edges q_0, ..., q_T of its
        bins, T at most 64. Numbers without edges pass as they are.

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
    edges: Mapping[int, Sequence[float]] | Sequence[tuple[int, Sequence[float]]] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass has no other way
        as_choice(self.embedding, "embedding", EMBEDDINGS)
        put(self, "categories", as_categories(self.categories))
        if self.embedded is not None:
            put(self, "embedded", as_columns(self.embedded, "embedded"))
        convert_fields(self, as_int, "frequencies", high=MOST_FREQUENCIES)
        convert_fields(self, as_int, "outputs", high=MOST_OUTPUTS)
        convert_fields(self, as_float, "bandwidth", closed="left")
        convert_fields(self, as_int, "one_hot", low=0)
        convert_fields(self, as_int, "width", high=1024)
        convert_fields(self, as_bool, "scale")
        put(self, "edges", as_edges(self.edges))
        known, binned = {column for column, _ in self.counts}, {column for column, _ in self.binned}
        if both := known & {*(self.embedded or ()), *binned}:
            raise ValueError(f"columns {sorted(both)} are in embedded and in categories")
        if binned and self.embedding != "piecewise":
            raise ValueError(f"edges go with embedding='piecewise', got {self.embedding!r}")
        if self.embedded is not None and (others := binned - set(self.embedded)):
            raise ValueError(f"columns {sorted(others)} are in edges and not in embedded")

    def with_edges(self, X: ArrayLike, bins: int = 16) -> InputBlock:
        """The same block with bins that hold about as many rows each, for ``piecewise``.

        The edges of a number are its quantiles 0, 1/T, ..., 1 on these rows, each once. A number
        that is constant there has none, and passes as it is.

        Parameters
        ----------
        X : array_like of shape (n, c)
            Rows as the network will be trained on, without missing values.
        bins : int, default 16
            T, at most 64.

        Returns
        -------
        InputBlock

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, the embedding is another one, or all numbers are
            constant.

        Examples
        --------
        >>> import numpy as np
        >>> from ffnn_fast.inputs import InputBlock
        >>> X = np.column_stack([np.arange(9.0), np.arange(9) % 3])
        >>> InputBlock("piecewise", categories={1: 2}).with_edges(X, bins=4).edges
        ((0, (0.0, 2.0, 4.0, 6.0, 8.0)),)
        """
        if self.embedding != "piecewise":
            raise ValueError(f"edges go with embedding='piecewise', got {self.embedding!r}")
        rows, bins = as_numbers(X, "X"), as_int(bins, "bins", high=MOST_BINS)
        if rows.ndim != 2 or len(rows) == 0:
            raise ValueError(f"X must have shape (n, c) and rows, got {rows.shape}")
        self._check_columns(rows.shape[1])
        columns = self.embedded
        if columns is None:
            columns = tuple(set(range(rows.shape[1])) - {column for column, _ in self.counts})
        edges = {c: quantiles_of(np.asarray(rows[:, c], np.float64), c, bins) for c in columns}
        found = {column: given for column, given in edges.items() if len(given) > 1}
        if not found:
            raise ValueError("no number of these rows has two values; use embedding='plain'")
        return replace(self, edges=found)

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """(column, number of known categories), by column."""
        return self.categories  # type: ignore[return-value]

    @property
    def binned(self) -> tuple[tuple[int, tuple[float, ...]], ...]:
        """(column, edges of its bins), by column."""
        return self.edges  # type: ignore[return-value]

    def check(self, n_columns: int) -> None:
        """ValueError if the block names a column beyond the columns of X, or lacks its edges."""
        if self.embedding == "piecewise" and not self.edges:
            raise ValueError(
                "a piecewise embedding needs the edges of its bins: pass "
                "inputs=block.with_edges(X), with the rows to train on, or edges={column: ...}"
            )
        self._check_columns(n_columns)

    def _check_columns(self, n_columns: int) -> None:
        named = [*(self.embedded or ()), *dict(self.binned), *dict(self.counts)]
        beyond = sorted({column for column in named if column >= n_columns})
        if beyond:
            raise ValueError(
                f"the input block names columns {quoted(beyond)}; X has columns 0 to "
                f"{n_columns - 1}"
            )

    def embedded_of(self, n_columns: int) -> tuple[int, ...]:
        """The numbers that have an embedding."""
        if self.embedding == "piecewise":
            return tuple(dict(self.binned))
        if self.embedding == "plain":
            return ()
        if self.embedded is not None:
            return self.embedded
        return tuple(sorted(set(range(n_columns)) - set(dict(self.counts))))

    def n_embedded(self, n_columns: int) -> int:
        """The number of numbers that have an embedding."""
        return len(self.embedded_of(n_columns))

    @property
    def n_waves(self) -> int:
        """F of a periodic embedding, the largest T of a piecewise one."""
        if self.embedding == "piecewise":
            return max((len(edges) - 1 for _, edges in self.binned), default=1)
        return self.frequencies

    @property
    def embedding_size(self) -> int:
        """Parameters of the embedding of one number: w and b₁, if it is periodic, W₂ and b₂."""
        own = 2 * self.frequencies if self.embedding == "periodic" else 0
        return own + self.outputs * (self.n_waves + 1)

    def bins(self) -> np.ndarray:
        """The lower edge and 1 / width of each bin, (m, T, 2), with zeros where a number has fewer
        bins.
        """
        found = np.zeros((len(self.binned), self.n_waves, 2))
        for bins, (_, edges) in zip(found, self.binned, strict=True):
            bins[: len(edges) - 1] = np.column_stack([edges[:-1], 1 / np.diff(edges)])
        return found

    def n_units(self, n_columns: int) -> int:
        """n_0, the units of h_0."""
        numbers = n_columns - len(self.counts)
        units = sum(self._units_of(count) for _, count in self.counts)
        return numbers + self.n_embedded(n_columns) * self.outputs + units

    def shapes(self, n_columns: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by name, in their order: ``embedding``, (m, `embedding_size`), a
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
        embedded = set(self.embedded_of(n_columns))
        for column in range(n_columns):
            count, start, size = counts.get(column, 0), 0, 0
            kind = self.embedding if column in embedded else "plain"
            units = 1 if kind == "plain" else self.outputs + 1
            if column in counts:
                units = self._units_of(count)
                kind = "signed" if count == 2 else "one_hot"
                if count > self.one_hot:
                    kind, start, size = "table", of_table, (count + 1) * self.width
                    of_table += size
            elif column in embedded:
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
        """Views of ``embedding``: frequencies and phases, (m, F), of a periodic one; weights,
        (m, M, F or T), and biases, (m, M).
        """
        F, M, names = self.n_waves, self.outputs, ["weights", "biases"]
        sizes = [M * F]
        if self.embedding == "periodic":
            names, sizes = ["frequencies", "phases", *names], [F, F, *sizes]
        named = dict(zip(names, np.split(embedding, np.cumsum(sizes), axis=1), strict=True))
        named["weights"] = named["weights"].reshape(len(embedding), M, F)
        return named

    def draw(self, named: Mapping[str, np.ndarray], rng: np.random.Generator) -> None:
        """Set the parameters, by the names of `shapes`, to their first values.

        w ~ N(0, bandwidth²), b₁ ~ U(−π, π), W₂ and b₂ ~ U(±1/√F) or U(±1/√T); tables ~ N(0, 1);
        scale 1.
        """
        for name, values in named.items():
            if name == "scale":
                values[:] = 1
            elif name == "embedding":
                parts, bound = self.split(values), 1 / np.sqrt(self.n_waves)
                if self.embedding == "periodic":
                    shape = parts["phases"].shape
                    parts["frequencies"][:] = self.bandwidth * rng.normal(size=shape)
                    parts["phases"][:] = rng.uniform(-np.pi, np.pi, shape)
                for part in (parts["weights"], parts["biases"]):
                    part[:] = rng.uniform(-bound, bound, part.shape)
            else:
                values[:] = rng.normal(size=values.shape)

    def to_dict(self) -> dict[str, Any]:
        """The block as plain JSON values; categories as a list of columns and counts in turn, edges
        as lists of a column and its edges, left out where there are none.
        """
        plain = asdict(self)
        plain["categories"] = [value for pair in self.counts for value in pair]
        plain["embedded"] = None if self.embedded is None else list(self.embedded)
        plain["edges"] = [[column, *edges] for column, edges in self.binned]
        if not self.edges:
            del plain["edges"]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> InputBlock:
        """The inverse of `to_dict`.

        Raises
        ------
        TypeError, ValueError
            If an entry is unknown or invalid.
        """
        if not isinstance(plain, Mapping):
            raise TypeError(f"an input block must be a mapping, got {quoted(plain)}")
        given, known = dict(plain), [part.name for part in fields(cls)]
        for name in given:
            if name not in known:
                raise ValueError(unknown("an entry of an input block", str(name), known))
        if isinstance(flat := given.get("categories", ()), list):
            if len(flat) % 2:
                raise ValueError("categories must be pairs of a column and a count")
            given["categories"] = tuple(zip(flat[::2], flat[1::2], strict=True))
        if isinstance(rows := given.get("edges", ()), list):
            if not all(isinstance(row, list) and row for row in rows):
                raise TypeError(
                    f"edges must be lists of a column and its edges, got {quoted(rows)}"
                )
            given["edges"] = tuple((row[0], row[1:]) for row in rows)
        return cls(**given)

    def _units_of(self, count: int) -> int:
        """Units of a category."""
        if count > self.one_hot:
            return self.width
        return 1 if count == 2 else count
