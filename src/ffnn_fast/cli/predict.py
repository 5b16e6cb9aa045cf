"""``ffnn-fast predict``: what a model says of the rows of a table."""

from __future__ import annotations

import argparse
import csv
import io
import sys

from ffnn_fast.cli import options
from ffnn_fast.cli.output import CommandError, check_output, say, write_file
from ffnn_fast.cli.table import FORMATS


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
    parser.add_argument("model", help="model file that ffnn-fast train wrote")
    parser.add_argument("data", help=FORMATS)
    parser.add_argument(
        "-o", "--output", metavar="CSV", help="the file to write (default: standard output)"
    )
    parser.add_argument(
        "--proba", action="store_true", help="write the probability of each class, in columns"
    )
    options.add_table_options(parser.add_argument_group("data"))


def run(args: argparse.Namespace) -> int:
    """Predict and write; returns the exit code."""
    from ffnn_fast.cli.recipe import load_model

    if args.output:
        check_output(args.output, args.model, args.data)
    network, recipe = load_model(args.model)
    if recipe is None:
        raise CommandError(
            f"{args.model} does not say how to read a table: ffnn-fast train did not write it; "
            "use Network.load in Python"
        )
    target = recipe.target
    if args.proba and target.task == "regression":
        raise CommandError(f"--proba is for classes, but {target.name!r} has values")
    table = recipe.read(args.data, args.header, args.delimiter)
    X = recipe.matrix(table).astype(network.spec.dtype)
    answers = network.predict_proba(X) if args.proba else target.decode(network.predict(X))
    names = list(target.classes) if args.proba else [target.name]
    rows = answers.reshape(len(X), -1).tolist()
    content = _csv(names, rows)
    if args.output:
        write_file(args.output, content)
        say(f"{len(rows)} predictions of {target.name} in {args.output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return 0


def _csv(names: list[str], rows: list[list[object]]) -> bytes:
    """UTF-8 text; floats with as many digits as distinguish them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
