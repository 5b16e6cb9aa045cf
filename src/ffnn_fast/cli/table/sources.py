"""The bytes of a table: in a file or from standard input, compressed or not."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from ffnn_fast.cli.output import CommandError

HEAD = 1 << 20  # bytes from which the format, the delimiter and the header are inferred
PIECE = 1 << 20  # bytes read at a time
SHOWN = 64 << 20  # bytes of a file whose reading shows its progress
COMPRESSED: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    b"BZh": ("bzip2", bz2.decompress),
    b"\xfd7zXZ\0": ("xz", lzma.decompress),
}


@dataclass(frozen=True)
class Source:
    """A file or bytes in memory, read in pieces as often as needed.

    Attributes
    ----------
    name : str
        As messages name it.
    path : str or None
        The file; None: `content` is all.
    content : bytes
    """

    name: str
    path: str | None = None
    content: bytes = b""

    def open(self) -> BinaryIO:
        """A file of the bytes, from the first one on."""
        return io.BytesIO(self.content) if self.path is None else Path(self.path).open("rb")

    def head(self, size: int = HEAD) -> bytes:
        """The first bytes."""
        with self.open() as file:
            return file.read(size)

    def read(self) -> bytes:
        """All bytes."""
        return self.content if self.path is None else Path(self.path).read_bytes()

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.content) if self.path is None else Path(self.path).stat().st_size

    def within(self, name: str, content: bytes) -> Source:
        """The source of bytes that were packed in this one."""
        return replace(self, name=name, path=None, content=content)


def open_source(path: str) -> Source:
    """The decompressed bytes of a file; "-" is standard input.

    Raises
    ------
    CommandError
        If the file is compressed and damaged.
    OSError
        If it cannot be read.
    """
    source = Source(path, path)
    if path == "-":
        if sys.stdin is None:
            raise CommandError("the standard input is closed; give the name of a file")
        source = Source("standard input", content=sys.stdin.buffer.read())
    elif not Path(path).is_file():  # a pipe can be read once; a folder raises OSError here
        source = Source(path, content=Path(path).read_bytes())
    return decompressed(source)


def decompressed(source: Source) -> Source:
    """The source, or the bytes that are compressed in it.

    Raises
    ------
    CommandError
        If they are damaged.
    """
    start = source.head(8)
    for magic, (kind, decompress) in COMPRESSED.items():
        if start.startswith(magic):
            try:
                return source.within(source.name, decompress(source.read()))
            except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise CommandError(
                    f"{source.name} is a damaged or incomplete {kind} file: {error}"
                ) from error
    return source


@contextlib.contextmanager
def shown_progress(source: Source) -> Iterator[Progress]:
    """A progress that is removed at the end."""
    progress = Progress(source)
    try:
        yield progress
    finally:
        progress.close()


class Progress:
    """The share of a large file that has been read, on standard error if that is a terminal."""

    def __init__(self, source: Source) -> None:
        self._name, self._size, self._percent = source.name, source.size, -1
        self._shows = self._size >= SHOWN and sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Show that this many bytes have been read."""
        percent = 100 * done // self._size if self._shows else self._percent
        if percent > self._percent:
            self._percent = percent
            sys.stderr.write(f"\rreading {self._name}: {percent} %")
            sys.stderr.flush()

    def close(self) -> None:
        """Remove what was shown."""
        if self._shows and self._percent >= 0:
            sys.stderr.write(f"\r{' ' * (len(self._name) + 18)}\r")
            sys.stderr.flush()
