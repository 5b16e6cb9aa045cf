"""``ffnn-fast predict``: predictions of a model for the rows of a table."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.table_options import ModelAndData, ReadingOptions
from ffnn_fast.cli.arguments.value_types import Switch, Text
from ffnn_fast.cli.output import CommandError, check_output, write_file, write_line, write_notes

if TYPE_CHECKING:
    from ffnn_fast.cli.table_preprocessing import TablePreprocessing
    from ffnn_fast.network import Network


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
    reading: ReadingOptions = group(ReadingOptions)


def run(options: PredictOptions) -> int:
    """Predict and write; returns the exit code."""
    from ffnn_fast.cli.evaluation.prediction_columns import as_columns, check_probabilities

    if options.output:
        check_output(options.output, options.model, options.data)
    network, preprocessing = load(options.model)
    if options.proba:
        check_probabilities(network.spec, preprocessing.target)
    table = preprocessing.read(options.data, **options.reading.given())
    X = preprocessing.matrix(table).astype(network.spec.dtype)
    write_notes(table.notes)
    y_hat = network.forward(X)
    columns = as_columns(network.spec, preprocessing.target, y_hat, proba=options.proba)
    content = _csv(
        list(columns), zip(*(values.tolist() for values in columns.values()), strict=True)
    )
    if options.output:
        write_file(options.output, content)
        write_line(f"{len(X)} predictions of {preprocessing.target.name} in {options.output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return 0


def load(path: str, *, engine: str | None = None) -> tuple[Network, TablePreprocessing]:
    """The network of a model file, and its preprocessing of tables."""
    from ffnn_fast.cli.table_preprocessing import load_model

    network, preprocessing = load_model(path, engine=engine)
    if preprocessing is None:
        raise CommandError(
            f"{path} has no preprocessing of tables: it was not written by ffnn-fast train; use "
            "Network.load in Python"
        )
    return network, preprocessing


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
