"""ŷ as columns of predictions in the names and units of the target."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.predictions import predict_one, split_heads
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.losses import loss_of
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray


def by_target(
    spec: NetworkSpec, targets: TargetEncoders, y_hat: Array
) -> list[tuple[NetworkSpec, TargetEncoder, Array]]:
    """Each target with the network of its outputs alone, and these, (n, k), of ŷ, (n, n_L)."""
    if len(targets) == 1:
        return [(spec, targets.each[0], y_hat)]
    if targets.classifies:
        return list(zip(spec.head_specs, targets, split_heads(spec, y_hat), strict=True))
    n, T = len(y_hat), len(targets)
    blocked = loss_of(spec.loss).blocked
    shape, axis = ((n, -1, T), 2) if blocked else ((n, T, -1), 1)
    outputs = np.moveaxis(y_hat.reshape(shape), axis, 0)
    return [(spec, target, own) for target, own in zip(targets, outputs, strict=True)]


def as_columns(
    spec: NetworkSpec, target: TargetEncoder, y_hat: Array, *, proba: bool = False,
    alone: bool = True,
) -> dict[str, Array]:  # fmt: skip
    """The predictions of a target.

    Parameters
    ----------
    spec : NetworkSpec
        Of its outputs.
    target : TargetEncoder
    y_hat : array of shape (n, k)
        Its outputs.
    proba : bool, default False
        The probability of each class rather than the predicted class.
    alone : bool, default True
        Whether it is the model's only target.

    Returns
    -------
    dict of str to array of shape (n,)
        Columns in their order. Classes: ``<target>``, their names, or for probabilities a column
        for each class, with its name, and that of one of several targets before it. Values, in the
        target's units: ``<target>``; of several quantiles ``<target> 0.1`` and so on; of a mean and
        its uncertainty ``<target>`` and ``<target> deviation``, the standard deviation.

    Raises
    ------
    CommandError
        If `proba` is True and the network gives no probabilities.
    """
    if proba:
        check_probabilities(spec, TargetEncoders.of(target))
        names = probability_names(target, alone=alone)
        return dict(zip(names, class_probabilities(y_hat).T, strict=True))
    if target.task == "regression" and spec.loss == "quantile":
        levels = spec.loss_options["quantiles"]
        return {
            target.name if len(levels) == 1 else f"{target.name} {q:g}": values
            for q, values in zip(levels, target.decode(y_hat).T, strict=True)
        }
    columns = {target.name: target.decode(point_prediction(spec, target, y_hat))}
    if target.task == "regression" and spec.loss == "gaussian_nll":
        columns[f"{target.name} deviation"] = deviation(target, y_hat)
    return columns


def probability_names(target: TargetEncoder, *, alone: bool) -> list[str]:
    """The names of the columns of probabilities; of one of several targets with its own."""
    return [name if alone else f"{target.name} {name}" for name in target.classes]


def add_columns(found: dict[str, Array], columns: Mapping[str, Array]) -> None:
    """Add columns to those of other targets; a name that occurs again gets a number, as ``a.1``."""
    for name, values in columns.items():
        free = (f"{name}.{i}" if i else name for i in count())
        found[next(one for one in free if one not in found)] = values


def point_prediction(spec: NetworkSpec, target: TargetEncoder, y_hat: Array) -> Array:
    """One encoded prediction for each row: labels (n,) int64, or standardised values (n,); of
    several heads the mean, or the quantile nearest to the median.
    """
    if target.task == "classification":
        return predict_one(spec, y_hat)
    return loss_of(spec.loss).point(y_hat, **spec.loss_options)[:, 0]


def deviation(target: TargetEncoder, y_hat: Array) -> Array:
    """The standard deviation e^{s/2} in the target's units, (n,), of ŷ = (μ, s)."""
    return ignoring("over", _deviation, y_hat, target.scale)


def _deviation(y_hat: Array, scale: float) -> Array:
    return np.exp(y_hat[:, 1].astype(np.float64) / 2) * scale


def check_probabilities(spec: NetworkSpec, targets: TargetEncoders) -> None:
    """Raise CommandError if the network gives no probabilities of the classes of the targets."""
    if not targets.classifies:
        raise CommandError(f"--proba is for classes, but {targets.holding('values')}")
    if not spec.gives_probabilities:
        raise CommandError(
            f"--proba: a network with loss {spec.loss} gives scores, not probabilities"
        )


def class_probabilities(y_hat: Array) -> Array:
    """(n, number of classes): ŷ, or [1 - ŷ, ŷ] for one output."""
    return np.hstack([1 - y_hat, y_hat]) if y_hat.shape[1] == 1 else y_hat
