"""The learning rate range test: the loss while the rate grows from step to step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._errstate import ignoring, isolated
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_float, as_generator, as_int
from ffnn_fast._training.fit import draw_dropout_seed
from ffnn_fast._training.fit_request import RateFinderRequest
from ffnn_fast._training.option_arguments import as_frozen_layers
from ffnn_fast.optimizers import StepRule, as_optimizer

Array = np.ndarray
SMOOTHING = 0.9  # weight of the past in the smoothed loss
TOO_LARGE = 4.0  # times the smallest smoothed loss: the test ends
# The least loss that the test's end is relative to: as a share of the loss without training, and of
# the loss with θ = 0.
LEAST_SHARE, LEAST_SHARE_OF_ZERO = 0.25, 1e-3
ALL_ERRORS = "divide over under invalid"


@public()
@dataclass(frozen=True)
class RateCurve:
    """The result of `ffnn_fast.Network.find_learning_rate`.

    Attributes
    ----------
    rates : ndarray of shape (m,)
        η of each step that was made.
    losses : ndarray of shape (m,)
        Loss of each step's batch, before the step.
    smoothed : ndarray of shape (m,)
        Exponential moving average of the losses, corrected for its start.
    suggestion : float
        A tenth of the rate at which the smoothed loss is smallest in comparison with the same
        batches' loss without training, and at least the lowest rate.
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float


def find_learning_rate(
    bound: BoundNetwork, net_rng: np.random.Generator, X: Any, y: Any, request: RateFinderRequest
) -> RateCurve:
    """See `ffnn_fast.Network.find_learning_rate`; neither the network nor `net_rng` changes."""
    samples = as_samples(bound.spec, X, y, request.sample_weight)
    lowest = as_float(request.lowest, "lowest")
    highest = as_float(request.highest, "highest")
    if lowest >= highest:
        raise ValueError(f"lowest must be below highest, got {lowest} and {highest}")
    steps = as_int(request.steps, "steps", 3)
    n, size = len(samples.X), request.batch_size
    batch_size = n if size is None else min(n, as_int(size, "batch_size"))
    generator = _copied(net_rng) if request.rng is None else as_generator(request.rng, "rng")
    seed = draw_dropout_seed(bound.spec, generator)
    frozen = as_frozen_layers(request.frozen, bound.spec)
    rule = StepRule(as_optimizer(request.optimizer), frozen=frozen, seed=seed)
    rates: Array = isolated(np.geomspace, lowest, highest, steps)
    order = _Order(generator, n)
    trial = _Trial(bound, samples, rule, batch_size)
    bound.run(batch_size, ignoring, ALL_ERRORS, trial.run, rates, order, batch_size)
    if len(trial.losses) < 3:
        raise ValueError(f"the loss diverges at the lowest rate: try one below {lowest:g}")
    tried = rates[: len(trial.losses)]
    best = float(tried[np.argmin(trial.change)]) / 10
    return RateCurve(
        tried, np.array(trial.losses), np.array(trial.smoothed), max(best, float(tried[0]))
    )


class _Order:
    """Row numbers in random order, again and again."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n = rng, n
        self.rows = rng.permutation(n)

    def next(self, size: int) -> Array:
        """The next rows, (size,)."""
        if len(self.rows) < size:
            self.rows = np.concatenate([self.rows, self.rng.permutation(self.n)])
        rows, self.rows = self.rows[:size], self.rows[size:]
        return rows


class _Trial:
    """Steps on a copy of θ, and on the same batches the loss of the network as it is.

    Their difference does not contain the differences between batches, which are larger than the
    effect of a step where the network is nearly perfect.

    Attributes
    ----------
    losses, smoothed, change : list of float
        For each step the batch's loss, its moving average, and that less the untrained network's.
    """

    def __init__(
        self, bound: BoundNetwork, samples: Samples, rule: StepRule, batch_size: int
    ) -> None:
        self.before, self.after = bound, bound.on(bound.params.copy())
        self.samples, self.rule = samples, rule
        self.state = np.zeros((rule.slots, bound.spec.n_params), bound.spec.dtype)
        self.hyper, self.work = np.array([rule.optimizer.hyper]), bound.workspace(batch_size)
        self.drops = any(bound.spec.dropout_rates)
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.change: list[float] = []
        self._means = np.zeros(3)  # of the loss, of the untrained loss, and of its absolute value
        first = samples.rows(np.arange(batch_size))
        zero = abs(ignoring(ALL_ERRORS, bound.on(np.zeros_like(bound.params)).loss, first))
        self._least_scale = LEAST_SHARE_OF_ZERO * zero if math.isfinite(zero) else 0.0

    def run(self, rates: Array, order: _Order, batch_size: int) -> None:
        """A step with each rate, until the loss has exploded."""
        for rate in rates:
            if not self.step(rate, order.next(batch_size)):
                return

    def step(self, rate: float, rows: Array) -> bool:
        """One step, recorded; False, without a record, if the loss has exploded."""
        t = len(self.losses)
        self.hyper[0, 0] = rate
        untrained = self._untrained_loss(rows, t + 1)
        loss = self.after.train(
            self.samples, rows, len(rows), self.rule, self.hyper, self.state, t, self.work
        )
        given = np.array([loss, untrained, abs(untrained)])
        self._means = SMOOTHING * self._means + (1 - SMOOTHING) * given
        smooth, reference, scale = self._means / (1 - SMOOTHING ** (t + 1))
        if not math.isfinite(smooth):
            return False
        least = min(self.change, default=0.0)
        # For losses that are not negative scale + least is the smallest smoothed loss.
        scale = max(scale, self._least_scale)
        allowed = (TOO_LARGE - 1) * max(scale + least, LEAST_SHARE * scale)
        if self.change and smooth - reference > least + allowed:
            return False
        self.losses.append(loss)
        self.smoothed.append(float(smooth))
        self.change.append(float(smooth - reference))
        return True

    def _untrained_loss(self, rows: Array, t: int) -> float:
        """The loss of the network as it is, with the dropout of step t."""
        batch = self.samples.rows(rows)
        if self.drops:
            return self.before.loss_gradient(batch, mask=(self.rule.seed, t))[0]
        return self.before.loss(batch)


def _copied(rng: np.random.Generator) -> np.random.Generator:
    bit_generator = isolated(type(rng.bit_generator))
    bit_generator.state = rng.bit_generator.state
    return np.random.Generator(bit_generator)
