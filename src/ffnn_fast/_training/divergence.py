"""When training leaves the finite numbers: where it did, and back to the step before."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ffnn_fast._model.arrays import all_finite
from ffnn_fast._runtime.bound_network import aligned_empty
from ffnn_fast._runtime.inspection import trace
from ffnn_fast._training.fit_state import FitState

Array = np.ndarray
STEPS_BETWEEN_MARKS = 1000  # a copy of θ and of the state is then lost among the steps
ROWS_TO_LOOK_AT = 1024


class DivergedWarning(UserWarning):
    """A fit has stopped because its loss or a parameter is no finite number any more."""


class DivergenceGuard:
    """Keeps a place where all was finite, and finds the first step after it where it is not.

    Bits are deterministic, so the steps from that place can be made again, one by one.
    """

    def __init__(self, run: FitState) -> None:
        self.params = aligned_empty(len(run.params), run.spec.dtype)
        self.state = np.empty_like(run.state)
        self.t = self.position = 0

    def mark(self, run: FitState) -> None:
        """Here all is finite."""
        self.params[:] = run.params
        self.state[...] = run.state
        self.t, self.position = run.t, run.position

    def check(self, run: FitState, order: Array, loss: float) -> bool:
        """Whether all is well after steps with this mean loss; else the fit is back at the last
        finite step, has been told to stop, and a warning has been given.
        """
        whole = run.position == len(order)
        due = whole or run.t - self.t >= STEPS_BETWEEN_MARKS
        if math.isfinite(loss) and not (due and not all_finite(run.params)):
            if due and not whole:
                self.mark(run)
            return True
        self._return(run, order)
        return False

    def _return(self, run: FitState, order: Array) -> None:
        """Make the steps since the mark again, up to the first that goes wrong."""
        batch, work = run.options.batch_size, run.machine.workspace(run.options.batch_size)
        run.params[:] = self.params
        run.state[...] = self.state
        run.t, run.position = self.t, self.position
        rows = order[:0]
        loss = math.nan
        while run.position < len(order):
            rows = order[run.position : run.position + batch]
            self.params[:], self.state[...] = run.params, run.state
            loss = run.machine.train(
                run.train,
                rows,
                batch,
                run.options.rule,
                run.hyper(run.t, 1),
                run.state,
                run.t,
                work,
            )
            run.t += 1
            run.position += len(rows)
            if not (math.isfinite(loss) and all_finite(run.params)):
                break
        step, after = run.t, run.params.copy()
        run.params[:], run.state[...] = self.params, self.state
        run.t -= 1
        run.position -= len(rows)
        run.stop("diverged")
        layer = _layer(run, rows, after)
        what = "a parameter" if math.isfinite(loss) else "the loss"
        warnings.warn(
            f"training diverged: {what} is not finite in epoch {run.epoch}, step {step}, layer "
            f"{layer}; the parameters are those before that step. Try a smaller learning rate "
            f"(it was {run.rates(step - 1, 1)[0]:g}), clip_norm=1.0, or standardised inputs",
            DivergedWarning,
            stacklevel=7,
        )


def _layer(run: FitState, rows: Array, after: Array) -> int:
    """The first layer with something infinite: on the way forward, back, or after the step."""
    rows = rows[:ROWS_TO_LOOK_AT]
    with np.errstate(all="ignore"):
        seen = trace(run.spec, run.params, run.train.rows(rows))
    for name, value in {**seen, **run.spec.named(after)}.items():
        number = name.rpartition("_")[2]
        if number.isdigit() and not np.isfinite(value).all():
            return max(1, int(number))
        if name == "loss" and not np.isfinite(value).all():
            return run.spec.n_layers
    return run.spec.n_layers
