"""The training loop: epochs over shuffled rows, in chunks of steps."""

from __future__ import annotations

from contextlib import closing
from time import perf_counter

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._training.checkpoint_files import CheckpointWriter
from ffnn_fast._training.diagnostics import epoch_figures
from ffnn_fast._training.divergence import DivergenceGuard
from ffnn_fast._training.epoch_rows import EpochPart
from ffnn_fast._training.figures import metrics_of, validation_figures
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.unobserved_epochs import (
    MOST_ROWS,
    draw_order,
    is_unobserved,
    train_together,
)
from ffnn_fast.callbacks import Callback
from ffnn_fast.history import Record

Array = np.ndarray
CHUNK = 0.05  # seconds of steps, at most, between checks of signals, time limits and checkpoints


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
    if not state.bound.has_finite_params():
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
        together = min(steps // state.steps_per_epoch, MOST_ROWS // state.n_rows)
        self.together = together if is_unobserved(state) else 0

    def keep_scratch(self) -> None:
        """Leave the scratch to later calls; only at the end of a fit that was not interrupted.

        Later fits take it in the reverse order.
        """
        state = self.state
        self.divergence.keep_scratch(state)
        state.bound.keep_scratch(self.work)
        if state.scratch is not None:
            state.bound.keep_scratch(state.scratch)

    def is_stopped(self) -> bool:
        """Whether the fit is to end, as the first rank has decided."""
        history = self.state.history
        history.stopped = self.state.ranks.from_first(history.stopped)
        return bool(history.stopped)

    def notify(self, hook: str, *args: object, to: list[Callback] | None = None) -> None:
        """Call a hook of all callbacks, or of those in `to`."""
        for callback in self.state.options.callbacks if to is None else to:
            getattr(callback, hook)(self.state, *args)

    def epochs(self) -> None:
        """Train one epoch, or as many as take the time of a chunk if nothing observes them."""
        state = self.state
        n = min(self.together, state.options.epochs + 1 - state.epoch)
        if n < 1 or state.position > 0:
            self.epoch()
            return
        state.check_cancelled()
        if not train_together(state, n, self.work, self.divergence, self.interrupts):
            self.together = 0

    def epoch(self) -> None:
        """Train one epoch, or the rest of it, and record it."""
        state, options = self.state, self.state.options
        state.check_cancelled()
        if options.checkpoint:
            state.rng_at_epoch = state.rng.bit_generator.state
        draw_order(state)
        if state.position == 0:
            self.notify("on_epoch_begin")
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
        with closing(state.rows.parts(state.counted, n, state.options.batch_size)) as parts:
            for part in parts:
                self.divergence.take_snapshot(state)
                while state.position < part.end:
                    if self._steps(part) or (state.position < n and self._is_over()):
                        return None
                if part.end == n:
                    _average_epoch(state)
                    record: Record = {"epoch": state.epoch, "loss": state.loss_sum / n}
                    return record | self._figures(part)
                self._add_metrics(part)
                del part  # which leaves its memory to the next
        return None

    def _steps(self, part: EpochPart) -> bool:
        """Make a chunk of steps; return whether the fit has diverged."""
        state, options, hold = self.state, self.state.options, self.interrupts.hold
        began = perf_counter()
        rows = part.rows(state.position, self.chunk)
        n_steps = -(-len(rows) // options.batch_size)
        hyper = state.hyper(state.t, n_steps)
        if self.per_batch:
            self.notify("on_batch_begin", rows, to=self.per_batch)
        try:
            loss = state.bound.train(
                part.samples, rows, options.batch_size, options.rule, hyper,
                state.optimizer_state, state.t, self.work, hold,
            )  # fmt: skip
            state.loss_sum += len(rows) * loss
            state.t += n_steps
            state.position += len(rows)
            state.seconds += perf_counter() - began
            diverged = self.divergence.rolls_back(state, part, loss)
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

    def _add_metrics(self, part: EpochPart) -> None:
        """Add the metrics of a part, other than the last, to the sums of the epoch."""
        state, n = self.state, self._n_rows(part)
        network, before = state.bound.on(state.evaluated_params()), state.metric_sums
        found = metrics_of(network, part.samples, state.options.metrics, ranks=state.ranks)
        self.interrupts.hold()
        try:
            state.metric_sums = {name: before.get(name, 0.0) + n * found[name] for name in found}
            state.counted = part.end
        finally:
            self.interrupts.release()

    def _metrics(self, network: BoundNetwork, part: EpochPart) -> Record:
        """The metrics of an epoch, whose last part this is: the means over its rows."""
        state = self.state
        record = metrics_of(network, part.samples, state.options.metrics, ranks=state.ranks)
        n = self._n_rows(part)
        for name, total in state.metric_sums.items() if state.ranks.is_first else ():
            record[name] = (total + n * record[name]) / (state.counted + n)
        return record

    def _n_rows(self, part: EpochPart) -> int:
        """The number of rows of a part, those that `drop_last` leaves out included."""
        return self.state.ranks.count(part.samples.n)

    def _figures(self, part: EpochPart) -> Record:
        """The figures of an epoch other than its loss; metrics and validation of the first rank."""
        state, options = self.state, self.state.options
        params = state.evaluated_params()
        network = state.bound if params is state.params else state.bound.on(params)
        record = self._metrics(network, part)
        if state.validation is not None:
            record |= validation_figures(network, state.validation, options.metrics)
        record |= epoch_figures(state, part)
        record["learning_rate"] = state.learning_rate
        record |= state.scheduled_values()
        record["seconds"] = state.seconds
        record["samples_per_second"] = state.rows_per_epoch / max(state.seconds, 1e-9)
        return record


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
    final = state.evaluated_params() if state.best_params is None else state.best_params
    if final is not state.params:
        state.params[:] = final
