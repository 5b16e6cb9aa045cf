"""The metrics of an epoch, and the figures of its validation rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast._model.predictions import metric_values
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._training.block_samples import samples_of
from ffnn_fast._training.block_weights import BlockWeights
from ffnn_fast._training.ranks import ALONE, Alone
from ffnn_fast.blocks import RowBlocks
from ffnn_fast.history import Record
from ffnn_fast.metrics import Metric


@dataclass(frozen=True)
class ValidationBlocks:
    """Validation rows that are read after each epoch, as they lie."""

    spec: NetworkSpec
    blocks: RowBlocks
    weights: BlockWeights | None

    def samples(self) -> Iterator[Samples]:
        """The rows of each block."""
        plan = self.blocks.plan(shuffle=False)
        return samples_of(self.spec, plan, self.weights, "validation ")


Validation = Samples | ValidationBlocks


def metrics_of(
    network: BoundNetwork,
    samples: Samples,
    metrics: Sequence[Metric],
    prefix: str = "",
    ranks: Alone = ALONE,
) -> Record:
    """The metrics on the samples of all ranks; no forward pass where there are none."""
    if not metrics:
        return {}
    targets = samples.targets
    y_hat = np.empty((0, network.spec.n_outputs), network.spec.dtype)
    if samples.n:  # a rank may have no rows of a part
        y_hat = network.forward(samples.X, samples.order)
    y_hat, Y, weight = ranks.gathered(y_hat, targets.Y, targets.sample_weight)
    if not ranks.is_first:
        return {}
    of_all = Samples(targets.X, Y, weight)
    return metric_values(network.spec, y_hat, of_all, metrics, prefix)


def validation_figures(
    network: BoundNetwork, validation: Validation, metrics: Sequence[Metric]
) -> Record:
    """``val_loss`` and the metrics of all validation rows."""
    if isinstance(validation, Samples):
        record = {"val_loss": network.loss(validation)}
        return record | metrics_of(network, validation, metrics, "val_")
    total, outputs, targets = 0.0, [], []
    for samples in validation.samples():
        total += samples.n * network.loss(samples)
        if metrics:
            outputs.append(network.forward(samples.X))
            targets.append(samples.Y)
    record = {"val_loss": total / validation.blocks.n_rows}
    if not metrics:
        return record
    of_all = Samples(samples.X[:0], np.concatenate(targets))
    y_hat = np.concatenate(outputs)
    return record | metric_values(network.spec, y_hat, of_all, metrics, "val_")
