"""From options to a network and to the arguments of `Network.fit`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.callbacks import Callback, CSVLog, JSONLog
from ffnn_fast.cli.arguments.declaration import flag, values_of
from ffnn_fast.cli.arguments.named_settings import Choice
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.choice_settings import SCHEDULES
from ffnn_fast.cli.training.preparing import Prepared
from ffnn_fast.cli.training.train_options import (
    Checkpoints,
    Model,
    Reporting,
    Stopping,
    Training,
    TrainOptions,
)
from ffnn_fast.cli.training.training_table import OF_CLASSES_TOO
from ffnn_fast.losses import LOSSES
from ffnn_fast.network import Network
from ffnn_fast.optimizers import OPTIMIZERS, AdamW, Optimizer
from ffnn_fast.schedules import Schedule, WarmUp

ACTIVATION = "silu"
DECAY = (0.003, 2.0)  # bounds of the weight decay
FEW_STEPS = 10  # of a fit, too few for a cycle of the rate
NEVER = 10**9  # epochs without a lower loss after which a fit stops that only keeps its best epoch
RATE = 0.05  # the default learning rate of sgd
L2 = 1e-4
BOUNDS = ("clip_value", "clip_norm", "max_norm")
DESCRIBED = (
    *("warm_up", "early_stopping", "averaging", "class_weight", "weights", "tol", "max_time"),
    *(*BOUNDS, "frozen"),
)


@dataclass(frozen=True)
class Defaults:
    """Of the options of training by steps, for n rows; chosen on inner splits of training rows.

    Attributes
    ----------
    rate : float
        The peak of the one-cycle rate of AdamW.
    steps : int
        About so many steps, in as many epochs as the bounds `epochs` allow.
    epochs : (int, int)
    decay_rows : int
        The weight decay is (decay_rows / n)², from 0.003 to 2.
    """

    rate: float
    steps: int
    epochs: tuple[int, int]
    decay_rows: int

    def optimizer(self, n: int) -> AdamW:
        """AdamW, with more weight decay for fewer rows."""
        low, high = DECAY
        return AdamW(weight_decay=round(max(low, min(high, (self.decay_rows / n) ** 2)), 3))


DEFAULTS = {  # by task
    "classification": Defaults(0.005, 30_000, (30, 60), 700),
    "regression": Defaults(0.01, 20_000, (20, 200), 100),
}


def build_network(prepared: Prepared, options: TrainOptions) -> Network:
    """The network to train, new or from ``--start``."""
    model, runtime = options.network, options.runtime
    if prepared.start is not None:
        for name, value in values_of(model).items():
            if name != "start" and value is not None:
                raise CommandError(f"--start determines the network: leave out {flag(name)}")
        begun = prepared.start
        return Network.from_params(
            begun.spec,
            begun.params,
            engine=runtime.engine,
            n_threads=runtime.threads,
            matmul=runtime.matmul,
        )
    targets = prepared.preprocessing.targets
    output, width, loss = _output(targets, model)
    hidden = (64, 64) if model.hidden is None else model.hidden
    return Network(
        (len(prepared.preprocessing.inputs.feature_names), *hidden, width),
        activation=model.activation or ACTIVATION,
        output=output,
        loss=loss.name,
        loss_options=loss.settings,
        heads=targets.n_classes if targets.classifies and len(targets) > 1 else (),
        dropout=model.dropout or 0.0,
        dtype=model.dtype or "float32",
        initializer=model.initializer or "auto",
        l2=L2 if model.l2 is None else model.l2,
        l1=model.l1 or 0.0,
        seed=options.training.seed,
        engine=runtime.engine,
        n_threads=runtime.threads,
        matmul=runtime.matmul,
    )


def _output(targets: TargetEncoders, model: Model) -> tuple[str, int, Choice]:
    """Output activation, number of outputs and loss for the targets."""
    loss = model.loss or Choice("cross_entropy" if targets.classifies else "squared_error")
    classifies = LOSSES[loss.name].classifies
    if loss.name == "linear":
        raise CommandError("--loss linear gives no predictions; use Network in Python")
    if not targets.classifies:
        if classifies:
            values = targets.holding("values")
            raise CommandError(f"--loss {loss.name} is for classification, but {values}")
        heads = LOSSES[loss.name].heads(**_with_defaults(loss))
        output = "exp" if loss.name == "poisson" else "identity"
        return model.output_activation or output, heads * len(targets), loss
    k, classes = sum(targets.n_classes), targets.holding("classes")
    if model.output_activation:
        raise CommandError(f"--output-activation is for regression, but {classes}")
    if not classifies and loss.name not in OF_CLASSES_TOO:
        raise CommandError(f"--loss {loss.name} is for regression, but {classes}")
    if len(targets) > 1 and loss.name != "cross_entropy":
        raise CommandError(
            f"--loss {loss.name} is for one target of classes; for several, leave out --loss"
        )
    if loss.name == "binary_cross_entropy":
        if k != 2:
            raise CommandError(
                f"--loss {loss.name} needs two classes, but {targets.holding(str(k))}"
            )
        return "logistic", 1, loss
    return ("identity" if loss.name == "hinge" else "softmax"), k, loss


def _with_defaults(loss: Choice) -> dict[str, Any]:
    """All options of a loss, checked; raises ValueError for a bad one."""
    checked = {}
    for name, option in LOSSES[loss.name].options.items():
        value = loss.settings.get(name, option.default)
        try:
            checked[name] = option.check(value)
        except ValueError as error:
            raise ValueError(f"--loss {loss.name}: {name} {error}, got {value!r}") from error
    return checked


def steps_of(training: Training, n: int, task: str) -> tuple[int, int, int]:
    """Epochs, rows per step, and steps per epoch over n rows."""
    given = training.batch_size or 32
    batch_size = n if isinstance(given, str) else min(n, given)
    steps = math.ceil(n / batch_size)
    defaults = DEFAULTS[task]
    low, high = defaults.epochs
    return training.epochs or max(low, min(high, defaults.steps // steps)), batch_size, steps


def optimizer_of(training: Training, n: int, task: str) -> Optimizer:
    """The optimizer for n rows."""
    if training.optimizer is None:
        return DEFAULTS[task].optimizer(n)
    return OPTIMIZERS[training.optimizer.name](**training.optimizer.settings)


def rate_of(training: Training, net: Network, X: Any, y: Any, weight: Any) -> float:
    """The learning rate; ``find`` chooses it by a trial of rates on these rows."""
    task, n = net.spec.task, len(X)
    optimizer = optimizer_of(training, n, task)
    if training.learning_rate is None:
        if training.optimizer is None:
            return DEFAULTS[task].rate
        return RATE if optimizer.name == "sgd" else optimizer.learning_rate
    if training.learning_rate != "find":
        return float(training.learning_rate)
    curve = net.find_learning_rate(
        X, y, batch_size=steps_of(training, n, task)[1], optimizer=optimizer, sample_weight=weight,
        frozen=training.frozen or (), rng=training.seed,
    )  # fmt: skip
    return curve.suggestion


def fit_options(
    options: TrainOptions, n: int, task: str, rate: float, *, is_validated: bool
) -> dict[str, Any]:
    """Arguments of `Network.fit` on n rows, from this learning rate.

    Where rows validate, the network ends by default with the parameters of its best epoch.
    """
    training, stopping, reporting = options.training, options.stopping, options.reporting
    epochs, batch_size, steps = steps_of(training, n, task)
    bounds = {name: getattr(training, name) or math.inf for name in BOUNDS}
    return bounds | {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer_of(training, n, task),
        "learning_rate": _schedule(training, rate, epochs, steps),
        "shuffle": not training.no_shuffle,
        "metrics": reporting.metrics or True,
        "diagnostics": reporting.diagnostics,
        "early_stopping": _early_stopping(stopping, is_validated),
        "tol": stopping.tol,
        "max_time": stopping.max_time,
        "averaging": _averaging(training.averaging),
        "frozen": training.frozen or (),
        "checkpoint": _checkpoint(options.checkpoints),
        "resume": options.checkpoints.resume,
        "on_interrupt": "return" if options.checkpoints.finish_on_interrupt else "raise",
    }


def callbacks(reporting: Reporting) -> list[Callback]:
    """The callbacks that write logs."""
    found: list[Callback] = []
    if reporting.log:
        found.append((CSVLog if reporting.log.lower().endswith(".csv") else JSONLog)(reporting.log))
    if reporting.tensorboard:
        from ffnn_fast.tensorboard import TensorBoard

        try:
            found.append(TensorBoard(reporting.tensorboard))
        except ImportError as error:
            raise CommandError(str(error)) from error
    return found


def described(options: TrainOptions, n: int, task: str, rate: float) -> dict[str, str]:
    """How n rows are trained on, as texts by name; options without effect are left out."""
    training = options.training
    epochs, batch_size, _ = steps_of(training, n, task)
    decay = getattr(optimizer_of(training, n, task), "weight_decay", 0.0)
    found: dict[str, Any] = {
        "epochs": epochs,
        "rows per step": batch_size,
        "optimizer": training.optimizer or f"adamw:weight_decay={decay:g}",
        "learning rate": f"{rate:.3g}",
        "schedule": training.schedule or "one_cycle",
    }
    values = values_of(options)
    found |= {name: values[name] for name in DESCRIBED if values[name]}
    return {name.replace("_", " "): str(value) for name, value in found.items()}


def _schedule(training: Training, rate: float, epochs: int, steps: int) -> Schedule:
    """The rates of the steps; a length that is not given is that of the training."""
    default = "one_cycle" if epochs * steps >= FEW_STEPS else "constant"
    chosen, warm_up = training.schedule or Choice(default), training.warm_up
    settings = dict(chosen.settings)
    if chosen.name == "cosine":
        whole = {"step": epochs * steps, "fit": 1.0}.get(settings.get("per", ""), epochs)
        settings.setdefault("period", whole)
    if chosen.name in ("one_cycle", "cos_log", "flat_cosine"):
        whole = {"epoch": epochs, "fit": 1.0}.get(settings.get("per", ""), epochs * steps)
        settings.setdefault("total", whole)
    schedule = SCHEDULES[chosen.name](rate, **settings)
    return WarmUp(schedule, warm_up.number, **warm_up.settings) if warm_up else schedule


def _checkpoint(options: Checkpoints) -> Checkpoint | None:
    if options.checkpoint is None:
        return None
    epochs, seconds = options.checkpoint_every or (1, None)
    return Checkpoint(options.checkpoint, epochs, seconds)


def _early_stopping(stopping: Stopping, is_validated: bool) -> EarlyStopping | None:
    chosen = stopping.early_stopping
    if chosen is None:
        return EarlyStopping(patience=NEVER) if is_validated else None
    return EarlyStopping(patience=int(chosen.number), **chosen.settings)


def _averaging(chosen: Choice | None) -> Averaging | None:
    return Averaging(chosen.name, **chosen.settings) if chosen else None
