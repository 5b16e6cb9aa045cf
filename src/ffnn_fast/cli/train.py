"""``ffnn-fast train``: learn one column of a table from the others."""

from __future__ import annotations

import argparse
import os

from ffnn_fast.activations import ACTIVATIONS, ALIASES
from ffnn_fast.cli import options
from ffnn_fast.cli.output import CommandError, aligned, check_output, say
from ffnn_fast.cli.table import DEFAULT_MISSING, FORMATS

LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error", "half_squared_error")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "train",
        help="train a network on your own table",
        description="Trains a network to predict one column of a file from the others, and "
        "writes a model file that predicts from raw rows (ffnn-fast predict).",
        epilog="example: ffnn-fast train houses.csv --target price -o houses.safetensors",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("data", help=FORMATS)
    parser.add_argument(
        "--target",
        required=True,
        metavar="COLUMN",
        help="the column to predict: its name, or its number (1 is the first, -1 the last)",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="MODEL", help="the model file to write"
    )
    _add_data_options(parser.add_argument_group("data"))
    _add_model_options(parser.add_argument_group("model construction"))
    _add_training_options(parser.add_argument_group("training"))
    picture = parser.add_argument_group("learning curve").add_mutually_exclusive_group()
    picture.add_argument(
        "--plot", metavar="PNG", help="where to draw it (default: beside the model)"
    )
    picture.add_argument("--no-plot", action="store_true", help="do not draw it")


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    options.add_table_options(group)
    group.add_argument(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="auto: classes if the target is text or has few whole numbers (default: auto)",
    )
    group.add_argument(
        "--categorical",
        type=options.names,
        default=(),
        metavar="A,B",
        help="columns of numbers that name categories",
    )
    group.add_argument(
        "--drop", type=options.names, default=(), metavar="A,B", help="columns to leave out"
    )
    group.add_argument(
        "--missing",
        type=options.names,
        default=DEFAULT_MISSING,
        metavar="WORDS",
        help=f"words for a missing value, besides nothing (default: {','.join(DEFAULT_MISSING)})",
    )
    group.add_argument(
        "--drop-missing-target",
        action="store_true",
        help="leave out rows whose target is missing (default: refuse them)",
    )
    group.add_argument(
        "--test-fraction",
        type=options.number(0, 1),
        default=0.2,
        metavar="F",
        help="share of the rows held out of training to judge it (default: %(default)s)",
    )


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--hidden",
        type=options.sizes,
        default=(64, 64),
        metavar="64,64",
        help="widths of the hidden layers, or none (default: 64,64)",
    )
    group.add_argument(
        "--activation",
        choices=(*ACTIVATIONS, *ALIASES),
        default="tanh",
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(ACTIVATIONS)} (default: %(default)s)",
    )
    group.add_argument(
        "--loss",
        choices=("auto", *LOSSES),
        default="auto",
        metavar="NAME",
        help=f"{', '.join(LOSSES)} (default: cross_entropy for classes, else squared_error)",
    )
    group.add_argument("--dtype", choices=("float32", "float64"), default="float32")


def _add_training_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--epochs",
        type=options.whole(1),
        metavar="N",
        help="passes over the rows (default: as many as make about 20000 steps, 20 to 500)",
    )
    group.add_argument(
        "--batch-size",
        type=options.whole(1),
        default=32,
        metavar="N",
        help="rows per step (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        type=options.number(0, above=True),
        default=0.05,
        metavar="ETA",
        help="length of a step; a tenth of it in the last quarter of the epochs "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--l2",
        type=options.number(0),
        default=1e-4,
        metavar="L",
        help="penalty on the weights, L/2 times the sum of their squares (default: %(default)s)",
    )
    group.add_argument(
        "--seed",
        type=options.whole(0),
        default=0,
        metavar="N",
        help="of the split, the weights and the order of the rows (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    from ffnn_fast.cli import fitting
    from ffnn_fast.cli.picture import draw, is_drawable

    picture = None if args.no_plot else args.plot or f"{os.path.splitext(args.output)[0]}.png"
    check_output(args.output, args.data)
    if picture:
        check_output(picture, args.data, args.output)
    if picture and not is_drawable():
        if args.plot:
            raise CommandError('--plot needs matplotlib: pip install "ffnn_fast[cli]"')
        say('note: no learning curve without matplotlib: pip install "ffnn_fast[cli]"')
        picture = None
    prepared = fitting.prepare(args)
    for note in prepared.notes:
        say(note)
    fitted = fitting.fit(prepared, args)
    say(repr(fitted.network))
    say()
    say(aligned(fitted.report))
    say()
    fitted.save(args.output)
    say(f"model           {args.output}")
    if picture:
        draw(fitted.history, picture, os.path.basename(args.data))
        say(f"learning curve  {picture}")
    return 0
