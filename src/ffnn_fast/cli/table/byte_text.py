"""Large delimited texts by NumPy, on their bytes: the columns of Python's reader in less time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple

import numpy as np

from ffnn_fast.cli.table.cell_numbers import NUMBER, OTHER, read_numbers
from ffnn_fast.cli.table.coded_texts import FEW, ColumnBuilder, few_of
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Cells
from ffnn_fast.cli.table.encodings import Survey
from ffnn_fast.cli.table.layout import Layout
from ffnn_fast.cli.table.sources import Source, shown_progress

Array = np.ndarray
LARGE = 2  # times `few_of` rows; of fewer most columns hold texts, which Python reads as fast
PIECE, LARGEST_PIECE = 1 << 21, 1 << 25  # bytes that are taken apart at a time
ROWS = 1000  # of a piece: of longer lines the pieces are larger
FIRST_ROWS, LARGEST_FIRST = 2 * FEW, 1 << 27  # rows, or bytes, that show columns of numbers
MOST_TEXTS = 100_000  # that are kept decoded
FEW_TEXTS = FEW  # of a column, that are looked for in the next piece; int16 numbers them
LONGEST = 64  # bytes of a text that is coded here
NEWLINE, RETURN, QUOTE = b'\n\r"'
BOM = b"\xef\xbb\xbf"
FIRST_BYTES = np.array([256**size - 1 for size in range(9)], np.uint64)  # of a little-endian word
FACTORS = np.array([pow(0x9E3779B97F4A7C15, k, 2**64) for k in range(LONGEST // 8)], np.uint64)


class _OddTextError(Exception):
    """The text has what Python's reader takes in another way."""


class Piece(NamedTuple):
    """Some whole rows.

    Attributes
    ----------
    data : array of uint8
        Their bytes, and `LONGEST` zeros.
    begin, size : array of int32, shape (d, n)
        Where each cell begins, and its length, of d columns.
    has_quotes : bool
    """

    data: Array
    begin: Array
    size: Array
    has_quotes: bool

    def texts(self, column: int, rows: Array, decoded: Callable[[bytes], str]) -> list[str]:
        """The texts of some cells of a column."""
        begins, ends = self.begin[column, rows], self.begin[column, rows] + self.size[column, rows]
        content = self.data.tobytes() if len(rows) > ROWS else self.data.data
        cells = zip(begins.tolist(), ends.tolist(), strict=True)
        return [decoded(bytes(content[begin:end])) for begin, end in cells]

    def numbers(self, column: int, mark: str) -> tuple[Array, Array]:
        """The numbers in the cells of a column, and what each cell holds, as `read_numbers`."""
        values, kinds = np.empty(self.size.shape[1]), np.empty(self.size.shape[1], np.uint8)
        read_numbers(self.data, self.begin[column], self.size[column], ord(mark), values, kinds)
        return values, kinds

    def words(self, column: int, rows: Array) -> Array | None:
        """The bytes of some cells of a column as whole numbers, (m, k) for cells of up to 8 m
        bytes, of which those that are left are 0; None if cells are too long.
        """
        begin, size = self.begin[column, rows], self.size[column, rows]
        n_words = max(1, -(-int(size.max(initial=0)) // 8))
        if n_words > len(FACTORS):
            return None
        eights = np.ndarray(len(self.data) - 7, np.uint64, self.data, strides=(1,))
        words = np.empty((n_words, len(begin)), np.uint64)
        for k, word in enumerate(words):
            word[:] = eights[begin + 8 * k] & FIRST_BYTES[np.clip(size - 8 * k, 0, 8)]
        return words


def _keys(words: Array) -> Array:
    """A number for each cell of a column, (k,) uint64; different cells hardly ever have one."""
    return words[0] if len(words) == 1 else (words * FACTORS[: len(words), None]).sum(axis=0)


def _different(words: Array) -> tuple[Array, Array] | None:
    """The first of each of the different cells, (k,), in their order, and which of these each cell
    is; None if two have one key.

    Parameters
    ----------
    words : array of uint64, shape (m, n)
        As `Piece.words`.
    """
    _, first, codes = np.unique(_keys(words), return_index=True, return_inverse=True)
    if len(words) > 1 and (words != words[:, first[codes]]).any():
        return None
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[codes]


class _KnownCells:
    """The different cells of a column that were found so far, in their order.

    Attributes
    ----------
    texts : list of str
        The text of each; it only grows.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._words = np.zeros((1, 0), np.uint64)  # of each, as `Piece.words`
        self._keys, self._order = self._words[0], np.zeros(0, np.int64)  # the keys sorted
        self._table = np.zeros(2, np.int16)  # the place of one of them for each slot

    def add(self, words: Array, texts: list[str]) -> None:
        """Append different cells."""
        self._words = np.hstack(_of_one_length(self._words, words))
        self.texts.extend(texts)
        keys = _keys(self._words)
        self._table = np.zeros(4 << len(keys).bit_length(), np.int16)
        self._table[self._slots(keys)] = np.arange(len(keys))
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def find(self, words: Array) -> tuple[Array, Array]:
        """The place of each of n cells among those known, (n,), and the cells that are not."""
        if not self.texts:
            return np.zeros(words.shape[1], np.int64), np.arange(words.shape[1])
        known, words = _of_one_length(self._words, words)
        keys = _keys(words)
        codes = self._table[self._slots(keys)].astype(np.int64)
        others = np.flatnonzero((known[:, codes] != words).any(axis=0))
        if len(others):
            places = np.searchsorted(self._keys, keys[others])
            codes[others] = self._order.take(places, mode="clip")
            others = others[(known[:, codes[others]] != words[:, others]).any(axis=0)]
        return codes, others

    def _slots(self, keys: Array) -> Array:
        shift = np.uint64(65 - len(self._table).bit_length())
        return (keys * FACTORS[1] >> shift).view(np.int64)


def _of_one_length(one: Array, other: Array) -> list[Array]:
    """Words of cells with zeros appended, as many as the longer ones have."""
    n_words = max(len(one), len(other))
    return [np.pad(words, ((0, n_words - len(words)), (0, 0))) for words in (one, other)]


class _Texts(dict[bytes, str]):
    """The texts of cells, each decoded once: equal ones are one object."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding

    def __missing__(self, cell: bytes) -> str:
        if len(self) == MOST_TEXTS:
            self.clear()
        self[cell] = text = self.decoded(cell)
        return text

    def decoded(self, cell: bytes) -> str:
        """The text of a cell, without the quotes around it; raises _OddTextError if these are not
        as CSV has them.
        """
        text = cell.decode(self._encoding)
        if '"' not in text:
            return text
        inner = text[1:-1]
        if len(text) < 2 or not text[0] == text[-1] == '"' or '"' in inner.replace('""', ""):
            raise _OddTextError
        return inner.replace('""', '"')


def add_with_numpy(
    source: Source,
    found: Survey,
    layout: Layout,
    before: int,
    width: int,
    conventions: Conventions,
    block: int,
) -> tuple[list[Cells], Array] | None:
    """The columns of a large text and the line of each row.

    None where the rows are few, or the text has what Python's reader takes in another way: line
    breaks in fields, blank or ragged lines, other quoting or encodings.

    Parameters
    ----------
    source, found, layout, conventions
    before : int
        Lines before the first row.
    width : int
        The number of columns.
    block : int
        After so many rows each, counted from the header, a column may go over to numbers.
    """
    usual = not layout.quoting and layout.delimiter != " " and not found.spaced_quotes
    ascii_like = found.encoding.startswith(("utf-8", "cp125", "latin", "iso8859", "ascii"))
    few, n = few_of(width), found.n_breaks
    if not usual or not ascii_like or not layout.delimiter.isascii() or n < LARGE * few:
        return None
    builders = [ColumnBuilder(conventions.marks, n, few) for _ in range(width)]
    read, n_rows = _Columns(builders, found.encoding.replace("-sig", "")), 0
    try:
        with source.open() as file, shown_progress(source) as progress:
            head = b"".join(file.readline() for _ in range(before))
            if head.count(b"\r") != head.count(b"\r\n"):
                return None
            file.seek(len(head) or (len(BOM) if source.head(len(BOM)) == BOM else 0))
            row = (source.size - len(head)) // max(1, found.n_breaks - before)
            for content in _pieces(file, min(max(PIECE, ROWS * row), LARGEST_PIECE)):
                piece = _split(content, ord(layout.delimiter), width)
                size = piece.size.shape[1]
                ends = np.arange(block - (n_rows + before - layout.skip) % block, size + 1, block)
                read.add(piece, ends)
                n_rows += size
                progress.show(file.tell())
        if n_rows != found.n_breaks - before:
            return None
        return read.finish(), np.arange(before + 1, before + 1 + n_rows)
    except _OddTextError:
        return None


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Whole lines, about `size` bytes at a time."""
    rest = b""
    while content := file.read(size):
        content = rest + content
        end = content.rfind(b"\n") + 1
        rest = content[end:]
        if end:
            yield content[:end]
    if rest:
        yield rest + b"\n"


def _split(content: bytes, delimiter: int, width: int) -> Piece:
    """The cells of whole lines; raises _OddTextError if these are not rows of equal length."""
    if len(content) + LONGEST > np.iinfo(np.int32).max:
        raise _OddTextError
    data = np.frombuffer(content + bytes(LONGEST), np.uint8)
    used, has_quotes = data[: len(content)], b'"' in content
    is_break = used == NEWLINE
    is_end = used == delimiter
    is_end |= is_break
    if has_quotes:
        quoted = np.bitwise_xor.accumulate(used == QUOTE)
        if (quoted & is_break).any():
            raise _OddTextError
        is_end &= ~quoted
    ends = np.flatnonzero(is_end)
    if len(ends) % width:
        raise _OddTextError
    end = ends.reshape(-1, width).T.astype(np.int32, order="C")
    if not is_break[end[-1]].all() or np.count_nonzero(is_break) != end.shape[1]:
        raise _OddTextError
    begin = np.empty_like(end)
    begin[0, 0], begin[0, 1:], begin[1:] = 0, end[-1, :-1] + 1, end[:-1] + 1
    size = end - begin
    if b"\r" in content:
        returns = used[end[-1] - 1] == RETURN
        if returns.sum() != content.count(b"\r"):
            raise _OddTextError
        size[-1] -= returns
    if width == 1 and not size.all():
        raise _OddTextError  # a blank line is no row
    return Piece(data, begin, size, has_quotes)


class _Columns:
    """Columns to which pieces are appended.

    Parameters
    ----------
    builders : list of ColumnBuilder
    encoding : str
    """

    def __init__(self, builders: list[ColumnBuilder], encoding: str) -> None:
        self._builders, self._texts = builders, _Texts(encoding)
        self._first: list[tuple[Piece, Array]] | None = []  # pieces that wait
        self._distinct: set[int] = set()  # columns whose cells had mostly different texts
        # The cells that a column had so far, unless they are many: all, or those beside numbers.
        self._known: list[_KnownCells | None] = [_KnownCells() for _ in builders]
        self._others: list[_KnownCells | None] = [_KnownCells() for _ in builders]

    def add(self, piece: Piece, ends: Array) -> None:
        """Append the cells of a piece to each column; `ends` as in `ColumnBuilder.add_coded`."""
        if self._first is None:
            self._append(piece, ends, {})
            return
        self._first.append((piece, ends))
        n_rows = sum(piece.size.shape[1] for piece, _ in self._first)
        n_bytes = sum(len(piece.data) for piece, _ in self._first)
        if n_rows >= FIRST_ROWS or n_bytes >= LARGEST_FIRST:
            self._append_first(self._first)
            self._first = None

    def finish(self) -> list[Cells]:
        """The columns."""
        self._append_first(self._first or [])
        return [builder.finish() for builder in self._builders]

    def _append_first(self, first: list[tuple[Piece, Array]]) -> None:
        """Append the first pieces, to columns of plain numbers if they leave no doubt."""
        places = range(len(self._builders))
        numbers = [{k: piece.numbers(k, ".") for k in places} for piece, _ in first]
        starts = np.cumsum([0, *(piece.size.shape[1] for piece, _ in first)])
        ends = [start + ends for start, (_, ends) in zip(starts, first, strict=False)]
        for column, builder in enumerate(self._builders if first else ()):
            values, kinds = map(np.concatenate, zip(*(one[column] for one in numbers), strict=True))
            is_plain = kinds == NUMBER
            n_plain = len(is_plain) if is_plain.all() else int(np.argmin(is_plain))
            n_decided = np.concatenate(ends).searchsorted(n_plain, side="right")
            if n_decided:
                builder.start_plain(values[: np.concatenate(ends)[n_decided - 1]])
        for (piece, ends_of_piece), known in zip(first, numbers, strict=True):
            self._append(piece, ends_of_piece, known)

    def _append(self, piece: Piece, ends: Array, known: dict[int, tuple[Array, Array]]) -> None:
        """Append the cells of a piece, whose columns may be known as numbers with a point."""
        n = piece.size.shape[1]
        for column, builder in enumerate(self._builders):
            mark = builder.decimal
            if mark:
                read = known.get(column) if mark == "." else None
                self._append_numbers(piece, column, *(read or piece.numbers(column, mark)))
                continue
            coded = None
            if column not in self._distinct:
                coded = self._coded(piece, column, np.arange(n), self._known)
            if coded is not None:
                builder.add_coded(*coded, ends)
                continue
            cells = piece.texts(column, np.arange(n), self._texts.decoded)
            for start, end in pairwise([0, *ends.tolist(), n]):
                builder.add(cells[start:end], ends_block=end < n or end in ends)

    def _append_numbers(self, piece: Piece, column: int, values: Array, kinds: Array) -> None:
        """Append the cells of a piece to a column of numbers."""
        builder = self._builders[column]
        rows = np.flatnonzero(kinds == OTHER)
        coded = self._coded(piece, column, rows, self._others) if len(rows) else None
        if coded is not None:
            codes, texts = coded
            builder.add_numbers(values, rows, texts, codes)
        else:
            texts = piece.texts(column, rows, self._texts.__getitem__)
            builder.add_numbers(values, rows, texts)

    def _coded(
        self, piece: Piece, column: int, rows: Array, known: list[_KnownCells | None]
    ) -> tuple[Array, list[str]] | None:
        """The place of each cell's text, of some rows, among different ones, and these, in the
        order of their first cells, with those of earlier pieces before; None if they are too long
        or too many.
        """
        words, before = piece.words(column, rows), known[column]
        if words is None:
            return None
        codes, others = np.empty(len(rows), np.int64), np.arange(len(rows))
        if before is not None:
            codes, others = before.find(words)
            if not len(others):
                return codes, before.texts
        found = _different(words[:, others])
        if found is None:
            return None
        first, places = found
        if before is not None and len(before.texts) + len(first) > FEW_TEXTS:
            known[column] = None
            return self._coded(piece, column, rows, known)
        different = words[:, others[first]]
        packed = different.T.copy().view(f"S{8 * len(words)}").ravel()
        texts = list(map(self._texts.__getitem__, packed.tolist()))
        if 2 * len(texts) > len(rows) == piece.size.shape[1]:
            self._distinct.add(column)
        if before is None:
            return places, texts
        codes[others] = len(before.texts) + places
        before.add(different, texts)
        return codes, before.texts
