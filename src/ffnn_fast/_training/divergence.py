"""Divergence: the first step that is not finite is found, named and undone."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.diverged import DivergedWarning
from ffnn_fast._runtime.inspection import trace
from ffnn_fast._runtime.interrupts import Interrupts
from ffnn_fast._training.epoch_rows import EpochPart
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._user_line import stacklevel

__all__ = ["DivergedWarning", "DivergenceGuard"]

Array = np.ndarray
STEPS_PER_SNAPSHOT = 1000  # then the time for a copy of θ and the optimizer state is negligible
MAX_TRACED_ROWS = 1024


class DivergenceGuard:
    """Undoes the first step of a fit after which the loss or a parameter is not finite.

    It keeps a snapshot of a finite state. The steps since then can be repeated one by one, because
    training is deterministic. An interrupt ends the repetition after a whole step.
    """

    def __init__(self, state: FitState, interrupts: Interrupts) -> None:
        self.interrupts = interrupts
        (slots, n), bound = state.optimizer_state.shape, state.bound
        self._scratch = bound.take_scratch((1 + slots) * n)
        self.params = self._scratch[:n]
        self.optimizer_state = state.optimizer_state  # of no rows, or else a copy
        if slots:
            self.optimizer_state = self._scratch[n : (1 + slots) * n].reshape(slots, n)
        self.t = self.position = 0
        self.loss_sum = 0.0

    def keep_scratch(self, state: FitState) -> None:
        """Leave the copies to later calls of the network."""
        state.bound.keep_scratch(self._scratch)

    def take_snapshot(self, state: FitState) -> None:
        """Copy a finite state."""
        self._copy_arrays(state)
        self.t, self.position, self.loss_sum = state.t, state.position, state.loss_sum

    def restore(self, state: FitState) -> None:
        """Set θ and the optimizer state to the copy."""
        state.params[:] = self.params
        state.optimizer_state[...] = self.optimizer_state

    def rolls_back(self, state: FitState, part: EpochPart, loss: float) -> bool:
        """Whether the fit has diverged in the steps with this mean loss, and was rolled back.

        Then the fit is at the last finite step and is stopped, and the first rank has given a
        `DivergedWarning`. Parameters are checked at the end of the part, and before a snapshot.
        Steps that are finite one by one stand: products of the inputs of samples, which steps
        taken together need, overflow sooner.
        """
        whole = state.position == part.end
        due = whole or state.t - self.t >= STEPS_PER_SNAPSHOT
        if math.isfinite(loss) and not (due and not state.bound.has_finite_params()):
            if due and not whole:
                self.take_snapshot(state)
            return False
        return self._rolls_back(state, part, state.position)

    def _rolls_back(self, state: FitState, part: EpochPart, end: int) -> bool:
        """Repeat the steps since the snapshot up to row `end`, and undo the first not finite.

        Returns whether there is one. Interrupts are held at the beginning, and during each step.
        """
        batch_size = state.options.batch_size
        work = state.bound.take_workspace(batch_size)
        self.restore(state)
        state.t, state.position, state.loss_sum = self.t, self.position, self.loss_sum
        rows = part.order[:0]
        loss = math.nan
        while state.position < end:
            rows = part.rows(state.position, batch_size)
            self._copy_arrays(state)
            loss = state.bound.train(
                part.samples, rows, batch_size, state.options.rule, state.hyper(state.t, 1),
                state.optimizer_state, state.t, work, self.interrupts.hold,
            )  # fmt: skip
            state.t += 1
            state.position += len(rows)
            if not (math.isfinite(loss) and state.bound.has_finite_params()):
                break
            state.loss_sum += len(rows) * loss
            self.interrupts.release()
        else:
            self.take_snapshot(state)
            return False
        step, after = state.t, state.params.copy()
        self.restore(state)
        state.t -= 1
        state.position -= len(rows)
        state.stop("diverged")
        self.interrupts.release()
        layer = _first_layer_not_finite(state, part.samples, rows, after)
        what = "a parameter" if math.isfinite(loss) else "the loss"
        message = (
            f"training diverged: {what} is not finite in epoch {state.epoch}, step {step}, layer "
            f"{layer}; the parameters are those before that step. Try a smaller learning rate "
            f"(it was {state.rates(step - 1, 1)[0]:g}), clip_norm=1.0, or standardised inputs"
        )
        if state.together is not None:
            state.together.warnings.append((state, message))
        elif state.ranks.is_first:
            warnings.warn(message, DivergedWarning, stacklevel=stacklevel())
        return True

    def _copy_arrays(self, state: FitState) -> None:
        self.params[:] = state.params
        if self.optimizer_state is not state.optimizer_state:
            self.optimizer_state[...] = state.optimizer_state


def _first_layer_not_finite(state: FitState, samples: Samples, rows: Array, after: Array) -> int:
    """The first layer k with a value that is not finite: forward, backward, or in θ `after`."""
    own = state.ranks.own_rows(rows)[:MAX_TRACED_ROWS]
    traced: dict[str, Array] = {}
    if len(samples.X):  # a rank may have no rows of a part
        some = samples.rows(own if len(own) else np.zeros(1, dtype=np.int64)).dense()
        traced = ignoring("all", trace, state.spec, state.params, some.X, some.Y)
    for name, value in {**traced, **state.spec.named(after)}.items():
        number = name.rpartition("_")[2]
        if number.isdigit() and not np.isfinite(value).all():
            return max(1, int(number))
        if name == "loss" and not np.isfinite(value).all():
            return state.spec.n_layers
    return state.spec.n_layers
