"""Predictions from ŷ, scores and metrics of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._scalars import described
from ffnn_fast.activations import by_head
from ffnn_fast.history import Record
from ffnn_fast.losses import loss_of
from ffnn_fast.metrics import METRICS, Metric, accuracy, r2

Array = np.ndarray
SKIP_MISSING = ("rmse", "mae")  # metrics that leave out missing targets themselves


def score_name(spec: NetworkSpec) -> str:
    """``"accuracy"`` for classifiers, ``"r2"`` for regressors."""
    return "accuracy" if spec.task == "classification" else "r2"


def predict(spec: NetworkSpec, y_hat: Array) -> Array:
    """Predictions from ŷ, (n, n_L): labels (n,) where a sample has one class, a column of labels
    for each of several softmax heads, 0/1 per output where each output is a class of its own; for
    regressors ŷ with all heads of a target (quantiles; means, then logarithms of variances). (n,)
    where there is one output.
    """
    if spec.heads:
        return np.stack([head.argmax(axis=1) for (head,) in by_head(spec.heads, y_hat)], axis=1)
    if spec.takes_labels:
        return y_hat.argmax(axis=1)
    if spec.task == "classification":
        y_hat = (y_hat >= 0.5).astype(np.int64)
    return y_hat[:, 0] if spec.n_outputs == 1 else y_hat


def check_probabilities(spec: NetworkSpec, method: str = "predict_proba") -> None:
    """ValueError unless ŷ are probabilities of classes."""
    if not spec.gives_probabilities:
        raise ValueError(
            f"{method} needs a classifier with probabilities; {spec.output!r} with "
            f"loss {spec.loss!r} gives none, use predict or forward"
        )


def has_score(spec: NetworkSpec) -> bool:
    """Whether targets are what ŷ should be; those of ``linear`` are coefficients."""
    return spec.loss != "linear"


def check_score(spec: NetworkSpec) -> None:
    """ValueError if ŷ cannot be compared with targets."""
    if not has_score(spec):
        raise ValueError(
            "a network with loss 'linear' has no score or metrics, since its targets are "
            "coefficients of ŷ; use loss, or metrics=False"
        )


def score(spec: NetworkSpec, y_hat: Array, samples: Samples) -> float:
    """Accuracy of a classifier (share of correct entries), R² of a regressor (mean over targets):
    of ŷ, of μ, or of the quantile nearest to the median. Missing targets do not count.
    """
    check_score(spec)
    truth, known = samples.Y, None
    if spec.missing_targets == "ignore" and truth.ndim == 2:
        known = ~np.isnan(truth)
    if spec.task == "regression":
        return r2(truth, loss_of(spec.loss).point(y_hat, **spec.loss_options), known)
    predicted = predict(spec, y_hat)
    if truth.ndim == 2:
        truth = predict(spec, truth)
        if known is not None and spec.heads:
            known = np.stack([head.all(axis=1) for (head,) in by_head(spec.heads, known)], axis=1)
        if known is not None:
            known = known.reshape(len(truth), -1)[:, : truth[0].size].ravel()
    return accuracy(truth.ravel(), predicted.ravel(), known)


def labels(spec: NetworkSpec, Y: Array) -> Array:
    """The class of each row, (n,), of targets of a classifier in any form.

    Raises
    ------
    ValueError
        If a row has no single class.
    """
    if Y.ndim == 1:
        return Y
    if spec.task != "classification" or not (spec.takes_labels or spec.n_outputs == 1):
        raise ValueError("expected a classifier with one class per row")
    return predict(spec, Y)


def metric_values(
    spec: NetworkSpec, y_hat: Array, samples: Samples, metrics: Sequence[Metric], prefix: str = ""
) -> Record:
    """Each metric of ŷ on the samples, under its name after the prefix."""
    return {
        f"{prefix}{metric.name}": _as_figure(metric, _value(spec, metric, y_hat, samples))
        for metric in metrics
    }


def _as_figure(metric: Metric, value: Any) -> float:
    """What a metric returned as a float; ValueError if it is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"metric {metric.name!r} must return a number, got {described(value)}"
        ) from None


def _value(spec: NetworkSpec, metric: Metric, y_hat: Array, samples: Samples) -> Any:
    """A metric of ŷ; rows with a missing target count only for metrics that skip missing ones."""
    if metric is METRICS[score_name(spec)]:
        return score(spec, y_hat, samples)
    truth = samples.Y
    if spec.heads and (metric is METRICS["f1"] or metric.name.startswith("top_")):
        return _mean_over_heads(spec, metric, y_hat, truth)
    if spec.missing_targets == "ignore" and truth.ndim == 2 and metric.name not in SKIP_MISSING:
        whole = ~np.isnan(truth).any(axis=1)
        truth, y_hat = truth[whole], y_hat[whole]
    if metric.takes == "outputs":
        ranks = truth.ndim == 2 and spec.takes_labels and metric.name.startswith("top_")
        return metric.function(labels(spec, truth) if ranks else truth, y_hat)
    if spec.task == "regression":
        predicted = loss_of(spec.loss).point(y_hat, **spec.loss_options)
        return metric.function(_narrow(truth), _narrow(predicted))
    predicted = predict(spec, y_hat)
    return metric.function(truth if truth.ndim == 1 else predict(spec, truth), predicted)


def _mean_over_heads(spec: NetworkSpec, metric: Metric, y_hat: Array, truth: Array) -> float:
    """The mean of a metric of labels over the heads, each on the rows where its target is known."""
    values = []
    for p, y in by_head(spec.heads, y_hat, truth):
        known = ~np.isnan(y).any(axis=1)
        predicted = p[known] if metric.takes == "outputs" else p[known].argmax(axis=1)
        if known.any():
            values.append(metric.function(y[known].argmax(axis=1), predicted))
    return float(np.mean(values)) if values else float("nan")


def _narrow(values: Array) -> Array:
    """(n,) where there is one column."""
    return values[:, 0] if values.shape[1] == 1 else values
