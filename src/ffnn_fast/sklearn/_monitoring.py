"""The figure of the validation rows by which an estimator stops early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast.metrics import METRICS, Metric, as_metric

Array = np.ndarray
PREFIX = "val_"
SCORE, LOSS = "val_score", "val_loss"
OF_CLASSES, OF_VALUES = ("accuracy", "f1", "log_loss"), ("r2", "rmse", "mae")


@dataclass(frozen=True)
class Monitor:
    """A figure of an epoch's record, whether a larger one is better, and its metric, if any."""

    name: str = SCORE
    larger_is_better: bool = True
    metric: Metric | None = None

    @property
    def title(self) -> str:
        """Its name in what is printed."""
        return "Validation score" if self.name == SCORE else self.name

    def signed(self, figure: float) -> float:
        """The figure such that a larger one is better."""
        return figure if self.larger_is_better else -figure


@dataclass(frozen=True)
class Validation:
    """Validation rows: functions of the network's current θ.

    Attributes
    ----------
    outputs : callable
        ŷ of the rows, (n, n_L).
    loss : callable
        The loss without penalty.
    score, metric : callable
        Functions of ŷ; `metric` is None unless the monitor is a metric.
    monitor : Monitor
    """

    outputs: Callable[[], Array]
    loss: Callable[[], float]
    score: Callable[[Array], float]
    metric: Callable[[Array], float] | None
    monitor: Monitor

    @property
    def names(self) -> list[str]:
        """The keys of `figures`."""
        return list(dict.fromkeys([LOSS, SCORE, self.monitor.name]))

    def figures(self) -> dict[str, float]:
        """``val_loss``, ``val_score`` and the monitored metric."""
        y_hat = self.outputs()
        found = {LOSS: self.loss(), SCORE: self.score(y_hat)}
        if self.metric is not None:
            found[self.monitor.name] = self.metric(y_hat)
        return found


def as_monitor(value: Any, classifies: bool) -> Monitor:
    """The monitor that the parameter of an estimator describes.

    Raises
    ------
    TypeError, ValueError
        If it is neither a figure nor a metric, the metric is for the other kind of estimator, or
        its better direction is unknown.
    """
    name = value.removeprefix(PREFIX) if isinstance(value, str) else value
    if name == "score":
        return Monitor()
    if name == "loss":
        return Monitor(LOSS, larger_is_better=False)
    suitable, others = (OF_CLASSES, OF_VALUES) if classifies else (OF_VALUES, OF_CLASSES)
    try:
        metric = as_metric(name)
    except ValueError as error:
        raise ValueError(
            f"monitor must be 'score', 'loss' or a metric ({', '.join(suitable)}"
            f"{', top_<k>' if classifies else ''}, or a Metric); got {value!r}"
        ) from error
    ranks = isinstance(name, str) and name.startswith("top_")
    if any(metric is METRICS[other] for other in others) or (ranks and not classifies):
        raise ValueError(
            f"monitor={value!r} is for {'regressors' if classifies else 'classifiers'}; "
            f"choose 'score', 'loss' or one of {', '.join(suitable)}"
        )
    if metric.larger_is_better is None:
        raise ValueError(
            f"monitor={metric.name!r}: whether a larger figure is better is not known; pass "
            "ffnn_fast.metrics.Metric(name, function, larger_is_better=...)"
        )
    return Monitor(PREFIX + metric.name, metric.larger_is_better, metric)
