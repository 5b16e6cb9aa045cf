"""fit: epochs over shuffled rows, what is recorded of each, and who is told.

Works on (plan, params, backend), where the backend is the compiled engine or its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from types import ModuleType
from typing import Any, overload

import numpy as np

from ffnn_fast.metrics import accuracy, r2
from ffnn_fast.optimizers import SGD, StepRule
from ffnn_fast.spec import NetworkSpec
from ffnn_fast.threads import one_blas_thread

Array = np.ndarray
Record = dict[str, float]
Callback = Callable[[Record], Any]
ALIGNMENT = 64  # bytes; a cache line, and the widest vector
OPERATIONS_BETWEEN_SIGNALS = 500_000_000  # about 10 ms; an interrupt waits for so many
STEPS_TOGETHER = 64  # steps on one sample each are computed in panels; a multiple of their sizes


def aligned_empty(n: int, dtype: str) -> Array:
    """An uninitialised vector of n elements that starts on a 64-byte boundary."""
    size = n * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype)


@dataclass(frozen=True)
class Problem:
    """Rows with their targets and weights, validated: X (n, n_0), Y labels (n,) or (n, n_L)."""

    X: Array
    Y: Array
    sample_weight: Array | None = None


@dataclass(frozen=True)
class Machine:
    """A network that a backend can run: the plan and the parameters it works on, in place.

    ``holds_blas``: the backend calls BLAS from threads of its own, so BLAS must not use more.
    """

    spec: NetworkSpec
    plan: Any
    params: Array
    backend: ModuleType
    holds_blas: bool = False
    spare: list[Array] = field(default_factory=list, repr=False)

    def running(self) -> AbstractContextManager[None]:
        """What must hold while the backend runs."""
        return one_blas_thread() if self.holds_blas else nullcontext()

    def workspace(self, n: int) -> Array:
        """Scratch for calls on n rows."""
        return aligned_empty(self.backend.workspace_size(self.plan, n), self.spec.dtype)

    def forward(self, X: Array) -> Array:
        """ŷ, (n, n_L)."""
        out = np.empty((len(X), self.spec.n_outputs), dtype=self.spec.dtype)
        if len(X) > 1 or self.holds_blas:
            with self.running():
                self.backend.forward(self.plan, self.params, X, out, self.workspace(len(X)))
            return out
        # One row takes a microsecond: its scratch is kept, each for one thread at a time.
        try:
            work = self.spare.pop()
        except IndexError:
            work = self.workspace(1)
        self.backend.forward(self.plan, self.params, X, out, work)
        self.spare.append(work)
        return out

    def loss(self, problem: Problem) -> float:
        """The objective on a problem."""
        X, Y, weight = problem.X, problem.Y, problem.sample_weight
        with self.running():
            return self.backend.loss(self.plan, self.params, X, Y, weight, self.workspace(len(X)))

    def loss_gradient(self, problem: Problem, grad: Array | None = None) -> tuple[float, Array]:
        """The objective and ∇θ, (P,), written to `grad` where given."""
        X, Y, weight = problem.X, problem.Y, problem.sample_weight
        if grad is None:
            grad = aligned_empty(self.spec.n_params, self.spec.dtype)
        with self.running():
            value = self.backend.loss_gradient(
                self.plan, self.params, X, Y, weight, grad, self.workspace(len(X))
            )
        return value, grad

    def predictor(self, n_rows: int) -> Any:
        """See `ffnn_fast.Network.predictor`."""
        work = self.workspace(n_rows)
        return self.backend.Predictor(self.plan, self.params, n_rows, work)


class History(Sequence[Record]):
    """One record per epoch, in order: ``history[-1]["loss"]``, or a column: ``history["loss"]``."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records: list[Record] = list(records)

    @overload
    def __getitem__(self, key: str) -> list[float]: ...
    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> History: ...
    def __getitem__(self, key: str | int | slice) -> list[float] | Record | History:
        if isinstance(key, str):
            if not any(key in record for record in self.records):
                raise KeyError(f"no record of {key!r}; recorded: {', '.join(self.keys())}")
            return [record[key] for record in self.records if key in record]
        if isinstance(key, slice):
            return History(self.records[key])
        return self.records[key]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def keys(self) -> list[str]:
        """Names of what was recorded."""
        return list(dict.fromkeys(key for record in self.records for key in record))

    def __repr__(self) -> str:
        if not self.records:
            return "History(no epochs)"
        last = ", ".join(f"{key} {value:.6g}" for key, value in self.records[-1].items())
        return f"History({len(self)} epochs; last: {last})"


@dataclass(frozen=True)
class FitOptions:
    """How `fit` runs: everything that is neither the network nor the data."""

    epochs: int
    batch_size: int
    learning_rate: float
    shuffle: bool = True
    metrics: bool = True
    callbacks: Sequence[Callback] = field(default=())


def fit(
    machine: Machine,
    train: Problem,
    validation: Problem | None,
    options: FitOptions,
    rng: np.random.Generator,
) -> History:
    """Minibatch gradient descent; parameters change in place, one record per epoch.

    On KeyboardInterrupt the parameters are those of the last whole step.
    """
    history, t = History(), 0
    n, spec = len(train.X), machine.spec
    batch_size = min(options.batch_size, n)
    work = machine.workspace(batch_size)
    rule = StepRule(SGD(learning_rate=options.learning_rate))
    hyper = np.array([rule.optimizer.hyper])
    state = np.zeros((rule.slots, spec.n_params), dtype=spec.dtype)
    chunk = max(1, OPERATIONS_BETWEEN_SIGNALS // (6 * spec.n_params * batch_size)) * batch_size
    if batch_size == 1:
        chunk += -chunk % STEPS_TOGETHER
    order = np.arange(n, dtype=np.int64)
    for epoch in range(1, options.epochs + 1):
        began = perf_counter()
        if options.shuffle:
            rng.shuffle(order)
        loss = 0.0
        with machine.running():
            for start in range(0, n, chunk):
                rows = order[start : start + chunk]
                loss += len(rows) * machine.backend.train_epoch(
                    machine.plan, machine.params, train.X, train.Y, train.sample_weight, rows,
                    batch_size, rule, hyper, state, t, work,
                )  # fmt: skip
                t += -(-len(rows) // batch_size)
        record = {"epoch": epoch, "loss": loss / n, "seconds": perf_counter() - began}
        record |= _assessment(machine, train, validation, options.metrics)
        history.records.append(record)
        for callback in options.callbacks:
            callback(record)
    return history


def score_name(spec: NetworkSpec) -> str:
    """``"accuracy"`` for classifiers, ``"r2"`` for regressors."""
    return "accuracy" if spec.task == "classification" else "r2"


def predict(spec: NetworkSpec, y_hat: Array) -> Array:
    """What ŷ, (n, n_L), says: labels (n,) where a sample has one class, 0/1 per output where each
    output is a class of its own, ŷ itself for regressors; (n,) where there is one output.
    """
    if spec.takes_labels:
        return y_hat.argmax(axis=1)
    if spec.task == "classification":
        y_hat = (y_hat >= 0.5).astype(np.int64)
    return y_hat[:, 0] if spec.n_outputs == 1 else y_hat


def score(spec: NetworkSpec, y_hat: Array, problem: Problem) -> float:
    """Accuracy of classifiers (share of right entries), R² of regressors (mean over outputs)."""
    truth = problem.Y if problem.Y.ndim == 1 else predict(spec, problem.Y)
    if spec.task == "classification":
        return accuracy(truth.ravel(), predict(spec, y_hat).ravel())
    return r2(truth, predict(spec, y_hat))


def _assessment(
    machine: Machine, train: Problem, validation: Problem | None, metrics: bool
) -> Record:
    record, name = {}, score_name(machine.spec)
    if metrics:
        record[name] = score(machine.spec, machine.forward(train.X), train)
    if validation is not None:
        record["val_loss"] = machine.loss(validation)
        if metrics:
            record[f"val_{name}"] = score(machine.spec, machine.forward(validation.X), validation)
    return record
