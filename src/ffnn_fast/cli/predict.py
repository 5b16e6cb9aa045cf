"""``ffnn-fast predict``: predictions of a model for the rows of a table."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.table_options import ModelAndData, ReadingOptions
from ffnn_fast.cli.arguments.value_types import ColumnName, Names, Switch, Text
from ffnn_fast.cli.output import (
    CommandError,
    check_output,
    counted,
    write_file,
    write_line,
    write_notes,
)
from ffnn_fast.cli.table import Table
from ffnn_fast.cli.table.coded_texts import CodedTexts, spelled

Array = np.ndarray


@dataclass(frozen=True)
class PredictOptions(ModelAndData):
    """All options of ``ffnn-fast predict``."""

    output: str | None = option(
        Text(),
        "the file to write (default: standard output)",
        metavar="CSV",
        flags=("-o", "--output"),
    )
    keep: tuple[str, ...] = option(
        Names(ColumnName()),
        "columns of the data to copy, as they are, before the predictions; a name with a comma is "
        "quoted: '\"a,b\",c'",
        default=(),
        metavar="A,B",
    )
    proba: bool = option(Switch(), "write the probability of each class, in columns", default=False)
    missing: tuple[str, ...] = option(
        Names(),
        "further words for a missing value, besides those of the training",
        default=(),
        metavar="A,B",
    )
    reading: ReadingOptions = group(ReadingOptions)


def run(options: PredictOptions) -> int:
    """Predict and write; returns the exit code."""
    from ffnn_fast.cli.trained_models import load_trained

    if options.output:
        check_output(options.output, options.model, options.data)
    model = load_trained(options.model).with_missing(options.missing)
    if options.proba:
        model.check_probabilities()
    table = model.layout.read(options.data, **options.reading.given())
    kept = _kept(table, options.keep)
    inputs = model.layout.typed(table)
    found = model.predictions(table, inputs, proba=options.proba)
    write_notes([*table.notes, *model.unseen(inputs)])
    names = [f"{name} predicted" if name in kept else name for name in found]
    columns = [*kept.values(), *(values.tolist() for values in found.values())]
    content = _csv([*kept, *names], zip(*columns, strict=True))
    if options.output:
        write_file(options.output, content)
        n = counted(len(table), "prediction")
        write_line(f"{n} of {model.layout.targets.shown} in {options.output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return 0


def _kept(table: Table, columns: Sequence[str]) -> dict[str, list[str]]:
    """The texts of the columns to copy, by name."""
    names = [table.find(one) for one in table.whole_names(columns)]
    unusable = [name for name in names if name in table.unusable]
    if unusable:
        raise CommandError(
            f"--keep copies numbers and texts, but column {unusable[0]!r} of {table.path} is of "
            f"type {table.unusable[unusable[0]]}"
        )
    return {name: _texts(table.cells[name]) for name in names}


def _texts(cells: CodedTexts | Array) -> list[str]:
    """The cells of a column, "" where missing."""
    if isinstance(cells, CodedTexts):
        return cells.tolist()
    texts = spelled(cells)
    texts[np.isnan(cells)] = ""
    return list(texts)


def _csv(names: list[str], rows: Iterable[Iterable[object]]) -> bytes:
    """UTF-8 text; floats with as many digits as distinguish them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


COMMAND = Command(
    "predict",
    PredictOptions,
    run,
    description="Predicts the target for each row of a file that has the columns of the "
    "training table; other columns, and the target, are ignored.",
    epilog="example: ffnn-fast predict houses.safetensors new.csv -o predicted.csv",
)
