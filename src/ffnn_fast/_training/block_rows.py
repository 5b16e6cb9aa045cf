"""The rows of an epoch that are read from files in blocks."""

from __future__ import annotations

from collections.abc import Generator
from itertools import accumulate

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.block_samples import samples_of
from ffnn_fast._training.block_weights import BlockWeights, with_weights
from ffnn_fast._training.epoch_rows import EpochPart, Shuffle
from ffnn_fast._training.ranks import ALONE, Alone
from ffnn_fast.blocks import Block, RowBlocks

Array = np.ndarray


class BlockRows:
    """Rows of `RowBlocks`, a part for each block, or for a block of each rank.

    The rows of an epoch are those of its blocks one after another. Batches are cut from this
    sequence: rows of a part after its last whole batch come first in the next part.

    By R ranks a part has one block of each: rank r reads the blocks r, R + r, 2R + r, .... The rows
    of the R blocks are mixed evenly, so that a batch has about as many of each rank. A rank without
    a block in the last part has no row there, and takes part in its steps all the same.

    Parameters
    ----------
    first : Samples
        At least one sample, for the types of arrays of no rows.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        blocks: RowBlocks,
        first: Samples,
        weights: BlockWeights | None = None,
        ranks: Alone = ALONE,
    ) -> None:
        self.n = blocks.n_rows
        self._spec, self._blocks, self._weights, self._ranks = spec, blocks, weights, ranks
        self._no_rows = with_weights(spec, first, weights).rows(np.zeros(0, dtype=np.int64))
        self._plan: list[Block] = []

    def draw(self, rng: np.random.Generator, shuffle: Shuffle | None) -> None:
        """Draw the blocks of an epoch, from the generator of `RowBlocks`, which `rng` is."""
        self._plan = self._blocks.plan()

    def parts(self, first: int, end: int, batch_size: int) -> Generator[EpochPart, None, None]:
        """The parts of the epoch's rows up to `end`, from that with row `first` on."""
        ranks = self._ranks
        rounds = _rounds(self._plan, ranks.size)
        begin, start, skipped = _position(rounds, first, batch_size)
        own = [of_all[ranks.rank] for of_all in rounds[begin:] if len(of_all) > ranks.rank]
        reading = samples_of(self._spec, own, self._weights)
        owners, kept = np.zeros(0, dtype=np.int64), self._no_rows
        try:
            for number in range(begin, len(rounds)):
                mixed = _mixed(rounds[number])
                samples = next(reading, self._no_rows)
                samples = _joined(kept, samples, int(np.sum(mixed[:skipped] == ranks.rank)))
                owners = np.concatenate([owners, mixed[skipped:]])
                skipped, last = 0, number == len(rounds) - 1
                n = len(owners) if last else len(owners) // batch_size * batch_size
                counts = np.bincount(owners[:n], minlength=ranks.size)
                here = int(counts[ranks.rank])
                if min(n, end - start) > 0:
                    ranks.take_counts(counts)
                    yield EpochPart(_slice(samples, here), _order(owners[:n])[: end - start], start)
                    start += n
                kept, owners = samples.rows(np.arange(here, len(samples.X))), owners[n:]
                del samples  # before the next block is converted
        finally:
            reading.close()


def _rounds(blocks: list[Block], size: int) -> list[list[Block]]:
    """The blocks that `size` ranks use at a time."""
    return [blocks[i : i + size] for i in range(0, len(blocks), size)]


def _position(rounds: list[list[Block]], first: int, batch_size: int) -> tuple[int, int, int]:
    """Where the part with row `first` begins: the round, the row, and how many rows of the round
    are those of parts before.
    """
    ends = list(accumulate(sum(block.n_rows for block in of_all) for of_all in rounds))
    start = 0
    for end in ends[:-1]:  # of the parts
        whole = end // batch_size * batch_size
        if whole > first:
            break
        start = whole
    begin = next(i for i, end in enumerate(ends) if end > start)
    return begin, start, start - (ends[begin - 1] if begin else 0)


def _mixed(blocks: list[Block]) -> Array:
    """The rank of each row of a round, (n,): those of each rank as evenly as their numbers allow,
    row i of n at (i + ½) / n of the way.
    """
    if len(blocks) == 1:
        return np.zeros(blocks[0].n_rows, dtype=np.int64)
    counts = [block.n_rows for block in blocks]
    way = np.concatenate([(np.arange(n) + 0.5) / n for n in counts])
    ranks = np.repeat(np.arange(len(counts)), counts)
    return ranks[np.argsort(way, kind="stable")]


def _order(owners: Array) -> Array:
    """The numbers of rows, (n,), among those of rank 0, then those of rank 1, and so on."""
    order = np.empty(len(owners), dtype=np.int64)
    order[np.argsort(owners, kind="stable")] = np.arange(len(owners))
    return order


def _slice(samples: Samples, n: int) -> Samples:
    """The first n samples, without a copy."""
    weight = samples.sample_weight
    return Samples(samples.X[:n], samples.Y[:n], None if weight is None else weight[:n])


def _joined(kept: Samples, samples: Samples, skipped: int) -> Samples:
    """Samples kept of the part before, then those of a block without its first ones."""
    if not skipped and not len(kept.X):
        return samples
    weights = kept.sample_weight, samples.sample_weight
    return Samples(
        np.concatenate([kept.X, samples.X[skipped:]]),
        np.concatenate([kept.Y, samples.Y[skipped:]]),
        None if weights[1] is None else np.concatenate([weights[0], weights[1][skipped:]]),
    )
