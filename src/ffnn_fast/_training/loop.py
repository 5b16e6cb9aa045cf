"""fit: epochs over shuffled rows, in chunks of steps between which everything is in step."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.predictions import metric_values
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._training.checkpoint import CheckpointWriter
from ffnn_fast._training.diagnostics import epoch_figures
from ffnn_fast._training.divergence import DivergenceGuard
from ffnn_fast._training.fit_state import FitState
from ffnn_fast.callbacks import Callback
from ffnn_fast.history import Record
from ffnn_fast.metrics import Metric
from ffnn_fast.schedules import Constant

Array = np.ndarray
CHUNK = 0.05  # seconds of steps, about, after which signals, limits and clocks are looked at


def fit(run: FitState) -> None:
    """Train from where the run is to its end; parameters, state and history change in place.

    A chunk of steps is one call of the backend; how an epoch is cut changes no bit. On
    KeyboardInterrupt θ, state and counters are those after the last whole step.

    Raises
    ------
    KeyboardInterrupt
        Unless the options say to return.
    ValueError
        If θ is not finite at the start.
    """
    if not all_finite(run.params):
        raise ValueError("the network's parameters hold NaN or infinity")
    with Interrupts() as interrupts:
        loop = _Loop(run, interrupts)
        try:
            loop.tell("on_train_begin")
            while run.epoch <= run.options.epochs and not run.history.stopped:
                loop.epoch()
            run.stop("epochs")
            if run.history.stopped != "diverged":
                loop.keeper.write(run)
            _settle(run)
        except KeyboardInterrupt:
            run.history.stopped = "interrupted"
            loop.keeper.write(run)
            if run.options.on_interrupt == "raise":
                raise
        finally:
            loop.tell("on_train_end")


class _Loop:
    """The tools of one call of `fit`."""

    def __init__(self, run: FitState, interrupts: Interrupts) -> None:
        options = run.options
        self.run, self.interrupts = run, interrupts
        self.deadline = perf_counter() + options.max_time
        self.work = run.machine.workspace(options.batch_size)
        self.guard, self.keeper = DivergenceGuard(run), CheckpointWriter(options.checkpoint)
        self.per_batch = [callback for callback in options.callbacks if callback.per_batch]
        steps = run.machine.steps_in(CHUNK, options.rule, options.batch_size)
        self.chunk = options.batch_size * (1 if self.per_batch else steps)
        self.hyper = run.hyper(0, 1) if isinstance(options.schedule, Constant) else None
        self.order = np.arange(run.n_rows, dtype=np.int64)

    def tell(self, hook: str, *args: object, to: list[Callback] | None = None) -> None:
        """Call a hook of all callbacks."""
        for callback in self.run.options.callbacks if to is None else to:
            getattr(callback, hook)(self.run, *args)

    def epoch(self) -> None:
        """One epoch, or what is left of it, and what is recorded of it."""
        run, options = self.run, self.run.options
        if options.checkpoint:
            run.rng_at_epoch = run.rng.bit_generator.state
        # One batch of all rows is the same in any order.
        if options.shuffle and options.batch_size < run.n_rows:
            self.order = run.rng.permutation(run.n_rows)
        if run.position == 0:
            self.tell("on_epoch_begin")
        self.guard.mark(run)
        with run.machine.running(), np.errstate(over="ignore", invalid="ignore"):
            while run.position < run.n_rows:
                if not self._steps() or (run.position < run.n_rows and self._is_over()):
                    return
            _average_epoch(run)
            record = {"epoch": run.epoch, "loss": run.total / run.n_rows} | self._figures()
        run.history.records.append(record)
        self.tell("on_epoch_end", record)
        self.interrupts.hold()
        _observe(run, record)
        run.close_epoch()
        self.interrupts.release()
        if perf_counter() > self.deadline:
            run.stop("max_time")
        self.keeper.after_epoch(run)

    def _steps(self) -> bool:
        """A chunk of steps; whether all is finite still."""
        run, options, hold = self.run, self.run.options, self.interrupts.hold
        began = perf_counter()
        rows = self.order[run.position : run.position + self.chunk]
        n_steps = -(-len(rows) // options.batch_size)
        hyper = self.hyper if self.hyper is not None else run.hyper(run.t, n_steps)
        if self.per_batch:
            self.tell("on_batch_begin", rows, to=self.per_batch)
        try:
            loss = run.machine.train(
                run.train, rows, options.batch_size, options.rule, hyper, run.state, run.t,
                self.work, hold,
            )  # fmt: skip
            run.total += len(rows) * loss
            run.t += n_steps
            run.position += len(rows)
            run.seconds += perf_counter() - began
            fine = self.guard.check(run, self.order, loss)
        finally:
            self.interrupts.release()
        if self.per_batch and fine:
            self.tell("on_batch_end", loss, to=self.per_batch)
        return fine

    def _is_over(self) -> bool:
        """Whether the fit is to end within the epoch; if not, a checkpoint may be due."""
        if perf_counter() > self.deadline:
            self.run.stop("max_time")
        if not self.run.history.stopped:
            self.keeper.within_epoch(self.run)
        return bool(self.run.history.stopped)

    def _figures(self) -> Record:
        """What is recorded of an epoch beside its loss."""
        run, options = self.run, self.run.options
        judged = run.judged()
        judge = run.machine if judged is run.params else run.machine.on(judged)
        record = _metrics(judge, run.train, options.metrics)
        if run.validation is not None:
            record["val_loss"] = judge.loss(run.validation)
            record |= _metrics(judge, run.validation, options.metrics, "val_")
        record |= epoch_figures(run, self.order)
        record["learning_rate"] = run.learning_rate
        record["seconds"] = run.seconds
        record["samples_per_second"] = run.n_rows / max(run.seconds, 1e-9)
        return record


def _metrics(
    network: BoundNetwork, samples: Samples, metrics: Sequence[Metric], prefix: str = ""
) -> Record:
    """The metrics on the samples; no forward pass where there are none."""
    if not metrics:
        return {}
    return metric_values(network.spec, network.forward(samples.X), samples, metrics, prefix)


def _average_epoch(run: FitState) -> None:
    """Stochastic weight averaging: mean := mean + (θ − mean) / m in the m-th epoch that counts."""
    averaging = run.options.averaging
    if averaging is None or averaging.kind != "swa":
        return
    m = run.epoch - averaging.start + 1
    if m > run.mean_of:  # a fit that was interrupted just after this is not resumed before it
        run.mean_of = m
        if run.mean is None:
            run.mean = np.zeros_like(run.params)
        run.mean += (run.params - run.mean) / run.params.dtype.type(m)


def _observe(run: FitState, record: Record) -> None:
    """Let schedule and stopping rules see an epoch's record; keep the best parameters.

    Raises
    ------
    ValueError
        If one looks at a figure that neither the fit nor a callback has recorded.
    """
    try:
        run.options.schedule.observe(record, run.schedule_memory)
        seen = [
            rule.observe(record, memory)
            for rule, memory in zip(run.options.stopping, run.stopping_memory, strict=True)
        ]
    except KeyError as error:
        known = ", ".join(record)
        raise ValueError(f"{error.args[0]!r} is not recorded; recorded: {known}") from None
    for rule, memory, better in zip(run.options.stopping, run.stopping_memory, seen, strict=True):
        if better and rule.restore_best:
            run.best = run.judged().copy()
            run.history.best_epoch = memory["epoch"]
        if verdict := rule.verdict(memory):
            run.stop(verdict)


def _settle(run: FitState) -> None:
    """Leave the network with what was asked for: the best parameters, the average, the last."""
    average = run.average()
    if average is not None:
        run.history.average = average.copy()
    run.params[:] = run.judged() if run.best is None else run.best
