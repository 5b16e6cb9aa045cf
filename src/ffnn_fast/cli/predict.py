"""``ffnn-fast predict``: predictions of a model for the rows of a table."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.table_options import ModelAndData, ReadingOptions
from ffnn_fast.cli.arguments.value_types import Names, Switch, Text
from ffnn_fast.cli.output import check_output, write_file, write_line, write_notes


@dataclass(frozen=True)
class PredictOptions(ModelAndData):
    """All options of ``ffnn-fast predict``."""

    output: str | None = option(
        Text(),
        "the file to write (default: standard output)",
        metavar="CSV",
        flags=("-o", "--output"),
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
    columns = model.predictions(table, proba=options.proba)
    write_notes(table.notes)
    content = _csv(
        list(columns), zip(*(values.tolist() for values in columns.values()), strict=True)
    )
    if options.output:
        write_file(options.output, content)
        write_line(f"{len(table)} predictions of {model.layout.target.name} in {options.output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return 0


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
