"""Lists of names in one text: separated by commas, quoted as in CSV where a name holds one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def split_names(text: str) -> list[str]:
    """The names in ``a,"b,c"``, stripped, the empty ones left out.

    Raises
    ------
    ValueError
        If a double quote is not closed.
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"names are separated by commas and quoted as in CSV, got {text!r}: {error}"
        ) from error
    return [name.strip() for row in rows for name in row if name.strip()]


def join_names(names: Iterable[str]) -> str:
    """The text that `split_names` splits into these names."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()
