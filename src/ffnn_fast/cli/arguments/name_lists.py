"""Lists of names in one text: separated by commas, quoted as in CSV where a name holds one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

BREAKS = {ord("\n"): "\ue000", ord("\r"): "\ue001"}  # csv takes no bare break within a name
FROM_BREAKS = {ord(mark): chr(code) for code, mark in BREAKS.items()}


def split_names(text: str) -> list[str]:
    """The names in ``a,"b,c"``, stripped, the empty ones left out.

    Raises
    ------
    ValueError
        If a double quote is not closed.
    """
    try:
        rows = list(csv.reader([text.translate(BREAKS)], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"names are separated by commas and quoted as in CSV, got {text!r}: {error}"
        ) from error
    names = [name.translate(FROM_BREAKS).strip() for row in rows for name in row]
    return [name for name in names if name]


def join_names(names: Iterable[str]) -> str:
    """The text that `split_names` splits into these names."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()
