"""The file formats of tables, recognised by a file's first bytes."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.data_table import Table
from ffnn_fast.cli.table.npz import read_npz
from ffnn_fast.cli.table.parquet import MAGIC, read_parquet
from ffnn_fast.cli.table.text import read_text

FORMATS = "CSV or TSV (UTF-8 text), Parquet or npz, gzipped or not; - for standard input"
GZIP = b"\x1f\x8b"
TYPED = {  # the first four bytes: the format's name and its reader; anything else is text
    MAGIC: ("Parquet", read_parquet),
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
        What "auto" means for `header`; "auto": inferred from the first rows.

    Raises
    ------
    CommandError
        If the file is of another format, damaged, empty or ragged, has two columns of one name, or
        if `header` or `delimiter` is given for a format that has neither.
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
            raise CommandError(f"{shown} is a damaged or incomplete gzip file: {error}") from error
    if raw[:4] not in TYPED:
        return read_text(shown, raw, assumed if header == "auto" else header, delimiter)
    kind, read = TYPED[raw[:4]]
    for option, given, harmless in (
        ("header", header, ("auto", "yes")),
        ("delimiter", delimiter, ("auto",)),
    ):
        if given not in harmless:
            raise CommandError(
                f"--{option} {given} applies to text files only, but {shown} is a {kind} file: its "
                "columns have names and there is no delimiter"
            )
    return read(shown, raw)
