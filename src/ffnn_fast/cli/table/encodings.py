"""The encoding of a text file, found in one pass over its bytes."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.foreign import check_is_text
from ffnn_fast.cli.table.sources import PIECE, Source

MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # bytes that Windows-1252 has no character for
SPACED_QUOTE = re.compile(rb'[,;\t|] +"')


@dataclass(frozen=True)
class Survey:
    """What a pass over the bytes of a text found.

    Attributes
    ----------
    encoding : str
    n_breaks : int
        Line feeds, and one if the last line has none.
    spaced_quotes : bool
        Whether blanks stand between a delimiter and a double quote.
    remark : str
        What was taken for granted, or an empty string.
    """

    encoding: str
    n_breaks: int
    spaced_quotes: bool
    remark: str = ""


def survey(source: Source, given: str) -> Survey:
    """Find the encoding, or check that the text has the one that is given, unless "auto".

    Raises
    ------
    CommandError
        If the file is no text, is empty, or does not have the given encoding.
    """
    start = source.head(4096)
    encoding = _marked(start) if given == "auto" else _known(given)
    wide = encoding.startswith(("utf-16", "utf-32"))
    if not wide and b"\0" not in start:
        check_is_text(source.name, start)
    found = _Pass(encoding)
    with source.open() as file:
        while piece := file.read(PIECE):
            if not wide and b"\0" in piece:
                raise CommandError(f"{source.name} contains NUL bytes: it is not a text file")
            found.add(piece)
    found.end()
    if found.blank:
        raise CommandError(f"{source.name} is empty")
    if found.bad is None:
        return Survey(encoding, found.n_breaks, found.spaced_quotes)
    line, byte = found.bad
    shown_as = encoding if given == "auto" else given
    if given != "auto" or wide:
        raise CommandError(
            f"{source.name}, line {line}: byte {byte:#04x} is not {shown_as}; use --encoding with "
            "the encoding of the file, such as utf-8 or cp1252"
        )
    other = "latin-1" if found.undefined else "cp1252"
    shown = "Latin-1" if found.undefined else "Windows-1252 (Western European)"
    remark = (
        f"{source.name} is not UTF-8 (line {line}: byte {byte:#04x}) and was read as {shown}; use "
        "--encoding if it has another encoding"
    )
    return Survey(other, found.n_breaks, found.spaced_quotes, remark)


class _Pass:
    """What is known after some pieces of a text.

    Attributes
    ----------
    bad : (int, int) or None
        The line and the value of the first byte that is not of the encoding.
    undefined : bool
        Whether a byte after it has no meaning in Windows-1252.
    n_breaks : int
    spaced_quotes, blank : bool
    """

    def __init__(self, encoding: str) -> None:
        self._is_utf8 = encoding.startswith("utf-8")
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self.bad: tuple[int, int] | None = None
        self.n_breaks, self._last = 0, b""
        self.undefined, self.spaced_quotes, self.blank = False, False, True

    def add(self, piece: bytes) -> None:
        """Take in the next bytes."""
        if self.bad is None:
            self._decode(piece, final=False)
        if self.bad is not None:
            self.undefined = self.undefined or any(byte in piece for byte in UNDEFINED)
        if b'"' in piece and not self.spaced_quotes:
            self.spaced_quotes = SPACED_QUOTE.search(piece) is not None
        self.n_breaks += piece.count(b"\n")
        self._last = piece[-1:]

    def end(self) -> None:
        """Take in the end of the text."""
        if self.bad is None:
            self._decode(b"", final=True)
        self.n_breaks += self._last != b"\n"

    def _decode(self, piece: bytes, *, final: bool) -> None:
        if self._is_utf8 and not self.blank and piece.isascii() and not self._decoder.getstate()[0]:
            return  # checked in much less time
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            line = self.n_breaks + error.object.count(b"\n", 0, error.start) + 1
            self.bad, self.blank = (line, error.object[error.start]), False
        else:
            self.blank = self.blank and not text.strip()


def _marked(start: bytes) -> str:
    """The encoding that the first bytes show; without a sign UTF-8."""
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return encoding
    even, odd = start[::2].count(0), start[1::2].count(0)
    if 3 * (even + odd) > len(start) and min(even, odd) * 10 < max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _known(given: str) -> str:
    try:
        found = codecs.lookup(given)
    except LookupError as error:
        raise CommandError(
            f"--encoding {given} is not known; examples: utf-8, utf-16, cp1252, latin-1, cp437"
        ) from error
    if not found._is_text_encoding:
        raise CommandError(f"--encoding {given} is no encoding of texts; examples: utf-8, cp1252")
    return "utf-8-sig" if found.name == "utf-8" else found.name
