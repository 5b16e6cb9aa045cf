"""The arguments of the methods that train, as the user gave them: typed, not yet checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast._training.types import (
    CallbackLike,
    MetricsLike,
    OptimizerLike,
    PathLike,
    RateLike,
    SchedulesLike,
)
from ffnn_fast.blocks import RowBlocks
from ffnn_fast.optimizers import Factors


class FitRequest(NamedTuple):
    """The options of `ffnn_fast.Network.fit`."""

    epochs: int
    batch_size: int | None
    optimizer: OptimizerLike
    learning_rate: RateLike
    schedules: SchedulesLike
    rows: ArrayLike | None
    validation_rows: ArrayLike | None
    validation_data: Sequence[ArrayLike | None] | RowBlocks | None
    validation_fraction: float
    sample_weight: ArrayLike | None
    derivatives: tuple[ArrayLike, float] | None
    missing_derivatives: str
    class_weight: str | Mapping[int, float] | None
    shuffle: bool
    drop_last: bool
    rng: int | np.random.Generator | None
    metrics: MetricsLike
    diagnostics: bool
    callbacks: Iterable[CallbackLike]
    early_stopping: EarlyStopping | bool | None
    tol: float | None
    max_time: float | None
    averaging: str | Averaging | None
    clip_value: float | None
    clip_norm: float | None
    max_norm: float | None
    frozen: Iterable[int] | None
    rate_factors: Factors | None
    decay_factors: Factors | None
    epsilon_factors: Factors | None
    checkpoint: PathLike | Checkpoint | None
    resume: PathLike | bool
    on_interrupt: str
    comm: Any


@dataclass(frozen=True, kw_only=True)
class RateFinderRequest:
    """The options of `ffnn_fast.Network.find_learning_rate`."""

    lowest: float
    highest: float
    steps: int
    batch_size: int | None
    optimizer: OptimizerLike
    sample_weight: ArrayLike | None
    frozen: Iterable[int] | None
    rng: int | np.random.Generator | None
