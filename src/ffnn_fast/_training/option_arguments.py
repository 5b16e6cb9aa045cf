"""The options of a fit from its arguments: checked, completed, and kept for equal arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from ffnn_fast._model.predictions import (
    SCORE,
    check_metric,
    check_score,
    has_score,
    score_metric,
)
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int
from ffnn_fast._training.averaging import as_averaging
from ffnn_fast._training.checkpoint import Checkpoint, as_checkpoint
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.hyper_schedules import as_hyper_schedules
from ffnn_fast._training.stopping import EarlyStopping, stop_below
from ffnn_fast.callbacks import as_callback
from ffnn_fast.metrics import Metric, as_metric
from ffnn_fast.optimizers import Factors, Optimizer, StepRule, as_factors, as_optimizer
from ffnn_fast.schedules import Constant, ReduceOnPlateau, Schedule, WarmUp, as_schedule

# What `FitOptions` are made of, besides the numbers of rows.
_arguments_of_options = attrgetter(
    "epochs", "batch_size", "optimizer", "learning_rate", "schedules", "shuffle", "drop_last",
    "metrics", "diagnostics", "callbacks", "early_stopping", "tol", "max_time", "averaging",
    "clip_value", "clip_norm", "max_norm", "frozen", "rate_factors", "decay_factors",
    "epsilon_factors", "checkpoint", "on_interrupt",
)  # fmt: skip
IMMUTABLE = frozenset({bool, int, float, str, type(None)})


def checked_options(
    bound: BoundNetwork, n: int, has_validation: bool, request: FitRequest
) -> FitOptions:
    """The options of a fit on n rows; those of the last one if all their arguments are equal.

    Options are kept only of arguments that cannot change.
    """
    given = _arguments_of_options(request)
    size = n if request.batch_size is None else None
    key = (tuple(map(type, given)), given, size, has_validation)  # 1, 1.0 and True are equal
    kept = bound.made.get("options")
    if kept is not None and kept[0] == key:
        options: FitOptions = kept[1]
        return options
    options = _as_options(bound.spec, n, request)
    _check_monitors(options, has_validation)
    if all(type(value) in IMMUTABLE or (type(value) is tuple and not value) for value in given):
        bound.made["options"] = key, options
    return options


def take_options(bound: BoundNetwork, other: BoundNetwork) -> None:
    """Keep the options that another network with an equal description keeps, if it does."""
    if "options" in other.made:
        bound.made["options"] = other.made["options"]


def _as_options(spec: NetworkSpec, n: int, request: FitRequest) -> FitOptions:
    """The options of a fit on n rows."""
    callbacks = list(_as_iterable(request.callbacks, "callbacks"))
    learning_rate = _single(request.learning_rate, callbacks, Schedule, "learning_rate")
    stopping = _single(request.early_stopping, callbacks, EarlyStopping, "early_stopping")
    checkpoint = _single(request.checkpoint, callbacks, Checkpoint, "checkpoint")
    rule, schedule = as_rule_and_schedule(request.optimizer, learning_rate)
    average = as_averaging(request.averaging)
    decay = average.decay if average and average.kind == "ema" else 0.0
    value, norm, weight_norm = (
        math.inf if bound is None else bound
        for bound in (request.clip_value, request.clip_norm, request.max_norm)
    )
    frozen = as_frozen_layers(request.frozen, spec)
    metrics = _as_metrics(request.metrics, spec)
    larger_is_better = {metric.name: metric.larger_is_better for metric in metrics}
    size, limit = request.batch_size, request.max_time
    schedules = as_hyper_schedules(request.schedules, rule, spec)
    return FitOptions(
        epochs=as_int(request.epochs, "epochs"),
        batch_size=n if size is None else as_int(size, "batch_size"),
        rule=StepRule(
            rule,
            value,
            norm,
            weight_norm,
            frozen,
            decay,
            rate_factors=as_group_factors(request.rate_factors, "rate_factors", spec),
            decay_factors=as_group_factors(request.decay_factors, "decay_factors", spec),
            epsilon_factors=as_group_factors(request.epsilon_factors, "epsilon_factors", spec),
        ),
        schedule=schedule.with_mode(larger_is_better),
        shuffle=as_bool(request.shuffle, "shuffle"),
        drop_last=as_bool(request.drop_last, "drop_last"),
        metrics=metrics,
        gradient_norm=bool(metrics),
        diagnostics=as_bool(request.diagnostics, "diagnostics"),
        callbacks=tuple(as_callback(callback) for callback in callbacks),
        stopping=_as_stopping_rules(stopping, request.tol, larger_is_better),
        averaging=average,
        checkpoint=as_checkpoint(checkpoint),
        max_time=math.inf if limit is None else as_float(limit, "max_time", closed="right"),
        on_interrupt=as_choice(request.on_interrupt, "on_interrupt", ("raise", "return")),
        schedules=schedules,
    )


def as_rule_and_schedule(optimizer: Any, learning_rate: Any) -> tuple[Optimizer, Schedule]:
    """The optimizer and the schedule of its learning rate; None: the optimizer's own rate."""
    if isinstance(learning_rate, Schedule) or callable(learning_rate):
        return as_optimizer(optimizer), as_schedule(learning_rate)
    rule = as_optimizer(optimizer, learning_rate)
    return rule, Constant(rule.learning_rate)


def as_frozen_layers(frozen: Any, spec: NetworkSpec) -> tuple[int, ...]:
    """Sorted numbers of layers, 0 for an input block, None: of none; ValueError for one the network
    does not have, or for all.
    """
    if frozen is None:
        return ()
    if isinstance(frozen, (int, np.integer)):
        raise TypeError(f"frozen must be a sequence of layer numbers, such as [1], got {frozen!r}")
    first, given = int(not spec.has_input_params), _as_iterable(frozen, "frozen")
    layers = sorted({as_int(k, "a layer number in frozen", first) for k in given})
    beyond = [k for k in layers if k > spec.n_layers]
    if beyond:
        raise ValueError(
            f"the network has layers {first} to {spec.n_layers}, got {beyond} in frozen"
        )
    if len(layers) == spec.n_layers + 1 - first:
        raise ValueError("all layers are frozen: nothing is left to train")
    return tuple(layers)


def as_group_factors(given: Any, name: str, spec: NetworkSpec) -> Factors | None:
    """Factors for the groups of this network."""
    factors = as_factors(given, name)
    if factors is not None:
        factors.by_group(spec.n_layers)  # raises for another number of layers
    return factors


def _as_iterable(value: Any, name: str) -> Iterable[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence, got {value!r}")
    return value


def _single(value: Any, callbacks: list[Any], kind: type, name: str) -> Any:
    """The value, or the one callback of that kind; it is removed from the callbacks."""
    found = [callback for callback in callbacks if isinstance(callback, kind)]
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, kind)]
    given = [*([] if value is None or value is False else [value]), *found]
    if len(given) > 1:
        raise ValueError(f"{name} is given more than once: {given}")
    return given[0] if given else None


def _as_metrics(metrics: Any, spec: NetworkSpec) -> tuple[Metric, ...]:
    if isinstance(metrics, (bool, np.bool_)):
        return (score_metric(spec),) if metrics and has_score(spec) else ()
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a bool or a sequence, got {metrics!r}")
    chosen = tuple(_as_metric(value, spec) for value in metrics)
    if chosen:
        check_score(spec)
    names = [metric.name for metric in chosen]
    if len(set(names)) < len(names):
        raise ValueError(f"each metric needs a name of its own, got {names}")
    return chosen


def _as_metric(value: Any, spec: NetworkSpec) -> Metric:
    if spec.mixed and isinstance(value, str) and value == SCORE.name:
        return SCORE
    metric = as_metric(value)
    check_metric(spec, metric)
    return metric


def _as_stopping_rules(
    stopping: Any, tol: float | None, larger_is_better: dict[str, bool | None]
) -> tuple[EarlyStopping, ...]:
    rules = []
    if isinstance(stopping, (bool, np.bool_)):
        stopping = EarlyStopping() if stopping else None
    if stopping is not None:
        if not isinstance(stopping, EarlyStopping):
            raise TypeError(f"early_stopping must be an EarlyStopping or a bool, got {stopping!r}")
        rules.append(stopping.with_mode(larger_is_better))
    if tol is not None:
        rules.append(stop_below(as_float(tol, "tol", closed="left")))
    return tuple(rules)


def _check_monitors(options: FitOptions, has_validation: bool) -> None:
    """ValueError if a rule monitors a figure that will not be recorded."""
    names = [metric.name for metric in options.metrics]
    known = ["loss", *names, "learning_rate", *options.schedules]
    if has_validation:
        known += ["val_loss", *(f"val_{name}" for name in names)]
    if options.gradient_norm or options.diagnostics:
        known.append("gradient_norm")
    schedule = options.schedule
    while isinstance(schedule, WarmUp):
        schedule = as_schedule(schedule.schedule)
    monitored = [rule.monitor for rule in options.stopping]
    monitored += [schedule.monitor] if isinstance(schedule, ReduceOnPlateau) else []
    unknown = [name for name in monitored if name not in known]
    if unknown and not options.callbacks and not options.diagnostics:
        raise ValueError(f"{unknown[0]!r} is not recorded; recorded: {', '.join(known)}")
