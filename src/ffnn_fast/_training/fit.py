"""The arguments of `Network.fit`: checked and completed before any work starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_generator
from ffnn_fast._training import checkpoint_files, resuming
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.distributed import DistributedNetwork, refuse_options
from ffnn_fast._training.epoch_rows import EpochRows
from ffnn_fast._training.figures import Validation
from ffnn_fast._training.fit_data import as_fit_data
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.option_arguments import checked_options
from ffnn_fast._training.ranks import Alone, Ranks, as_ranks
from ffnn_fast._training.types import PathLike
from ffnn_fast.history import History

Array = np.ndarray


class Data(Protocol):
    """The rows of a fit, checked."""

    @property
    def n(self) -> int:
        """The number of rows to train on and to hold out."""

    @property
    def ranks(self) -> Alone:
        """The processes of the fit."""

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows."""

    @property
    def fraction(self) -> float:
        """The share of the rows to hold out."""

    def bound(self, bound: BoundNetwork) -> BoundNetwork:
        """The network for these rows; TypeError or ValueError if it cannot take them."""

    def split(
        self, rng: np.random.Generator, draw: Callable[..., tuple[Array, Array]]
    ) -> tuple[EpochRows, Validation | None]:
        """Training and validation rows."""


@dataclass(frozen=True)
class CheckedFit:
    """The arguments of a fit, all checked; nothing has been changed or drawn.

    `rng` draws the dropout masks, and the orders of rows unless `order_rng` does.
    """

    data: Data
    options: FitOptions
    rng: np.random.Generator
    resume: PathLike | bool
    order_rng: np.random.Generator | None = None

    def start(self, bound: BoundNetwork) -> FitState:
        """The state of the fit at its start, or that of a checkpoint."""
        bound, ranks = self.data.bound(bound), self.data.ranks
        generators = [self.rng, *([] if self.order_rng is None else [self.order_rng])]
        if isinstance(ranks, Ranks):
            bound = _shared(bound, self.options, generators, ranks)
        if not self._draws(bound.spec):
            return _start(bound, self.data, self.options, self.rng, generators[-1], self.resume)
        before = [rng.bit_generator.state for rng in generators]
        try:
            return _start(bound, self.data, self.options, self.rng, generators[-1], self.resume)
        except BaseException:
            for rng, state in zip(generators, before, strict=True):
                rng.bit_generator.state = state
            raise

    def for_generator(self, rng: np.random.Generator) -> CheckedFit:
        """The same fit of another network with an equal description."""
        return CheckedFit(self.data, self.options, rng, self.resume)

    def _draws(self, spec: NetworkSpec) -> bool:
        """Whether the start may change the state of a generator."""
        resumes = self.resume is not None and self.resume is not False
        return resumes or self.data.fraction > 0 or any(spec.dropout_rates)


def checked(
    bound: BoundNetwork, net_rng: np.random.Generator, samples: Samples, request: FitRequest
) -> CheckedFit:
    """The arguments of a fit on checked samples; errors as `ffnn_fast.Network.fit`."""
    ranks = as_ranks(request.comm)
    if isinstance(ranks, Ranks):
        refuse_options(request)
        check_weights(request, ranks, "arrays")
        ranks.take_shares(len(samples.X))
    data = as_fit_data(bound.spec, samples, request, ranks)
    fit = checked_data(bound, net_rng, data, request)
    if data.samples.derivatives is None:
        return fit
    weight = data.samples.derivative_weight
    return replace(fit, options=replace(fit.options, derivative_weight=weight))


def checked_data(
    bound: BoundNetwork, net_rng: np.random.Generator, data: Data, request: FitRequest
) -> CheckedFit:
    """The arguments of a fit on checked rows."""
    options, ranks = checked_options(bound, data.n, data.has_validation, request), data.ranks
    data.bound(bound)  # raises for rows that the network cannot take
    if isinstance(ranks, Ranks):
        options = replace(options, gradient_norm=False)
    if options.checkpoint and ranks.is_first:
        bound.spec.to_dict()  # raises if the description cannot be written
        checkpoint_files.check_target(options.checkpoint.path)
    rng = net_rng if request.rng is None else as_generator(request.rng, "rng")
    return CheckedFit(data, options, rng, request.resume)


def check_weights(request: FitRequest, ranks: Ranks, rows: str) -> None:
    """RuntimeError if ranks differ in the kind of rows, weights or options of `Distributed`."""
    options = ranks.options
    ranks.check_same(
        {
            "kind of X": rows,
            "sample_weight": "None" if request.sample_weight is None else "given",
            "class_weight": request.class_weight,
            "reduction": (options.reduction, options.parts, options.accumulate),
            "check_every": options.check_every,
        }
    )


def _shared(
    bound: BoundNetwork, options: FitOptions, generators: list[np.random.Generator], ranks: Ranks
) -> BoundNetwork:
    """The network with the parameters and the generators' states of the first rank.

    RuntimeError if ranks have other networks or options.
    """
    spec, metrics = bound.spec, [metric.name for metric in options.metrics]
    ranks.check_same(
        {"layer_sizes": spec.layer_sizes, "n_params": spec.n_params, "dtype": spec.dtype}
        | {"loss": spec.loss, "dropout": spec.dropout, "engine": bound.backend.__name__}
        | {"epochs": options.epochs, "metrics": metrics}
        | {**options.described(), "drop_last": options.drop_last}
    )
    ranks.broadcast(bound.params)
    for rng in generators:
        rng.bit_generator.state = ranks.from_first(rng.bit_generator.state)
    return DistributedNetwork.of(bound, ranks)


def _start(
    bound: BoundNetwork,
    data: Data,
    options: FitOptions,
    rng: np.random.Generator,
    order_rng: np.random.Generator,
    resume: PathLike | bool,
) -> FitState:
    """The state of a fit at its start, or that of a checkpoint."""
    ranks = data.ranks
    content = ranks.from_first(_content(resume, options.checkpoint) if ranks.is_first else None)
    if content is not None:
        order_rng.bit_generator.state = resuming.rng_at_start(content, order_rng)
    start = order_rng.bit_generator.state if options.checkpoint else {}
    rows, validation = data.split(order_rng, checkpoint_files.draw_of(content))
    options = replace(options, batch_size=rows.n) if options.batch_size > rows.n else options
    seed = draw_dropout_seed(bound.spec, rng)
    if content is not None:
        seed = resuming.dropout_seed(content)
    if seed:
        options = replace(options, rule=replace(options.rule, seed=seed))
    state = FitState.new(bound, rows, validation, options, order_rng, History(), ranks)
    if options.schedules:
        ignoring("over invalid", state.check_schedules)
    state.rng_at_start = start
    if content is not None:
        resuming.restore(state, content)
    return state


def draw_dropout_seed(spec: NetworkSpec, rng: np.random.Generator) -> int:
    """A seed for the dropout masks; 0, without a draw, for a network without dropout."""
    return int(rng.integers(2**63)) if any(spec.dropout_rates) else 0


def _content(
    resume: PathLike | bool, checkpoint: Checkpoint | None
) -> checkpoint_files.Content | None:
    """The checkpoint to resume from, or None."""
    if resume is None or (isinstance(resume, (bool, np.bool_)) and not resume):
        return None
    if not isinstance(resume, (bool, np.bool_)):
        if not isinstance(resume, (str, os.PathLike)):
            raise TypeError(f"resume must be a path, True or False, got {resume!r}")
        return checkpoint_files.load(resume)
    if checkpoint is None:
        raise ValueError("resume=True needs checkpoint=...; or give resume a path")
    exists = checkpoint_files.exists(checkpoint.path)
    return checkpoint_files.load(checkpoint.path) if exists else None
