"""Training on rows as they arrive: `Network.partial_fit` and `Network.step`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._conversion import row_slice
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.sparse_rows import SparseRows, as_sparse_rows, is_sparse
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_copy
from ffnn_fast._scalars import LARGEST, as_float, as_int
from ffnn_fast._training import loop
from ffnn_fast._training.epoch_rows import RowsInMemory
from ffnn_fast._training.fit import draw_dropout_seed
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.option_arguments import (
    as_frozen_layers,
    as_group_factors,
    as_rule_and_schedule,
)
from ffnn_fast._training.streams import AnyStream, LostStream, Stream
from ffnn_fast._training.types import OptimizerLike, RateLike
from ffnn_fast.history import History
from ffnn_fast.optimizers import FACTORS, SGD, Factors, Optimizer, StepRule
from ffnn_fast.schedules import Constant, Schedule, check_counts

Array = np.ndarray
CHUNK_BYTES = 16 << 20  # of rows that are converted to the network's dtype at a time


def partial_fit(
    bound: BoundNetwork,
    rng: np.random.Generator,
    known: AnyStream | None,
    data: tuple[Any, Any, Any],
    batch_size: int,
    request: StreamRequest,
) -> tuple[float, Stream]:
    """The mean loss and the stream after the rows; see `ffnn_fast.Network.partial_fit`.

    `data` is (X, y, sample_weight); `known` is that of the calls before, if there were any.
    """
    size = as_int(batch_size, "batch_size")
    stream = stream_for(bound.spec, rng, known, request)
    X, y, sample_weight = data
    if y is not None:
        chunks = _chunks(X, y, sample_weight, size, bound)
    else:
        try:
            chunks = iter(X)
        except TypeError:
            raise TypeError(f"without y, X must be an iterable of chunks, got {X!r}") from None
    total, n = 0.0, 0
    for chunk in chunks:
        if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
            raise TypeError("without y, X must give chunks (X, y) or (X, y, sample_weight)")
        samples, mean = _train_directly(bound, stream, chunk, size)
        if mean is None:
            mean = _train_once(bound, rng, stream, samples, size)
        if mean is None:
            break
        total += len(samples.X) * mean
        n += len(samples.X)
    return (total / n if n else float("nan")), stream


def _train_directly(
    bound: BoundNetwork, stream: Stream, chunk: Sequence[Any], batch_size: int
) -> tuple[Samples, float | None]:
    """The samples of a chunk, and the mean loss as from `_steps_in_one_call`.

    The engine checks arrays that it can take as they are, which saves a conversion.
    """
    samples = _as_they_are(bound.spec, chunk)
    if samples is not None:
        with contextlib.suppress(ValueError):
            mean = _steps_in_one_call(bound, stream, samples, batch_size)
            if mean is not None:
                return samples, mean
    X, y, weight = (*chunk, None)[:3]
    samples = as_samples(bound.spec, X, y, weight, "", True)
    return samples, _steps_in_one_call(bound, stream, samples, batch_size)


def _as_they_are(spec: NetworkSpec, chunk: Sequence[Any]) -> Samples | None:
    """Arrays of the right types, which nobody has checked further; None for others."""
    X, y = chunk[:2]
    if len(chunk) > 2 or type(X) is not np.ndarray or type(y) is not np.ndarray:
        return None
    return Samples(X, y) if X.ndim == 2 and X.dtype == spec.dtype and len(X) else None


def _steps_in_one_call(
    bound: BoundNetwork, stream: Stream, samples: Samples, batch_size: int
) -> float | None:
    """The mean loss of the steps, made in one call of the engine, which no interrupt cuts short.

    None, with nothing changed, if the call would be long, or the steps diverge.
    """
    n, rule, schedule = len(samples.X), stream.rule, stream.schedule
    size = min(batch_size, n)
    n_steps = -(-n // size)
    if isinstance(samples.X, SparseRows) or not bound.in_one_call(rule, n_steps, size):
        return None
    if type(schedule).observe is not Schedule.observe:  # it takes the record of an epoch
        return None
    stepper = stream.stepper(bound, n, batch_size)
    X, Y, weight = samples.X, samples.Y, samples.sample_weight
    try:
        if n_steps == 1 and isinstance(schedule, Constant):
            loss = stepper.step(X, Y, weight, schedule.rate)
        else:
            hyper = ignoring("over invalid", stream.hyper, n_steps, n_steps)
            loss = stepper.steps(X, Y, weight, np.arange(n, dtype=np.int64), hyper)
    except FloatingPointError:
        return None
    return loss


def _train_once(
    bound: BoundNetwork,
    rng: np.random.Generator,
    stream: Stream,
    samples: Samples,
    batch_size: int,
) -> float | None:
    """One pass over the rows of a chunk, which updates θ and the stream; None if it diverges."""
    options = FitOptions(
        epochs=1,
        batch_size=min(batch_size, len(samples.X)),
        rule=stream.rule,
        schedule=stream.schedule,
        shuffle=False,
    )
    here = bound.taking(samples.X)
    vectors, rows = stream.state_for(bound), RowsInMemory(samples)
    state = FitState.new(here, rows, None, options, rng, History(), optimizer_state=vectors)
    state.schedule_memory = stream.schedule_memory
    state.t, state.steps_before = stream.t, stream.steps_before
    try:
        loop.fit(state)
    finally:
        stream.counter[0] = state.t
    return None if state.history.stopped == "diverged" else state.history[-1]["loss"]


def step(
    bound: BoundNetwork,
    rng: np.random.Generator,
    data: tuple[Any, Any],
    learning_rate: float,
    bounds: dict[str, Any],
) -> float:
    """One step of gradient descent on all rows; returns the objective before it."""
    learning_rate = as_float(learning_rate, "learning_rate")
    drops = any(bound.spec.dropout_rates)
    stream = None if bounds or drops else bound.made.get("step")
    if stream is None:
        as_samples(bound.spec, *data, sparse=True)  # raises before a seed is drawn
        rule = StepRule(SGD(), seed=draw_dropout_seed(bound.spec, rng), **bounds)
        stream = Stream(rule, Constant(learning_rate))
    if not (bounds or drops):  # nothing in it changes but the learning rate
        bound.made["step"] = stream
    stream.schedule, stream.counter[0] = Constant(learning_rate), 0
    samples, loss = _train_directly(bound, stream, data, LARGEST)
    if loss is not None:
        return loss
    n, rule = len(samples.X), stream.rule
    before = bound.params.copy()
    optimizer_state = stream.state_for(bound)
    hyper = np.array([[learning_rate]])
    here = bound.taking(samples.X)
    order, work = np.arange(n, dtype=np.int64), here.workspace(n)
    loss = here.run(
        n, ignoring, "over invalid",
        here.train, samples, order, n, rule, hyper, optimizer_state, 0, work,
    )  # fmt: skip
    if not (math.isfinite(loss) and bound.has_finite_params()):
        bound.params[:] = before
        warn_of_divergence(bound, rng, samples, stream)
    return loss


def warn_of_divergence(
    bound: BoundNetwork, rng: np.random.Generator, samples: Samples, stream: Stream
) -> None:
    """Repeat a step that diverged as a fit of copies, which finds the layer and warns."""
    twin = bound.on(aligned_copy(bound.params, bound.spec.dtype))
    _train_once(twin, rng, stream.copy(), samples, len(samples.X))


@dataclass(frozen=True)
class StreamRequest:
    """What a call that goes on with a stream may change of it; None: nothing.

    `bounds` are of `Bounds.given`; messages name the `caller`.
    """

    optimizer: OptimizerLike | None = None
    learning_rate: RateLike = None
    bounds: dict[str, Any] = field(default_factory=dict)
    caller: str = "partial_fit"


class Bounds(NamedTuple):
    """The bounds and factors of a step rule as the user gave them; None: not given."""

    clip_value: float | None = None
    clip_norm: float | None = None
    max_norm: float | None = None
    frozen: Iterable[int] | None = None
    rate_factors: Factors | None = None
    decay_factors: Factors | None = None
    epsilon_factors: Factors | None = None

    def given(self, spec: NetworkSpec) -> dict[str, Any]:
        """Those that are given, as a `StepRule` takes them; TypeError or ValueError if the layers
        or the groups of the factors are not those of the network.
        """
        values = {name: value for name, value in self._asdict().items() if value is not None}
        if self.frozen is not None:
            values["frozen"] = as_frozen_layers(self.frozen, spec)
        for name in FACTORS:
            if name in values:
                values[name] = as_group_factors(values[name], name, spec)
        return values


def stream_for(
    spec: NetworkSpec, rng: np.random.Generator, known: AnyStream | None, request: StreamRequest
) -> Stream:
    """The known stream, with another rate or bounds if they are given; a new stream for another
    optimizer.
    """
    optimizer, learning_rate = request.optimizer, request.learning_rate
    if isinstance(known, LostStream):
        if optimizer is None:
            raise ValueError(
                f"the file of this network was saved after training with {known.reason}; "
                "give the optimizer, and the learning rate if it is not its own"
            )
        known = None
    if known is not None and optimizer is None:
        rate = known.schedule.rate if isinstance(known.schedule, Constant) else None
        if learning_rate is None or (isinstance(learning_rate, float) and learning_rate == rate):
            return _with_bounds(known, request.bounds)
        optimizer = type(known.rule.optimizer)
        _, schedule = as_rule_and_schedule(optimizer, learning_rate)
        check_counts(schedule, request.caller)
        return _with_bounds(_with_schedule(known, schedule), request.bounds)
    chosen, schedule = as_rule_and_schedule(optimizer or "sgd", learning_rate)
    check_counts(schedule, request.caller)
    if known is not None and _equal_but_for_rate(known.rule.optimizer, chosen):
        if known.schedule != schedule:
            known = _with_schedule(known, schedule)
        return _with_bounds(known, request.bounds)
    rule = StepRule(chosen, seed=draw_dropout_seed(spec, rng), **request.bounds)
    return Stream(rule, schedule, schedule_memory=schedule.new_memory())


def _equal_but_for_rate(one: Optimizer, other: Optimizer) -> bool:
    """Whether the state of one is that of the other."""
    if type(one) is not type(other):
        return False
    return one == other or one == replace(other, learning_rate=one.learning_rate)


def _with_bounds(known: Stream, bounds: dict[str, Any]) -> Stream:
    """The stream with other bounds where they are given."""
    rule = replace(known.rule, **bounds) if bounds else known.rule
    return known if rule == known.rule else replace(known, rule=rule)


def _with_schedule(known: Stream, schedule: Schedule) -> Stream:
    """The stream with another schedule, whose memory is new."""
    optimizer = known.rule.optimizer
    if isinstance(schedule, Constant):
        optimizer = replace(optimizer, learning_rate=schedule.rate)
    stream = replace(
        known, rule=replace(known.rule, optimizer=optimizer), schedule=schedule,
        schedule_memory=schedule.new_memory(),
    )  # fmt: skip
    stream.prepared = known.prepared  # the rate is an argument of its calls
    return stream


def _chunks(
    X: Any, y: Any, weight: Any, batch_size: int, bound: BoundNetwork
) -> Iterator[tuple[Any, ...]]:
    """The rows of one array in chunks, each a multiple of the batch size."""
    spec = bound.spec
    if not hasattr(X, "__getitem__") or not hasattr(X, "__len__"):
        raise TypeError(f"X must be an array when y is given, got {type(X).__name__}")
    if is_sparse(X):
        X = as_sparse_rows(X, spec.n_inputs, spec.dtype)
    if np.ndim(X) == 1 or len(X) != len(y):
        yield (X, y) if weight is None else (X, y, weight)
        return
    entries = X.entries_per_row if isinstance(X, SparseRows) else spec.n_inputs
    row = max(1, int(entries) * np.dtype(spec.dtype).itemsize)
    rows = max(1, CHUNK_BYTES // row // batch_size) * batch_size
    if len(X) <= rows:
        yield (X, y) if weight is None else (X, y, weight)
        return
    for start in range(0, len(X), rows):
        part = slice(start, start + rows)
        arrays = (X, y) if weight is None else (X, y, weight)
        yield tuple(row_slice(array, part) for array in arrays)
