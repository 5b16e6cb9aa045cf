"""Recipes: the networks of a bag and how they are trained, by the name of a preset.

All follow RealMLP-TD: D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong
Pre-Tuned MLPs and Boosted Trees on Tabular Data", NeurIPS 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast._columns.features import MOST_LEVELS
from ffnn_fast._scalars import as_choice
from ffnn_fast.inputs import InputBlock
from ffnn_fast.network import Network
from ffnn_fast.optimizers import AdamW, Factors, epsilons_of_ntk, rates_of_ntk
from ffnn_fast.schedules import CosLog, FlatCosine
from ffnn_fast.tabular._choice import Ends
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._members import Member, Rows, Stop
from ffnn_fast.tabular._selection import LastBest

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
    published : bool
        Whether everything is as in the authors' package, pytabkit: a short last batch is left out;
        the rows that choose the epoch are not stratified; the last epoch with the least error is
        kept; with one network, medians, scales and the range of values are those of the rows that
        it is trained on.
    label_smoothing : float
        Of classes.
    most_one_hot : int
        Categories with up to so many levels are scaled inputs, as numbers are; those with more
        are left to the input block.
    table_rate : float
        Factor of the rate of the embeddings of categories.
    simple : bool
        TD-S: numbers have no embedding and activations no α, parameters do not depend on the rows,
        and the last layer starts from 0.
    clips : bool
        Whether predicted values lie in the range of the training rows.
    first_rows : int
        At most, from which the first parameters are computed.
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
    published: bool = False
    label_smoothing: float = 0.0
    most_one_hot: int = 0
    table_rate: float = SMALL
    simple: bool = False
    clips: bool = True
    first_rows: int = 1000

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
PUBLISHED = {
    task: replace(recipe, published=True, most_one_hot=8, table_rate=1.0, first_rows=10_000)
    for task, recipe in REALMLP.items()
}
PUBLISHED["classes"] = replace(PUBLISHED["classes"], label_smoothing=0.1)


def _simple(recipe: Recipe, learning_rate: float) -> Recipe:
    """TD-S."""
    return replace(
        recipe, learning_rate=learning_rate, weight_decay=0.0, dropout=0.0, simple=True,
        most_one_hot=MOST_LEVELS, clips=False,
    )  # fmt: skip


def _bag(n_networks: int, epochs: int) -> dict[str, Recipe]:
    """Smaller networks, each judged on a fold of its own, of which the bag is chosen."""
    bag = {
        task: replace(
            recipe, activation="mish", hidden=(96, 96, 96), epochs=epochs, batch_size=None,
            n_networks=n_networks, validation=0.0, dropout=0.1, bandwidths=(0.1, 0.5),
        )
        for task, recipe in REALMLP.items()
    }  # fmt: skip
    return bag | {"classes": replace(bag["classes"], learning_rate=0.06)}


PRESETS: dict[str, dict[str, Recipe]] = {
    "default": _bag(8, 48),
    "fast": _bag(4, 24),
    "realmlp": PUBLISHED,
    "realmlp-s": {
        "classes": _simple(PUBLISHED["classes"], 0.04), "values": _simple(PUBLISHED["values"], 0.07)
    },
}  # fmt: skip


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
    smoothing = {"label_smoothing": recipe.label_smoothing} if recipe.label_smoothing else {}
    net = Network(
        [inputs.n_inputs, *recipe.hidden, sum(widths)], activation=recipe.activation, output=output,
        loss=LOSSES[output], loss_options=smoothing, dropout=recipe.dropout,
        inputs=_input_block(recipe, inputs, place), parametric=not recipe.simple,
        heads=widths if len(widths) > 1 else (),
        initializer="lecun_normal", seed=rng, n_threads=1,
    )  # fmt: skip
    if recipe.simple:
        _initialize_simply(net, rng)
    else:
        net.initialize(rows, rng=rng, most_rows=recipe.first_rows)
    return net


def train_network(
    net: Network, recipe: Recipe, train: Rows, fold: Rows, stop: Stop, max_time: float | None = None
) -> Member:
    """Train a network on rows; it has candidates, or keeps the best epoch on the first rows of the
    fold.
    """
    selection = _selection(net, recipe, train, fold)
    hidden = recipe.published or not stop.shows
    shown = None if hidden else fold.first(VALIDATION_ROWS).given
    falling = {"weight_decay": recipe.weight_decay, "dropout": recipe.dropout}
    history = net.fit(
        train.all_X, train.all_y, rows=train.order, sample_weight=train.all_weight,
        epochs=recipe.epochs, batch_size=recipe.rows_of_batch(train.n),
        optimizer=AdamW(
            beta_2=0.95, epsilon=_epsilon(net, recipe), weight_decay=recipe.weight_decay
        ),
        learning_rate=CosLog(recipe.learning_rate),
        schedules={name: FlatCosine(value) for name, value in falling.items() if value},
        rate_factors=_rate_factors(net, recipe), decay_factors=_decay_factors(recipe),
        epsilon_factors=epsilons_of_ntk(net.spec.unit_sizes) if recipe.published else None,
        metrics=False, validation_data=shown, max_time=max_time,
        drop_last=recipe.published, callbacks=[stop, selection],
    )  # fmt: skip
    candidates = tuple(selection.networks) if isinstance(selection, Ends) else ()
    return Member(net, np.empty(0, np.int64), net.forward(fold.X), history, candidates)


def _initialize_simply(net: Network, rng: np.random.Generator) -> None:
    """W_k ~ N(0, 1/n_{k−1}) and b_k ~ N(0, 1), but 0 in the last layer."""
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        W[:] = rng.normal(size=W.shape) / np.sqrt(W.shape[1])
        b[:] = rng.normal(size=b.shape)
    net.weights[-1][:] = 0
    net.biases[-1][:] = 0


def _input_block(recipe: Recipe, inputs: TableInputs, place: int) -> InputBlock:
    numbers = 0 if recipe.simple else len(inputs.number_names)
    first_code = inputs.n_inputs - len(inputs.code_sizes)
    return InputBlock(
        embedding="periodic" if numbers else "plain",
        embedded=tuple(range(numbers)) if numbers else None,
        bandwidth=recipe.bandwidths[place % len(recipe.bandwidths)],
        categories={first_code + j: size for j, size in enumerate(inputs.code_sizes)},
    )


def _selection(net: Network, recipe: Recipe, train: Rows, fold: Rows) -> LastBest | Ends:
    """The callback that chooses an epoch or keeps several."""
    if not recipe.published:
        return Ends(net, recipe.third_end)
    clips = recipe.clips and train.y.dtype.kind == "f"
    within = (train.y.min(axis=0), train.y.max(axis=0)) if clips else None
    judged = Rows(*fold.first(VALIDATION_ROWS).given)  # copies, which serve every epoch
    return LastBest(net, judged, within)


def _epsilon(net: Network, recipe: Recipe) -> float:
    """Adam's ε. The published loss of values is the mean of squares over the outputs, 2 / n_L times
    the one here, and ε is added to the size of a gradient.
    """
    values = recipe.published and net.spec.output == "identity"
    return 1e-8 * net.spec.n_outputs / 2 if values else 1e-8


def _rate_factors(net: Network, recipe: Recipe) -> Factors:
    widths = [W.shape[1] for W in net.weights] + [net.spec.n_outputs]
    return rates_of_ntk(
        widths, biases=SMALL, embedding=SMALL, tables=recipe.table_rate, alpha=SMALL, scale=SCALE
    )


def _decay_factors(recipe: Recipe) -> Factors:
    """Those of the published code, in which the factor of a group's rate enters twice."""
    small = SMALL**2
    return Factors(
        biases=0.0, embedding=small, tables=recipe.table_rate**2, alpha=small, scale=SCALE**2
    )
