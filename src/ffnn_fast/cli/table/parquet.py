"""Parquet files as columns of a table, read by pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.data_table import Table
from ffnn_fast.cli.table.typed import Column, make_table

if TYPE_CHECKING:
    import pyarrow

MAGIC = b"PAR1"


def read_parquet(path: str, raw: bytes) -> Table:
    """The table in the bytes of a Parquet file.

    Raises
    ------
    CommandError
        If the file is damaged, or pyarrow is not installed.
    """
    if not raw.endswith(MAGIC):
        raise CommandError(
            f"{path} is an incomplete Parquet file: its end is missing, or encrypted"
        )
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CommandError(
            'reading Parquet files needs pyarrow: pip install "ffnn_fast[parquet]"'
        ) from error
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(raw), page_checksum_verification=True)
        stored = file.read()
        stored.validate(full=True)  # texts that are not UTF-8, indices out of range
        columns = [
            _as_column(name, column)
            for name, column in zip(stored.column_names, stored.columns, strict=True)
        ]
    # Arrow's own errors, and those of Python where it decodes names or converts values.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise CommandError(
            f"{path} is damaged, or a Parquet file that pyarrow cannot read: {error}"
        ) from error
    return make_table(path, columns, stored.num_rows, row_names=_index_columns(stored.schema))


def _index_columns(schema: pyarrow.Schema) -> list[str]:
    """The columns that are the index of a data frame of pandas."""
    try:
        listed = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError):  # metadata of another kind
        return []
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _as_column(name: str, stored: pyarrow.ChunkedArray) -> Column:
    """A column as NumPy's type for it, a dictionary-encoded one as the type of its entries."""
    from pyarrow import types

    kind = stored.type.value_type if types.is_dictionary(stored.type) else stored.type
    column = stored.cast(kind)
    return Column(name, str(kind), _values(column, kind), column.is_null().to_numpy())


def _values(column: pyarrow.ChunkedArray, kind: pyarrow.DataType) -> np.ndarray | None:
    """(n,) values, anything where one is missing; None for a type that is neither number nor text
    nor date.
    """
    import pyarrow
    from pyarrow import types

    filler: Any = False if types.is_boolean(kind) else 0
    if types.is_null(kind):
        return np.zeros(len(column))
    if types.is_boolean(kind) or types.is_integer(kind):
        return column.fill_null(filler).to_numpy()
    if types.is_decimal(kind):
        return column.cast(pyarrow.float64()).to_numpy()
    dates = types.is_date(kind) or types.is_timestamp(kind)
    texts = str(kind) in ("string", "large_string", "string_view")
    return column.to_numpy() if dates or texts or types.is_floating(kind) else None
