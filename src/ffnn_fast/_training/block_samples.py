"""The samples of blocks of rows, checked; errors name the rows by their place in the files."""

from __future__ import annotations

from collections.abc import Generator

from ffnn_fast._model.arrays import as_targets
from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.blocks import Array, Block, reading_ahead


def samples_of(
    spec: NetworkSpec, blocks: list[Block], prefix: str = ""
) -> Generator[Samples, None, None]:
    """The samples of each block, of which none is kept; a thread reads the next one meanwhile.

    Raises
    ------
    TypeError, ValueError
        If rows do not fit the network, with `prefix` before X or y.
    """
    reading = reading_ahead(blocks)
    try:
        for block, (X, y) in zip(blocks, reading, strict=True):
            try:
                samples = as_samples(spec, X, y, prefix=f"{prefix}block's ")
            except (TypeError, ValueError):
                _check_segments(spec, block, prefix)
                raise
            del X, y
            yield samples
            del samples  # before the next is read
    finally:
        reading.close()


def _check_segments(spec: NetworkSpec, block: Block, prefix: str) -> None:
    """The error of the first segment that does not fit, whose rows lie as in the files."""
    for start, X, y in block.segments():
        as_samples(spec, X, y, prefix=f"{prefix}rows from {start} on: ")


def targets_of(spec: NetworkSpec, block: Block, start: int) -> Array:
    """The targets of a block of rows as they lie, from row `start` on; errors as `samples_of`."""
    return as_targets(block.read_targets(), spec, block.n_rows, f"rows from {start} on: y")
