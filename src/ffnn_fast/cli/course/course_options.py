"""The options of ``ffnn-fast course``, under the names that the assignment prescribes.

To add one, add a field to the class of its group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.value_types import Integer, Number, OneOf, Switch, Text

OPTIMIZERS = ("sgd", "momentum", "nag", "rmsprop", "adam", "nadam")
LOSSES = {"mean_squared_error": "squared_error", "cross_entropy": "cross_entropy"}
ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "ReLU": "relu"}
# The package's names mean those of the assignment.
AS_OPTIMIZER = OneOf(OPTIMIZERS, {"nesterov": "nag"})
AS_LOSS, AS_ACTIVATION = (
    OneOf(names, {own: name for name, own in names.items()}) for names in (LOSSES, ACTIVATIONS)
)


def _share(short: str, name: str, used: str) -> Any:
    """An option in [0, 1), by default 0.5."""
    return option(
        Number(0, 1), f"{used} ({{default}})", default=0.5, metavar="B", flags=(short, f"--{name}")
    )


@dataclass(frozen=True)
class CourseData:
    """The images."""

    data: str = option(
        Text(),
        "where the files are: the four idx files, .gz or not, or an .npz with x_train, y_train, "
        "x_test, y_test, there or in a folder named after the data set (default: here)",
        default=".",
        metavar="FOLDER",
    )
    dataset: str = option(
        OneOf(("mnist", "fashion_mnist")), default="fashion_mnist", flags=("-d", "--dataset")
    )
    wandb_project: str | None = option(
        Text(), "accepted and ignored", metavar="NAME", flags=("-wp", "--wandb_project")
    )
    wandb_entity: str | None = option(
        Text(), "accepted and ignored", metavar="NAME", flags=("-we", "--wandb_entity")
    )


@dataclass(frozen=True)
class CourseNetwork:
    """The network and its loss."""

    num_layers: int = option(
        Integer(0), "hidden layers ({default})", default=1, metavar="N",
        flags=("-nhl", "--num_layers"),
    )  # fmt: skip
    hidden_size: int = option(
        Integer(1), "units of each ({default})", default=4, metavar="N",
        flags=("-sz", "--hidden_size"),
    )  # fmt: skip
    activation: str = option(AS_ACTIVATION, default="sigmoid", flags=("-a", "--activation"))
    weight_init: str = option(
        OneOf(("random", "Xavier")),
        "random: normal with deviation 0.1; Xavier: uniform, variance 2 / (in + out)",
        default="random",
        flags=("-w_i", "--weight_init"),
    )
    loss: str = option(AS_LOSS, default="cross_entropy", flags=("-l", "--loss"))
    weight_decay: float = option(
        Number(0),
        "penalty L/2 times the sum of the squares of the weights (0)",
        default=0.0,
        metavar="L",
        flags=("-w_d", "--weight_decay"),
    )


@dataclass(frozen=True)
class CourseTraining:
    """Epochs, steps and optimizers."""

    epochs: int = option(
        Integer(1), "({default})", default=1, metavar="N", flags=("-e", "--epochs")
    )
    batch_size: int = option(
        Integer(1), "({default})", default=4, metavar="N", flags=("-b", "--batch_size")
    )
    optimizer: str = option(AS_OPTIMIZER, default="sgd", flags=("-o", "--optimizer"))
    learning_rate: float | None = option(
        Number(0, above=True),
        "(0.1; with --compare, the usual one of each optimizer)",
        metavar="ETA",
        flags=("-lr", "--learning_rate"),
    )
    momentum: float = _share("-m", "momentum", "of momentum and nag")
    beta: float = _share("-beta", "beta", "of rmsprop")
    beta1: float = _share("-beta1", "beta1", "of adam and nadam")
    beta2: float = _share("-beta2", "beta2", "of adam and nadam")
    epsilon: float = option(
        Number(0, above=True),
        "of rmsprop, adam and nadam ({default})",
        default=1e-6,
        metavar="E",
        flags=("-eps", "--epsilon"),
    )
    anneal: bool = option(
        Switch(),
        "when the validation loss rises, halve the rate and repeat the epoch",
        default=False,
    )
    seed: int = option(Integer(0), "of all random numbers ({default})", default=0, metavar="N")


@dataclass(frozen=True)
class CourseResults:
    """Output at the end."""

    compare: bool = option(Switch(), "train with each optimizer, and show a table", default=False)
    plot: str | None = option(
        Text(),
        "draw the epochs and the confusion matrix to this file; with --compare, of every optimizer",
        metavar="PNG",
    )


@dataclass(frozen=True)
class CourseOptions:
    """All options of ``ffnn-fast course``."""

    data: CourseData = group(CourseData)
    network: CourseNetwork = group(CourseNetwork)
    training: CourseTraining = group(CourseTraining)
    results: CourseResults = group(CourseResults)
