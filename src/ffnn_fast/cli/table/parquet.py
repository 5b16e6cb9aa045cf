"""Parquet files as columns of a table, by whichever of three packages is there."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.table import Table
from ffnn_fast.cli.table.typed import Column, make_table

MAGIC = b"PAR1"


class _DamagedError(Exception):
    """What the package says of a file that it cannot read."""


def read_parquet(path: str, raw: bytes) -> Table:
    """The table in the bytes of a Parquet file.

    Raises
    ------
    CommandError
        If the file is damaged, or neither pyarrow nor polars nor fastparquet can be imported.
    """
    if not raw.endswith(MAGIC):
        raise CommandError(f"{path} is no whole Parquet file: its end is missing, or encrypted")
    for read in (by_pyarrow, by_polars, by_pandas):
        try:
            n_rows, columns = read(raw)
        except ImportError:
            continue
        except _DamagedError as error:
            raise CommandError(f"{path} is no whole Parquet file: {error}") from error
        return make_table(path, columns, n_rows)
    raise CommandError(
        "reading Parquet files needs pyarrow, polars or pandas (with fastparquet): "
        'pip install "ffnn_fast[parquet]"'
    )


def by_pyarrow(raw: bytes) -> tuple[int, list[Column]]:
    """How many rows, and the columns, as pyarrow reads them."""
    import pyarrow
    from pyarrow import parquet, types

    try:
        table = parquet.ParquetFile(pyarrow.BufferReader(raw)).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise _DamagedError(error) from error

    def values(column: Any, kind: Any) -> np.ndarray | None:
        if types.is_null(kind):
            return np.zeros(len(column))
        if types.is_boolean(kind) or types.is_integer(kind):
            return column.fill_null(False if types.is_boolean(kind) else 0).to_numpy()
        if types.is_decimal(kind):
            return column.cast(pyarrow.float64()).to_numpy()
        dates = types.is_date(kind) or types.is_timestamp(kind)
        texts = str(kind) in ("string", "large_string", "string_view")
        return column.to_numpy() if dates or texts or types.is_floating(kind) else None

    columns = []
    for name, given in zip(table.column_names, table.columns, strict=True):
        kind = given.type.value_type if types.is_dictionary(given.type) else given.type
        column = given.cast(kind)
        missing = column.is_null().to_numpy()
        columns.append(Column(name, str(kind), values(column, kind), missing))
    return table.num_rows, columns


def by_polars(raw: bytes) -> tuple[int, list[Column]]:
    """How many rows, and the columns, as polars reads them."""
    import polars

    try:
        frame = polars.read_parquet(io.BytesIO(raw))
    except (polars.exceptions.PolarsError, OSError) as error:
        raise _DamagedError(error) from error

    def values(series: Any) -> np.ndarray | None:
        kind = series.dtype
        if kind == polars.Null:
            return np.zeros(len(series))
        if kind == polars.Boolean or kind.is_integer():
            return series.fill_null(False if kind == polars.Boolean else 0).to_numpy()
        if kind.is_decimal():
            return series.cast(polars.Float64).to_numpy()
        if kind in (polars.Categorical, polars.Enum):
            return series.cast(polars.String).to_numpy()
        as_they_are = kind.is_float() or kind in (polars.String, polars.Date, polars.Datetime)
        return series.to_numpy() if as_they_are else None

    columns = [Column(s.name, str(s.dtype), values(s), s.is_null().to_numpy()) for s in frame]
    return len(frame), columns


def by_pandas(raw: bytes) -> tuple[int, list[Column]]:
    """How many rows, and the columns, as pandas holds them.

    Without pyarrow it needs fastparquet, which is asked itself: ``pandas.read_parquet`` would have
    it turn whole numbers into floats where one is missing.
    """
    import fastparquet
    import pandas

    try:
        frame = fastparquet.ParquetFile(io.BytesIO(raw)).to_pandas()
    except Exception as error:  # of a damaged file it raises whatever comes
        raise _DamagedError(error) from error

    def values(series: Any, kind: str) -> np.ndarray | None:
        there = series.dropna()
        if kind in ("boolean", "integer"):
            filled = np.zeros(len(series), bool if kind == "boolean" else there.to_numpy().dtype)
            filled[series.notna()] = there
            return filled
        if kind in ("floating", "decimal"):
            return series.to_numpy(dtype=np.float64, na_value=np.nan)
        if kind in ("datetime64", "datetime"):
            return pandas.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy()
        if kind in ("string", "date", "empty"):
            return series.astype(object).to_numpy()
        return None

    columns = []
    for name, given in frame.items():
        coded = isinstance(given.dtype, pandas.CategoricalDtype)
        series = given.astype(given.cat.categories.dtype) if coded else given
        kind = pandas.api.types.infer_dtype(series, skipna=True)
        columns.append(Column(str(name), kind, values(series, kind), series.isna().to_numpy()))
    return len(frame), columns
