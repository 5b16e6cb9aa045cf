"""``ffnn-fast predict``: what a model says of the rows of a table."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ffnn_fast.cli import options
from ffnn_fast.cli.output import CommandError, check_output, say, write_file

if TYPE_CHECKING:
    from ffnn_fast.cli.recipe import Recipe
    from ffnn_fast.network import Network


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "predict",
        help="predict for the raw rows of a table",
        description="Predicts the target for each row of a file that has the columns of the "
        "training table; other columns, and the target, are ignored.",
        epilog="example: ffnn-fast predict houses.safetensors new.csv -o predicted.csv",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    options.add_model_and_data(parser)
    parser.add_argument(
        "-o", "--output", metavar="CSV", help="the file to write (default: standard output)"
    )
    parser.add_argument(
        "--proba", action="store_true", help="write the probability of each class, in columns"
    )
    options.add_table_options(parser.add_argument_group("data"))


def run(args: argparse.Namespace) -> int:
    """Predict and write; returns the exit code."""
    from ffnn_fast.cli.evaluation.prediction_columns import as_columns, check_probabilities

    if args.output:
        check_output(args.output, args.model, args.data)
    network, recipe = load(args.model)
    if args.proba:
        check_probabilities(network.spec, recipe.target)
    table = recipe.read(args.data, args.header, args.delimiter)
    X = recipe.matrix(table).astype(network.spec.dtype)
    y_hat = network.forward(X)
    columns = as_columns(network.spec, recipe.target, y_hat, proba=args.proba)
    content = _csv(
        list(columns), zip(*(values.tolist() for values in columns.values()), strict=True)
    )
    if args.output:
        write_file(args.output, content)
        say(f"{len(X)} predictions of {recipe.target.name} in {args.output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return 0


def load(path: str, *, engine: str | None = None) -> tuple[Network, Recipe]:
    """The network of a model file, and how it reads a table."""
    from ffnn_fast.cli.recipe import load_model

    network, recipe = load_model(path, engine=engine)
    if recipe is None:
        raise CommandError(
            f"{path} does not say how to read a table: ffnn-fast train did not write it; "
            "use Network.load in Python"
        )
    return network, recipe


def _csv(names: list[str], rows: Iterable[Iterable[object]]) -> bytes:
    """UTF-8 text; floats with as many digits as distinguish them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
