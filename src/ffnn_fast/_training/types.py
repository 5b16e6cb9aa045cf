"""Types of the arguments that several methods which train take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.callbacks import Callback
from ffnn_fast.history import RecordCallback
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Schedule

PathLike = str | os.PathLike[str]
RateLike = float | Schedule | Callable[[int], float] | None
SchedulesLike = Mapping[str, float | Schedule | Callable[[int], float]] | None
OptimizerLike = str | Optimizer | type[Optimizer]
MetricsLike = bool | Iterable[str | Metric | Callable[[Any, Any], float]]
CallbackLike = Callback | RecordCallback | Schedule | EarlyStopping | Checkpoint
