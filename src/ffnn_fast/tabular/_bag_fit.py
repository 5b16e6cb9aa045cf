"""The fit of a bag: folds, the plan within the time limit, and the members."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast.callbacks import ProgressBar
from ffnn_fast.network import Network
from ffnn_fast.tabular._folds import Units, folds_of, random_split
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._linear import linear_network
from ffnn_fast.tabular._members import Member, Rows, Stop, train_members
from ffnn_fast.tabular._recipes import VALIDATION_ROWS, Recipe, new_network, train_network
from ffnn_fast.tabular._time_plan import Limit, Plan, plan_of

Array = np.ndarray
Splits = list[tuple[Array, Array]]
ROWS_PER_FOLD = 5  # at least, if there are enough for two folds


@dataclass(frozen=True)
class BagFit:
    """What the members of a bag have in common.

    Attributes
    ----------
    recipe : Recipe
    inputs : TableInputs
    widths : tuple of int
        Outputs of each head, or of the only one.
    output : str
    n_threads : int
        Members that are trained at a time.
    verbose : bool
        Whether a bar shows the progress.
    """

    recipe: Recipe
    inputs: TableInputs
    widths: tuple[int, ...]
    output: str
    n_threads: int
    verbose: bool

    def members(
        self, rows: Rows, splits: Splits, limit: Limit, rng: np.random.Generator
    ) -> tuple[list[Member], Plan]:
        """Trained members, of `splits_of`, and the plan of the fit."""
        splits = splits.copy()
        seeds = rng.integers(2**31 - 1, size=len(splits)).tolist()

        def new(i: int) -> tuple[Network, Rows, Rows]:
            kept, fold = (rows.part(part) for part in splits[i])
            widths, output = self.widths, self.output
            net = new_network(self.recipe, self.inputs, widths, output, kept.X, seeds[i], i)
            return net, kept, fold

        n_columns, n_threads = len(self.inputs.features), self.n_threads
        plan = plan_of(limit, self.recipe, len(splits), n_threads, n_columns, lambda: new(0))
        recipe = replace(self.recipe, epochs=plan.epochs)
        for i, seed in enumerate(seeds):
            kept, fold = splits[i]
            splits[i] = _some(kept, plan.training_rows, seed), _judged(fold, plan, seed)

        def train(i: int, stop: Stop) -> Member:
            net, kept, fold = new(i)
            rounds = -(-(plan.n_networks - i) // n_threads)
            linear = None if recipe.published else linear_network(net, kept, self.widths)
            member = train_network(net, recipe, kept, fold, stop, stop.seconds(rounds))
            return replace(member, fold=splits[i][1], linear=linear)

        bar = ProgressBar(description="networks") if self.verbose else None
        if bar is not None:
            bar.start(plan.n_networks * plan.epochs)
        try:
            stop = Stop(plan.training_end, bar)
            return train_members(train, plan.n_networks, n_threads, stop), plan
        finally:
            if bar is not None:
                bar.close()


def splits_of(
    recipe: Recipe, y: Array, weight: Array | None, rng: np.random.Generator,
    units: Units | None = None,
) -> Splits:  # fmt: skip
    """For each member the rows to train on and those to be judged on, of those with a weight.

    No member is trained on a row of a unit that it is judged on.
    """
    counted = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
    if units is None:
        splits = _splits(recipe, len(counted), rng, y[counted])
        return [(counted[kept], counted[fold]) for kept, fold in splits]
    splits = _splits_of_units(recipe, units.part(counted), rng)
    return [(counted[rng.permutation(kept)], counted[fold]) for kept, fold in splits]


def _splits(recipe: Recipe, n: int, rng: np.random.Generator, y: Array) -> Splits:
    """The same for rows that all count."""
    strata = y if y.ndim == 1 and y.dtype.kind == "i" else None
    if recipe.published:
        return [random_split(n, recipe.validation, rng) for _ in range(recipe.n_networks)]
    n_folds = max(2, min(recipe.n_networks, n // ROWS_PER_FOLD))
    n_networks = max(recipe.n_networks, n_folds)
    rounds = [folds_of(n, n_folds, rng, strata) for _ in range(-(-n_networks // n_folds))]
    return _without_each([fold for one in rounds for fold in one][:n_networks], n)


def _splits_of_units(recipe: Recipe, units: Units, rng: np.random.Generator) -> Splits:
    """The same with folds of whole units."""
    if recipe.published:
        return [units.split(recipe.validation, rng) for _ in range(recipe.n_networks)]
    n = len(units.codes)
    n_folds, folds = max(2, min(recipe.n_networks, n // ROWS_PER_FOLD)), list[Array]()
    while len(folds) < max(2, recipe.n_networks):
        folds += units.folds(n_folds, rng)
    return _without_each(folds[: max(2, recipe.n_networks)], n)


def _without_each(folds: list[Array], n: int) -> Splits:
    """For each fold the other rows of 0 .. n - 1, and the fold."""
    return [(np.setdiff1d(np.arange(n), fold, assume_unique=True), fold) for fold in folds]


def _judged(fold: Array, plan: Plan, seed: int) -> Array:
    """The rows of a fold that are judged; a long one in random order, since its first choose the
    epoch.
    """
    if len(fold) <= min(VALIDATION_ROWS, plan.judged_rows):
        return fold
    return np.random.default_rng(seed).permutation(fold)[: plan.judged_rows]


def _some(rows: Array, most: int, seed: int) -> Array:
    """The rows, or so many of them at random."""
    if len(rows) <= most:
        return rows
    return np.random.default_rng(seed).choice(rows, most, replace=False)
