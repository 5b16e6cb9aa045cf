"""Tables from files: delimited text, Parquet or npz, gzipped or not, told apart by content."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.npz import read_npz
from ffnn_fast.cli.table.parquet import read_parquet
from ffnn_fast.cli.table.table import DEFAULT_MISSING, EXACT, Table, shortened
from ffnn_fast.cli.table.text import read_text

__all__ = ["DEFAULT_MISSING", "EXACT", "FORMATS", "Table", "read_table", "shortened"]

FORMATS = "CSV or TSV (UTF-8 text), Parquet or npz, gzipped or not; - for standard input"
GZIP = b"\x1f\x8b"
TYPED = {
    b"PAR1": ("Parquet", read_parquet),
    b"PK\x03\x04": ("npz", read_npz),
    b"PK\x05\x06": ("npz", read_npz),  # a zip file without entries
}


def read_table(
    path: str, header: str = "auto", delimiter: str = "auto", *, assumed: str = "auto"
) -> Table:
    """Read a file of delimited UTF-8 text, a Parquet file, or arrays that ``numpy.savez`` wrote.

    Parameters
    ----------
    path : str
        "-" is standard input.
    header : {"auto", "yes", "no"}
        Whether the first line of a text names the columns; if not, they are called 1, 2, 3, ...
    delimiter : str
        What separates the fields of a text: a character, "tab", or "auto".
    assumed : {"auto", "yes", "no"}
        What "auto" means for `header`; "auto": to be found out.

    Raises
    ------
    CommandError
        If the file is of another kind, damaged, empty or ragged, names a column twice, or has its
        names and fields by itself where `header` or `delimiter` would say them.
    OSError
        If it cannot be read.
    """
    shown, raw = path, b""
    if path == "-":
        shown, raw = "standard input", sys.stdin.buffer.read()
    else:
        raw = Path(path).read_bytes()
    if raw.startswith(GZIP):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise CommandError(f"{shown} is no whole gzip file: {error}") from error
    if raw[:4] not in TYPED:
        return read_text(shown, raw, assumed if header == "auto" else header, delimiter)
    kind, read = TYPED[raw[:4]]
    for option, given, harmless in (
        ("header", header, ("auto", "yes")),
        ("delimiter", delimiter, ("auto",)),
    ):
        if given not in harmless:
            raise CommandError(
                f"--{option} {given} is for text, but {shown} is {kind}: it names its columns and "
                "has no delimiter"
            )
    return read(shown, raw)
