"""``ffnn-fast course``: the lecture's assignment, with its options, on images from local files."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ffnn_fast.cli import options
from ffnn_fast.cli.output import CommandError, aligned, check_output, say

if TYPE_CHECKING:
    from ffnn_fast.cli.assignment import Result

OPTIMIZERS = ("sgd", "momentum", "nag", "rmsprop", "adam", "nadam")
LOSSES = {"mean_squared_error": "squared_error", "cross_entropy": "cross_entropy"}
ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "ReLU": "relu"}
EXAMPLE = (
    "example: ffnn-fast course --data FOLDER -e 10 -b 64 -o nadam -lr 0.001 -beta1 0.9 "
    "-beta2 0.999 -nhl 2 -sz 128 -a tanh -w_i Xavier"
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its options, with the assignment's short and long names."""
    parser = commands.add_parser(
        "course",
        help="the lecture's assignment: MNIST or Fashion-MNIST with its options",
        description="Trains on images of 10 classes in the words of the lecture's assignment. "
        "A tenth of the training images is held out for validation; loss and accuracy of each "
        "epoch, the test accuracy and the confusion matrix are shown. The outputs are a softmax "
        "with both losses.",
        epilog=EXAMPLE,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    _add_data_options(parser.add_argument_group("data"))
    _add_model_options(parser.add_argument_group("network"))
    _add_training_options(parser.add_argument_group("training"))
    group = parser.add_argument_group("results")
    group.add_argument(
        "--compare", action="store_true", help="train with each optimizer, and show a table"
    )
    group.add_argument(
        "--plot",
        metavar="PNG",
        help="draw the epochs and the confusion matrix there; with --compare, every optimizer",
    )


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data",
        default=".",
        metavar="FOLDER",
        help="where the files are: the four idx files, .gz or not, or an .npz with x_train, "
        "y_train, x_test, y_test, there or in a folder named after the data set (default: here)",
    )
    group.add_argument(
        "-d", "--dataset", choices=("mnist", "fashion_mnist"), default="fashion_mnist"
    )
    for short, long in (("-wp", "--wandb_project"), ("-we", "--wandb_entity")):
        group.add_argument(short, long, metavar="NAME", help="accepted; nothing is sent anywhere")


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    whole = options.whole
    group.add_argument(
        "-nhl", "--num_layers", type=whole(0), default=1, metavar="N", help="hidden layers (1)"
    )
    group.add_argument(
        "-sz", "--hidden_size", type=whole(1), default=4, metavar="N", help="units of each (4)"
    )
    group.add_argument("-a", "--activation", choices=tuple(ACTIVATIONS), default="sigmoid")
    group.add_argument(
        "-w_i",
        "--weight_init",
        choices=("random", "Xavier"),
        default="random",
        help="random: normal with deviation 0.1; Xavier: uniform, variance 2 / (in + out)",
    )
    group.add_argument("-l", "--loss", choices=tuple(LOSSES), default="cross_entropy")
    group.add_argument(
        "-w_d",
        "--weight_decay",
        type=options.number(0),
        default=0.0,
        metavar="L",
        help="penalty L/2 times the sum of the squares of the weights (0)",
    )


def _add_training_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-e", "--epochs", type=options.whole(1), default=1, metavar="N", help="(1)")
    group.add_argument(
        "-b", "--batch_size", type=options.whole(1), default=4, metavar="N", help="(4)"
    )
    group.add_argument("-o", "--optimizer", choices=OPTIMIZERS, default="sgd")
    group.add_argument(
        "-lr",
        "--learning_rate",
        type=options.number(0, above=True),
        metavar="ETA",
        help="(0.1; with --compare, the usual one of each optimizer)",
    )
    for short, long, default, used in (
        ("-m", "--momentum", 0.5, "of momentum and nag"),
        ("-beta", "--beta", 0.5, "of rmsprop"),
        ("-beta1", "--beta1", 0.5, "of adam and nadam"),
        ("-beta2", "--beta2", 0.5, "of adam and nadam"),
    ):
        group.add_argument(
            short,
            long,
            type=options.number(0, 1),
            default=default,
            metavar="B",
            help=f"{used} ({default})",
        )
    group.add_argument(
        "-eps",
        "--epsilon",
        type=options.number(0, above=True),
        default=1e-6,
        metavar="E",
        help="of rmsprop, adam and nadam (1e-06)",
    )
    group.add_argument(
        "--anneal",
        action="store_true",
        help="when the validation loss rises, halve the rate and do that epoch again",
    )
    group.add_argument(
        "--seed", type=options.whole(0), default=0, metavar="N", help="of everything random (0)"
    )


def run(args: argparse.Namespace) -> int:
    """Train, once or with each optimizer, and show the results; returns the exit code."""
    from ffnn_fast.cli import assignment

    if args.plot:
        _check_plot(args.plot)
    images = assignment.load(args.data, args.dataset, args.seed)
    say(
        f"{args.dataset}: {len(images.train.X)} images to train on, "
        f"{len(images.validation.X)} to validate, {len(images.test.X)} to test"
    )
    if not args.compare:
        result = assignment.learn(images, args, args.optimizer, args.learning_rate or 0.1)
        _show(result)
        results = [result]
    else:
        results = []
        for name in OPTIMIZERS:
            rate = args.learning_rate or assignment.USUAL_RATES[name]
            results.append(assignment.learn(images, args, name, rate))
        say()
        say(aligned(assignment.table(results)))
        best = max(results, key=lambda result: result.history[-1]["val_accuracy"])
        say(f"\n  best in validation: {best.optimizer}")
        _show(best)
    if args.plot:
        from ffnn_fast.cli.picture import draw_results

        draw_results(results, args.plot, args.dataset)
        say(f"\n  {args.plot}")
    return 0


def _show(result: Result) -> None:
    say()
    say(
        f"  test accuracy {result.test_accuracy:.4f}, "
        f"validation {result.history[-1]['val_accuracy']:.4f}, {result.seconds:.2f} s to train"
    )
    say("\n  confusion matrix of the test images: rows are the true classes, columns those said")
    rows = [["", *map(str, range(len(result.confusion)))]]
    rows += [[str(k), *map(str, row)] for k, row in enumerate(result.confusion)]
    say(aligned(rows))


def _check_plot(path: str) -> None:
    from ffnn_fast.cli.picture import is_drawable

    check_output(path)
    if not is_drawable():
        raise CommandError('--plot needs matplotlib: pip install "ffnn_fast[cli]"')
    if os.path.splitext(path)[1].lower() != ".png":
        raise CommandError(f"--plot writes a PNG file, so its name must end in .png; got {path}")
