"""Training on rows as they arrive: `Network.partial_fit` and `Network.step`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.conversion import row_slice
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_float, as_int
from ffnn_fast._training import loop
from ffnn_fast._training.fit import as_rule_and_schedule, draw_dropout_seed
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.streams import AnyStream, LostStream, Stream
from ffnn_fast._training.types import OptimizerLike, RateLike
from ffnn_fast.history import History
from ffnn_fast.optimizers import SGD, StepRule
from ffnn_fast.schedules import Constant, check_counts

Array = np.ndarray
CHUNK_BYTES = 16 << 20  # of rows that are converted to the network's dtype at a time


def partial_fit(
    bound: BoundNetwork,
    rng: np.random.Generator,
    known: AnyStream | None,
    data: tuple[Any, Any, Any],
    *,
    batch_size: int,
    optimizer: OptimizerLike | None,
    learning_rate: RateLike,
) -> tuple[float, Stream]:
    """The mean loss and the stream after the rows; see `ffnn_fast.Network.partial_fit`.

    `data` is (X, y, sample_weight); `known` is that of the calls before, if there were any.
    """
    size = as_int(batch_size, "batch_size")
    stream = _stream(bound.spec, rng, known, optimizer, learning_rate)
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
        samples = as_samples(bound.spec, *chunk)
        history = _train_once(bound, rng, stream, samples, size)
        if history.stopped == "diverged":
            break
        total += len(samples.X) * history[-1]["loss"]
        n += len(samples.X)
    return (total / n if n else float("nan")), stream


def _train_once(
    bound: BoundNetwork,
    rng: np.random.Generator,
    stream: Stream,
    samples: Samples,
    batch_size: int,
) -> History:
    """One pass over the rows of a chunk, which updates θ and the stream."""
    options = FitOptions(
        epochs=1,
        batch_size=min(batch_size, len(samples.X)),
        rule=stream.rule,
        schedule=stream.schedule,
        shuffle=False,
    )
    state = FitState.new(bound, samples, None, options, rng, History())
    if stream.optimizer_state is None:
        stream.optimizer_state = state.optimizer_state
    state.optimizer_state, state.schedule_memory = stream.optimizer_state, stream.schedule_memory
    state.t, state.steps_before = stream.t, stream.steps_before
    try:
        loop.fit(state)
    finally:
        stream.t = state.t
    return state.history


def step(
    bound: BoundNetwork, rng: np.random.Generator, samples: Samples, learning_rate: float
) -> float:
    """One step of gradient descent on all rows; returns the objective before it."""
    learning_rate = as_float(learning_rate, "learning_rate")
    rule = StepRule(SGD(learning_rate=learning_rate), seed=draw_dropout_seed(bound.spec, rng))
    n, before = len(samples.X), bound.params.copy()
    optimizer_state = np.empty((0, len(before)), bound.spec.dtype)
    hyper = np.array([[learning_rate]])
    order, work = np.arange(n, dtype=np.int64), bound.workspace(n)
    loss = bound.run(
        n, ignoring, "over invalid",
        bound.train, samples, order, n, rule, hyper, optimizer_state, 0, work,
    )  # fmt: skip
    if not (math.isfinite(loss) and all_finite(bound.params)):
        bound.params[:] = before
        _warn_of_divergence(bound, rng, samples, rule)
    return loss


def _warn_of_divergence(
    bound: BoundNetwork, rng: np.random.Generator, samples: Samples, rule: StepRule
) -> None:
    """Repeat the step as a fit, which finds the layer and warns."""
    options = FitOptions(
        epochs=1,
        batch_size=len(samples.X),
        rule=rule,
        schedule=Constant(rule.optimizer.learning_rate),
        shuffle=False,
    )
    loop.fit(FitState.new(bound, samples, None, options, rng, History()))


def _stream(
    spec: NetworkSpec,
    rng: np.random.Generator,
    known: AnyStream | None,
    optimizer: OptimizerLike | None,
    learning_rate: RateLike,
) -> Stream:
    """The known stream, with another rate if one is given; a new stream for another optimizer."""
    if isinstance(known, LostStream):
        if optimizer is None:
            raise ValueError(
                f"the file of this network was saved after partial_fit with {known.reason}; "
                "give partial_fit the optimizer, and the learning rate if it is not its own"
            )
        known = None
    if known is not None and optimizer is None:
        if learning_rate is None:
            return known
        rule, schedule = as_rule_and_schedule(type(known.rule.optimizer), learning_rate)
        check_counts(schedule, "partial_fit")
        if isinstance(schedule, Constant):
            rule = replace(known.rule.optimizer, learning_rate=schedule.rate)
        else:
            rule = known.rule.optimizer
        return replace(
            known, rule=replace(known.rule, optimizer=rule), schedule=schedule,
            schedule_memory=schedule.new_memory(),
        )  # fmt: skip
    rule, schedule = as_rule_and_schedule(optimizer or "sgd", learning_rate)
    check_counts(schedule, "partial_fit")
    if known is not None and known.rule.optimizer == rule and known.schedule == schedule:
        return known
    step = StepRule(rule, seed=draw_dropout_seed(spec, rng))
    return Stream(step, schedule, schedule_memory=schedule.new_memory())


def _chunks(
    X: Any, y: Any, weight: Any, batch_size: int, bound: BoundNetwork
) -> Iterator[tuple[Any, ...]]:
    """The rows of one array in chunks, each a multiple of the batch size."""
    spec = bound.spec
    if not hasattr(X, "__getitem__") or not hasattr(X, "__len__"):
        raise TypeError(f"X must be an array when y is given, got {type(X).__name__}")
    if np.ndim(X) == 1 or len(X) != len(y):
        yield (X, y) if weight is None else (X, y, weight)
        return
    row = max(1, spec.n_inputs * np.dtype(spec.dtype).itemsize)
    rows = max(1, CHUNK_BYTES // row // batch_size) * batch_size
    for start in range(0, len(X), rows):
        part = slice(start, start + rows)
        arrays = (X, y) if weight is None else (X, y, weight)
        yield tuple(row_slice(array, part) for array in arrays)
