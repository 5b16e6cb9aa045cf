"""The state of training between calls of `Network.partial_fit` and of a `Stepper`, and what a model
file holds of it.

A model file always holds the step rule, the schedule and the number of steps done. It holds the
optimizer's state vectors, which take up to three times the memory of θ, on request only: PyTorch's
``load_state_dict`` refuses tensors that are not parameters, and most files are read to predict.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast import schedules
from ffnn_fast._model import model_files
from ffnn_fast._model.model_files import ModelFileError, Training
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_bool, as_int
from ffnn_fast._text import quoted, shortened
from ffnn_fast._training.fit import draw_dropout_seed
from ffnn_fast._training.option_arguments import as_frozen_layers, as_group_factors
from ffnn_fast.optimizers import FACTORS, OPTIMIZERS, Optimizer, StepRule
from ffnn_fast.schedules import Custom, Memory, Schedule, check_counts

Array = np.ndarray
SCHEDULES: dict[str, type[Schedule]] = {
    name: kind
    for name, kind in vars(schedules).items()
    if isinstance(kind, type) and issubclass(kind, Schedule) and kind not in (Schedule, Custom)
}
STORED = {"rule", "schedule", "optimizer_state", "schedule_memory", "steps_before"}
ENTRIES = {"optimizer", "schedule", "schedule_memory", "seed", "t", "steps_before"}
BOUNDS = ("clip_value", "clip_norm", "max_norm")
MAX_STEPS, MAX_INT = 2**53, 2**63 - 1


class Prepared(NamedTuple):
    """A backend's Stepper, and what it was made for."""

    plan: Any
    params: Array
    state: Array
    batch_size: int
    stepper: Any


def counter(t: int = 0) -> Array:
    """The number of steps done as the engine counts it: (1,) int64."""
    return np.array([t], np.int64)


@dataclass
class Stream:
    """The state of training between calls of `partial_fit`, or of a `Stepper`.

    Attributes
    ----------
    optimizer_state : ndarray of shape (slots, P) or None
        None: zero, before the first step.
    counter : ndarray of shape (1,)
        The number of steps that `optimizer_state` has seen, over all calls, int64. The engine
        changes it in the call that makes the steps, so that an interrupt separates nothing.
    schedule_memory : dict
    steps_before : int
        The number of steps before, for the schedule: of training whose state a file did not hold.
    prepared : Prepared or None
        Of the last call.
    """

    rule: StepRule
    schedule: Schedule
    optimizer_state: Array | None = field(default=None, repr=False)
    counter: Array = field(default_factory=counter)
    schedule_memory: Memory = field(default_factory=dict)
    steps_before: int = 0
    prepared: Prepared | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def t(self) -> int:
        """The number of steps that `optimizer_state` has seen."""
        return int(self.counter[0])

    def state_for(self, bound: BoundNetwork) -> Array:
        """The state vectors; zero before the first step."""
        if self.optimizer_state is None:
            self.optimizer_state = np.zeros((self.rule.slots, len(bound.params)), bound.spec.dtype)
        return self.optimizer_state

    def stepper(self, bound: BoundNetwork, n: int, batch_size: int) -> Any:
        """The backend's Stepper for n rows, in batches of this size if they are more."""
        known, plan, params, state = (
            self.prepared, bound.plan_now, bound.params, self.state_for(bound)
        )  # fmt: skip
        if known is not None and known.plan is plan and known.params is params:
            size = known.batch_size
            if known.state is state and (n <= size <= batch_size or size == batch_size):
                return known.stepper
        size = min(n, batch_size)
        stepper = bound.stepper(self.rule, state, self.counter, size)
        self.prepared = Prepared(plan, params, state, size, stepper)
        return stepper

    def hyper(self, n: int, steps_per_epoch: int) -> Array:
        """The hyperparameters of the next n steps: (n, k), or (1, k) where all are equal."""
        first = self.t + self.steps_before
        rates = self.schedule.rates(first, n, steps_per_epoch, self.schedule_memory)
        table = np.empty((len(rates), len(self.rule.optimizer.hyper)))
        table[:] = self.rule.optimizer.hyper
        table[:, 0] = rates
        return table

    def copy(self) -> Stream:
        """An independent copy."""
        state = self.optimizer_state
        return replace(
            self,
            optimizer_state=None if state is None else state.copy(),
            counter=self.counter.copy(),
            schedule_memory=dict(self.schedule_memory),
        )

    def plain(self) -> dict[str, Any]:
        """The attributes of an independent copy, for `stream_from`."""
        others = {name: value for name, value in vars(self.copy()).items() if name in STORED}
        return others | {"t": self.t}


@dataclass(frozen=True)
class LostStream:
    """Training by functions that a file cannot hold; `reason` is for the message."""

    reason: str

    def copy(self) -> LostStream:
        """The object itself, which does not change."""
        return self

    def plain(self) -> dict[str, Any]:
        """The attributes, for `stream_from`."""
        return vars(self).copy()


AnyStream = Stream | LostStream


def stream_from(fields: dict[str, Any] | None) -> AnyStream | None:
    """The stream with these attributes, of `Stream.plain`; None for None."""
    if fields is None:
        return None
    if fields.keys() == {"reason"}:
        return LostStream(**fields)
    others = {name: value for name, value in fields.items() if name != "t"}
    return Stream(**others, counter=counter(fields["t"]))


def to_file(stream: AnyStream | None, with_state: bool) -> Training | None:
    """What a model file holds of a stream.

    Raises
    ------
    ValueError
        If the state is to be stored, and the optimizer or the schedule is user-defined.
    """
    if stream is None:
        return None
    if isinstance(stream, LostStream):
        return Training({"lost": stream.reason}, None)
    optimizer, schedule = stream.rule.optimizer, stream.schedule
    own = [] if optimizer.compiled else [f"the optimizer {type(optimizer).__name__}"]
    own += _own_schedules(schedule)
    if own:
        reason = f"{' and '.join(own)}, which a file cannot hold"
        if with_state:
            raise ValueError(f"the state cannot be saved: it belongs to {reason}")
        return Training({"lost": shortened(reason, 200)}, None)
    described = {
        "optimizer": {"name": optimizer.name, **_fields(optimizer)},
        "schedule": _described(schedule),
        "schedule_memory": stream.schedule_memory,
        "seed": stream.rule.seed,
        "t": stream.t,
        "steps_before": stream.steps_before,
    }
    if bounds := _bounds(stream.rule):
        described["bounds"] = bounds
    return Training(described, stream.optimizer_state if with_state and stream.rule.slots else None)


def save(
    path: str | os.PathLike[str],
    spec: NetworkSpec,
    params: Array,
    extra: Mapping[str, str] | None,
    stream: AnyStream | None,
    with_state: bool,
) -> None:
    """Write a model file; errors as `ffnn_fast.Network.save`."""
    training = to_file(stream, as_bool(with_state, "with_state"))
    model_files.save(path, spec, params, extra, training)


def load(path: str | os.PathLike[str]) -> tuple[NetworkSpec, Array, AnyStream | None]:
    """Description, θ and stream of a model file; errors as `ffnn_fast.Network.load`."""
    file = model_files.read(path)
    if file.training is None:
        return file.spec, file.params, None
    try:
        return file.spec, file.params, from_file(file.training, file.spec)
    except (TypeError, ValueError) as error:
        message = f"{os.fspath(path)!r} has an invalid 'training' entry: {error}"
        raise ModelFileError(message) from error


def from_file(training: Training, spec: NetworkSpec) -> AnyStream:
    """The stream of a model file; without the state that its optimizer needs, with a new one.

    Then the schedule goes on, and a new seed of the dropout masks is drawn.

    Raises
    ------
    TypeError, ValueError
        If the description is invalid, or the state does not fit it.
    """
    plain, state = training
    if plain.keys() == {"lost"} and isinstance(plain["lost"], str) and state is None:
        return LostStream(shortened(plain["lost"], 200))
    plain = dict(plain)
    bounds = _as_bounds(plain.pop("bounds", {}), spec)
    _check_values(plain)
    if plain.keys() != ENTRIES:
        raise ValueError(f"expected the entries {sorted(ENTRIES)}, got {quoted(sorted(plain))}")
    rule = StepRule(_optimizer(plain["optimizer"]), seed=plain["seed"], **bounds)
    schedule = _schedule(plain["schedule"])
    check_counts(schedule, "partial_fit")
    t = as_int(plain["t"], "t", 0, MAX_STEPS)
    before = as_int(plain["steps_before"], "steps_before", 0, MAX_STEPS)
    memory = schedule.restored_memory(plain["schedule_memory"])
    if state is not None and len(state) != rule.slots:
        raise ValueError(f"{rule.optimizer.name} has {rule.slots} state vectors, got {len(state)}")
    if state is None and rule.slots:
        rule = replace(rule, seed=draw_dropout_seed(spec, np.random.default_rng()))
        t, before = 0, before + t
    return Stream(rule, schedule, state, counter(t), memory, before)


def _bounds(rule: StepRule) -> dict[str, Any]:
    """The bounds of a rule that are not the default ones, as JSON values."""
    given = {name: getattr(rule, name) for name in BOUNDS if getattr(rule, name) < np.inf}
    for name in FACTORS:
        factors = getattr(rule, name)
        given |= {} if factors is None else {name: factors.to_dict()}
    return given | ({"frozen": list(rule.frozen)} if rule.frozen else {})


def _as_bounds(plain: Any, spec: NetworkSpec) -> dict[str, Any]:
    """The inverse of `_bounds`."""
    known = (*BOUNDS, "frozen", *FACTORS)
    if not isinstance(plain, dict) or not plain.keys() <= set(known):
        raise ValueError(f"bounds must be among {', '.join(known)}; got {quoted(plain)}")
    factors = {name: as_group_factors(plain.get(name), name, spec) for name in FACTORS}
    return plain | {"frozen": as_frozen_layers(plain.get("frozen", ()), spec)} | factors


def _check_values(plain: dict[str, Any]) -> None:
    """Refuse lists, and integers that are too large to count anything."""
    for name, value in plain.items():
        if isinstance(value, dict):
            _check_values(value)
        elif isinstance(value, list) or (isinstance(value, int) and abs(value) > MAX_INT):
            raise ValueError(f"{quoted(name)} must be a text, an object or a number below 2**63")


def _own_schedules(schedule: Schedule | float) -> list[str]:
    """A user-defined schedule, or one within others, by its name."""
    if isinstance(schedule, Custom):
        return ["a learning rate that is a function"]
    if type(schedule) not in SCHEDULES.values():
        return [f"the schedule {type(schedule).__name__}"]
    inner = [value for value in _values(schedule) if isinstance(value, Schedule)]
    return [name for value in inner for name in _own_schedules(value)]


def _values(schedule: Schedule | float) -> list[Any]:
    return list(vars(schedule).values())


def _fields(instance: Any) -> dict[str, Any]:
    return {part.name: getattr(instance, part.name) for part in dataclasses.fields(instance)}


def _described(schedule: Schedule) -> dict[str, Any]:
    """A schedule as JSON values."""
    parts = {
        name: _described(value) if isinstance(value, Schedule) else value
        for name, value in _fields(schedule).items()
    }
    return {"class": type(schedule).__name__, **parts}


def _optimizer(plain: Any) -> Optimizer:
    name, parts = _named(plain, "name", "an optimizer", OPTIMIZERS)
    return OPTIMIZERS[name](**parts)


def _schedule(plain: Any) -> Schedule:
    """The inverse of `_described`."""
    name, parts = _named(plain, "class", "a schedule", SCHEDULES)
    inner = {key: _schedule(value) for key, value in parts.items() if isinstance(value, dict)}
    return SCHEDULES[name](**parts | inner)


def _named(plain: Any, key: str, what: str, known: Any) -> tuple[str, dict[str, Any]]:
    """The name in a description, one of those known, and its other entries."""
    name = plain.get(key) if isinstance(plain, dict) else None
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{what} must have a {key} among {', '.join(known)}; got {quoted(plain)}")
    return name, {part: value for part, value in plain.items() if part != key}
