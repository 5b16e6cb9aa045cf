"""From options to a network and to what `Network.fit` is asked for."""

from __future__ import annotations

import argparse
import math
from typing import Any

from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.callbacks import Callback, CSVLog, JSONLog
from ffnn_fast.cli.options import flag
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.training.choices import Choice
from ffnn_fast.cli.training.options import SCHEDULES
from ffnn_fast.cli.training.preparing import Prepared
from ffnn_fast.losses import LOSSES
from ffnn_fast.network import Network
from ffnn_fast.optimizers._rules import OPTIMIZERS, Optimizer
from ffnn_fast.preprocessing import TargetEncoder
from ffnn_fast.schedules import Schedule, StepDecay, WarmUp

STEPS = 20_000  # about how many the default number of epochs makes
EPOCHS = (20, 500)  # the least and the most that are made by default
LAST_PART = 4  # the last quarter of the epochs takes steps of a tenth, so that the noise settles
RATE = 0.05  # of plain gradient descent
L2 = 1e-4
BOUNDS = ("clip_value", "clip_norm", "max_norm")
OF_THE_NETWORK = (
    *("hidden", "activation", "output_activation", "loss", "dropout", "l2", "l1"),
    *("initializer", "dtype"),
)


def network(prepared: Prepared, args: argparse.Namespace) -> Network:
    """The network to train, new or from ``--start``."""
    if prepared.start is not None:
        given = [name for name in OF_THE_NETWORK if getattr(args, name) is not None]
        if given:
            raise CommandError(f"--start has the network: leave out {flag(given[0])}")
        begun = prepared.start
        return Network.from_params(
            begun.spec,
            begun.params,
            engine=args.engine,
            n_threads=args.threads,
            matmul=args.matmul,
        )
    target = prepared.recipe.target
    output, width, loss = _output(target, args)
    hidden = (64, 64) if args.hidden is None else args.hidden
    return Network(
        (len(prepared.recipe.inputs.feature_names), *hidden, width),
        activation=args.activation or "tanh",
        output=output,
        loss=loss.name,
        loss_options=loss.settings,
        dropout=args.dropout or 0.0,
        dtype=args.dtype or "float32",
        initializer=args.initializer or "auto",
        l2=L2 if args.l2 is None else args.l2,
        l1=args.l1 or 0.0,
        seed=args.seed,
        engine=args.engine,
        n_threads=args.threads,
        matmul=args.matmul,
    )


def _output(target: TargetEncoder, args: argparse.Namespace) -> tuple[str, int, Choice]:
    """Output function, its width and the loss, as suits the target."""
    k, usual = len(target.classes), "cross_entropy" if target.classes else "squared_error"
    loss = args.loss or Choice(usual, {})
    tells_classes = LOSSES[loss.name].classifies
    if target.task == "regression":
        if tells_classes:
            raise CommandError(f"--loss {loss.name} is for classes, but {target.name!r} has values")
        heads = LOSSES[loss.name].heads(**_with_defaults(loss))
        output = "exp" if loss.name == "poisson" else "identity"
        return args.output_activation or output, heads, loss
    if args.output_activation:
        raise CommandError(f"--output-activation is for values, but {target.name!r} has classes")
    if loss.name == "binary_cross_entropy":
        if k != 2:
            raise CommandError(
                f"--loss {loss.name} is for two classes, but {target.name!r} has {k}"
            )
        return "logistic", 1, loss
    if loss.name == "hinge":
        return "identity", k, loss
    if not tells_classes and loss.name not in ("squared_error", "half_squared_error"):
        raise CommandError(f"--loss {loss.name} is for values, but {target.name!r} has classes")
    return "softmax", k, loss


def _with_defaults(loss: Choice) -> dict[str, Any]:
    """Every option of a loss, checked; ValueError if one is bad."""
    checked = {}
    for name, option in LOSSES[loss.name].options.items():
        value = loss.settings.get(name, option.default)
        try:
            checked[name] = option.check(value)
        except ValueError as error:
            raise ValueError(f"--loss {loss.name}: {name} {error}, got {value!r}") from error
    return checked


def steps_of(args: argparse.Namespace, n: int) -> tuple[int, int, int]:
    """Epochs, rows a step, and steps an epoch over n rows."""
    batch_size = n if args.batch_size == "all" else min(n, args.batch_size or 32)
    steps = math.ceil(n / batch_size)
    return args.epochs or max(EPOCHS[0], min(EPOCHS[1], STEPS // steps)), batch_size, steps


def optimizer_of(args: argparse.Namespace) -> Optimizer:
    """The rule of a step."""
    chosen = args.optimizer or Choice("sgd", {})
    return OPTIMIZERS[chosen.name](**chosen.settings)


def rate_of(args: argparse.Namespace, net: Network, X: Any, y: Any, weight: Any) -> float:
    """The learning rate, found by a trial if that is asked for."""
    optimizer = optimizer_of(args)
    if args.learning_rate is None:
        return RATE if optimizer.name == "sgd" else optimizer.learning_rate
    if args.learning_rate != "find":
        return float(args.learning_rate)
    curve = net.find_learning_rate(
        X, y, batch_size=steps_of(args, len(X))[1], optimizer=optimizer, sample_weight=weight,
        frozen=args.frozen or (), rng=args.seed,
    )  # fmt: skip
    return curve.suggestion


def fit_options(args: argparse.Namespace, n: int, rate: float) -> dict[str, Any]:
    """Arguments of `Network.fit` on n rows, from this learning rate."""
    epochs, batch_size, steps = steps_of(args, n)
    bounds = {name: getattr(args, name) or math.inf for name in BOUNDS}
    return bounds | {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer_of(args),
        "learning_rate": _schedule(args, rate, epochs, steps),
        "shuffle": not args.no_shuffle,
        "metrics": args.metrics or True,
        "diagnostics": args.diagnostics,
        "early_stopping": _stopping(args),
        "tol": args.tol,
        "max_time": args.max_time,
        "averaging": _averaging(args),
        "frozen": args.frozen or (),
        "checkpoint": _checkpoint(args),
        "resume": args.resume,
        "on_interrupt": "return" if args.finish_on_interrupt else "raise",
    }


def callbacks(args: argparse.Namespace) -> list[Callback]:
    """Logs."""
    found: list[Callback] = []
    if args.log:
        found.append((CSVLog if args.log.lower().endswith(".csv") else JSONLog)(args.log))
    if args.tensorboard:
        from ffnn_fast.tensorboard import TensorBoard

        try:
            found.append(TensorBoard(args.tensorboard))
        except ImportError as error:
            raise CommandError(str(error)) from error
    return found


def described(args: argparse.Namespace, n: int, rate: float) -> dict[str, str]:
    """How n rows are trained on, as texts by name; what does nothing is left out."""
    epochs, batch_size, _ = steps_of(args, n)
    found: dict[str, Any] = {
        "epochs": epochs,
        "rows a step": batch_size,
        "optimizer": args.optimizer or "sgd",
        "learning rate": f"{rate:.3g}",
        "schedule": args.schedule or "a tenth in the last quarter",
    }
    for name in ("warm_up", "early_stopping"):
        if getattr(args, name):
            length, settings = getattr(args, name)
            found[name] = Choice(str(length), settings)
    for name in ("averaging", "class_weight", "weights", "tol", "max_time", *BOUNDS, "frozen"):
        if getattr(args, name):
            found[name] = getattr(args, name)
    return {name.replace("_", " "): str(value) for name, value in found.items()}


def _schedule(args: argparse.Namespace, rate: float, epochs: int, steps: int) -> Schedule:
    """The rates of the steps; lengths that are not given are those of the training."""
    chosen = args.schedule
    schedule: Schedule
    if chosen is None:
        schedule = StepDecay(rate, every=epochs - epochs // LAST_PART)
    else:
        settings = dict(chosen.settings)
        if chosen.name == "cosine":
            per_step = settings.get("per") == "step"
            settings.setdefault("period", epochs * steps if per_step else epochs)
        if chosen.name == "one_cycle":
            per_epoch = settings.get("per") == "epoch"
            settings.setdefault("total", epochs if per_epoch else epochs * steps)
        schedule = SCHEDULES[chosen.name](rate, **settings)
    if args.warm_up:
        length, settings = args.warm_up
        schedule = WarmUp(schedule, length, **settings)
    return schedule


def _checkpoint(args: argparse.Namespace) -> Checkpoint | None:
    if args.checkpoint is None:
        return None
    epochs, every_seconds = args.checkpoint_every or (1, None)
    return Checkpoint(args.checkpoint, epochs, every_seconds)


def _stopping(args: argparse.Namespace) -> EarlyStopping | None:
    if args.early_stopping is None:
        return None
    patience, settings = args.early_stopping
    return EarlyStopping(patience=patience, **settings)


def _averaging(args: argparse.Namespace) -> Averaging | None:
    return Averaging(args.averaging.name, **args.averaging.settings) if args.averaging else None
