"""The memory that a fit on RowBlocks takes, of files larger than that."""

import tracemalloc

import numpy as np
import pytest
from support.memory_of_blocks import MEMORY, most_megabytes, needs_proc, write

from ffnn_fast import Network
from ffnn_fast.blocks import RowBlocks

BATCH = 128  # rows
BATCHES = 4 * BATCH * 65 * 8 / 2**20  # MB of four


@pytest.mark.slow
def test_blocks_take_the_memory_that_is_stated(tmp_path):
    """Of arrays, those of the training blocks at most `memory` and four batches, those of
    validation the same; with metrics 8 bytes for the prediction, 8 for the target of a validation
    row, and copies of both. The thread that reads the next block may be at any place.
    """
    made, net = write(tmp_path, np.float64), Network([64, 8, 2], n_threads=1, seed=0)
    validation = RowBlocks(*made, memory=6)
    given = {"batch_size": BATCH, "class_weight": "balanced"}
    few = RowBlocks(np.zeros((256, 64), np.float32), np.arange(256) % 2, memory=1)
    net.fit(few, epochs=1, validation_data=few, **given)  # imports take memory, too
    for options, most in (
        ({"metrics": False}, 8),
        ({"metrics": True}, 8),
        ({"metrics": False, "validation_data": validation}, 8 + 6),
        ({"metrics": True, "validation_data": validation}, 8 + 6 + 4 * 8 / 4),
    ):
        data = RowBlocks(*made, memory=8, seed=0)
        tracemalloc.start()
        try:
            net.fit(data, epochs=1, **given, **options)
            peak = tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()
        assert peak < most + BATCHES


@needs_proc
def test_memory_of_the_process_is_bounded(tmp_path):
    """The allocator may keep as much memory again as the blocks take at once."""
    write(tmp_path, np.float64)
    assert most_megabytes("fit", tmp_path) < 2 * MEMORY + 4
