"""Recipes: the networks of a bag and how they are trained, by the name of a preset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffnn_fast._scalars import as_choice
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.inputs import InputBlock
from ffnn_fast.network import Network
from ffnn_fast.optimizers import AdamW, Factors, rates_of_ntk
from ffnn_fast.schedules import CosLog, FlatCosine
from ffnn_fast.tabular._initialization import initialize_from_rows
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._members import Member, Rows, Stop

Array = np.ndarray
SMALL_FACTOR, SCALE_FACTOR = 0.1, 6.0  # of the rates of biases, embeddings, α; of the input scale


@dataclass(frozen=True)
class Recipe:
    """A network for tables, and its training, after RealMLP-TD.

    Attributes
    ----------
    activation : str
    learning_rate : float
        Base of the schedule `CosLog`, for weights in the NTK parametrisation.
    hidden : tuple of int
    epochs, batch_size, n_networks : int
        A bag of `n_networks`, each trained for `epochs`.
    weight_decay, dropout : float
        Until the middle of the fit; then they fall to 0 by half a cosine.
    label_smoothing : float
    validation : float
        Share of the rows that choose the epoch of a network, drawn for each; 0: a fold each.
    """

    activation: str
    learning_rate: float
    hidden: tuple[int, ...] = (256, 256, 256)
    epochs: int = 256
    batch_size: int = 256
    n_networks: int = 1
    weight_decay: float = 0.02
    dropout: float = 0.15
    label_smoothing: float = 0.0
    validation: float = 0.0


def _presets(classes: Recipe, values: Recipe) -> dict[str, Recipe]:
    return {"classes": classes, "values": values}


CLASSES = Recipe("selu", 0.04)
VALUES = Recipe("mish", 0.2)
