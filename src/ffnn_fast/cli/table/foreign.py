"""Names of file formats that hold no table, or one that is not read, by their first bytes."""

from __future__ import annotations

import re

from ffnn_fast.cli.output import CommandError

CONVERT = "save its table as CSV"
PANDAS = "write it as CSV or Parquet, for example with pandas"
KINDS: list[tuple[bytes, str, str]] = [
    (b"%PDF", "a PDF document", CONVERT),
    (b"SQLite format 3\0", "an SQLite database", "export one table as CSV: sqlite3 -csv -header"),
    (b"\xd0\xcf\x11\xe0", "an Excel file of the old format (.xls)", "save it as .xlsx or CSV"),
    (b"\x89HDF", "an HDF5 file", PANDAS),
    (b"CDF\x01", "a NetCDF file", PANDAS),
    (b"CDF\x02", "a NetCDF file", PANDAS),
    (b"ORC", "an ORC file", PANDAS),
    (b"Obj\x01", "an Avro file", PANDAS),
    (b"RDX", "an R data file", "write it in R with write.csv"),
    (b"RDA", "an R data file", "write it in R with write.csv"),
    (b"X\n\0\0\0", "an R data file (.rds)", "write it in R with write.csv"),
    (b"<stata_dta>", "a Stata file", PANDAS),
    (b"ARROW1", "an Arrow or Feather file", PANDAS),
    (b"FEA1", "a Feather file", PANDAS),
    (bytes(12) + b"\xc2\xea\x81\x60", "a SAS file", PANDAS),
    (b"HEADER RECORD*******LIB", "a SAS transport file", PANDAS),
    (b"$FL", "an SPSS file", PANDAS),
    (b"MATLAB 5.0", "a MATLAB file", "write it as CSV, for example with writetable"),
    (b"\x28\xb5\x2f\xfd", "a file compressed by Zstandard", "decompress it: unzstd FILE"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"\x89PNG", "a picture (PNG)", "a table is needed"),
    (b"\xff\xd8\xff", "a picture (JPEG)", "a table is needed"),
    (b"GIF8", "a picture (GIF)", "a table is needed"),
    (b"\x7fELF", "a program", "a table is needed"),
    (b"{\\rtf", "an RTF document", CONVERT),
]
HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|table)\b", re.I | re.S)
XML = re.compile(rb"\s*<(\?xml|[a-z][\w:.-]*(\s+[\w:.-]+\s*=|\s*>))", re.I)
STATA = re.compile(rb"[\x69\x6c\x6e-\x73][\x01\x02]\x01\x00")  # before version 13
PICKLE = re.compile(rb"\x80[\x02-\x05]")
LIBSVM = re.compile(rb"[-+\d.,]+([ \t]+\d+:[-+\d.eE]+)+[ \t]*\r?\n")
CONTROLS = bytes({*range(32)} - set(b"\t\n\r\f\x1a\x1b"))


def check_not_foreign(name: str, start: bytes) -> None:
    """Raise CommandError with the name of the format, if a file's first bytes are those of one.

    Parameters
    ----------
    name : str
    start : bytes
        At least the first 512 bytes, if there are as many.
    """
    start = start.removeprefix(b"\xef\xbb\xbf")
    for magic, kind, advice in KINDS:
        if start.startswith(magic):
            raise _error(name, kind, advice)
    if HTML.match(start):
        raise _error(name, "an HTML page", f"{CONVERT}; was a web page downloaded, not its file?")
    if XML.match(start):
        raise _error(name, "an XML file", CONVERT)
    if STATA.match(start):
        raise _error(name, "a Stata file", PANDAS)
    if PICKLE.match(start):
        raise _error(name, "a pickle, which is never loaded: it could run any code", PANDAS)
    if LIBSVM.match(start):
        raise _error(name, "a sparse table in the format of LIBSVM", PANDAS)
    if start[257:262] == b"ustar":
        raise _error(name, "a tar archive", "unpack it")
    length = int.from_bytes(start[:8], "little")
    if 0 < length < 1 << 40 and start[8:10] == b'{"':
        raise _error(name, "a safetensors file", "give the table; the model comes first")


def check_is_text(name: str, start: bytes) -> None:
    """Raise CommandError if bytes that are not UTF-16 hold many control characters."""
    if sum(map(start.count, (bytes([c]) for c in CONTROLS))) * 50 > len(start):
        raise _error(name, "a binary file of an unknown format", "a table is needed")


def _error(name: str, kind: str, advice: str) -> CommandError:
    return CommandError(f"{name} is {kind}; {advice}")
