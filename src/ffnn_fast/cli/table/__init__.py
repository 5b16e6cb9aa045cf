"""Tables from files of many formats: texts, Excel, Parquet, JSON, ARFF or npz."""

from ffnn_fast.cli.table.coded_texts import EXACT
from ffnn_fast.cli.table.data_table import DEFAULT_MISSING, Table, abbreviated
from ffnn_fast.cli.table.formats import FORMATS, read_table
from ffnn_fast.cli.table.number_styles import NO_MARKS, PLAIN, NumberMarks, NumberStyle
from ffnn_fast.cli.table.spellings import is_respelled

__all__ = [
    "DEFAULT_MISSING",
    "EXACT",
    "FORMATS",
    "NO_MARKS",
    "PLAIN",
    "NumberMarks",
    "NumberStyle",
    "Table",
    "abbreviated",
    "is_respelled",
    "read_table",
]
