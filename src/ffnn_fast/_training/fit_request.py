"""The arguments of the methods that train, as the user gave them: typed, not yet checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Schedule

Rate = float | Schedule | Callable[[int], float] | None
Path = str | os.PathLike[str]
Rule = str | Optimizer | type[Optimizer]


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """The options of `ffnn_fast.Network.fit`."""

    epochs: int
    batch_size: int | None
    optimizer: Rule
    learning_rate: Rate
    validation_data: tuple[Any, ...] | None
    validation_fraction: float
    sample_weight: Any
    class_weight: str | Mapping[int, float] | None
    shuffle: bool
    rng: int | np.random.Generator | None
    metrics: bool | Iterable[str | Metric | Callable[[Any, Any], float]]
    diagnostics: bool
    callbacks: Iterable[Any]
    early_stopping: EarlyStopping | bool | None
    tol: float | None
    max_time: float | None
    averaging: str | Averaging | None
    clip_value: float
    clip_norm: float
    max_norm: float
    frozen: Iterable[int]
    checkpoint: Path | Checkpoint | None
    resume: Path | bool
    on_interrupt: str


@dataclass(frozen=True, kw_only=True)
class PartialFitRequest:
    """The options of `ffnn_fast.Network.partial_fit`."""

    batch_size: int
    optimizer: Rule | None
    learning_rate: Rate


@dataclass(frozen=True, kw_only=True)
class RateFinderRequest:
    """The options of `ffnn_fast.Network.find_learning_rate`."""

    lowest: float
    highest: float
    steps: int
    batch_size: int | None
    optimizer: Rule
    sample_weight: Any
    frozen: Iterable[int]
    rng: int | np.random.Generator | None
