"""Which learning rate: the loss while the rate grows from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import positive_float, positive_int
from ffnn_fast._model.samples import as_samples
from ffnn_fast._training.fit import Trainee, drawn_seed, layers
from ffnn_fast.optimizers import StepRule, as_optimizer

Array = np.ndarray
SMOOTHING = 0.9  # weight of the past in the smoothed loss
TOO_LARGE = 4.0  # times the smallest smoothed loss: from there on nothing is learnt


@dataclass(frozen=True)
class RateCurve:
    """Outcome of `find_learning_rate`.

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
    net: Trainee,
    X: Any,
    y: Any,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int | None = 32,
    optimizer: Any = "sgd",
    sample_weight: Any = None,
    frozen: Iterable[int] = (),
    rng: int | np.random.Generator | None = None,
) -> RateCurve:
    """Try learning rates from low to high, one step each, and leave the network as it was.

    The rate grows by the same factor from step to step; the trial ends early when the smoothed loss
    is 4 times its smallest value or is not finite. After L. N. Smith, *Cyclical Learning Rates for
    Training Neural Networks* (2017), section 3.3.

    Parameters
    ----------
    X, y, sample_weight
        As in `fit`.
    lowest, highest : float, default 1e-6 and 10.0
        The first and the last rate.
    steps : int, default 100
    batch_size : int or None, default 32
        None: all rows at once.
    optimizer : str or Optimizer, default "sgd"
        Its own learning rate is not used.
    frozen : sequence of int, default ()
        Layers that stay as they are.
    rng : int or Generator, optional
        For the order of the rows; default: a copy of the network's own, which stays as it is.

    Returns
    -------
    RateCurve

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not even the lowest rate can be tried.
    """
    machine = net.machine
    problem = as_samples(machine.spec, X, y, sample_weight)
    lowest, highest = positive_float(lowest, "lowest"), positive_float(highest, "highest")
    if lowest >= highest:
        raise ValueError(f"lowest must be below highest, got {lowest} and {highest}")
    if positive_int(steps, "steps") < 3:
        raise ValueError(f"steps must be at least 3, got {steps}")
    n = len(problem.X)
    batch_size = n if batch_size is None else min(n, positive_int(batch_size, "batch_size"))
    bit_generator = type(net.rng.bit_generator)()
    bit_generator.state = net.rng.bit_generator.state
    generator = np.random.Generator(bit_generator) if rng is None else np.random.default_rng(rng)
    seed = drawn_seed(machine.spec, generator)
    rule = StepRule(as_optimizer(optimizer), frozen=layers(frozen, machine.spec), seed=seed)
    trial = machine.on(machine.params.copy())
    rates = np.geomspace(lowest, highest, steps)
    state = np.zeros((rule.slots, machine.spec.n_params), machine.spec.dtype)
    work, hyper = machine.workspace(batch_size), np.array([rule.optimizer.hyper])
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    order = generator.permutation(n)
    with np.errstate(over="ignore", invalid="ignore"):
        for t, rate in enumerate(rates):
            if len(order) < batch_size:
                order = np.concatenate([order, generator.permutation(n)])
            rows, order = order[:batch_size], order[batch_size:]
            hyper[0, 0] = rate
            loss = trial.train(problem, rows, batch_size, rule, hyper, state, t, work)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            smooth = mean / (1 - SMOOTHING ** (t + 1))
            if not math.isfinite(smooth) or (smoothed and smooth > TOO_LARGE * min(smoothed)):
                break
            losses.append(loss)
            smoothed.append(smooth)
    if len(losses) < 3:
        raise ValueError(f"the loss explodes at once: try a lowest rate below {lowest:g}")
    tried = rates[: len(losses)]
    return RateCurve(
        tried, np.array(losses), np.array(smoothed), float(tried[np.argmin(smoothed)]) / 10
    )
