"""Epochs of which nothing but the loss is recorded, trained together.

Threads of several fits then hold the GIL for less time between their steps.
"""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.arrays import all_finite
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._training.divergence import DivergenceGuard
from ffnn_fast._training.epoch_rows import RowsInMemory
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.ranks import ALONE
from ffnn_fast.history import Record

Array = np.ndarray


def is_unobserved(state: FitState) -> bool:
    """Whether the fit, of constant hyperparameters, uses nothing of an epoch but its loss."""
    options = state.options
    observers = (
        options.callbacks, options.metrics, options.stopping, options.checkpoint,
        options.gradient_norm, options.diagnostics, options.averaging, state.validation,
        options.max_time < math.inf,
    )  # fmt: skip
    plain = type(state.bound) is BoundNetwork and isinstance(state.rows, RowsInMemory)
    return plain and state.ranks is ALONE and not any(observers)


def draw_order(state: FitState) -> None:
    """Draw the order of an epoch. One batch of all rows is the same in any order."""
    shuffles = state.options.shuffle and state.options.batch_size < state.n_rows
    state.rows.draw(state.rng, state.bound.backend.shuffle if shuffles else None)


def train_together(
    state: FitState, n: int, work: Array, divergence: DivergenceGuard, interrupts: Interrupts
) -> bool:
    """Train n whole epochs and record them.

    Returns False, with the state as it was, if a loss or a parameter is not finite: then they are
    to be trained one by one, which finds the step. Interrupts are held until the state is whole.
    """
    divergence.take_snapshot(state)
    at_start = state.rng.bit_generator.state
    try:
        records: list[Record] = state.bound.run(
            state.options.batch_size, ignoring, "over invalid", _trained, state, n, work, interrupts
        )
        whole = len(records) == n and all_finite(state.params)
        if whole:
            state.history.records += records
            state.t += n * state.steps_per_epoch
            state.epoch += n
        else:
            divergence.restore(state)
            state.rng.bit_generator.state = at_start
    finally:
        interrupts.release()
    return whole


def _trained(state: FitState, n: int, work: Array, interrupts: Interrupts) -> list[Record]:
    """The records of n epochs, or of those before a loss that is not finite."""
    options, bound, hyper = state.options, state.bound, state.hyper(0, 1)
    size, t, n_rows = options.batch_size, state.t, state.rows_per_epoch
    records: list[Record] = []
    for epoch in range(state.epoch, state.epoch + n):
        draw_order(state)
        part = next(state.rows.parts(0, n_rows, size))
        began = perf_counter()
        loss = bound.train(
            part.samples, part.order, size, options.rule, hyper, state.optimizer_state, t, work,
            interrupts.hold,
        )  # fmt: skip
        seconds = perf_counter() - began
        if not math.isfinite(loss):
            break
        t += state.steps_per_epoch
        records.append(
            {"epoch": epoch, "loss": n_rows * loss / n_rows, "learning_rate": float(hyper[0, 0])}
            | {"seconds": seconds, "samples_per_second": n_rows / max(seconds, 1e-9)}
        )
    return records
