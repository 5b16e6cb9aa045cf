"""The arguments of `Network.fit` on `RowBlocks`, checked before any work starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_bool
from ffnn_fast._training.block_rows import BlockRows
from ffnn_fast._training.block_weights import BlockWeights, block_weights
from ffnn_fast._training.distributed import refuse_options
from ffnn_fast._training.figures import Validation, ValidationBlocks
from ffnn_fast._training.fit import CheckedFit, check_weights, checked, checked_data
from ffnn_fast._training.fit_data import as_triple
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.fit_state import FitState
from ffnn_fast._training.ranks import Alone, Ranks, as_ranks
from ffnn_fast.blocks import RowBlocks

Array = np.ndarray


def prepare(
    bound: BoundNetwork, net_rng: np.random.Generator, X: Any, y: Any, request: FitRequest
) -> FitState:
    """The state of a fit at its start, or that of a checkpoint; see `ffnn_fast.Network.fit`.

    `net_rng` is the network's generator, used unless the request has one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described there; nothing has been changed then.
    """
    if isinstance(X, RowBlocks):
        _refuse(X, y, request)
        return _checked(bound, net_rng, X, request).start(bound)
    if y is None:
        raise TypeError("fit needs y, unless X is RowBlocks")
    samples = as_samples(bound.spec, X, y, sparse=request.derivatives is None)
    return checked(bound, net_rng, samples, request).start(bound)


@dataclass(frozen=True)
class BlockData:
    """The rows of a fit on `RowBlocks`, checked; ``first`` are at least one of them."""

    spec: NetworkSpec
    blocks: RowBlocks
    first: Samples
    weights: BlockWeights | None
    validation: Validation | None
    ranks: Alone
    has_validation: bool
    fraction: ClassVar[float] = 0.0

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.blocks.n_rows

    def bound(self, bound: BoundNetwork) -> BoundNetwork:
        """The network for these rows."""
        return bound.taking(self.first.X)

    def split(
        self, rng: np.random.Generator, draw: Callable[..., tuple[Array, Array]]
    ) -> tuple[BlockRows, Validation | None]:
        """Training and validation rows."""
        rows = BlockRows(self.spec, self.blocks, self.first, self.weights, self.ranks)
        return rows, self.validation


def _checked(
    bound: BoundNetwork, net_rng: np.random.Generator, blocks: RowBlocks, request: FitRequest
) -> CheckedFit:
    """The arguments of a fit, all checked."""
    spec, ranks = bound.spec, as_ranks(request.comm)
    request = request._replace(shuffle=blocks.shuffle)
    if isinstance(ranks, Ranks):
        _check_ranks(blocks, request, ranks)
    first = _first_samples(spec, blocks)
    validation: Validation | None = None
    if request.validation_data is not None and ranks.is_first:
        validation = _as_validation(spec, request.validation_data)
    validates = ranks.from_first(validation is not None)
    data = BlockData(spec, blocks, first, None, validation, ranks, validates)
    described = {"block_rows": blocks.block_rows, "ranks": ranks.size}
    fit = checked_data(bound, net_rng, data, request)
    fit = replace(fit, options=replace(fit.options, blocks=described), order_rng=blocks.rng)
    _check_batch(blocks, min(fit.options.batch_size, data.n), ranks)
    weights = block_weights(spec, blocks, request.class_weight) if ranks.is_first else None
    return replace(fit, data=replace(data, weights=ranks.from_first(weights)))


def _first_samples(spec: NetworkSpec, blocks: RowBlocks, prefix: str = "") -> Samples:
    """At least one sample, without weights; TypeError or ValueError if it does not fit."""
    X, y, *_ = blocks.first_rows()
    return as_samples(spec, X, y, prefix=prefix)


def _as_validation(spec: NetworkSpec, given: Any) -> Validation:
    if not isinstance(given, RowBlocks):
        return as_samples(spec, *as_triple(given), "validation ", sparse=True)
    _first_samples(spec, given, "validation ")
    return ValidationBlocks(spec, given, block_weights(spec, given, None, "validation weight"))


def _refuse(blocks: RowBlocks, y: Any, request: FitRequest) -> None:
    """TypeError or ValueError for arguments that blocks of rows do not go with."""
    if y is not None:
        raise TypeError("RowBlocks hold the targets of their rows; leave y out")
    other = "give validation_data=(X, y), or RowBlocks of other files"
    refused = {
        "sample_weight": (
            request.sample_weight is not None,
            "make RowBlocks(X, y, sample_weight=...)",
        ),
        "rows": (request.rows is not None, "make RowBlocks of those rows"),
        "validation_rows": (request.validation_rows is not None, other),
        "validation_fraction": (bool(request.validation_fraction), other),
        "derivatives": (request.derivatives is not None, "give X and y as arrays, such as np.load"),
        "shuffle=False": (
            blocks.shuffle and not as_bool(request.shuffle, "shuffle"),
            "make them with RowBlocks(..., shuffle=False)",
        ),
    }
    for name, (given, advice) in refused.items():
        if given:
            raise ValueError(f"a fit on RowBlocks does not take {name}: {advice}")


def _check_batch(blocks: RowBlocks, batch_size: int, ranks: Alone) -> None:
    """ValueError if a batch has more rows than the blocks that are in memory."""
    most = blocks.block_rows * ranks.size
    if batch_size <= most:
        return
    raise ValueError(
        f"a batch of {batch_size} rows does not fit into blocks of {blocks.block_rows} rows"
        f"{f' on {ranks.size} ranks' if ranks.size > 1 else ''}; give batch_size={most} or less, "
        f"or RowBlocks(..., memory={blocks.memory_for(-(-batch_size // ranks.size))})"
    )


def _check_ranks(blocks: RowBlocks, request: FitRequest, ranks: Ranks) -> None:
    """ValueError or RuntimeError for options that ranks on blocks do not share."""
    refuse_options(request)
    check_weights(request, ranks, "RowBlocks")
    if ranks.options.reduction == "ordered":
        raise ValueError(
            "fit(RowBlocks, comm=...) does not take reduction='ordered': leave it out; another "
            "number of ranks has other batches"
        )
    size = blocks.n_rows, blocks.n_inputs, blocks.block_rows, len(blocks.plan(shuffle=False))
    ranks.check_same({"RowBlocks (rows, inputs, block_rows, blocks)": size})
    ranks.check_same({"shuffle": blocks.shuffle, "weights": blocks.weighted})
