"""How much of a fit its time limit allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ffnn_fast.network import Network
from ffnn_fast.tabular._members import Member, Rows, Stop
from ffnn_fast.tabular._recipes import VALIDATION_ROWS, Recipe, train_network

ALL = int(np.iinfo(np.int64).max)
IMPORTANCE_ROWS = 10_000  # of all folds
FEWEST_ROWS = 64  # of a fold that is judged, and of importances
TRIAL_STEPS = 10
FORWARD_ROWS = 256
LEAST_EPOCHS = 8  # rather fewer networks than so few epochs of each
SPENT = 0.9  # of the time: the rest is for what takes longer than in the trial
AFTERWARDS = 0.05  # of the time, each: predictions out of fold, importances


class Limit:
    """A number of seconds that begin now, infinite without a limit."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = math.inf if seconds is None else float(seconds)
        self.end = perf_counter() + self.seconds

    def left(self) -> float:
        """Seconds until the end; negative after it."""
        return self.end - perf_counter()


@dataclass(frozen=True)
class Plan:
    """What a fit does.

    Attributes
    ----------
    epochs, n_networks : int
    training_rows : int
        At most, of each network: those of one epoch, if not even that fits into the time.
    judged_rows : int
        At most, of a fold whose predictions are kept.
    importance_rows : int
        Of all folds.
    training_end : float
        When training ends, on the clock of `time.perf_counter`.
    """

    epochs: int
    n_networks: int
    training_rows: int
    judged_rows: int
    importance_rows: int
    training_end: float = math.inf


def plan_of(
    limit: Limit,
    recipe: Recipe,
    n_networks: int,
    n_threads: int,
    n_columns: int,
    new: Callable[[], tuple[Network, Rows, Rows]],
) -> Plan:
    """The plan that fits into the time limit, by the time of some steps of one network.

    Parameters
    ----------
    limit : Limit
    recipe : Recipe
    n_networks, n_threads, n_columns : int
        Networks of the bag, those trained at a time, and columns with importances.
    new : callable
        Returns a network to try, the rows it is trained on, and those of its fold.
    """
    if limit.seconds == math.inf:
        return Plan(recipe.epochs, n_networks, ALL, ALL, IMPORTANCE_ROWS)
    net, train, fold = new()
    step, row = _seconds_of_step(net, recipe, train, fold), _seconds_of_row(net, fold)
    n_threads = min(n_threads, n_networks)
    rounds = -(-n_networks // n_threads)
    share = AFTERWARDS * limit.seconds
    judged = max(FEWEST_ROWS, int(share / (row * rounds)))
    importance = max(FEWEST_ROWS, int(share / (row * (n_columns + 1))))
    judged, importance = min(judged, fold.n), min(importance, IMPORTANCE_ROWS)
    after = row * (judged * rounds + importance * (n_columns + 1))
    budget = max(0.0, SPENT * limit.left() - after)
    n_steps = -(-train.n // recipe.rows_of_batch(train.n))
    epoch = n_steps * step + row * min(VALIDATION_ROWS, fold.n)
    least = min(LEAST_EPOCHS, recipe.epochs)
    while rounds > 1 and budget < rounds * least * epoch:
        rounds -= 1
    possible = budget / (rounds * epoch)
    rows = max(FEWEST_ROWS, int(possible * train.n)) if possible < 1 else ALL
    epochs = max(1, min(recipe.epochs, int(possible)))
    n_networks = min(n_networks, rounds * n_threads)
    return Plan(epochs, n_networks, rows, judged, importance, perf_counter() + budget)


def _seconds_of_step(net: Network, recipe: Recipe, train: Rows, fold: Rows) -> float:
    """Of a batch, after a first epoch that also prepares the network."""
    batch = recipe.rows_of_batch(train.n)
    n = min(train.n, TRIAL_STEPS * batch)
    tried = replace(recipe, epochs=2, batch_size=batch)
    member: Member = train_network(net, tried, train.first(n), fold.first(1), Stop())
    seconds = member.history.records[-1]["seconds"]
    return float(seconds) / -(-n // batch)


def _seconds_of_row(net: Network, fold: Rows) -> float:
    """Of a prediction among many."""
    rows = np.resize(fold.X, (FORWARD_ROWS, fold.X.shape[1]))
    times = []
    for _ in range(3):
        began = perf_counter()
        net.forward(rows)
        times.append(perf_counter() - began)
    return min(times) / FORWARD_ROWS
