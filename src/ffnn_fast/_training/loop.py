"""The training loop: epochs over shuffled rows, in chunks of steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.predictions import metric_values
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.interrupts import Interrupts, in_background
from ffnn_fast._training.checkpoint_files import CheckpointWriter
from ffnn_fast._training.diagnostics import epoch_figures
from ffnn_fast._training.divergence import DivergenceGuard
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.ranks import ALONE, Alone
from ffnn_fast.callbacks import Callback
from ffnn_fast.history import Record
from ffnn_fast.metrics import Metric
from ffnn_fast.schedules import Constant

Array = np.ndarray
CHUNK = 0.05  # seconds of steps, at most, between checks of signals, time limits and checkpoints
MANY_ROWS = 1_000_000  # whose permutation takes some 10 ms


def fit(state: FitState) -> None:
    """Train from the state as given to the end of the fit; parameters and state change in place.

    A chunk of steps is one call of the backend; how an epoch is cut changes no bit. After a
    KeyboardInterrupt θ, the optimizer state and the counters are those of the last whole step.

    Raises
    ------
    KeyboardInterrupt
        Unless ``on_interrupt="return"``.
    ValueError
        If θ is not finite at the start.
    """
    if not all_finite(state.params):
        raise ValueError("the network's parameters hold NaN or infinity")
    interrupts = Interrupts()
    interrupts.run(_fit, state, interrupts)


def _fit(state: FitState, interrupts: Interrupts) -> None:
    loop = _Loop(state, interrupts)
    try:
        loop.notify("on_train_begin")
        while state.epoch <= state.options.epochs and not loop.is_stopped():
            loop.epochs()
        state.stop("epochs")
        if state.history.stopped != "diverged":
            loop.checkpoints.write(state)
        _set_final_params(state)
        loop.keep_scratch()
        state.ranks.end()
    except KeyboardInterrupt:
        state.history.stopped = "interrupted"
        loop.checkpoints.write(state)
        if state.options.on_interrupt == "raise":
            raise
    finally:
        loop.notify("on_train_end")


class _Loop:
    """One call of `fit`."""

    def __init__(self, state: FitState, interrupts: Interrupts) -> None:
        options = state.options
        self.state, self.interrupts = state, interrupts
        self.deadline = perf_counter() + options.max_time
        self.work = state.bound.take_workspace(options.batch_size)
        self.divergence = DivergenceGuard(state, interrupts)
        self.checkpoints = CheckpointWriter(options.checkpoint if state.ranks.is_first else None)
        self.per_batch = [callback for callback in options.callbacks if callback.per_batch]
        steps = state.bound.steps_in(CHUNK, options.rule, options.batch_size)
        chunk = options.batch_size * (1 if self.per_batch else steps)
        self.chunk = state.ranks.from_first(chunk)
        constant = isinstance(state.schedule, Constant) and not options.schedules
        self.hyper = state.hyper(0, 1) if constant else None
        rows = state.train.order
        self.rows = np.arange(state.n_rows, dtype=np.int64) if rows is None else rows
        self.order = self.rows[: state.rows_per_epoch]
        self.together = steps // state.steps_per_epoch if self._is_unobserved() else 1

    def keep_scratch(self) -> None:
        """Leave the scratch to later calls; only at the end of a fit that was not interrupted."""
        self.divergence.keep_scratch(self.state)
        self.state.bound.keep_scratch(self.work)

    def is_stopped(self) -> bool:
        """Whether the fit is to end, as the first rank has decided."""
        history = self.state.history
        history.stopped = self.state.ranks.from_first(history.stopped)
        return bool(history.stopped)

    def notify(self, hook: str, *args: object, to: list[Callback] | None = None) -> None:
        """Call a hook of all callbacks, or of those in `to`."""
        for callback in self.state.options.callbacks if to is None else to:
            getattr(callback, hook)(self.state, *args)

    def _is_unobserved(self) -> bool:
        """Whether nothing but their losses is recorded of epochs, and nothing depends on them."""
        state, options = self.state, self.state.options
        observers = (
            options.callbacks, options.metrics, options.stopping, options.checkpoint,
            options.gradient_norm, options.diagnostics, options.averaging, state.validation,
        )  # fmt: skip
        constant = self.hyper is not None and state.ranks is ALONE
        return constant and type(state.bound) is BoundNetwork and not any(observers)

    def epochs(self) -> None:
        """Train one epoch; or as many together as take the time of a chunk, if nothing observes
        them: threads of several fits then hold the GIL for less.
        """
        state = self.state
        n = min(self.together, state.options.epochs + 1 - state.epoch)
        if n < 2 or state.position > 0:
            self.epoch()
            return
        state.check_cancelled()
        self.divergence.take_snapshot(state)
        at_start = state.rng.bit_generator.state
        try:
            run = state.bound.run
            records = run(state.options.batch_size, ignoring, "over invalid", self._unobserved, n)
            if len(records) == n and all_finite(state.params):
                state.history.records += records
                state.t += n * state.steps_per_epoch
                state.epoch += n
            else:  # one by one, to find the step
                self.divergence.restore(state)
                state.rng.bit_generator.state = at_start
                self.together = 1
        finally:
            self.interrupts.release()
        if perf_counter() > self.deadline:
            state.stop("max_time")

    def _unobserved(self, n: int) -> list[Record]:
        """The records of n epochs, or of those before a loss that is not finite."""
        state, options, hold = self.state, self.state.options, self.interrupts.hold
        rows, hyper = state.rows_per_epoch, state.hyper(0, 1)
        rate = float(hyper[0, 0])
        records: list[Record] = []
        for i in range(n):
            self._shuffle()
            began = perf_counter()
            loss = state.bound.train(
                state.train, self.order, options.batch_size, options.rule, hyper,
                state.optimizer_state, state.t + i * state.steps_per_epoch, self.work, hold,
            )  # fmt: skip
            seconds = perf_counter() - began
            if not math.isfinite(loss):
                break
            record = {"epoch": state.epoch + i, "loss": rows * loss / rows, "learning_rate": rate}
            speed = rows / max(seconds, 1e-9)
            records.append(record | {"seconds": seconds, "samples_per_second": speed})
        return records

    def _shuffle(self) -> None:
        """The order of an epoch. One batch of all rows is the same in any order."""
        state, options = self.state, self.state.options
        if not (options.shuffle and options.batch_size < state.n_rows):
            return
        shuffle, order = state.bound.backend.shuffle, self.rows.copy()
        if len(order) > MANY_ROWS:
            in_background(shuffle, state.rng, order, exit_waits=False)
        else:
            shuffle(state.rng, order)
        self.order = order[: state.rows_per_epoch]

    def epoch(self) -> None:
        """Train one epoch, or the rest of it, and record it."""
        state, options = self.state, self.state.options
        state.check_cancelled()
        if options.checkpoint:
            state.rng_at_epoch = state.rng.bit_generator.state
        self._shuffle()
        if state.position == 0:
            self.notify("on_epoch_begin")
        self.divergence.take_snapshot(state)
        run = state.bound.run
        record = run(options.batch_size, ignoring, "over invalid", self._steps_and_figures)
        if record is None:
            return
        record = state.ranks.from_first(record)
        state.history.records.append(record)
        self.notify("on_epoch_end", record)
        record.update(state.ranks.from_first(record))  # with figures of callbacks
        self.interrupts.hold()
        try:
            _observe(state, record)
            state.begin_next_epoch()
        finally:
            self.interrupts.release()
        if perf_counter() > self.deadline:
            state.stop("max_time")
        self.checkpoints.after_epoch(state)

    def _steps_and_figures(self) -> Record | None:
        """The steps of an epoch, and its record; None if the fit ends before."""
        state, n = self.state, self.state.rows_per_epoch
        while state.position < n:
            if self._steps() or (state.position < n and self._is_over()):
                return None
        _average_epoch(state)
        return {"epoch": state.epoch, "loss": state.loss_sum / n} | self._figures()

    def _steps(self) -> bool:
        """Make a chunk of steps; return whether the fit has diverged."""
        state, options, hold = self.state, self.state.options, self.interrupts.hold
        began = perf_counter()
        rows = self.order[state.position : state.position + self.chunk]
        n_steps = -(-len(rows) // options.batch_size)
        hyper = self.hyper if self.hyper is not None else state.hyper(state.t, n_steps)
        if self.per_batch:
            self.notify("on_batch_begin", rows, to=self.per_batch)
        try:
            loss = state.bound.train(
                state.train, rows, options.batch_size, options.rule, hyper,
                state.optimizer_state, state.t, self.work, hold,
            )  # fmt: skip
            state.loss_sum += len(rows) * loss
            state.t += n_steps
            state.position += len(rows)
            state.seconds += perf_counter() - began
            diverged = self.divergence.rolls_back(state, self.order, loss)
        finally:
            self.interrupts.release()
        if self.per_batch and not diverged:
            self.notify("on_batch_end", loss, to=self.per_batch)
        return diverged

    def _is_over(self) -> bool:
        """Whether the fit is to end within the epoch; if not, write a checkpoint if it is due."""
        self.state.check_cancelled()
        if perf_counter() > self.deadline:
            self.state.stop("max_time")
        if not self.is_stopped():
            self.checkpoints.within_epoch(self.state)
        return bool(self.state.history.stopped)

    def _figures(self) -> Record:
        """The figures of an epoch other than its loss; metrics and validation of the first rank."""
        state, options = self.state, self.state.options
        params = state.evaluated_params()
        network = state.bound if params is state.params else state.bound.on(params)
        record = _metrics(network, state.train, options.metrics, ranks=state.ranks)
        if state.validation is not None:
            record["val_loss"] = network.loss(state.validation)
            record |= _metrics(network, state.validation, options.metrics, "val_")
        record |= epoch_figures(state, self.order)
        if self.hyper is None:
            record["learning_rate"] = state.learning_rate
            record |= state.scheduled_values()
        else:
            record["learning_rate"] = float(self.hyper[0, 0])
        record["seconds"] = state.seconds
        record["samples_per_second"] = state.rows_per_epoch / max(state.seconds, 1e-9)
        return record


def _metrics(
    network: BoundNetwork,
    samples: Samples,
    metrics: Sequence[Metric],
    prefix: str = "",
    ranks: Alone = ALONE,
) -> Record:
    """The metrics on the samples of all ranks; no forward pass where there are none."""
    if not metrics:
        return {}
    y_hat, targets = network.forward(samples.X, samples.order), samples.targets
    y_hat, Y, weight = ranks.gathered(y_hat, targets.Y, targets.sample_weight)
    if not ranks.is_first:
        return {}
    of_all = Samples(targets.X, Y, weight)
    return metric_values(network.spec, y_hat, of_all, metrics, prefix)


def _average_epoch(state: FitState) -> None:
    """Stochastic weight averaging: mean := mean + (θ − mean) / m in the m-th epoch that counts."""
    averaging = state.options.averaging
    if averaging is None or averaging.kind != "swa":
        return
    m = state.epoch - averaging.start + 1
    if m > state.swa_epochs:  # not again for an epoch that a checkpoint has counted
        state.swa_epochs = m
        if state.swa_mean is None:
            state.swa_mean = np.zeros_like(state.params)
        state.swa_mean += (state.params - state.swa_mean) / state.params.dtype.type(m)


def _observe(state: FitState, record: Record) -> None:
    """Pass an epoch's record to the schedule and the stopping rules; copy the best parameters.

    Raises
    ------
    ValueError
        If one monitors a figure that neither the fit nor a callback has recorded.
    """
    rules = list(zip(state.options.stopping, state.stopping_memory, strict=True))
    try:
        state.schedule.observe(record, state.schedule_memory)
        improved = [rule.observe(record, memory) for rule, memory in rules]
    except KeyError as error:
        known = ", ".join(record)
        raise ValueError(f"{error.args[0]!r} is not recorded; recorded: {known}") from None
    for (rule, memory), better in zip(rules, improved, strict=True):
        if better and rule.restore_best:
            state.best_params = state.evaluated_params().copy()
            state.history.best_epoch = memory["epoch"]
        if reason := rule.reason_to_stop(memory):
            state.stop(reason)


def _set_final_params(state: FitState) -> None:
    """Set θ to the best parameters, the average or the last θ, according to the options."""
    average = state.averaged_params()
    if average is not None:
        state.history.average = average.copy()
    state.params[:] = state.evaluated_params() if state.best_params is None else state.best_params
