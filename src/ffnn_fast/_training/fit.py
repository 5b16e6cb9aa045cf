"""The arguments of a fit: checked and completed before any work starts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import positive_float, positive_int
from ffnn_fast._model.predictions import score_name
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training import checkpoint as checkpoints
from ffnn_fast._training.averaging import as_averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.fit_data import FitData, checked_data
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.stopping import EarlyStopping, stop_below
from ffnn_fast._training.types import PathLike
from ffnn_fast.callbacks import as_callback
from ffnn_fast.history import History
from ffnn_fast.metrics import METRICS, Metric, as_metric
from ffnn_fast.optimizers import Optimizer, StepRule, as_optimizer
from ffnn_fast.schedules import Constant, ReduceOnPlateau, Schedule, WarmUp, as_schedule


def prepare(
    bound: BoundNetwork, net_rng: np.random.Generator, X: Any, y: Any, request: FitRequest
) -> FitState:
    """A fit at its start, or where a checkpoint left it; see `ffnn_fast.Network.fit`.

    `net_rng` is the network's generator, used unless the request has one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described there; nothing has been changed then.
    """
    spec, parts = bound.spec, list(request.callbacks)
    learning_rate = _either(request.learning_rate, parts, Schedule, "learning_rate")
    stopping = _either(request.early_stopping or None, parts, EarlyStopping, "early_stopping")
    kept = _either(request.checkpoint, parts, Checkpoint, "checkpoint")
    data = checked_data(
        spec, X, y, request.sample_weight, request.class_weight, request.validation_data,
        request.validation_fraction,
    )  # fmt: skip
    rule, schedule = settled_rate(request.optimizer, learning_rate)
    average = as_averaging(request.averaging)
    decay = average.decay if average and average.kind == "ema" else 0.0
    clips = (request.clip_value, request.clip_norm, request.max_norm)
    step = StepRule(rule, *clips, layers(request.frozen, spec), decay)
    chosen = _metrics(request.metrics, spec)
    size = request.batch_size
    size = len(data.rows.X) if size is None else positive_int(size, "batch_size")
    limit = request.max_time
    options = FitOptions(
        epochs=positive_int(request.epochs, "epochs"),
        batch_size=size,
        rule=step,
        schedule=schedule,
        shuffle=bool(request.shuffle),
        metrics=chosen,
        gradient_norm=bool(chosen),
        diagnostics=bool(request.diagnostics),
        callbacks=tuple(as_callback(part) for part in parts),
        stopping=_stopping(stopping, request.tol, chosen),
        averaging=average,
        checkpoint=kept if kept is None or isinstance(kept, Checkpoint) else Checkpoint(kept),
        max_time=math.inf if limit is None else positive_float(limit, "max_time"),
        on_interrupt=request.on_interrupt,
    )
    _check_monitors(options, data)
    if options.checkpoint:
        spec.to_dict()  # refuses what cannot be written down
    rng = net_rng if request.rng is None else np.random.default_rng(request.rng)
    return _start(bound, data, options, rng, request.resume)


def _start(
    bound: BoundNetwork,
    data: FitData,
    options: FitOptions,
    rng: np.random.Generator,
    resume: PathLike | bool,
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
        run = FitState.new(bound, train, validation, options, rng, History())
        run.rng_at_start = start
        if content is not None:
            checkpoints.restore(run, content)
    except ValueError:
        rng.bit_generator.state = before
        raise
    return run


def drawn_seed(spec: NetworkSpec, rng: np.random.Generator) -> int:
    """A seed for the masks of dropout; nothing is drawn for a network without."""
    return int(rng.integers(2**63)) if any(spec.dropout_rates) else 0


def _content(resume: PathLike | bool, checkpoint: Checkpoint | None) -> checkpoints.Content | None:
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
