"""The options of ``ffnn-fast train``: to add one, add a field to the class of its group.

The groups `Reading`, `Columns` and `Split`, which concern the table, are in `data_options`. A
default of None means "not given": `building` chooses the value then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ffnn_fast._runtime.settings import ENGINES, MATMULS
from ffnn_fast._solvers.minimizers import METHODS
from ffnn_fast.activations import ACTIVATIONS, ALIASES
from ffnn_fast.cli.arguments.declaration import argument, group, option
from ffnn_fast.cli.arguments.named_settings import Choice, ChoiceOf, Count, CountOf
from ffnn_fast.cli.arguments.value_types import (
    CheckpointInterval,
    ColumnName,
    Duration,
    EachTime,
    EpochsOrSeconds,
    Integer,
    ListOf,
    Names,
    Number,
    OneOf,
    OneOrEach,
    Switch,
    Text,
    WordOr,
)
from ffnn_fast.cli.table import FORMATS
from ffnn_fast.cli.training.choice_settings import (
    SCHEDULES,
    SETTINGS,
    SOLVERS,
    STOPPING,
    WARM_UP,
)
from ffnn_fast.cli.training.data_options import Columns, Reading, Split
from ffnn_fast.initializers import INITIALIZERS
from ffnn_fast.losses import LOSSES
from ffnn_fast.metrics import METRICS
from ffnn_fast.optimizers import OPTIMIZERS

BOUND = Number(0, above=True)
MODELS = ("tabular", "plain")


@dataclass(frozen=True)
class Tabular:
    """The tabular model: a bag of networks."""

    about: ClassVar[str] = "of the tabular model"

    preset: str | None = option(
        OneOf(("default", "fast", "realmlp", "realmlp-s")),
        "default; fast: a quarter of its epochs; realmlp, realmlp-s: one network, as published "
        "(default: default)",
    )
    networks: int | None = option(
        Integer(1),
        "networks in the bag, 2 at least with the presets default and fast (default: that of the "
        "preset)",
        metavar="N",
    )


@dataclass(frozen=True)
class Model:
    """The network of the plain model."""

    about: ClassVar[str] = "of the plain model; each of these options implies --model plain"

    hidden: tuple[int, ...] | None = option(
        WordOr("none", ListOf(Integer(1)), meaning=()),
        "widths of the hidden layers, or none (default: 64,64)",
        metavar="64,64",
    )
    activation: str | tuple[str, ...] | None = option(
        OneOrEach(OneOf((*ACTIVATIONS, *ALIASES))),
        "of the hidden layers, one for all or one for each, as relu,tanh: "
        f"{', '.join(ACTIVATIONS)} (default: silu)",
        metavar="NAME",
    )
    output_activation: str | None = option(
        OneOf(ACTIVATIONS),
        "of the output layer in regression; with any but identity the target is not standardised "
        "(default: according to the loss)",
        metavar="NAME",
    )
    loss: Choice | None = option(
        ChoiceOf(SETTINGS["loss"]),
        f"{', '.join(LOSSES)} (default: cross_entropy for classes, else squared_error)",
        metavar="NAME",
    )
    dropout: float | tuple[float, ...] | None = option(
        OneOrEach(Number(0, 1)),
        "share of hidden units dropped in a step; or one for the inputs and each hidden layer, as "
        "0.1,0.5,0.5 (default: 0)",
        metavar="P",
    )
    l2: float | tuple[float, ...] | None = option(
        OneOrEach(Number(0)),
        "penalty on the squares of the weights, one for all layers or one for each (default: 1e-4)",
        metavar="L",
    )
    l1: float | tuple[float, ...] | None = option(
        OneOrEach(Number(0)),
        "penalty on the absolute values of the weights, one for all layers or one for each "
        "(default: 0)",
        metavar="L",
    )
    initializer: str | None = option(
        OneOf(("auto", *INITIALIZERS)),
        f"of the weights: auto (by activation), {', '.join(INITIALIZERS)} (default: auto)",
        metavar="NAME",
    )
    dtype: str | None = option(OneOf(("float32", "float64")), "(default: float32)")
    start: str | None = option(
        Text(),
        "continue from this model file: its network and its encoding of columns, in place of the "
        "options above",
        metavar="MODEL",
    )


@dataclass(frozen=True)
class Training:
    """Optimizer, learning rate and number of epochs."""

    about: ClassVar[str] = "of the plain model, but for --epochs and --seed, which both models have"

    epochs: int | None = option(
        Integer(1),
        "passes over the rows (default: that of the preset; plain model: 30 to 60 for classes and "
        "20 to 200 for values, fewer for more rows); with "
        "--solver the maximum number of iterations (default: 200)",
        metavar="N",
    )
    batch_size: int | str | None = option(
        WordOr("all", Integer(1)), "rows per step, or all (default: 32)", metavar="N"
    )
    optimizer: Choice | None = option(
        ChoiceOf(SETTINGS["optimizer"]),
        f"{', '.join(OPTIMIZERS)} (default: adamw, with more weight decay for fewer rows)",
        metavar="NAME",
    )
    learning_rate: float | str | None = option(
        WordOr("find", BOUND),
        "step size; find: choose it by a learning rate range test before training (default: "
        "0.005 for classes, 0.01 for values; 0.05 for --optimizer sgd, else the optimizer's own)",
        metavar="ETA",
    )
    schedule: Choice | None = option(
        ChoiceOf(SETTINGS["schedule"]),
        f"how the rate changes: {', '.join(SCHEDULES)} (default: one_cycle)",
        metavar="NAME",
    )
    warm_up: Count | None = option(
        CountOf("steps", WARM_UP),
        "steps in which the rate rises to its full value, or a share of all: 0.1:per=fit",
        metavar="STEPS",
    )
    solver: Choice | None = option(
        ChoiceOf(SOLVERS),
        "train by a full-batch solver instead: levenberg_marquardt (small networks in "
        f"regression), or SciPy's {', '.join(METHODS)}",
        metavar="NAME",
    )
    clip_value: float | None = option(BOUND, "bound of each entry of the gradient", metavar="B")
    clip_norm: float | None = option(BOUND, "bound of the gradient's norm", metavar="B")
    max_norm: float | None = option(
        BOUND, "bound of the norm of the weights into a unit", metavar="B"
    )
    averaging: Choice | None = option(
        ChoiceOf(SETTINGS["averaging"]),
        "end with an average of the parameters: ema (exponential moving average over the steps) or "
        "swa (mean over the ends of epochs)",
        metavar="NAME",
    )
    frozen: tuple[int, ...] | None = option(
        WordOr("none", ListOf(Integer(1)), meaning=()),
        "layers 1, 2, ... that are not trained",
        metavar="K,K",
    )
    no_shuffle: bool = option(
        Switch(),
        "keep the order of the rows: hold out the last ones, and take those of each step in order",
        default=False,
    )
    seed: int = option(
        Integer(0),
        "of the split, the weights and the order of the rows (default: {default})",
        default=0,
        metavar="N",
    )


@dataclass(frozen=True)
class Stopping:
    """When training ends."""

    about: ClassVar[str] = "of the plain model, but for --max-time, which both models have"

    early_stopping: Count | None = option(
        CountOf("epochs", STOPPING),
        "stop after this number of epochs without a lower validation loss (default: never; the "
        "parameters of the best epoch are kept in any case)",
        metavar="EPOCHS",
    )
    tol: float | None = option(
        BOUND, "stop when the training loss falls by no more than this in ten epochs", metavar="T"
    )
    max_time: float | None = option(
        Duration(), "stop after this time: seconds, or as 90s, 5m or 2h", metavar="TIME"
    )


@dataclass(frozen=True)
class Checkpoints:
    """Checkpoints, and resuming from one."""

    about: ClassVar[str] = "of the plain model"

    checkpoint: str | None = option(
        Text(), "file for the state of the training, written after each epoch", metavar="FILE"
    )
    checkpoint_every: CheckpointInterval | None = option(
        EpochsOrSeconds(),
        "epochs, or seconds as 60s, between two checkpoints (default: 1)",
        metavar="N",
    )
    resume: bool = option(
        Switch(),
        "continue from --checkpoint if the file exists, to the same bits as without interruption",
        default=False,
    )
    finish_on_interrupt: bool = option(
        Switch(),
        "when Ctrl-C ends the training, write the results of the last whole step (default: write "
        "nothing)",
        default=False,
    )


@dataclass(frozen=True)
class Reporting:
    """Reports and logs."""

    about: ClassVar[str] = (
        "of the plain model, but for --report, --no-report and --baseline, which both models have"
    )

    report: str | None = option(
        Text(),
        "a page (.html) or a picture (.png) with learning curves and results (default: the "
        "model's name with .html)",
        metavar="FILE",
    )
    no_report: bool = option(Switch(), "write no report", default=False)
    baseline: tuple[str, ...] = option(
        Names(OneOf(("linear", "hgb", "none"))),
        "models to compare with, beside the best constant: linear (logistic regression or ridge), "
        "hgb (HistGradientBoosting of scikit-learn), or none; may be repeated (default: linear)",
        default=("linear",),
        metavar="{linear,hgb,none}",
    )
    metrics: tuple[str, ...] | None = option(
        Names(),
        f"metrics of each epoch: {', '.join(METRICS)}, top_<k> (default: accuracy or r2)",
        metavar="A,B",
    )
    log: str | None = option(
        Text(), "write the figures of each epoch to this file, .csv or .jsonl", metavar="FILE"
    )
    tensorboard: str | None = option(
        Text(), "write them to this folder for TensorBoard", metavar="FOLDER"
    )
    diagnostics: bool = option(
        Switch(),
        "record the gradient's norm, the size of updates and the share of dead units of each "
        "layer, too",
        default=False,
    )


@dataclass(frozen=True)
class Runtime:
    """Engine, threads and matrix products."""

    about: ClassVar[str] = "of the plain model, but for --threads, which both models have"

    threads: int | None = option(
        Integer(1), "maximum number of threads (default: all)", metavar="N"
    )
    engine: str | None = option(OneOf(ENGINES), "(default: compiled)")
    matmul: str = option(
        OneOf(MATMULS),
        "matrix products of the compiled engine: its own, or those of BLAS (default: {default})",
        default="auto",
    )


@dataclass(frozen=True)
class TrainOptions:
    """All options of ``ffnn-fast train``."""

    data: str | None = argument(Text(), f"required, here or in --config: {FORMATS}", default=None)
    target: tuple[str, ...] = option(
        EachTime(ColumnName()),
        "the column to predict, required without --start: its name, or its number (1 is the first, "
        "-1 the last); repeat the option to predict several columns of values, or several of "
        "classes, by one model",
        default=(),
        metavar="COLUMN",
    )
    output: str | None = option(
        Text(),
        "the model file to write (default: the names of table and target, as "
        "houses-price.safetensors)",
        metavar="MODEL",
        flags=("-o", "--output"),
    )
    model: str | None = option(
        OneOf(MODELS),
        "tabular: a bag of networks with trained embeddings, calibrated, that needs no other "
        "option; plain: one network, with all options of training (default: tabular, unless an "
        "option of the plain model is given)",
    )
    reading: Reading = group(Reading)
    columns: Columns = group(Columns)
    split: Split = group(Split)
    tabular: Tabular = group(Tabular)
    network: Model = group(Model)
    training: Training = group(Training)
    stopping: Stopping = group(Stopping)
    checkpoints: Checkpoints = group(Checkpoints)
    reporting: Reporting = group(Reporting)
    runtime: Runtime = group(Runtime)

    @property
    def drops_missing_targets(self) -> bool:
        """Whether rows without a target are left out, and not refused."""
        return self.reading.drop_missing_target or not self.columns.strict
