"""Predictions from ŷ, scores and metrics of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._scalars import described
from ffnn_fast.activations import activation_of, by_head, log_logistic, log_softmax
from ffnn_fast.history import Record
from ffnn_fast.losses import loss_of
from ffnn_fast.metrics import METRICS, Metric, accuracy, r2, top_k_accuracy

Array = np.ndarray
SKIP_MISSING = ("rmse", "mae")  # metrics that leave out missing targets themselves
OF_VALUES = ("r2", "rmse", "mae")  # metrics of regressors; the other built-in ones are of classes
LEAST_PROBABILITY = 1e-30  # in float32; the logarithm of a smaller one is that of it
SCORE = Metric("score", lambda truth, predicted: math.nan, larger_is_better=True)


def score_metric(spec: NetworkSpec) -> Metric:
    """The metric whose value is `score`: accuracy of classifiers, R² of regressors."""
    if spec.mixed:
        return SCORE
    return METRICS["accuracy" if spec.task == "classification" else "r2"]


def split_heads(spec: NetworkSpec, y_hat: Array) -> tuple[Array, ...]:
    """The outputs of each head, views of the last axis of ŷ."""
    return tuple(np.split(y_hat, np.cumsum(spec.head_widths)[:-1], axis=-1))


def predict(spec: NetworkSpec, y_hat: Array) -> Array | tuple[Array, ...]:
    """`predict_one`, of each head where heads have their own."""
    if not spec.mixed:
        return predict_one(spec, y_hat)
    parts = zip(spec.head_specs, split_heads(spec, y_hat), strict=True)
    return tuple(predict_one(head, part) for head, part in parts)


def predict_one(spec: NetworkSpec, y_hat: Array) -> Array:
    """Predictions from ŷ, (n, n_L): labels (n,) where a sample has one class, a column of labels
    for each of several softmax heads, 0/1 per output where each output is a class of its own; for
    regressors ŷ with all heads of a target (quantiles; means, then logarithms of variances). (n,)
    where there is one output.
    """
    if spec.heads:
        heads = by_head(spec.head_widths, y_hat)
        return np.stack([head.argmax(axis=1) for (head,) in heads], axis=1)
    if spec.takes_labels:
        return y_hat.argmax(axis=1)
    if spec.task == "classification":
        y_hat = (y_hat >= 0.5).astype(np.int64)
    return y_hat[:, 0] if spec.n_outputs == 1 else y_hat


def check_probabilities(spec: NetworkSpec, method: str = "predict_proba") -> None:
    """ValueError unless ŷ are probabilities of classes."""
    if not spec.gives_probabilities:
        raise ValueError(
            f"{method} needs a classifier with probabilities; {_described(spec)} "
            "gives none, use predict or forward"
        )


def _described(spec: NetworkSpec) -> str:
    """Output and loss, of each head."""
    heads = spec.head_specs if spec.mixed else (spec,)
    return ", ".join(f"{head.output!r} with loss {head.loss!r}" for head in heads)


def probabilities(spec: NetworkSpec, y_hat: Array) -> Array | tuple[Array | None, ...]:
    """Probabilities of classes from ŷ, (..., n_L) or (..., 2) for one output; of each head where
    heads have their own, None for one that gives none.
    """
    if not spec.mixed:
        return y_hat if spec.n_outputs > 1 else np.concatenate([1 - y_hat, y_hat], axis=-1)
    return tuple(
        probabilities(head, part) if head.gives_probabilities else None  # type: ignore[misc]
        for head, part in zip(spec.head_specs, split_heads(spec, y_hat), strict=True)
    )


def log_probabilities(spec: NetworkSpec, a: Array) -> Any:
    """Logarithms of the class probabilities from a_L, (n, n_L); of each head where heads have their
    own, None for one that gives none.
    """
    if spec.mixed:
        return tuple(
            log_probabilities(head, part) if head.gives_probabilities else None
            for head, part in zip(spec.head_specs, split_heads(spec, a), strict=True)
        )
    if spec.output == "softmax":
        return np.hstack([log_softmax(part, axis=1) for (part,) in by_head(spec.head_widths, a)])
    if spec.output == "logistic":
        return log_logistic(a if spec.n_outputs > 1 else np.hstack([-a, a]))
    return logarithms(activation_of(spec.output).function(a))


def logarithms(y_hat: Array) -> Array:
    """log ŷ, (n, n_L); of one output log(1 − ŷ) and log ŷ."""
    log_p: Array = ignoring("divide invalid", np.log, y_hat)
    if y_hat.shape[1] > 1:
        return log_p
    return np.hstack([ignoring("divide invalid", np.log1p, -y_hat), log_p])


def has_score(spec: NetworkSpec) -> bool:
    """Whether targets are what ŷ should be; those of ``linear`` are coefficients."""
    return {head.loss for head in spec.head_specs} != {"linear"}


def check_score(spec: NetworkSpec) -> None:
    """ValueError if ŷ cannot be compared with targets."""
    if not has_score(spec):
        raise ValueError(
            "a network with loss 'linear' has no score or metrics, since its targets are "
            "coefficients of ŷ; use loss, or metrics=False"
        )


def score(spec: NetworkSpec, y_hat: Array, samples: Samples) -> float:
    """Accuracy of a classifier (share of correct entries), R² of a regressor (mean over targets):
    of ŷ, of μ, or of the quantile nearest to the median. Missing targets do not count. The mean
    over heads that have their own, without those that have no score or no known target.
    """
    check_score(spec)
    if spec.mixed:
        heads = [part for part in _parts(spec, y_hat, samples) if has_score(part[0])]
        return _mean([score(*part) for part in heads])
    truth, known = samples.Y, None
    if spec.missing_targets == "ignore" and truth.ndim == 2:
        known = ~np.isnan(truth)
    if spec.task == "regression":
        return r2(truth, loss_of(spec.loss).point(y_hat, **spec.loss_options), known)
    predicted = predict_one(spec, y_hat)
    if truth.ndim == 2:
        truth = predict_one(spec, truth)
        if known is not None and spec.heads:
            there = [part.all(axis=1) for (part,) in by_head(spec.head_widths, known)]
            known = np.stack(there, axis=1)
        if known is not None:
            known = known.reshape(len(truth), -1)[:, : truth[0].size].ravel()
    return accuracy(truth.ravel(), predicted.ravel(), known)


def _parts(
    spec: NetworkSpec, y_hat: Array, samples: Samples
) -> list[tuple[NetworkSpec, Array, Samples]]:
    """Each head as a network, its outputs and its targets."""
    columns = by_head(spec.target_widths, samples.Y)
    heads = zip(spec.head_specs, split_heads(spec, y_hat), columns, strict=True)
    return [(head, part, replace(samples, Y=Y)) for head, part, (Y,) in heads]


def _mean(values: list[float]) -> float:
    """The mean of those that are not NaN; NaN if all are."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


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
        raise ValueError(
            f"class weights need a classifier with one class per row, got {_described(spec)}; "
            "give sample_weight"
        )
    return predict_one(spec, Y)


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
    if metric is score_metric(spec):
        return score(spec, y_hat, samples)
    truth = samples.Y
    if spec.mixed:
        return _value_of_heads(spec, metric, y_hat, samples)
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
    predicted = predict_one(spec, y_hat)
    return metric.function(truth if truth.ndim == 1 else predict_one(spec, truth), predicted)


def check_metric(spec: NetworkSpec, metric: Metric) -> None:
    """ValueError if a built-in metric fits no head of a network whose heads have their own."""
    if (
        spec.mixed
        and _is_built_in(metric)
        and not any(map(partial(_fits, metric), spec.head_specs))
    ):
        raise ValueError(f"metric {metric.name!r} fits none of the heads: {_described(spec)}")


def _is_built_in(metric: Metric) -> bool:
    ranks = isinstance(metric.function, partial) and metric.function.func is top_k_accuracy
    return ranks or METRICS.get(metric.name) is metric


def _fits(metric: Metric, head: NetworkSpec) -> bool:
    """Whether a built-in metric is one of the predictions of this head."""
    if metric.name in OF_VALUES:
        return head.task == "regression" and has_score(head)
    if metric.name.startswith("top_"):
        return head.takes_labels
    return head.gives_probabilities if metric.name == "log_loss" else head.task == "classification"


def _value_of_heads(spec: NetworkSpec, metric: Metric, y_hat: Array, samples: Samples) -> Any:
    """The mean of a built-in metric over the heads that it fits. One of the user's own is called
    once: with targets and ŷ, or with a tuple of an entry for each head of both.
    """
    parts = _parts(spec, y_hat, samples)
    if _is_built_in(metric):
        fitting = [part for part in parts if _fits(metric, part[0])]
        return _mean([_value_of_known(metric, *part) for part in fitting])
    if metric.takes == "outputs":
        return metric.function(samples.Y, y_hat)
    truth = tuple(
        predict_one(head, part.Y) if head.task == "classification" else _narrow(part.Y)
        for head, _, part in parts
    )
    return metric.function(truth, predict(spec, y_hat))


def _value_of_known(metric: Metric, head: NetworkSpec, y_hat: Array, samples: Samples) -> float:
    """A built-in metric of a head; NaN if no target is known."""
    known = ~np.isnan(samples.Y)
    if not (known.all(axis=1) if metric.name not in SKIP_MISSING else known).any():
        return math.nan
    return float(_value(head, metric, y_hat, samples))


def _mean_over_heads(spec: NetworkSpec, metric: Metric, y_hat: Array, truth: Array) -> float:
    """The mean of a metric of labels over the heads, each on the rows where its target is known."""
    values = []
    for p, y in by_head(spec.head_widths, y_hat, truth):
        known = ~np.isnan(y).any(axis=1)
        predicted = p[known] if metric.takes == "outputs" else p[known].argmax(axis=1)
        if known.any():
            values.append(metric.function(y[known].argmax(axis=1), predicted))
    return float(np.mean(values)) if values else float("nan")


def _narrow(values: Array) -> Array:
    """(n,) where there is one column."""
    return values[:, 0] if values.shape[1] == 1 else values
