"""The samples of blocks of rows, checked; errors name the rows by their place in the files."""

from __future__ import annotations

from collections.abc import Generator

from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.block_weights import BlockWeights, with_weights
from ffnn_fast.blocks import Block, reading_ahead


def samples_of(
    spec: NetworkSpec, blocks: list[Block], weights: BlockWeights | None, prefix: str = ""
) -> Generator[Samples, None, None]:
    """The samples of each block, of which none is kept; a thread reads the next one meanwhile.

    Raises
    ------
    TypeError, ValueError
        If rows do not fit the network, with `prefix` before X or y.
    """
    reading = reading_ahead(blocks)
    try:
        for block, (X, y, *weight) in zip(blocks, reading, strict=True):
            try:
                samples = as_samples(spec, X, y, prefix=f"{prefix}block's ")
            except (TypeError, ValueError):
                _check_segments(spec, block, prefix)
                raise
            del X, y
            samples = with_weights(spec, samples, weights, *weight)
            yield samples
            del samples  # before the next is read
    finally:
        reading.close()


def _check_segments(spec: NetworkSpec, block: Block, prefix: str) -> None:
    """The error of the first segment that does not fit, whose rows lie as in the files."""
    for start, (X, y, *_) in block.segments():
        as_samples(spec, X, y, prefix=f"{prefix}rows from {start} on: ")
