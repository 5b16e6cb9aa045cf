"""Large delimited texts by pyarrow, where it is installed: the same columns in less time."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING

import numpy as np

from ffnn_fast.cli.table.coded_texts import ColumnBuilder, exact_numbers
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Cells
from ffnn_fast.cli.table.encodings import Survey
from ffnn_fast.cli.table.layout import Layout
from ffnn_fast.cli.table.sources import Source, shown_progress

if TYPE_CHECKING:
    import pyarrow

LARGE = 16 << 20  # bytes; smaller files are read by Python
PIECE = 1 << 20  # bytes in which pyarrow reads


def add_with_arrow(
    source: Source,
    found: Survey,
    layout: Layout,
    before: int,
    width: int,
    conventions: Conventions,
) -> tuple[list[Cells], np.ndarray] | None:
    """The columns of a large text and the line of each row.

    None where the text is small, pyarrow is not installed, or the text has what Python's reader
    takes in another way: line breaks in fields, blank or ragged lines, other quoting or encodings.

    Parameters
    ----------
    source, found, layout, conventions
    before : int
        Lines before the first row.
    width : int
        The number of columns.
    """
    usual = not layout.quoting and layout.delimiter != " " and not found.spaced_quotes
    if not usual or not found.encoding.startswith("utf-8") or source.size < LARGE:
        return None
    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pyarrow

    builders = [ColumnBuilder(conventions.marks, found.n_breaks) for _ in range(width)]
    n_rows = 0
    try:
        with source.open() as file, shown_progress(source) as progress:
            for batch in _batches(file, layout.delimiter, before, width):
                n_rows += batch.num_rows
                for builder, column in zip(builders, batch.columns, strict=True):
                    _add(builder, column)
                progress.show(file.tell())
    except (pyarrow.ArrowException, OSError, ValueError):
        return None
    if n_rows != found.n_breaks - before:
        return None
    columns: list[Cells] = [builder.finish() for builder in builders]
    return columns, np.arange(before + 1, before + 1 + n_rows)


def _batches(file: object, delimiter: str, skip: int, width: int) -> pyarrow.csv.CSVStreamingReader:
    """The rows as batches of columns of texts."""
    import pyarrow
    from pyarrow import csv

    names = [str(place) for place in range(width)]
    return csv.open_csv(
        file,
        csv.ReadOptions(use_threads=False, block_size=PIECE, column_names=names, skip_rows=skip),
        csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=True),
        csv.ConvertOptions(
            column_types={name: pyarrow.string() for name in names},
            strings_can_be_null=False,
            null_values=[],
        ),
    )


def _add(builder: ColumnBuilder, column: pyarrow.StringArray) -> None:
    """Append a batch of texts, as numbers where all are."""
    import pyarrow
    from pyarrow import compute

    if builder.takes_numbers:
        with contextlib.suppress(pyarrow.ArrowInvalid):
            numbers = column.cast(pyarrow.float64()).to_numpy()
            if exact_numbers(numbers):
                builder.add_numbers(numbers)
                return
        with contextlib.suppress(pyarrow.ArrowInvalid):
            blank = compute.equal(column, "")
            known = compute.if_else(blank, pyarrow.scalar("0"), column)
            numbers = known.cast(pyarrow.float64()).to_numpy()
            if exact_numbers(numbers):
                builder.add_numbers(numbers, blank.to_numpy(zero_copy_only=False))
                return
    coded = column.dictionary_encode()
    builder.add_coded(coded.indices.to_numpy(), coded.dictionary.to_pylist())
