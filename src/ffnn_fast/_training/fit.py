"""The door to training: what a user says of a fit, checked and settled before any work starts.

`Network` has these functions as methods; to them it is a `Trainee`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ffnn_fast._model.arrays import positive_float, positive_int
from ffnn_fast._model.predictions import score_name
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training import checkpoint as checkpoints
from ffnn_fast._training import loop
from ffnn_fast._training.averaging import Averaging, as_averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.fit_data import FitData, checked_data
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.stopping import EarlyStopping, stop_below
from ffnn_fast.callbacks import as_callback
from ffnn_fast.history import History
from ffnn_fast.metrics import METRICS, Metric, as_metric
from ffnn_fast.optimizers import Optimizer, StepRule, as_optimizer
from ffnn_fast.schedules import Constant, ReduceOnPlateau, Schedule, WarmUp, as_schedule

Rate = float | Schedule | Callable[[int], float] | None
Path = str | os.PathLike[str]


class Trainee(Protocol):
    """What has a machine and a generator, and keeps the history of its last fit."""

    rng: np.random.Generator
    history: History

    @property
    def machine(self) -> BoundNetwork:
        """The network made ready to run."""


def fit(
    net: Trainee,
    X: Any,
    y: Any,
    *,
    epochs: int = 10,
    batch_size: int | None = 32,
    optimizer: str | Optimizer | type[Optimizer] = "sgd",
    learning_rate: Rate = None,
    validation_data: tuple[Any, ...] | None = None,
    validation_fraction: float = 0.0,
    sample_weight: Any = None,
    class_weight: str | Mapping[int, float] | None = None,
    shuffle: bool = True,
    rng: int | np.random.Generator | None = None,
    metrics: bool | Iterable[str | Metric | Callable[[Any, Any], float]] = True,
    diagnostics: bool = False,
    callbacks: Iterable[Any] = (),
    early_stopping: EarlyStopping | bool | None = None,
    tol: float | None = None,
    max_time: float | None = None,
    averaging: str | Averaging | None = None,
    clip_value: float = math.inf,
    clip_norm: float = math.inf,
    max_norm: float = math.inf,
    frozen: Iterable[int] = (),
    checkpoint: Path | Checkpoint | None = None,
    resume: Path | bool = False,
    on_interrupt: str = "raise",
) -> History:
    """Train on minibatches, epoch after epoch.

    Parameters
    ----------
    X : array-like of shape (n, n_0)
        Not copied when it is C-contiguous and of the network's dtype, as a memory-mapped file may
        be.
    y : array-like
        As in `loss`.
    epochs : int, default 10
    batch_size : int or None, default 32
        Rows per step; 1 is online learning, None all rows at once.
    optimizer : str or Optimizer, default "sgd"
        A name, or an object of `ffnn_fast.optimizers`; or of a subclass of your own.
    learning_rate : float, Schedule or callable, optional
        η; a schedule of `ffnn_fast.schedules`, or a function from the steps done to η. Default: the
        optimizer's.
    validation_data : (X, y) or (X, y, sample_weight), optional
        Rows on which ``val_loss`` and the metrics are taken after each epoch.
    validation_fraction : float, default 0.0
        Share of the rows to hold out for that instead, class by class where there are classes,
        chosen by the generator; copies the rows.
    sample_weight : array-like of shape (n,), optional
        Weights >= 0, scaled to mean 1; a batch's loss is the mean of weight times loss.
    class_weight : "balanced" or mapping of label to weight, optional
        Balanced: inverse to how often the class occurs. Multiplies `sample_weight`.
    shuffle : bool, default True
        Draw a new order of the rows for each epoch.
    rng : int or Generator, optional
        For shuffling, holding out and dropout; default: the network's own, ``net.rng``.
    metrics : bool or sequence of str, callable or Metric, default True
        What to record after each epoch, at the cost of a forward pass over the rows: names of
        `ffnn_fast.metrics.METRICS`, ``top_<k>``, or functions of (truth, prediction). True:
        accuracy or R². With any, the norm of the gradient is recorded too. Of several heads
        ``accuracy``, ``f1`` and ``top_<k>`` are means.
    diagnostics : bool, default False
        Record for each layer the gradient's norm, the size of updates and the share of dead units;
        see `ffnn_fast._training.diagnostics`.
    callbacks : sequence of callable or Callback
        A callable is called with the record of each epoch; see `ffnn_fast.callbacks`. A schedule,
        an `EarlyStopping` or a `Checkpoint` may stand here as well.
    early_stopping : EarlyStopping or bool, optional
        Stop when a figure does not become better; True: the validation loss, 10 epochs.
    tol : float, optional
        Stop when the training loss falls by no more than this for 10 epochs in a row.
    max_time : float, optional
        Seconds after which to stop, within an epoch too.
    averaging : {"ema", "swa"} or Averaging, optional
        Average the parameters on the way, and end with the average.
    clip_value, clip_norm, max_norm : float, default inf
        Bounds of each entry of ∇θ, of ‖∇θ‖, and of the norm of the weights into each unit.
    frozen : sequence of int, default ()
        Layers k = 1..L that stay as they are.
    checkpoint : path or Checkpoint, optional
        Where to write the fit down after each epoch, so that it can be resumed.
    resume : path or bool, default False
        Go on from that checkpoint, with the same rows and options (`epochs` may differ), to the
        same bits as without a break; the network's parameters and the generator's state are
        replaced. True: from `checkpoint` if it exists, else from the start.
    on_interrupt : {"raise", "return"}, default "raise"
        After Ctrl-C the parameters are those of the last whole step; then raise KeyboardInterrupt
        (``net.history`` has the history), or return.

    Returns
    -------
    History
        A record per epoch: ``epoch``, ``loss`` (mean over the epoch's steps, before each, dropout
        and penalties included), the metrics, ``val_loss``, ``val_<metric>``, ``gradient_norm`` (on
        at most 1024 rows of the last batch, after it), ``learning_rate`` (of the last step),
        ``seconds`` (of the steps alone), ``samples_per_second``.

    Warns
    -----
    DivergedWarning
        When the loss or a parameter is not finite any more: the fit stops and the parameters are
        those before that step.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; nothing has been changed then.
    """
    spec, parts = net.machine.spec, list(callbacks)
    learning_rate = _either(learning_rate, parts, Schedule, "learning_rate")
    stopping = _either(early_stopping or None, parts, EarlyStopping, "early_stopping")
    kept = _either(checkpoint, parts, Checkpoint, "checkpoint")
    data = checked_data(
        spec, X, y, sample_weight, class_weight, validation_data, validation_fraction
    )
    rule, schedule = settled_rate(optimizer, learning_rate)
    average = as_averaging(averaging)
    decay = average.decay if average and average.kind == "ema" else 0.0
    step = StepRule(rule, clip_value, clip_norm, max_norm, layers(frozen, spec), decay)
    chosen = _metrics(metrics, spec)
    size = len(data.rows.X) if batch_size is None else positive_int(batch_size, "batch_size")
    options = FitOptions(
        epochs=positive_int(epochs, "epochs"),
        batch_size=size,
        rule=step,
        schedule=schedule,
        shuffle=bool(shuffle),
        metrics=chosen,
        gradient_norm=bool(chosen),
        diagnostics=bool(diagnostics),
        callbacks=tuple(as_callback(part) for part in parts),
        stopping=_stopping(stopping, tol, chosen),
        averaging=average,
        checkpoint=kept if kept is None or isinstance(kept, Checkpoint) else Checkpoint(kept),
        max_time=math.inf if max_time is None else positive_float(max_time, "max_time"),
        on_interrupt=on_interrupt,
    )
    _check_monitors(options, data)
    if options.checkpoint:
        spec.to_dict()  # refuses what cannot be written down
    generator = net.rng if rng is None else np.random.default_rng(rng)
    run = _start(net, data, options, generator, resume)
    loop.fit(run)
    return run.history


def _start(
    net: Trainee, data: FitData, options: FitOptions, rng: np.random.Generator, resume: Path | bool
) -> FitState:
    """The fit at its start, or where a checkpoint left it."""
    content, before = _content(resume, options.checkpoint), rng.bit_generator.state
    if content is not None:
        rng.bit_generator.state = checkpoints.start_state(content)
    start = rng.bit_generator.state
    try:
        train, validation = data.split(rng)
        if options.batch_size > len(train.X):
            options = replace(options, batch_size=len(train.X))
        seed = drawn_seed(data.spec, rng) if content is None else checkpoints.seed(content)
        if seed:
            options = replace(options, rule=replace(options.rule, seed=seed))
        history = History()
        run = FitState.new(net.machine, train, validation, options, rng, history)
        run.rng_at_start = start
        if content is not None:
            checkpoints.restore(run, content)
    except ValueError:
        rng.bit_generator.state = before
        raise
    net.history = history
    return run


def drawn_seed(spec: NetworkSpec, rng: np.random.Generator) -> int:
    """A seed for the masks of dropout; nothing is drawn for a network without."""
    return int(rng.integers(2**63)) if any(spec.dropout_rates) else 0


def _content(resume: Path | bool, checkpoint: Checkpoint | None) -> checkpoints.Content | None:
    """The checkpoint to go on from, or None."""
    if resume is True:
        if checkpoint is None:
            raise ValueError("resume=True needs a checkpoint to go on from; or give its path")
        return checkpoints.load(checkpoint.path) if checkpoints.exists(checkpoint.path) else None
    if resume is False or resume is None:
        return None
    return checkpoints.load(resume)


def settled_rate(optimizer: Any, learning_rate: Any) -> tuple[Optimizer, Schedule]:
    """The optimizer and its learning rate's schedule."""
    if learning_rate is None or not (
        isinstance(learning_rate, Schedule) or callable(learning_rate)
    ):
        rule = as_optimizer(optimizer, learning_rate)
        return rule, Constant(rule.learning_rate)
    return as_optimizer(optimizer), as_schedule(learning_rate)


def layers(frozen: Iterable[int], spec: NetworkSpec) -> tuple[int, ...]:
    """Layers that stay as they are; ValueError if the network has no such layer, or no other."""
    given = tuple(frozen)
    beyond = [k for k in given if isinstance(k, int) and k > spec.n_layers]
    if beyond:
        raise ValueError(f"the network has layers 1 to {spec.n_layers}, got {beyond} in frozen")
    if len(set(given)) == spec.n_layers:
        raise ValueError("all layers are frozen: nothing is left to train")
    return given


def _either(value: Any, parts: list[Any], kind: type, name: str) -> Any:
    """The value, or the one part of that kind, which is taken out of the parts."""
    found = [part for part in parts if isinstance(part, kind)]
    parts[:] = [part for part in parts if not isinstance(part, kind)]
    given = [*([] if value is None else [value]), *found]
    if len(given) > 1:
        raise ValueError(f"{name} is given more than once: {given}")
    return given[0] if given else None


def _metrics(asked: Any, spec: NetworkSpec) -> tuple[Metric, ...]:
    if isinstance(asked, (bool, np.bool_)):
        return (METRICS[score_name(spec)],) if asked else ()
    if isinstance(asked, str) or not isinstance(asked, Iterable):
        raise TypeError(f"metrics must be a bool or a sequence, got {asked!r}")
    chosen = tuple(as_metric(value) for value in asked)
    names = [metric.name for metric in chosen]
    if len(set(names)) < len(names):
        raise ValueError(f"each metric needs a name of its own, got {names}")
    return chosen


def _stopping(
    asked: Any, tol: float | None, metrics: tuple[Metric, ...]
) -> tuple[EarlyStopping, ...]:
    rules = []
    if asked is not None:
        rule = EarlyStopping() if asked is True else asked
        if not isinstance(rule, EarlyStopping):
            raise TypeError(f"early_stopping must be an EarlyStopping or a bool, got {asked!r}")
        rules.append(rule.with_mode({m.name: m.larger_is_better for m in metrics}))
    if tol is not None:
        rules.append(stop_below(tol))
    return tuple(rules)


def _check_monitors(options: FitOptions, data: FitData) -> None:
    """ValueError if something is to be watched that will not be recorded."""
    if options.on_interrupt not in ("raise", "return"):
        raise ValueError(f"on_interrupt must be 'raise' or 'return', got {options.on_interrupt!r}")
    names = [metric.name for metric in options.metrics]
    known = ["loss", *names, "learning_rate"]
    if data.validates:
        known += ["val_loss", *(f"val_{name}" for name in names)]
    if options.gradient_norm or options.diagnostics:
        known.append("gradient_norm")
    schedule = options.schedule
    while isinstance(schedule, WarmUp):
        schedule = as_schedule(schedule.schedule)
    watched = [rule.monitor for rule in options.stopping]
    watched += [schedule.monitor] if isinstance(schedule, ReduceOnPlateau) else []
    unknown = [name for name in watched if name not in known]
    if unknown and not options.callbacks and not options.diagnostics:
        raise ValueError(f"{unknown[0]!r} is not recorded; recorded: {', '.join(known)}")
