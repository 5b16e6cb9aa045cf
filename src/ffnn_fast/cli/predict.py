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
from ffnn_fast.cli.output import CommandError, check_output, say, write_file

if TYPE_CHECKING:
    from ffnn_fast.cli.recipe import Recipe
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
    network, recipe = load(options.model)
    if options.proba:
        check_probabilities(network.spec, recipe.target)
    table = recipe.read(options.data, options.reading.header, options.reading.delimiter)
    X = recipe.matrix(table).astype(network.spec.dtype)
    y_hat = network.forward(X)
    columns = as_columns(network.spec, recipe.target, y_hat, proba=options.proba)
    content = _csv(
        list(columns), zip(*(values.tolist() for values in columns.values()), strict=True)
    )
    if options.output:
        write_file(options.output, content)
        say(f"{len(X)} predictions of {recipe.target.name} in {options.output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return 0


def load(path: str, *, engine: str | None = None) -> tuple[Network, Recipe]:
    """The network of a model file, and its preprocessing of tables."""
    from ffnn_fast.cli.recipe import load_model

    network, recipe = load_model(path, engine=engine)
    if recipe is None:
        raise CommandError(
            f"{path} has no preprocessing of tables: it was not written by ffnn-fast train; use "
            "Network.load in Python"
        )
    return network, recipe


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
