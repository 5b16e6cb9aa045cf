"""Tables from files: delimited text, Parquet or npz, gzipped or not."""

from ffnn_fast.cli.table.data_table import DEFAULT_MISSING, EXACT, Table, abbreviated
from ffnn_fast.cli.table.formats import FORMATS, read_table

__all__ = ["DEFAULT_MISSING", "EXACT", "FORMATS", "Table", "abbreviated", "read_table"]
