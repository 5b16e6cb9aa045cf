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
from ffnn_fast._training.fit import as_frozen_layers, draw_dropout_seed
from ffnn_fast._training.fit_request import RateFinderRequest
from ffnn_fast.optimizers import StepRule, as_optimizer

Array = np.ndarray
SMOOTHING = 0.9  # weight of the past in the smoothed loss
TOO_LARGE = 4.0  # times the smallest smoothed loss: the test ends


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
        A tenth of the rate at which the smoothed loss is smallest.
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
    trial = bound.on(bound.params.copy())
    rates: Array = isolated(np.geomspace, lowest, highest, steps)
    losses, smoothed = bound.run(
        batch_size, ignoring, "over invalid",
        _try, trial, samples, batch_size, rule, rates, generator,
    )  # fmt: skip
    if len(losses) < 3:
        raise ValueError(f"the loss diverges at the lowest rate: try one below {lowest:g}")
    tried = rates[: len(losses)]
    return RateCurve(
        tried, np.array(losses), np.array(smoothed), float(tried[np.argmin(smoothed)]) / 10
    )


def _try(
    trial: BoundNetwork,
    samples: Samples,
    batch_size: int,
    rule: StepRule,
    rates: Array,
    generator: np.random.Generator,
) -> tuple[list[float], list[float]]:
    """A step with each rate until the loss is too large; the losses, and the smoothed losses."""
    spec, n = trial.spec, len(samples.X)
    optimizer_state = np.zeros((rule.slots, spec.n_params), spec.dtype)
    work, hyper = trial.workspace(batch_size), np.array([rule.optimizer.hyper])
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    order = generator.permutation(n)
    for t, rate in enumerate(rates):
        if len(order) < batch_size:
            order = np.concatenate([order, generator.permutation(n)])
        rows, order = order[:batch_size], order[batch_size:]
        hyper[0, 0] = rate
        loss = trial.train(samples, rows, batch_size, rule, hyper, optimizer_state, t, work)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (t + 1))
        if not math.isfinite(smooth) or (smoothed and smooth > TOO_LARGE * min(smoothed)):
            break
        losses.append(loss)
        smoothed.append(smooth)
    return losses, smoothed


def _copied(rng: np.random.Generator) -> np.random.Generator:
    bit_generator = isolated(type(rng.bit_generator))
    bit_generator.state = rng.bit_generator.state
    return np.random.Generator(bit_generator)
