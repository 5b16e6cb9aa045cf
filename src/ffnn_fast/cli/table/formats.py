"""The file formats of tables, recognised by a file's first bytes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.arff import read_arff
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Table, abbreviated
from ffnn_fast.cli.table.excel import read_excel
from ffnn_fast.cli.table.foreign import check_not_foreign
from ffnn_fast.cli.table.json_records import read_json
from ffnn_fast.cli.table.npz import read_npy, read_npz
from ffnn_fast.cli.table.number_styles import NO_MARKS, NumberMarks
from ffnn_fast.cli.table.parquet import MAGIC, read_parquet
from ffnn_fast.cli.table.sources import Source, decompressed, open_source
from ffnn_fast.cli.table.text import read_text

FORMATS = (
    "CSV, TSV or other delimited text, Excel (.xlsx), Parquet, JSON records, ARFF or npz, "
    "compressed (gzip, bzip2, xz, zip) or not; - for standard input"
)
ARFF = re.compile(rb"(\s*%[^\n]*\n|\s*\n)*\s*@relation\b", re.I)
JSON = re.compile(rb"\s*(\{\s*(\"|\}|$)|\[\s*([\[{\"\d\]-]|$))")
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
WORKBOOK = "xl/workbook.xml"  # an entry of a zip file that is an Excel file
TABLE = re.compile(r"\.(csv|tsv|tab|data|xlsx|parquet|jsonl?|arff)(\.(gz|bz2|xz))?$", re.I)
NAMED_ZIPS = {  # an entry that a zip file of this format has
    "word/document.xml": "a Word document",
    "ppt/presentation.xml": "a presentation",
    "mimetype": "an OpenDocument file (.ods); save it as .xlsx or CSV",
    "data.pkl": "a file of PyTorch",
}


def read_table(
    path: str,
    header: str = "auto",
    delimiter: str = "auto",
    *,
    assumed: str = "auto",
    encoding: str = "auto",
    sheet: str = "",
    marks: NumberMarks = NO_MARKS,
    named: Sequence[str] = (),
    fewest: int = 2,
) -> Table:
    """Read a table from a file.

    Parameters
    ----------
    path : str
        "-" is standard input.
    header : {"auto", "yes", "no"}
        Whether the first line of a text names the columns; if not, they are called 1, 2, 3, ...
    delimiter : str
        What separates the fields of a text: a character, "tab", "space" (runs of blanks) or
        "auto".
    assumed : {"auto", "yes", "no"}
        What "auto" means for `header`; "auto": inferred from the first rows and `named`.
    encoding : str
        The encoding of a text; "auto": UTF-8, UTF-16 with a mark, or else Windows-1252.
    sheet : str
        The name or the number of the sheet of an Excel file; empty: the first that has cells.
    marks : NumberMarks, optional
        The decimal mark and the thousands separator of numbers in texts.
    named : sequence of str
        The columns that options name: one that is a word of the first line proves a header.
    fewest : int, default 2
        The fewest columns that a text must have.

    Raises
    ------
    CommandError
        If the file is of another format, damaged, empty or ragged, or if `header`, `delimiter` or
        `sheet` is given for a format that has none.
    OSError
        If it cannot be read.
    """
    conventions = Conventions(
        header, delimiter, encoding, sheet, assumed, marks, tuple(named), fewest
    )
    return _read(open_source(path), conventions)


def _read(source: Source, conventions: Conventions) -> Table:
    start = source.head(4096)
    if conventions.sheet and not (start.startswith(ZIP) and WORKBOOK.encode() in source.read()):
        raise CommandError(
            f"--sheet {conventions.sheet} applies to Excel files only, but {source.name} is not one"
        )
    if start.startswith(MAGIC):
        return _typed("Parquet", read_parquet, source, conventions)
    if start.startswith(ZIP):
        return _read_zip(source, conventions)
    if start.startswith(b"\x93NUMPY"):
        return _typed("npy", read_npy, source, conventions)
    check_not_foreign(source.name, start)
    if ARFF.match(start):
        return read_arff(source, conventions)
    if JSON.match(start.removeprefix(b"\xef\xbb\xbf")) and conventions.delimiter == "auto":
        return read_json(source, conventions)
    return read_text(source, conventions)


def _read_zip(source: Source, conventions: Conventions) -> Table:
    """A zip file: arrays of NumPy, an Excel file, or any one file."""
    try:
        with zipfile.ZipFile(io.BytesIO(source.read())) as archive:
            entries = [
                name for name in archive.namelist()
                if not name.endswith("/") and "__MACOSX" not in name
                and not name.rpartition("/")[2].startswith(".")
            ]  # fmt: skip
            if WORKBOOK in entries:
                return read_excel(source, conventions)
            for entry, kind in NAMED_ZIPS.items():
                if any(name.endswith(entry) for name in entries):
                    raise CommandError(f"{source.name} is {kind}; a table is needed")
            if not entries or any(name.endswith(".npy") for name in entries):
                return _typed("npz", read_npz, source, conventions)
            tables = [name for name in entries if TABLE.search(name)]
            if len(tables) == 1:
                entries = tables
            if len(entries) > 1:
                raise CommandError(
                    f"{source.name} holds {len(entries)} files, of which one table must be "
                    f"unpacked: {abbreviated(entries)}"
                )
            packed = source.within(f"{source.name} ({entries[0]})", archive.read(entries[0]))
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        if b".npy" in source.head():
            return _typed("npz", read_npz, source, conventions)
        raise CommandError(f"{source.name} is a damaged or encrypted zip file: {error}") from error
    if packed.content.startswith(b"PK"):
        raise CommandError(f"{packed.name} is a zip file in a zip file; unpack the outer one")
    return _read(decompressed(packed), conventions)


def _typed(
    kind: str, read: Callable[[str, bytes], Table], source: Source, conventions: Conventions
) -> Table:
    """Read a format whose columns have names and types; refuse options of text."""
    for option, given, harmless in (
        ("header", conventions.header, ("auto", "yes")),
        ("delimiter", conventions.delimiter, ("auto",)),
    ):
        if given not in harmless:
            raise CommandError(
                f"--{option} {given} applies to text files only, but {source.name} is a {kind} "
                "file: its columns have names and there is no delimiter"
            )
    return read(source.name, source.read())
