"""Epochs of which nothing but the loss is recorded, trained together.

Threads of several fits then hold the GIL for less time between their steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import takewhile
from time import perf_counter
from typing import cast

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.sparse_rows import SparseRows
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._training.divergence import DivergenceGuard
from ffnn_fast._training.epoch_rows import RowsInMemory, Shuffle
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.ranks import ALONE
from ffnn_fast.history import Record

Array = np.ndarray
MOST_ROWS = 1 << 18  # of epochs together, whose orders take 2 MB


def is_unobserved(state: FitState) -> bool:
    """Whether the fit, of constant hyperparameters, uses nothing of an epoch but its loss."""
    options = state.options
    if options.constant_hyper is None or options.observes_epochs or state.validation is not None:
        return False
    plain = type(state.bound) is BoundNetwork and isinstance(state.rows, RowsInMemory)
    return plain and state.ranks is ALONE


def draw_order(state: FitState) -> None:
    """Draw the order of an epoch."""
    state.rows.draw(state.rng, _shuffle(state))


def _shuffle(state: FitState) -> Shuffle | None:
    """The backend's `shuffle`; None if rows keep their places, as those of one batch of all."""
    shuffles = state.options.shuffle and state.options.batch_size < state.n_rows
    return state.bound.backend.shuffle if shuffles else None


def train_together(
    state: FitState, n: int, work: Array, divergence: DivergenceGuard, interrupts: Interrupts
) -> bool:
    """Train n whole epochs and record them.

    Returns False, with the state as it was, if a loss or a parameter is not finite: then they are
    to be trained one by one, which finds the step. Interrupts are held until the state is whole.
    """
    divergence.take_snapshot(state)
    shuffle = _shuffle(state)
    at_start = None if shuffle is None else state.rng.bit_generator.state
    try:
        records = _trained(state, n, shuffle, work, interrupts.hold)
        whole = len(records) == n and state.bound.has_finite_params()
        if whole:
            state.history.records += records
            state.t += n * state.steps_per_epoch
            state.epoch += n
        else:
            divergence.restore(state)
            if at_start is not None:
                state.rng.bit_generator.state = at_start
    finally:
        interrupts.release()
    return whole


def _trained(
    state: FitState, n: int, shuffle: Shuffle | None, work: Array, hold: Callable[[], None]
) -> list[Record]:
    """The records of n epochs, or of those before a loss that is not finite.

    The seconds of each are the mean of those of all.
    """
    rows, n_rows, options = cast(RowsInMemory, state.rows), state.rows_per_epoch, state.options
    orders = rows.orders(n, state.rng, shuffle)[:, :n_rows]
    sparse = isinstance(rows.samples.X, SparseRows)
    in_one_call = not sparse and state.bound.in_one_call(options.rule, 1, options.batch_size)
    began = perf_counter()
    if in_one_call:
        losses = _losses_of_one_call(state, rows.samples, orders, work, hold)
    else:
        losses = state.bound.run(
            options.batch_size, ignoring, "over invalid", _losses_one_by_one,
            state, rows.samples, orders, work, hold,
        )  # fmt: skip
    seconds = (perf_counter() - began) / n
    figures = {
        "learning_rate": state.learning_rate, "seconds": seconds,
        "samples_per_second": n_rows / max(seconds, 1e-9),
    }  # fmt: skip
    return [
        {"epoch": state.epoch + i, "loss": n_rows * loss / n_rows, **figures}
        for i, loss in enumerate(takewhile(math.isfinite, losses))
    ]


def _losses_of_one_call(
    state: FitState, samples: Samples, orders: Array, work: Array, hold: Callable[[], None]
) -> list[float]:
    """The mean losses of epochs on the rows of each order, (E, m), without the GIL."""
    bound, rule, size = state.bound, state.options.rule, state.options.batch_size
    losses = np.empty(len(orders))
    hold()
    bound.backend.train_epoch(
        bound.plan_now, bound.params, samples.X, samples.Y, samples.sample_weight,
        orders.reshape(-1), size, rule, state.hyper(0, 1), state.optimizer_state, state.t, work,
        losses,
    )  # fmt: skip
    return losses.tolist()


def _losses_one_by_one(
    state: FitState, samples: Samples, orders: Array, work: Array, hold: Callable[[], None]
) -> list[float]:
    """The same by a call of the backend for each epoch."""
    bound, rule, size = state.bound, state.options.rule, state.options.batch_size
    hyper, vectors, steps = state.hyper(0, 1), state.optimizer_state, state.steps_per_epoch
    return [
        bound.train(samples, order, size, rule, hyper, vectors, state.t + e * steps, work, hold)
        for e, order in enumerate(orders)
    ]
