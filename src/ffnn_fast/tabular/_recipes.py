"""Recipes: the networks of a bag and how they are trained, by the name of a preset.

All follow RealMLP-TD: D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong
Pre-Tuned MLPs and Boosted Trees on Tabular Data", NeurIPS 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._scalars import as_choice
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.callbacks import Callback
from ffnn_fast.inputs import InputBlock
from ffnn_fast.network import Network
from ffnn_fast.optimizers import AdamW, Factors, rates_of_ntk
from ffnn_fast.schedules import CosLog, FlatCosine
from ffnn_fast.tabular._choice import Ends
from ffnn_fast.tabular._initialization import initialize_from_rows
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._members import Member, Rows, Stop

Array = np.ndarray
LOSSES = {"softmax": "cross_entropy", "identity": "half_squared_error"}  # of the outputs
VALIDATION_ROWS = 20_000  # at most, that choose the epoch of a network
FEWEST, MOST = 32, 256  # rows of a batch, if it depends on the training rows
SMALL, SCALE = 0.1, 6.0  # factors of the rates of biases, embeddings and α; of the inputs' scale


@dataclass(frozen=True)
class Recipe:
    """A network for tables, and its training.

    Attributes
    ----------
    activation : str
    learning_rate : float
        Base of the schedule, for weights in the NTK parametrisation.
    hidden : tuple of int
    epochs, n_networks : int
        A bag of `n_networks`, each trained for `epochs`.
    batch_size : int or None
        None: the power of 2 nearest 2 √n for n rows, from 32 to 256.
    validation : float
        Share of the rows that choose the epoch of a network, drawn for each; 0: a fold each.
    weight_decay, dropout : float
        Until the middle of the fit; then they fall to 0.
    bandwidths : tuple of float
        Of the embeddings of numbers, in turn for the networks of a bag.
    chosen : bool
        Whether the bag is chosen out of fold (`chosen`); otherwise each network keeps the epoch
        with the least loss on its fold.
    """

    activation: str
    learning_rate: float
    hidden: tuple[int, ...] = (256, 256, 256)
    epochs: int = 256
    batch_size: int | None = 256
    n_networks: int = 1
    validation: float = 0.2
    weight_decay: float = 0.02
    dropout: float = 0.15
    bandwidths: tuple[float, ...] = (0.1,)
    chosen: bool = False

    def rows_of_batch(self, n: int) -> int:
        """The batch size for n training rows."""
        if self.batch_size is not None:
            return min(self.batch_size, n)
        nearest = 2 ** round(math.log2(2 * math.sqrt(n)))
        return min(max(FEWEST, nearest), MOST, n)

    @property
    def third_end(self) -> int:
        """The epoch in which the third of the four cycles of the rate ends, at 7/15 of the fit."""
        return max(1, round(self.epochs * 7 / 15))


REALMLP = {"classes": Recipe("selu", 0.04), "values": Recipe("mish", 0.2)}


def _bag(n_networks: int, epochs: int) -> dict[str, Recipe]:
    """Smaller networks, each judged on a fold of its own."""
    bag = {
        task: replace(
            recipe, activation="mish", hidden=(96, 96, 96), epochs=epochs, batch_size=None,
            n_networks=n_networks, validation=0.0, dropout=0.1, bandwidths=(0.1, 0.5), chosen=True,
        )
        for task, recipe in REALMLP.items()
    }  # fmt: skip
    return bag | {"classes": replace(bag["classes"], learning_rate=0.06)}


PRESETS = {"default": _bag(8, 48), "fast": _bag(4, 24), "realmlp": REALMLP}


def recipe_of(preset: str, task: str) -> Recipe:
    """The recipe of a preset for "classes" or "values"."""
    return PRESETS[as_choice(preset, "preset", PRESETS)][task]


def new_network(
    recipe: Recipe, inputs: TableInputs, widths: tuple[int, ...], output: str, rows: Array,
    seed: int, place: int = 0,
) -> Network:  # fmt: skip
    """A network of a recipe for encoded rows, with the parameters that they give it.

    `widths` are the outputs of each head of softmax, or one number of outputs; `place` is that of
    the network in the bag.
    """
    rng = np.random.default_rng(seed)
    numbers, n = len(inputs.number_names), inputs.n_inputs
    first_code = n - len(inputs.code_sizes)
    block = InputBlock(
        embedding="periodic" if numbers else "plain",
        embedded=tuple(range(numbers)) if numbers else None,
        bandwidth=recipe.bandwidths[place % len(recipe.bandwidths)],
        categories={first_code + j: size for j, size in enumerate(inputs.code_sizes)},
    )
    net = Network(
        [n, *recipe.hidden, sum(widths)], activation=recipe.activation, output=output,
        loss=LOSSES[output], dropout=recipe.dropout, inputs=block, parametric=True,
        heads=widths if len(widths) > 1 else (),
        initializer="lecun_normal", seed=rng, n_threads=1,
    )  # fmt: skip
    initialize_from_rows(net, rows, rng)
    return net


def train_network(
    net: Network, recipe: Recipe, train: Rows, fold: Rows, stop: Stop, max_time: float | None = None
) -> Member:
    """Train a network on rows; it keeps the epoch with the least loss on the first of the fold, or
    has candidates.
    """
    X, y, weight = train.given
    ends = Ends(net, recipe.third_end)
    history = net.fit(
        X, y, sample_weight=weight, epochs=recipe.epochs,
        batch_size=recipe.rows_of_batch(len(X)),
        optimizer=AdamW(beta_2=0.95, weight_decay=recipe.weight_decay),
        learning_rate=CosLog(recipe.learning_rate),
        schedules={
            "weight_decay": FlatCosine(recipe.weight_decay), "dropout": FlatCosine(recipe.dropout),
        },
        rate_factors=_rate_factors(net), decay_factors=_decay_factors(),
        metrics=False, max_time=max_time, **_selection(recipe, fold, [stop, ends]),
    )  # fmt: skip
    if recipe.chosen:
        none = np.empty((0, net.spec.n_outputs), net.spec.dtype)
        return Member(net, np.empty(0, np.int64), none, history, tuple(ends.networks))
    return Member(net, np.empty(0, np.int64), net.forward(fold.X), history)


def _selection(recipe: Recipe, fold: Rows, callbacks: list[Callback]) -> dict[str, Any]:
    """Arguments of `fit` by which a network keeps its best epoch or has candidates."""
    if recipe.chosen:
        return {"callbacks": callbacks}
    return {
        "callbacks": callbacks[:1],
        "validation_data": fold.first(VALIDATION_ROWS).given,
        "early_stopping": EarlyStopping(patience=recipe.epochs),
    }


def _rate_factors(net: Network) -> Factors:
    widths = [W.shape[1] for W in net.weights] + [net.spec.n_outputs]
    return rates_of_ntk(
        widths, biases=SMALL, embedding=SMALL, tables=SMALL, alpha=SMALL, scale=SCALE
    )


def _decay_factors() -> Factors:
    """Those of the published code, in which the factor of a group's rate enters twice."""
    small = SMALL**2
    return Factors(biases=0.0, embedding=small, tables=small, alpha=small, scale=SCALE**2)
