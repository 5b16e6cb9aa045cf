"""What ŷ tells people: columns of answers in the words and units of the target."""

from __future__ import annotations

import numpy as np

from ffnn_fast._model.predictions import predict
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.cli.output import CommandError
from ffnn_fast.losses import loss_of
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray


def columns(
    spec: NetworkSpec, target: TargetEncoder, y_hat: Array, *, proba: bool = False
) -> dict[str, Array]:
    """What a network with one target says of each row.

    Parameters
    ----------
    spec : NetworkSpec
    target : TargetEncoder
    y_hat : array of shape (n, n_L)
    proba : bool, default False
        The probability of each class rather than its name.

    Returns
    -------
    dict of str to array of shape (n,)
        Columns in their order. Classes: names, under that of the target, or probabilities, under
        those of the classes. Values, in the target's units: ``<target>``; of several quantiles
        ``<target> 0.1`` and so on; of a mean and its uncertainty ``<target>`` and
        ``<target> deviation``, the standard deviation.

    Raises
    ------
    CommandError
        If `proba` is given where there are no probabilities.
    """
    if proba:
        check_probabilities(spec, target)
        return dict(zip(target.classes, probabilities(y_hat).T, strict=True))
    if target.task == "regression" and spec.loss == "quantile":
        levels = spec.loss_options["quantiles"]
        return {
            target.name if len(levels) == 1 else f"{target.name} {q:g}": values
            for q, values in zip(levels, target.decode(y_hat).T, strict=True)
        }
    told = {target.name: target.decode(point(spec, target, y_hat))}
    if target.task == "regression" and spec.loss == "gaussian_nll":
        told[f"{target.name} deviation"] = deviation(target, y_hat)
    return told


def point(spec: NetworkSpec, target: TargetEncoder, y_hat: Array) -> Array:
    """The one answer for each row, as the network learns it: labels (n,) int64, or standardised
    values (n,): of several heads the mean, or the quantile nearest to the median.
    """
    if target.task == "classification":
        return predict(spec, y_hat)
    return loss_of(spec.loss).point(y_hat, **spec.loss_options)[:, 0]


def deviation(target: TargetEncoder, y_hat: Array) -> Array:
    """The standard deviation e^{s/2} in the target's units, (n,), of ŷ = (μ, s)."""
    with np.errstate(over="ignore"):
        return np.exp(y_hat[:, 1].astype(np.float64) / 2) * target.scale


def check_probabilities(spec: NetworkSpec, target: TargetEncoder) -> None:
    """Raise CommandError if there are no probabilities to tell."""
    if target.task == "regression":
        raise CommandError(f"--proba is for classes, but {target.name!r} has values")
    if not spec.gives_probabilities:
        raise CommandError(f"--proba: a network with loss {spec.loss} gives scores, which are none")


def probabilities(y_hat: Array) -> Array:
    """(n, number of classes): ŷ, or for one output those of both classes."""
    return np.hstack([1 - y_hat, y_hat]) if y_hat.shape[1] == 1 else y_hat
