"""partial_fit: rows as they come, without ever having them all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ffnn_fast._model.arrays import all_finite, positive_int
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training import loop
from ffnn_fast._training.fit import Rate, Trainee, drawn_seed, settled_rate
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_state import FitState
from ffnn_fast.history import History
from ffnn_fast.optimizers import SGD, Optimizer, StepRule
from ffnn_fast.schedules import Constant, Memory, Schedule

Array = np.ndarray
CHUNK_BYTES = 16 << 20  # of rows that are brought into the network's dtype at a time


@dataclass
class Stream:
    """What training remembers between calls of `partial_fit`."""

    rule: StepRule
    schedule: Schedule
    state: Array
    t: int = 0
    memory: Memory = field(default_factory=dict)

    def copy(self) -> Stream:
        """An independent one."""
        return replace(self, state=self.state.copy(), memory=dict(self.memory))


class Learner(Trainee, Protocol):
    """A trainee that remembers between calls."""

    stream: Stream | None


def partial_fit(
    net: Learner,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int = 32,
    optimizer: str | Optimizer | type[Optimizer] | None = None,
    learning_rate: Rate = None,
) -> float:
    """Go on training with these rows, once, in the order given, from the optimizer's last state.

    Parameters
    ----------
    X : array-like of shape (n, n_0), or iterable of chunks
        Arrays, memory-mapped ones too, are read and converted piece by piece, never as a whole.
        Without `y`: chunks (X, y) or (X, y, sample_weight), as from a generator.
    y : array-like, optional
        As in `loss`.
    sample_weight : array-like of shape (n,), optional
        Scaled to mean 1 over each piece.
    batch_size : int, default 32
        Batches do not reach over the end of a chunk of one's own.
    optimizer, learning_rate : optional
        As in `fit`. Default: those of the call before, or stochastic gradient descent. Another
        optimizer starts afresh; another learning rate does not.

    Returns
    -------
    float
        Mean loss over the rows, each before its step; NaN if there were none.

    Warns
    -----
    DivergedWarning
        As `fit`; the rest of the rows is left out.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described. Chunks before a bad one have been learnt then.
    """
    size = positive_int(batch_size, "batch_size")
    stream = _stream(net, optimizer, learning_rate)
    chunks = _pieces(X, y, sample_weight, size, net.machine) if y is not None else iter(X)
    total, n = 0.0, 0
    for chunk in chunks:
        if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
            raise TypeError("without y, X must give chunks (X, y) or (X, y, sample_weight)")
        problem = as_samples(net.machine.spec, *chunk)
        history = _learn(net, stream, problem, size)
        if history.stopped == "diverged":
            break
        total += len(problem.X) * history[-1]["loss"]
        n += len(problem.X)
    net.stream = stream
    return total / n if n else float("nan")


def _learn(net: Learner, stream: Stream, problem: Samples, batch_size: int) -> History:
    """One pass over the rows of a chunk."""
    options = FitOptions(
        epochs=1,
        batch_size=min(batch_size, len(problem.X)),
        rule=stream.rule,
        schedule=stream.schedule,
        shuffle=False,
    )
    run = FitState.new(net.machine, problem, None, options, net.rng, History())
    run.state, run.t, run.schedule_memory = stream.state, stream.t, stream.memory
    try:
        loop.fit(run)
    finally:
        stream.t = run.t
    return run.history


def step(
    machine: BoundNetwork, problem: Samples, learning_rate: float, rng: np.random.Generator
) -> float:
    """One step of gradient descent on all rows of a problem; returns the objective before it."""
    rule = StepRule(SGD(learning_rate=learning_rate), seed=drawn_seed(machine.spec, rng))
    n, before = len(problem.X), machine.params.copy()
    state, hyper = np.empty((0, len(before)), machine.spec.dtype), np.array([[learning_rate]])
    order = np.arange(n, dtype=np.int64)
    with machine.running(), np.errstate(over="ignore", invalid="ignore"):
        loss = machine.train(problem, order, n, rule, hyper, state, 0, machine.workspace(n))
    if not (math.isfinite(loss) and all_finite(machine.params)):
        machine.params[:] = before
        _again(machine, problem, rule, rng)
    return loss


def _again(
    machine: BoundNetwork, problem: Samples, rule: StepRule, rng: np.random.Generator
) -> None:
    """The same step as a fit, which says what went wrong."""
    options = FitOptions(
        epochs=1,
        batch_size=len(problem.X),
        rule=rule,
        schedule=Constant(rule.optimizer.learning_rate),
        shuffle=False,
    )
    loop.fit(FitState.new(machine, problem, None, options, rng, History()))


def _stream(net: Learner, optimizer: Any, learning_rate: Any) -> Stream:
    """The stream of the calls before, with another rate if one is given; or a new one."""
    known, spec = net.stream, net.machine.spec
    if known is not None and optimizer is None:
        if learning_rate is None:
            return known
        rule, schedule = settled_rate(type(known.rule.optimizer), learning_rate)
        if isinstance(schedule, Constant):
            rule = replace(known.rule.optimizer, learning_rate=schedule.rate)
        else:
            rule = known.rule.optimizer
        return replace(
            known, rule=replace(known.rule, optimizer=rule), schedule=schedule,
            memory=schedule.new_memory(),
        )  # fmt: skip
    rule, schedule = settled_rate(optimizer or "sgd", learning_rate)
    if known is not None and known.rule.optimizer == rule and known.schedule == schedule:
        return known
    step = StepRule(rule, seed=drawn_seed(spec, net.rng))
    state = np.zeros((step.slots, spec.n_params), spec.dtype)
    return Stream(step, schedule, state, memory=schedule.new_memory())


def _pieces(
    X: Any, y: Any, weight: Any, batch_size: int, machine: BoundNetwork
) -> Iterator[tuple[Any, ...]]:
    """Rows of one array in pieces of whole batches."""
    spec = machine.spec
    if not hasattr(X, "__getitem__") or not hasattr(X, "__len__"):
        raise TypeError(f"X must be an array when y is given, got {type(X).__name__}")
    if np.ndim(X) == 1 or len(X) != len(y):
        yield (X, y) if weight is None else (X, y, weight)
        return
    row = max(1, spec.n_inputs * np.dtype(spec.dtype).itemsize)
    rows = max(1, CHUNK_BYTES // row // batch_size) * batch_size
    for start in range(0, len(X), rows):
        part = slice(start, start + rows)
        yield (X[part], y[part]) if weight is None else (X[part], y[part], weight[part])
