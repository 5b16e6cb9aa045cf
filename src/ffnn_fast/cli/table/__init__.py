"""Tables from files of many formats: texts, Excel, Parquet, JSON, ARFF or npz."""

from ffnn_fast.cli.table.data_table import DEFAULT_MISSING, EXACT, Table, abbreviated
from ffnn_fast.cli.table.formats import FORMATS, read_table
from ffnn_fast.cli.table.number_styles import NumberMarks, NumberStyle

__all__ = [
    "DEFAULT_MISSING",
    "EXACT",
    "FORMATS",
    "NumberMarks",
    "NumberStyle",
    "Table",
    "abbreviated",
    "read_table",
]
