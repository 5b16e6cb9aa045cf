"""The arguments of `Network.fit`: checked and completed before any work starts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Protocol

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.predictions import (
    SCORE,
    check_metric,
    check_score,
    has_score,
    score_metric,
)
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_generator, as_int
from ffnn_fast._training import checkpoint_files, resuming
from ffnn_fast._training.averaging import as_averaging
from ffnn_fast._training.checkpoint import Checkpoint, as_checkpoint
from ffnn_fast._training.distributed import DistributedNetwork, refuse_options
from ffnn_fast._training.epoch_rows import EpochRows
from ffnn_fast._training.figures import Validation
from ffnn_fast._training.fit_data import as_fit_data
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.hyper_schedules import as_hyper_schedules
from ffnn_fast._training.ranks import Alone, Ranks, as_ranks
from ffnn_fast._training.stopping import EarlyStopping, stop_below
from ffnn_fast._training.types import PathLike
from ffnn_fast.callbacks import as_callback
from ffnn_fast.history import History
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
Array = np.ndarray
IMMUTABLE = frozenset({bool, int, float, str, type(None)})


class Data(Protocol):
    """The rows of a fit, checked."""

    @property
    def n(self) -> int:
        """The number of rows to train on and to hold out."""

    @property
    def ranks(self) -> Alone:
        """The processes of the fit."""

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows."""

    @property
    def fraction(self) -> float:
        """The share of the rows to hold out."""

    def bound(self, bound: BoundNetwork) -> BoundNetwork:
        """The network for these rows; TypeError or ValueError if it cannot take them."""

    def split(
        self, rng: np.random.Generator, draw: Callable[..., tuple[Array, Array]]
    ) -> tuple[EpochRows, Validation | None]:
        """Training and validation rows."""


@dataclass(frozen=True)
class CheckedFit:
    """The arguments of a fit, all checked; nothing has been changed or drawn.

    `rng` draws the dropout masks, and the orders of rows unless `order_rng` does.
    """

    data: Data
    options: FitOptions
    rng: np.random.Generator
    resume: PathLike | bool
    order_rng: np.random.Generator | None = None

    def start(self, bound: BoundNetwork) -> FitState:
        """The state of the fit at its start, or that of a checkpoint."""
        bound, ranks = self.data.bound(bound), self.data.ranks
        generators = [self.rng, *([] if self.order_rng is None else [self.order_rng])]
        if isinstance(ranks, Ranks):
            bound = _shared(bound, self.options, generators, ranks)
        if not self._draws(bound.spec):
            return _start(bound, self.data, self.options, self.rng, generators[-1], self.resume)
        before = [rng.bit_generator.state for rng in generators]
        try:
            return _start(bound, self.data, self.options, self.rng, generators[-1], self.resume)
        except BaseException:
            for rng, state in zip(generators, before, strict=True):
                rng.bit_generator.state = state
            raise

    def _draws(self, spec: NetworkSpec) -> bool:
        """Whether the start may change the state of a generator."""
        resumes = self.resume is not None and self.resume is not False
        return resumes or self.data.fraction > 0 or any(spec.dropout_rates)


def checked(
    bound: BoundNetwork, net_rng: np.random.Generator, samples: Samples, request: FitRequest
) -> CheckedFit:
    """The arguments of a fit on checked samples; errors as `ffnn_fast.Network.fit`."""
    ranks = as_ranks(request.comm)
    if isinstance(ranks, Ranks):
        refuse_options(request)
        check_weights(request, ranks, "arrays")
        ranks.take_shares(len(samples.X))
    data = as_fit_data(bound.spec, samples, request, ranks)
    fit = checked_data(bound, net_rng, data, request)
    if data.samples.derivatives is None:
        return fit
    weight = data.samples.derivative_weight
    return replace(fit, options=replace(fit.options, derivative_weight=weight))


def checked_data(
    bound: BoundNetwork, net_rng: np.random.Generator, data: Data, request: FitRequest
) -> CheckedFit:
    """The arguments of a fit on checked rows."""
    options, ranks = _checked_options(bound, data, request), data.ranks
    data.bound(bound)  # raises for rows that the network cannot take
    if isinstance(ranks, Ranks):
        options = replace(options, gradient_norm=False)
    if options.checkpoint and ranks.is_first:
        bound.spec.to_dict()  # raises if the description cannot be written
        checkpoint_files.check_target(options.checkpoint.path)
    rng = net_rng if request.rng is None else as_generator(request.rng, "rng")
    return CheckedFit(data, options, rng, request.resume)


def check_weights(request: FitRequest, ranks: Ranks, rows: str) -> None:
    """RuntimeError if ranks differ in the kind of rows, weights or options of `Distributed`."""
    options = ranks.options
    ranks.check_same(
        {
            "kind of X": rows,
            "sample_weight": "None" if request.sample_weight is None else "given",
            "class_weight": request.class_weight,
            "reduction": (options.reduction, options.parts, options.accumulate),
            "check_every": options.check_every,
        }
    )


def _shared(
    bound: BoundNetwork, options: FitOptions, generators: list[np.random.Generator], ranks: Ranks
) -> BoundNetwork:
    """The network with the parameters and the generators' states of the first rank.

    RuntimeError if ranks have other networks or options.
    """
    spec, metrics = bound.spec, [metric.name for metric in options.metrics]
    ranks.check_same(
        {"layer_sizes": spec.layer_sizes, "n_params": spec.n_params, "dtype": spec.dtype}
        | {"loss": spec.loss, "dropout": spec.dropout, "engine": bound.backend.__name__}
        | {"epochs": options.epochs, "metrics": metrics}
        | {**options.described(), "drop_last": options.drop_last}
    )
    ranks.broadcast(bound.params)
    for rng in generators:
        rng.bit_generator.state = ranks.from_first(rng.bit_generator.state)
    return DistributedNetwork.of(bound, ranks)


def _checked_options(bound: BoundNetwork, data: Data, request: FitRequest) -> FitOptions:
    """The options of a fit; those of the network's last one if all their arguments are equal.

    Options are kept only of arguments that cannot change.
    """
    given, n = _arguments_of_options(request), data.n
    key = (tuple(map(type, given)), given, n, data.has_validation)  # 1, 1.0 and True are equal
    kept = bound.made.get("options")
    if kept is not None and kept[0] == key:
        options: FitOptions = kept[1]
        return options
    options = _as_options(bound.spec, n, request)
    _check_monitors(options, data)
    if all(type(value) in IMMUTABLE or (type(value) is tuple and not value) for value in given):
        bound.made["options"] = key, options
    return options


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


def _start(
    bound: BoundNetwork,
    data: Data,
    options: FitOptions,
    rng: np.random.Generator,
    order_rng: np.random.Generator,
    resume: PathLike | bool,
) -> FitState:
    """The state of a fit at its start, or that of a checkpoint."""
    ranks = data.ranks
    content = ranks.from_first(_content(resume, options.checkpoint) if ranks.is_first else None)
    if content is not None:
        order_rng.bit_generator.state = resuming.rng_at_start(content, order_rng)
    start = order_rng.bit_generator.state if options.checkpoint else {}
    rows, validation = data.split(order_rng, checkpoint_files.draw_of(content))
    options = replace(options, batch_size=rows.n) if options.batch_size > rows.n else options
    seed = draw_dropout_seed(bound.spec, rng)
    if content is not None:
        seed = resuming.dropout_seed(content)
    if seed:
        options = replace(options, rule=replace(options.rule, seed=seed))
    state = FitState.new(bound, rows, validation, options, order_rng, History(), ranks)
    if options.schedules:
        ignoring("over invalid", state.check_schedules)
    state.rng_at_start = start
    if content is not None:
        resuming.restore(state, content)
    return state


def draw_dropout_seed(spec: NetworkSpec, rng: np.random.Generator) -> int:
    """A seed for the dropout masks; 0, without a draw, for a network without dropout."""
    return int(rng.integers(2**63)) if any(spec.dropout_rates) else 0


def _content(
    resume: PathLike | bool, checkpoint: Checkpoint | None
) -> checkpoint_files.Content | None:
    """The checkpoint to resume from, or None."""
    if resume is None or (isinstance(resume, (bool, np.bool_)) and not resume):
        return None
    if not isinstance(resume, (bool, np.bool_)):
        if not isinstance(resume, (str, os.PathLike)):
            raise TypeError(f"resume must be a path, True or False, got {resume!r}")
        return checkpoint_files.load(resume)
    if checkpoint is None:
        raise ValueError("resume=True needs checkpoint=...; or give resume a path")
    exists = checkpoint_files.exists(checkpoint.path)
    return checkpoint_files.load(checkpoint.path) if exists else None


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


def _check_monitors(options: FitOptions, data: Data) -> None:
    """ValueError if a rule monitors a figure that will not be recorded."""
    names = [metric.name for metric in options.metrics]
    known = ["loss", *names, "learning_rate", *options.schedules]
    if data.has_validation:
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
