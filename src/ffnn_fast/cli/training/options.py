"""The options of ``ffnn-fast train``, group by group; None: not given, and settled later."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ffnn_fast._runtime.settings import ENGINES, MATMULS
from ffnn_fast._solvers.minimizers import METHODS
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.activations import ACTIVATIONS, ALIASES
from ffnn_fast.cli import options
from ffnn_fast.cli.table import DEFAULT_MISSING
from ffnn_fast.cli.training.choices import choice, count, settings_of
from ffnn_fast.initializers import INITIALIZERS
from ffnn_fast.losses import LOSSES
from ffnn_fast.metrics import METRICS, as_metric
from ffnn_fast.optimizers._rules import OPTIMIZERS
from ffnn_fast.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
)

RATES = ("rate", "peak", "schedule")  # what a schedule starts from: --learning-rate
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "step": StepDecay,
    "exponential": Exponential,
    "inverse": InverseScaling,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "plateau": ReduceOnPlateau,
}
LEVENBERG_MARQUARDT = "levenberg_marquardt"
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "optimizer": {name: settings_of(o, ["learning_rate"]) for name, o in OPTIMIZERS.items()},
    "schedule": {
        name: {} if kind is Constant else settings_of(kind, RATES)
        for name, kind in SCHEDULES.items()
    },
    "loss": {
        name: {key: option.default for key, option in loss.options.items()}
        for name, loss in LOSSES.items()
    },
    "averaging": {"ema": {"decay": Averaging.decay}, "swa": {"start": Averaging.start}},
}
SOLVERS = {LEVENBERG_MARQUARDT: ["tol", "damping", "memory_limit"]} | {
    name.replace("-", "_"): ["*"] for name in METHODS
}


def add_data_options(group: argparse._ArgumentGroup) -> None:
    """Which rows and columns are learnt from."""
    options.add_table_options(group)
    group.add_argument(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="auto: classes if the target is text or has few whole numbers (default: auto)",
    )
    columns: dict[str, Any] = {"type": options.names, "default": (), "metavar": "A,B"}
    group.add_argument("--categorical", help="columns of numbers that name categories", **columns)
    group.add_argument("--drop", help="columns to leave out", **columns)
    group.add_argument(
        "--weights",
        metavar="COLUMN",
        help="a column of numbers >= 0: how much each row counts in training",
    )
    group.add_argument(
        "--class-weight",
        type=options.class_weight,
        metavar="WEIGHTS",
        help="how much each class counts in training: balanced, or for example yes=2,no=1",
    )
    group.add_argument(
        "--missing",
        type=options.names,
        default=DEFAULT_MISSING,
        metavar="WORDS",
        help=f"words for a missing value, besides nothing (default: {','.join(DEFAULT_MISSING)})",
    )
    options.add_drop_missing_target(group)
    group.add_argument(
        "--test",
        metavar="FILE",
        help="judge the network on the rows of this file, and train on all others",
    )
    group.add_argument(
        "--test-fraction",
        type=options.number(0, 1),
        default=0.2,
        metavar="F",
        help="share of the rows held out to judge it where there is no --test (default: 0.2)",
    )
    group.add_argument(
        "--validation-fraction",
        type=options.number(0, 1),
        metavar="F",
        help="share of the other rows held out to follow the training (default: 0.1 where "
        "--early-stopping or --schedule look at them, else 0: the rows held out to judge it are "
        "followed, and nothing is chosen by them)",
    )


def add_model_options(group: argparse._ArgumentGroup) -> None:
    """What the network is."""
    group.add_argument(
        "--hidden",
        type=options.sizes,
        metavar="64,64",
        help="widths of the hidden layers, or none (default: 64,64)",
    )
    group.add_argument(
        "--activation",
        type=options.one_or_each(options.one_of((*ACTIVATIONS, *ALIASES))),
        metavar="NAME",
        help="of the hidden layers, one for all or one for each, as relu,tanh: "
        f"{', '.join(ACTIVATIONS)} (default: tanh)",
    )
    group.add_argument(
        "--output-activation",
        type=options.one_of(ACTIVATIONS),
        metavar="NAME",
        help="of the output layer where the target has values; another one than identity is "
        "trained on values as they are, not standardised (default: what suits the loss)",
    )
    group.add_argument(
        "--loss",
        type=choice(SETTINGS["loss"]),
        metavar="NAME",
        help=f"{', '.join(LOSSES)} (default: cross_entropy for classes, else squared_error)",
    )
    group.add_argument(
        "--dropout",
        type=options.one_or_each(options.number(0, 1)),
        metavar="P",
        help="share of hidden units that a step leaves out; or one for the inputs and each hidden "
        "layer, as 0.1,0.5,0.5 (default: 0)",
    )
    for name, what, default in (("--l2", "squares", "1e-4"), ("--l1", "sizes", "0")):
        group.add_argument(
            name,
            type=options.one_or_each(options.number(0)),
            metavar="L",
            help=f"penalty on the {what} of the weights, one for all layers or one for each "
            f"(default: {default})",
        )
    group.add_argument(
        "--initializer",
        type=options.one_of(("auto", *INITIALIZERS)),
        metavar="NAME",
        help=f"of the weights: auto (by activation), {', '.join(INITIALIZERS)} (default: auto)",
    )
    group.add_argument("--dtype", choices=("float32", "float64"), help="(default: float32)")
    group.add_argument(
        "--start",
        metavar="MODEL",
        help="go on from this model file: its network and its encoding of columns, in place of "
        "the options above",
    )


def add_training_options(group: argparse._ArgumentGroup) -> None:
    """Steps, and their lengths."""
    whole, number = options.whole, options.number
    group.add_argument(
        "--epochs",
        type=whole(1),
        metavar="N",
        help="passes over the rows (default: as many as make about 20000 steps, 20 to 500); with "
        "--solver iterations at most (default: 200)",
    )
    group.add_argument(
        "--batch-size",
        type=options.or_word("all", whole(1)),
        metavar="N",
        help="rows per step, or all (default: 32)",
    )
    group.add_argument(
        "--optimizer",
        type=choice(SETTINGS["optimizer"]),
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS)} (default: sgd)",
    )
    group.add_argument(
        "--learning-rate",
        type=options.or_word("find", number(0, above=True)),
        metavar="ETA",
        help="length of a step, or find: by a trial of rates before the training (default: 0.05 "
        "for sgd, else the optimizer's own)",
    )
    group.add_argument(
        "--schedule",
        type=choice(SETTINGS["schedule"]),
        metavar="NAME",
        help=f"how the rate changes: {', '.join(SCHEDULES)} (default: a tenth of it in the last "
        "quarter of the epochs)",
    )
    group.add_argument(
        "--warm-up",
        type=count("steps", settings_of(WarmUp, ["schedule", "length"])),
        metavar="STEPS",
        help="steps in which the rate rises to what it should be",
    )
    group.add_argument(
        "--solver",
        type=choice(SOLVERS),
        metavar="NAME",
        help="train by a full-batch solver instead: levenberg_marquardt (small networks for "
        f"values), or SciPy's {', '.join(METHODS)}",
    )
    for name, what in (
        ("--clip-value", "bound of each entry of the gradient"),
        ("--clip-norm", "bound of the gradient's norm"),
        ("--max-norm", "bound of the norm of the weights into a unit"),
    ):
        group.add_argument(name, type=number(0, above=True), metavar="B", help=what)
    group.add_argument(
        "--averaging",
        type=choice(SETTINGS["averaging"]),
        metavar="NAME",
        help="end with an average of the parameters: ema (of all steps, moving) or swa (of the "
        "ends of epochs)",
    )
    group.add_argument(
        "--frozen", type=options.sizes, metavar="K,K", help="layers 1, 2, ... that stay as they are"
    )
    group.add_argument("--no-shuffle", action="store_true", help="keep the order of the rows")
    group.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        metavar="N",
        help="of the split, the weights and the order of the rows (default: 0)",
    )


def add_ending_options(group: argparse._ArgumentGroup) -> None:
    """When it ends, and how it can be gone on with."""
    group.add_argument(
        "--early-stopping",
        type=count("epochs", settings_of(EarlyStopping, ["patience"])),
        metavar="EPOCHS",
        help="stop after so many epochs without a lower validation loss, and keep the best",
    )
    group.add_argument(
        "--tol",
        type=options.number(0, above=True),
        metavar="T",
        help="stop when the training loss falls by no more for ten epochs",
    )
    group.add_argument(
        "--max-time", type=options.number(0, above=True), metavar="S", help="seconds at most"
    )
    group.add_argument(
        "--checkpoint", metavar="FILE", help="where to write the training down after each epoch"
    )
    group.add_argument(
        "--checkpoint-every",
        type=options.epochs_or_seconds,
        metavar="N",
        help="epochs, or seconds as 60s, from one to the next (default: 1)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from --checkpoint, if it is there, to the same bits as without a break",
    )
    group.add_argument(
        "--finish-on-interrupt",
        action="store_true",
        help="when Ctrl-C ends the training, go on to its results with the last whole step "
        "(default: write nothing)",
    )


def add_record_options(group: argparse._ArgumentGroup) -> None:
    """What is written down."""
    group.add_argument(
        "--report",
        metavar="FILE",
        help="a page (.html) or a picture (.png) of how it learnt and how good it is (default: "
        "the model's name with .html)",
    )
    group.add_argument("--no-report", action="store_true", help="write none")
    group.add_argument(
        "--metrics",
        type=options.names,
        metavar="A,B",
        help=f"figures of each epoch: {', '.join(METRICS)}, top_<k> (default: accuracy or r2)",
    )
    group.add_argument(
        "--log", metavar="FILE", help="write the figures of each epoch there: .csv or .jsonl"
    )
    group.add_argument("--tensorboard", metavar="FOLDER", help="write them there for TensorBoard")
    group.add_argument(
        "--diagnostics",
        action="store_true",
        help="record of each layer the gradient's norm, the size of updates, the share of dead "
        "units too",
    )


def add_machine_options(group: argparse._ArgumentGroup) -> None:
    """What it runs on."""
    group.add_argument(
        "--threads", type=options.whole(1), metavar="N", help="at most (default: all there are)"
    )
    group.add_argument("--engine", choices=ENGINES, help="(default: compiled)")
    group.add_argument(
        "--matmul",
        choices=MATMULS,
        default="auto",
        help="whose matrix products the compiled engine uses (default: %(default)s)",
    )


def described_settings() -> str:
    """Lines that say which settings an option's choices take, and their defaults."""
    counted = {
        "early-stopping": settings_of(EarlyStopping, ["patience"]),
        "warm-up": settings_of(WarmUp, ["schedule", "length"]),
    }
    lines = ["settings follow a colon, as --optimizer adam:beta_1=0.95,epsilon=1e-6"]
    for option, known in SETTINGS.items():
        lines += [f"  --{option} {name}: {_listed(s)}" for name, s in known.items() if s]
    lines += [f"  --{option} N: {_listed(settings)}" for option, settings in counted.items()]
    lines.append(f"  --solver {LEVENBERG_MARQUARDT}: {', '.join(SOLVERS[LEVENBERG_MARQUARDT])}")
    lines.append("  --solver of SciPy's: its own options")
    return "\n".join(lines)


def checked_metrics(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names themselves; ValueError if one is unknown."""
    for name in names:
        as_metric(name)
    return names


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(
        name if default is None else f"{name}={_plain(default)}"
        for name, default in settings.items()
    )


def _plain(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
