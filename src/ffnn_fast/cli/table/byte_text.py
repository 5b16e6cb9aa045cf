"""Large delimited texts by NumPy, on their bytes: the columns of Python's reader in less time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple

import numpy as np

from ffnn_fast.cli.table.coded_texts import FEW, ColumnBuilder
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Cells
from ffnn_fast.cli.table.encodings import Survey
from ffnn_fast.cli.table.layout import Layout
from ffnn_fast.cli.table.sources import Source, shown_progress

Array = np.ndarray
LARGE = 2 * FEW  # rows; in tables of fewer most columns hold texts, which Python reads as fast
PIECE, LARGEST_PIECE = 1 << 21, 1 << 25  # bytes that are taken apart at a time
ROWS = 1000  # of a piece: of longer lines the pieces are larger
AT_ONCE = 1 << 13  # cells, of several columns where the rows are few
MOST_TEXTS = 100_000  # that are kept decoded
FEW_TEXTS = 2000  # of a column in a piece, that are looked for in the next one
LONGEST = 64  # bytes of a text that is coded here
DIGITS = 15  # of a number: float64 holds each such whole number
NEWLINE, RETURN, QUOTE, MINUS, ZERO = b'\n\r"-0'
BOM = b"\xef\xbb\xbf"
POWERS = 10.0 ** np.arange(DIGITS + 1)  # exact, so that a division by one rounds once
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
    begin, size : array of int64, shape (d, n)
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
    if not usual or not ascii_like or not layout.delimiter.isascii() or found.n_breaks < LARGE:
        return None
    builders = [ColumnBuilder(conventions.marks, found.n_breaks) for _ in range(width)]
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
                ends = np.arange(block - (n_rows + before - layout.skip) % block, size, block)
                read.add(piece, ends)
                n_rows += size
                progress.show(file.tell())
    except _OddTextError:
        return None
    if n_rows != found.n_breaks - before:
        return None
    columns: list[Cells] = [builder.finish() for builder in builders]
    return columns, np.arange(before + 1, before + 1 + n_rows)


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
    data = np.frombuffer(content + bytes(LONGEST), np.uint8)
    used, has_quotes = data[: len(content)], b'"' in content
    is_end = (used == delimiter) | (used == NEWLINE)
    if has_quotes:
        quoted = np.bitwise_xor.accumulate(used == QUOTE)
        if (quoted & (used == NEWLINE)).any():
            raise _OddTextError
        is_end &= ~quoted
    ends = np.flatnonzero(is_end)
    if len(ends) % width:
        raise _OddTextError
    begins = np.concatenate([[0], ends[:-1] + 1]).reshape(-1, width)
    by_row = ends.reshape(-1, width)
    is_break = used[by_row] == NEWLINE
    if not is_break[:, -1].all() or is_break[:, :-1].any():
        raise _OddTextError
    begin, size = begins.T.copy(), (by_row - begins).T.copy()
    if b"\r" in content:
        returns = used[by_row[:, -1] - 1] == RETURN
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
        self._distinct: set[int] = set()  # columns whose cells had mostly different texts
        self._seen: dict[int, tuple[Array, Array, list[str]]] = {}  # keys, words, texts of a piece

    def add(self, piece: Piece, ends: Array) -> None:
        """Append the cells of a piece to each column; `ends` as in `ColumnBuilder.add_coded`."""
        n = piece.size.shape[1]
        by_mark: dict[str, list[int]] = {}
        for column, builder in enumerate(self._builders):
            by_mark.setdefault(builder.decimal, []).append(column)
        at_once = max(1, AT_ONCE // n)
        for mark, columns in by_mark.items():
            for start in range(0, len(columns), at_once) if mark else ():
                part = columns[start : start + at_once]
                values, is_number = _numbers(piece, part, ord(mark))
                for column, own, plain in zip(part, values, is_number, strict=True):
                    rows = np.flatnonzero(~plain)
                    others = piece.texts(column, rows, self._texts.__getitem__)
                    self._builders[column].add_numbers(own, rows, others)
        for column in by_mark.get("", ()):
            builder, coded = self._builders[column], self._coded(piece, column)
            if coded is not None:
                builder.add_coded(*coded, ends)
                continue
            cells = piece.texts(column, np.arange(n), self._texts.decoded)
            for start, end in pairwise([0, *ends.tolist(), n]):
                builder.add(cells[start:end])

    def _coded(self, piece: Piece, column: int) -> tuple[Array, list[str]] | None:
        """The place of each cell's text among different ones, and these, in the order of their
        first cells, unless an earlier piece had them all; None if they are too long or too many.
        """
        words = None if column in self._distinct else _words(piece, column)
        if words is None:
            return None
        n_words, keys = len(words), words[0]
        if n_words > 1:
            keys = (words * FACTORS[:n_words, None]).sum(axis=0)
        if column in self._seen:
            known, of_known, texts = self._seen[column]
            codes = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            if n_words == len(of_known) and (of_known[:, codes] == words).all():
                return codes, texts
        known, first, codes = np.unique(keys, return_index=True, return_inverse=True)
        if n_words > 1 and (words[:, first[codes]] != words).any():
            return None  # two texts with one key
        packed = words[:, first].T.copy().view(f"S{8 * n_words}").ravel()
        texts = list(map(self._texts.__getitem__, packed.tolist()))
        if 2 * len(texts) > len(codes):
            self._distinct.add(column)
        if len(texts) <= FEW_TEXTS:
            self._seen[column] = known, words[:, first], texts
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return place[codes], [texts[i] for i in order]


def _words(piece: Piece, column: int) -> Array | None:
    """The bytes of the cells of a column as whole numbers, (m, n) for cells of up to 8 m bytes, of
    which those that are left are 0; None if cells are too long.
    """
    begin, size = piece.begin[column], piece.size[column]
    n_words = max(1, -(-int(size.max()) // 8))
    if n_words > len(FACTORS):
        return None
    eights = np.ndarray(len(piece.data) - 7, np.uint64, piece.data, strides=(1,))
    words = np.empty((n_words, len(begin)), np.uint64)
    for k, word in enumerate(words):
        word[:] = eights[begin + 8 * k] & FIRST_BYTES[np.clip(size - 8 * k, 0, 8)]
    return words


def _numbers(piece: Piece, columns: list[int], mark: int) -> tuple[Array, Array]:
    """The numbers in the cells of some columns, (k, n), and which of them are: a sign, and up to 15
    digits with one decimal mark among them.
    """
    begin, size = piece.begin[columns].ravel(), piece.size[columns].ravel()
    if piece.has_quotes:
        quoted = (size > 1) & (piece.data[begin] == QUOTE)
        begin, size = begin + quoted, size - 2 * quoted
    negative = (piece.data[begin] == MINUS) & (size > 0)
    length = np.minimum(size, DIGITS + 3).astype(np.uint8)
    whole, decimals = np.zeros(len(begin)), np.zeros(len(begin), np.uint8)
    n_digits, n_marks = decimals.copy(), decimals.copy()
    for place in range(int(length.max(initial=0))):
        character = piece.data.take(begin + place)
        digit = character - np.uint8(ZERO)
        is_digit = ((digit < 10) & (length > place)).view(np.uint8)
        whole *= 1 + 9 * is_digit
        whole += digit * is_digit
        n_digits += is_digit
        decimals += is_digit * n_marks
        n_marks += ((character == mark) & (length > place)).view(np.uint8)
    inner = (n_marks == 0) | ((n_marks == 1) & (decimals > 0) & (decimals < n_digits))
    is_number = (
        inner & (n_digits > 0) & (n_digits <= DIGITS) & (n_digits + n_marks + negative == size)
    )
    values = whole / POWERS.take(decimals, mode="clip")
    np.negative(values, out=values, where=negative)
    shape = (len(columns), -1)
    return values.reshape(shape), is_number.reshape(shape)
